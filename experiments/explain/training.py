"""Sections 3 to 7 and the terms: signal, collapse, order, selection."""

from toyrl.experiments.explain.entry import Explained as E

ENTRIES = (
    E(
        "signal/zero",
        "Share of groups in which all rollouts are paid alike, against correctness alone.",
        "They teach nothing.",
        "More than with correctness alone: the reward hides differences; look at clipping.",
    ),
    E(
        "signal/snr",
        "The advantages' signal about correctness, against outcome-only training.",
        "Spread that has nothing to do with being right is noise to the policy: after division by "
        "the standard deviation it takes the room of the signal.",
        "Lower the weight of what the reward adds to correctness.",
    ),
    E(
        "signal/sign-errors",
        "How many right rollouts get a negative advantage beside their siblings.",
        "They are pushed down though they are right.",
        "Keep every right rollout above every wrong one, by more than the spread of the right.",
        "a length penalty so large that a long right answer is paid below a short wrong one",
    ),
    E(
        "signal/note",
        "Something about how the signal was computed.",
        "It limits what the numbers say.",
        "Read it once.",
    ),
    E(
        "forecast/loss",
        "The chance that a run on this reward ends 5 points of accuracy below its base, in "
        "worlds of behaviours like the base that was told (or like your log).",
        "The verdict follows from it: UNSAFE from a half, where a good run that isn't made and a "
        "lost one that is cost the same; RISKY from a fifth, where a pilot pays, or where ending "
        "10 points below correctness alone is more likely than not.",
        "Say what your base is (--rollouts, --success-rates, --typical-length, "
        "--max-completion-length), make a pilot of a fifth of the run, or take the safe variant. "
        "docs/forecast.md says how good such forecasts have been.",
    ),
    E(
        "forecast/none",
        "That no run was forecast in worlds of behaviours.",
        "These worlds know length, cut, form, filler and repetition, not what a latent or a judge "
        "of your own tells; the chain's worlds decide alone, and they have been less right.",
        "Give your log (--rollouts), where it holds what the reward reads; else rely on a pilot.",
    ),
    E(
        "judge/needed",
        "How accurate the judge of `--judge-noise` would have to be for a run on this reward to be "
        "SAFE, if its errors kept their shape and became fewer.",
        "What a judge accepts by error is paid like what is right, and training finds it.",
        "Take a better judge, or make its errors fewer; `toyrl audit-judge` says which there are.",
    ),
    E(
        "collapse/probability",
        "In how many toy worlds training on this reward ends with accuracy lost, against training "
        "on correctness alone.",
        "Where there is a forecast it has no say in the verdict: it is exact about these worlds, "
        "and says where a term begins to win over correctness. Worlds in which even "
        "correctness alone learns nothing are left out; slow ones don't settle in the time given.",
        "Lower the weight, gate the term on correctness, or train without division by the "
        "standard deviation; section 7 has the nearest safe variant.",
    ),
    E(
        "collapse/explained",
        "What the worlds that collapse have in common.",
        "If your task isn't like that, you are safer than the share says.",
        "Compare with what you know of your prompts and base model.",
    ),
    E(
        "collapse/critical-weight",
        "The weight at which half, and a few, of the reasoning chain's worlds collapse.",
        "It tells how far from the edge the reward is in those worlds, which are stricter than a "
        "forecast: they have no re-checks to drop. Where there is a forecast the verdict is its.",
        "Below the second number hardly a world is lost; above it look at the forecast, and at a "
        "pilot.",
    ),
    E(
        "collapse/not-monotone",
        "In some worlds a larger weight collapses less.",
        "The weight that is quoted is the smallest that collapses.",
        "Don't read the two weights as a sharp edge.",
    ),
    E(
        "collapse/finite-group",
        "Groups of your size judged beside infinitely large ones.",
        "Small groups see fewer prompts with both kinds of answers.",
        "Nothing: where the two differ, your group size counts.",
    ),
    E(
        "collapse/sensitivity",
        "Which of the unknowns (base success, share of easy prompts, what a step is worth, ...) "
        "decides whether worlds collapse.",
        "It says what to measure on your model before the run.",
        "Measure that, and give it by option.",
    ),
    E(
        "collapse/estimators",
        "The same reward under other advantage estimators.",
        "Division by the standard deviation makes small terms large where all are right.",
        "Choose the estimator under which it is safe, if your trainer has it.",
    ),
    E(
        "collapse/under-*",
        "The share of collapsed worlds under one other estimator.",
        "The reward isn't safe or unsafe by itself: the estimator decides with it.",
        "See collapse/estimators.",
    ),
    E(
        "collapse/lengths",
        "Typical length and limit leave the worlds little room.",
        "Truncation then decides, not the reward.",
        "Check both numbers.",
    ),
    E(
        "collapse/base-policies",
        "How well the worlds' base policies match the success rates and lengths asked for.",
        "Worlds unlike your model say little about it.",
        "Give --rollouts of your model.",
    ),
    E(
        "collapse/auxiliary",
        "The reward doesn't read correctness, so it is judged as a term beside an outcome reward.",
        "Alone it would be trained without any notion of right.",
        "Use it beside an outcome reward, at the weight that is named.",
    ),
    E(
        "collapse/config",
        "What was taken from the trainer's config, and what toyrl doesn't model of it.",
        "A key that the trainer doesn't know is usually a typing error.",
        "Check the values that are echoed.",
    ),
    E(
        "order/distance",
        "How differently this reward and correctness order policies (STARC distance: 0 alike, 1.41 "
        "unrelated, 2 opposite).",
        "Two rewards at distance 0 have the same best policies whatever the environment.",
        "Read it beside the regret: distance is about all policies, regret about good ones.",
    ),
    E(
        "order/regret",
        "The accuracy lost by the policy that this reward likes best, at a given distance from "
        "the base.",
        "It is what perfect optimisation of the wrong goal costs.",
        "Lower the weight of what the reward adds to correctness.",
    ),
    E(
        "order/policies",
        "Over all policies of the chain, step by step: the distance, and the worst pair that the "
        "reward puts in the wrong order.",
        "It holds whatever the base policy is: training with enough distance may go from the "
        "better of the two to the worse.",
        "Look at how the two behave: right, length, cut off.",
    ),
    E(
        "selection/best-of-k",
        "Picking the best of k samples by this reward: does accuracy rise with k, and when does "
        "it fall?",
        "A reward with a paid exploit gets worse the more one draws.",
        "Don't rerank with it beyond the k that is named.",
    ),
    E(
        "selection/own-log",
        "The same on your own rollouts.",
        "It is your model's own best of k.",
        "Keep at most the k that is named.",
    ),
    E(
        "terms/line",
        "One term of a sum: where it pays, its spread, its share of the variance, and how much of "
        "it another term already says.",
        "A term's share of the variance, not its weight, is its say in the advantages.",
        "Weigh terms by their spread.",
    ),
    E(
        "terms/silent",
        "A term that is constant on all texts tried.",
        "It was not judged: it may pay in a form that the texts don't have, at full weight.",
        "Show texts on which it pays, with --rollouts.",
        "boxed accuracy plus a bonus for tags, judged on texts without tags",
    ),
    E(
        "terms/redundant",
        "Two terms that say the same.",
        "Their weights add up.",
        "Drop one, or add their weights on purpose.",
    ),
    E(
        "verdict/variant",
        "The nearest change of this reward that keeps accuracy in the worlds.",
        "It was trained in the same worlds as the reward itself.",
        "Validate it as your reward: the page has it as code.",
    ),
    E(
        "verdict/weight",
        "The largest weight of the part beyond correctness that was tried and is forecast SAFE.",
        "Each was forecast in the same worlds of behaviours as the reward itself.",
        "Stay at or below it, and judge the reward again with that weight.",
    ),
    E(
        "*/not-run",
        "A section was left out by --quick, --only or --skip.",
        "What was not looked at is no pass: the verdict is at most SAFE SO FAR.",
        "Run without the option.",
    ),
)
