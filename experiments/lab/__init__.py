"""What experiments share, by idea.

    routes    checks from two or three independent routes, with their standard errors
    parts     the parts of an experiment, and the result that they make
    groups    sampled groups: advantages, every count, which answers were picked
    bandits   arms with classes: expected drift, training with sampled groups, roots and thresholds
    answers   a few answers trained in NumPy by estimators and objectives, inner loop included
    tables    the same under several rules at once, advantages read off a table
    behaviour behaviour worlds of a described base; the number at which runs end at a length
    chains    exact training of the reasoning chain over weights; simulation; thresholds
    quality   an estimator's gradient, enumerated and sampled, by rollout and by token
    curves    paths and grids as pictures
    mutants   a rule with one step broken
    draws     random numbers, counted

Small pure functions over `toyrl.dynamics`, which has the engines. Whatever loops or draws here
reports its work (`toyrl.experiments.core.work`), so that a test can hold a paper's budget.
"""
