"""Why a verdict hit or missed, judged with the verdicts known: id -> verdict -> explanation.

Kept apart from the settings, which are not touched by it. An explanation counts for the verdict
that it was written for; another verdict shows as not explained.
"""

from __future__ import annotations

READING = """## How to read it

- The verdict is a forecast in worlds of behaviours ([how, and how good](forecast.md)) where one can
  be made, else what the worlds of the reasoning chain show; rewards that pay a wrong text like a
  right one, or read no answer, are refused whatever training does to them.
- As a yes or no on published runs the verdict still hits less often than the constant answer SAFE:
  authors publish settings that work, and nearly all misses are warnings about those. What it is
  worth is the order: [the score board](results/scoreboard.md) scores the probabilities behind it.
- False alarms have three sources: rewards without a gold answer that lift a base which could do the
  task and only had to learn its form (02); rewards whose fields no behaviour serves, so that the
  chain speaks, where a shorter answer does fewer steps (15); and length pressure that rests, in
  the published run, before it costs anything, where the worlds go on (05-group, 11, 17).
- The loss that was overlooked is a truncation far below the typical length (05-truncation-4096):
  the worlds shorten their answers in time and lose nothing, the published model lost 7.5 points.
"""

RE_CHECKS = (
    "False alarm. In the chain a step costs a fixed number of tokens, so a shorter answer does "
    "fewer steps; a distilled reasoner drops re-checks and restarts first, half of its tokens, and "
    "loses nothing by it."
)
WHY: dict[str, dict[str, str]] = {
    "01-crf": {
        "RISKY": "False alarm. Conciseness is 1 - length/limit here, so that work which is long "
        "but needed is punished as if it were redundant; the paper's score is learned to tell the "
        "two apart. The worlds that collapse are the ones with many easy prompts, where shared "
        "brevity costs the hard ones.",
    },
    "01-length-penalty": {
        "RISKY": "The mechanism is the one named (short and wrong beats long and wrong, above all "
        "beside many easy prompts), but at this weight in a minority of worlds; the share grows "
        "with the weight, which the paper does not give.",
    },
    "02-format-only": {
        "UNSAFE": "False alarm. The published gain is a base model that could do the task and "
        "learned to answer in a form that is read. In our worlds every answer has its form, so a "
        "reward without gold answers teaches nothing, and outcome-only training wins. The paper's "
        "own reading, that the skill was there before, is a property of the base model which "
        "validate can't know.",
    },
    "02-format-length": {
        "RISKY": "False alarm, for the reason of 02-format-only; the bump at half of the limit "
        "moves length, which helps in some worlds and hurts in others.",
        "UNSAFE": "False alarm, for the reason of 02-format-only. A wrong text filled up to the "
        "bump at half of the limit is paid above a right one, which is true of this reward; that "
        "the paper's model kept its accuracy all the same was not foreseen.",
    },
    "03-rloo-lp": {
        "SAFE": "The answer turns on alpha, which the paper's comparison does not give: without "
        "std normalisation a small penalty is outvoted by the outcome, a larger one is not.",
    },
    "04-uniform-penalty": {
        "RISKY": "A hit that does not separate: the penalty on 20 % of the groups (04-grpo-lambda) "
        "collapses in nearly as many worlds.",
    },
    "04-grpo-lambda": {
        "RISKY": "False alarm, and the paper's contrast is not reproduced. A world has two prompt "
        "types, so the groups most often right are always the easy ones, and both share one length "
        "policy; with many problems of mixed difficulty the marked groups change from batch to "
        "batch.",
    },
    "05-truncation-4096": {
        "SAFE": "Overlooked. In the worlds a reasoner of 10,000 tokens gets under 4,096 by "
        "leaving out re-checks, and a loss of 5 points has 11 %; the published one lost 7.5, where "
        "problems need more. The chain's worlds, which have no re-checks, collapse in 35 %, but in "
        "more under settings that were kept (08-dler-1.5b).",
        "RISKY": "As published, the loss is where problems need more than 4096 tokens.",
    },
    "05-group": {
        "UNSAFE": "False alarm. Among right siblings the penalty is all there is, and divided by "
        "their deviation it never rests: the worlds go to a fifth of the length, where too terse "
        "wording costs; the published run ended at 0.30 of its length and lost 2 points.",
        "RISKY": "False alarm by the bar: SAFE allows collapse in 2 % of a wide prior of worlds, "
        "and the published run is one world. In groups that are all right, normalisation takes the "
        "size of the penalty away, so that it presses with full force in easy worlds.",
    },
    "05-l1-max-4096": {
        "RISKY": "A right answer that just fits earns half of what a short one does, so the "
        "worlds trade difficult prompts for length, as published.",
    },
    "05-laser-4096": {
        "RISKY": "False alarm by the bar: the share of collapsed worlds is far below that of the "
        "truncation at the same target, as in the paper, but above the 2 % that SAFE allows.",
    },
    "08-dler-1.5b": {
        "UNSAFE": "False alarm. A step costs a fixed number of tokens in our worlds (1/40 of the "
        "limit), so hard prompts don't fit into 4000 tokens; a reasoning model says the same in "
        "a quarter of the tokens. And the paper compares with the model before training, validate "
        "with outcome-only training at full length: about one in eight of these worlds ends below "
        "its base policy.",
    },
    "08-dler-7b": {
        "RISKY": "False alarm, for the reasons of 08-dler-1.5b.",
    },
    "09-process": {
        "UNSAFE": "As published: each further line pays, so the policy writes lines.",
    },
    "09-process-clip": {
        "SAFE": "As published: no line pays, only false ones cost.",
    },
    "17-fixed-budget": {
        "UNSAFE": "False alarm, by little: a loss of 5 points has 52 %. The triangle pays wrong "
        "answers near the budget too, and a third of the length is asked for; the published model "
        "could say the same in 87 tokens.",
        "RISKY": "False alarm. Steps can't be said in fewer tokens, so hard prompts don't fit into "
        "87; and the paper's base model is right on 84 % of the problems, which our worlds don't "
        "reach at 258 of 512 tokens. Hardly any world ends below its own base policy.",
    },
    "18-process-sum": {
        "UNSAFE": "As published, by the mechanism of 09-process; on arithmetic, not on search.",
    },
    "05-laser-d-4096": {"RISKY": f"{RE_CHECKS} The worlds that collapse have mostly easy prompts."},
    "05-laser-de-4096": {
        "RISKY": f"{RE_CHECKS} What wrong answers get beyond the target changes no verdict.",
    },
    "11-hapo": {
        "RISKY": f"{RE_CHECKS} Held at one history, the reward also pulls as long as anything is "
        "above it, where the published history follows the model down and rests there.",
    },
    "18-renorm": {
        "RISKY": "False alarm in part: a right trajectory still gains with every further step, "
        "which our policy exploits with filler until errors creep in. The paper's steps are "
        "search turns of which few are allowed, and each is credited by itself, not by a sum.",
    },
    "25-noise-40": {
        "RISKY": "False alarm, and an artefact: noise of 40 % leaves a fifth of the gradient, and "
        "the worlds that count as collapsed have not learned yet. With five times the updates none "
        "of them is left. The paper trains with Adam, which doesn't feel the factor.",
    },
    "25-noise-50": {
        "INCONCLUSIVE": "The reward's mean is constant, which the contract refuses to judge; what "
        "the flips' spread does to a run is not modelled.",
    },
    "25-patterns": {
        "RISKY": "A hit for another reason. The worlds' texts hold hardly any of the phrases, so "
        "the reward is flat and nothing is learned where outcome-only training learns; the "
        "published rise to 70 and the later overflow of the limit are both out of sight.",
        "UNSAFE": "A hit for the right reason: wrong texts that spam the phrases are paid above "
        "right ones, which is what the published run learned.",
    },
    **{
        f"15-pear-{size}": {
            "RISKY": "False alarm by the bar of the chain's worlds: no behaviour serves token "
            "entropies, so that there is no forecast, and 5 or 6 % of the worlds collapse where "
            "2 % are allowed."
        }
        for size in ("1.5b", "4b", "8b")
    },
}
