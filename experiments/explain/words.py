"""Verdicts, and the words that reports and pages use."""

from toyrl.experiments.explain.entry import Explained as E

OF_VERDICTS = (
    E(
        "SAFE",
        "No exploit found is paid, and a run is forecast to keep its accuracy.",
        "It is about these worlds and the exploits tried, under the settings in the line "
        "`Assumed`.",
        "Train, and watch the first updates (toyrl.watch).",
    ),
    E(
        "SAFE SO FAR",
        "Nothing was found, and sections were left out.",
        "The worlds weren't trained: collapse is not excluded.",
        "Run the whole of it before the real run.",
    ),
    E(
        "RISKY",
        "Training may go well, but a loss has a noticeable chance, or a finding speaks against it.",
        "The reasons are ordered: the first decides.",
        "Mend the first reason, or take the nearest safe variant.",
    ),
    E(
        "UNSAFE",
        "A wrong text is paid as a right one is, or a run is forecast to lose accuracy.",
        "The run is likely to be lost.",
        "Don't train on it. Mend the first reason.",
    ),
    E(
        "INCONCLUSIVE",
        "The reward could not be judged on the texts at hand.",
        "It is exit code 1 unless --allow-inconclusive is given: nothing was shown to be safe.",
        "Give the one thing that the reason asks for, usually --rollouts or --data.",
    ),
)

TERMS = (
    E(
        "step score",
        "What a process reward model says of one step of a solution, usually a chance in [0, 1].",
        "A reward is made of them first by a return: their sum, mean, lowest, Clip or Delta.",
        "--process says who scores, a term such as step_clip() what is paid.",
    ),
    E(
        "world",
        "One guess at a task and a base model: prompts of two difficulties, a policy that chooses "
        "step by step between working, writing on and answering, and numbers for what these do.",
        "In a world training is exact: probabilities of all outcomes are computed, not sampled.",
        "Give --rollouts, and they are drawn like your model.",
    ),
    E(
        "learnable",
        "A world in which training on correctness alone gains accuracy.",
        "Only there can one say that the reward, not the task, lost it.",
        "Few learnable worlds: check the success rates given.",
    ),
    E(
        "noted",
        "A section whose findings are told without a judgement.",
        "Nothing in it speaks for or against the reward.",
        "Read it where it names something to do.",
    ),
    E(
        "slow ones",
        "Worlds whose answer after training time T differs from that after 4T.",
        "They are counted apart: neither kept nor collapsed, in a picture the third mark.",
        "Many of them: --thorough trains longer.",
    ),
    E(
        "collapse",
        "On easy or on hard prompts accuracy ends more than 0.1 below what training on "
        "correctness alone reaches in the same world.",
        "It is the event whose share over worlds is reported.",
        "See collapse/probability.",
    ),
    E(
        "forecast",
        "What becomes of a run: accuracy and length at its end, with 90 % intervals, and the "
        "probabilities of ending below the base and below training on correctness alone.",
        "It comes from other worlds than the collapse: behaviours of real models (wording, depth, "
        "re-checks, runaways, form, skill) told your base's accuracy, length and limit. The "
        "verdict follows from it, beside hacks and the contract; collapse has a say only where "
        "nothing can be forecast, or no label is read.",
        "Tell it your base: --rollouts, or --success-rates, --typical-length and "
        "--max-completion-length. docs/forecast.md says how good such forecasts have been.",
    ),
    E(
        "nats",
        "Distance of the policy from its base: the KL divergence of whole completions.",
        "Real runs end 2 to 40 nats away; halving a typical length costs 3 to 14.",
        "A price below 2 nats is reached in the first tens of updates.",
    ),
    E(
        "dialect",
        "A form of answers: \\boxed{7}, #### 7, <answer>7</answer>, Answer: 7, ...",
        "Rewards read one or a few of them.",
        "Nothing: it is found. --rollouts shows yours.",
    ),
    E(
        "population limit",
        "Groups of infinitely many rollouts.",
        "There the advantage is a function of the rollout alone, and training has no noise.",
        "Compare collapse/finite-group.",
    ),
    E(
        "rollout",
        "One completion of one prompt, with what is known of it: right or wrong, length, cut off.",
        "A reward is a number for each; training raises the probability of those above their "
        "siblings.",
        "Give --rollouts: your own are looked at first.",
    ),
    E(
        "group",
        "The rollouts of one prompt that are compared with each other.",
        "A group paid alike throughout teaches nothing.",
        "Give your own size by --group-size.",
    ),
    E(
        "mixed group",
        "A group that holds right and wrong rollouts.",
        "Only there can correctness teach; elsewhere what the reward adds is all there is.",
        "Few of them: prompts are too easy or too hard for the group size.",
    ),
    E(
        "advantage",
        "How much better a rollout is than its siblings, as the estimator says: what its "
        "probability is raised or lowered by.",
        "A reward acts through it alone; a constant added to all rewards of a group does nothing.",
        "See docs/estimators.md for which estimator does what.",
    ),
    E(
        "estimator",
        "The rule that turns a group's rewards into advantages: grpo, rloo, dr_grpo, ...",
        "A reward is safe under one and not under another.",
        "Name yours by --estimator, or try --estimator all.",
    ),
    E(
        "base",
        "The model before training, and the distribution of its completions.",
        "What it never writes can't be reinforced.",
        "Tell its success rates and length by option or by --rollouts.",
    ),
    E(
        "KL weight",
        "How much each nat of distance from the base costs, in units of reward (beta).",
        "At 0 nothing holds the policy back.",
        "Give your trainer's by --beta or by its config.",
    ),
    E(
        "exploit",
        "A way to be paid without being right.",
        "Training finds what is paid, understood or not.",
        "Look at the counterexample, and pay it nothing.",
    ),
    E(
        "price",
        "How far from the base, in nats, a policy must go until it gains by the exploit.",
        "A cheap exploit is found in the first updates, a dear one perhaps never.",
        "Compare it with how far your runs go.",
    ),
    E(
        "mutant",
        "Of a text: a completion edited in one place, to see whether the edit is paid. Of an "
        "experiment: its claim with one argument deliberately broken.",
        "A check that no mutant breaks proves nothing.",
        "Nothing: they are made for you.",
    ),
    E(
        "tilted",
        "The base with each completion's probability multiplied by exp(reward / temperature): what "
        "training under a KL penalty tends to.",
        "It is the best that a policy at that distance can do for the reward.",
        "Read the curve: where accuracy falls, more training hurts.",
    ),
    E(
        "regret",
        "The accuracy that is lost by following this reward instead of correctness.",
        "Unlike a distance it is about good policies alone.",
        "See order/regret.",
    ),
    E(
        "STARC distance",
        "How differently two rewards order all policies: 0 alike, 1.41 unrelated, 2 opposite.",
        "Shaping by a potential leaves it at 0.",
        "Read it beside the regret.",
    ),
    E(
        "AUC",
        "The probability that a right text is paid above a wrong one, ties counting half.",
        "At 1 it tells them apart always, at 0.5 not at all.",
        "Below 1: look at which wrong texts are paid.",
    ),
    E(
        "Sobol index",
        "The share of the variance that one unknown alone explains.",
        "It says which unknown decides whether worlds collapse.",
        "Measure the first of them on your model.",
    ),
    E(
        "95 % interval",
        "Where the number may lie, as few worlds or texts as were drawn.",
        "Two numbers whose intervals overlap widely aren't told apart.",
        "More worlds: --thorough.",
    ),
    E(
        "prior",
        "The ranges that worlds are drawn from.",
        "The share of worlds that collapse is a statement about it.",
        "Narrow it to your model by --rollouts, --success-rates and --typical-length.",
    ),
    E(
        "potential",
        "A number for each state whose differences are added to a reward.",
        "Adding it changes no preference between policies.",
        "`toyrl distance` says whether a reward is another one plus a potential.",
    ),
    E(
        "shaper",
        "A reward of the catalogue: a function of rollouts with named numbers.",
        "It runs on NumPy, JAX and torch, and is exported to trainers.",
        "`toyrl list --kind shaper` shows all.",
    ),
    E(
        "truncated",
        "Cut off at the run's limit of tokens, before the end.",
        "Such a rollout has no answer; whether that is paid like a wrong one is the reward's own "
        "choice.",
        "Set --max-completion-length as your trainer has it.",
    ),
)
