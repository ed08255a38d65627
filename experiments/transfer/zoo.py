"""The rewards that every base of the zoo is trained on, and how its runs are made.

All was fixed before the first run, by rules that are the same for every base: weights of a length
term are in units of 1/limit (what `linear_length` has), targets are multiples of the mean length
of the base's rollouts, bonuses a line or a step a tenth or a fifth of a right answer. Rewards in
an order that has neighbours alike; every third has a second seed, the first (`outcome`) included.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from toyrl.experiments.transfer import graders
from toyrl.experiments.transfer.rewards import Grader, SuiteReward, Text
from toyrl.experiments.validate.reward_law.law import UserReward
from toyrl.expressions import parse
from toyrl.messages import shortened

RUN = {"steps": 80, "completions": 48, "group_size": 8, "every": 20, "times": 4, "keep": 1_000_000}
"""Settings of a run beside limit and learning rate; a checkpoint at its end alone."""
SEEDS, EVERY = 2, 3
"""Every third reward has two seeds, the others one."""
NAME, WORLDS = "zoo", 16
"""Of the suite, and calibrated worlds that its predictions are means over."""


@dataclass(frozen=True)
class Entry:
    """One reward before the base is known.

    formula : a catalogue expression, "" for `text` alone, with the tokens {limit}, {mean} and
        {short}, six tenths of the mean, and {token}, 1/limit
    pays_wrong : whether some wrong answer is paid more than the least, or charged unlike others
    """

    name: str
    family: str
    formula: str
    text: Text | None = None
    reads: Mapping[str, Grader] = field(default_factory=dict)
    pays_wrong: bool = True


JUDGED: dict[str, Grader] = {
    "step_scores": graders.judged_steps,
    "step_ends": graders.ends_of_steps,
}
COUNTED: dict[str, Grader] = {
    "step_scores": graders.counted_steps,
    "step_ends": graders.ends_of_steps,
}

LIST: tuple[Entry, ...] = (
    Entry("outcome", "outcome", "outcome()", pays_wrong=False),
    Entry("additive-0.25", "additive", "outcome() - 0.25*linear_length()"),
    Entry("additive-0.5", "additive", "outcome() - 0.5*linear_length()"),
    Entry("additive-1", "additive", "outcome() - 1*linear_length()"),
    Entry("additive-2", "additive", "outcome() - 2*linear_length()"),
    Entry("gated-0.25", "gated", "outcome() - 0.25*gated(linear_length())", pays_wrong=False),
    Entry("gated-0.5", "gated", "outcome() - 0.5*gated(linear_length())", pays_wrong=False),
    Entry("gated-1", "gated", "outcome() - 1*gated(linear_length())", pays_wrong=False),
    Entry("longer-0.5", "longer", "outcome() + 0.5*linear_length()"),
    Entry("cosine", "cosine", "cosine()"),
    Entry("laser-1", "laser", "laser(target={mean})"),
    Entry("laser-0.6", "laser", "laser(target={short})"),
    Entry("truncation-1", "truncation", "truncation(target={mean})", pays_wrong=False),
    Entry("truncation-0.6", "truncation", "truncation(target={short})", pays_wrong=False),
    Entry("overlong", "overlong", "outcome() + overlong(limit={limit}, cache=0.5)"),
    Entry("l1-exact", "l1", "l1_exact(target={mean}, alpha={token})"),
    Entry("kimi", "siblings", "kimi()"),
    Entry("efficient", "siblings", "efficient_reasoning()", pays_wrong=False),
    Entry("grpo-lambda", "siblings", "grpo_lambda()", pays_wrong=False),
    Entry("format-only", "format", "", text=graders.answered),
    Entry("line-bonus", "bonus", "", text=graders.line_bonus),
    Entry("phrase-bonus", "bonus", "", text=graders.phrase_bonus),
    Entry(
        "short-wrong",
        "wrong",
        "outcome(wrong=-0.5) + 0.5*linear_length() - 0.5*gated(linear_length())",
    ),
    Entry("long-wrong", "wrong", "outcome() - 0.5*linear_length() + 0.5*gated(linear_length())"),
    Entry("accepts-wrong", "noise", "verified()", reads={"verified": graders.accepts_wrong}),
    Entry("rejects-right", "noise", "verified()", reads={"verified": graders.rejects_right}),
    Entry("step-sum", "process", "outcome() + 0.2*total(step_sum())", reads=JUDGED),
    Entry("written-steps", "process", "outcome() + 0.2*total(step_sum())", reads=COUNTED),
    Entry("step-minimum", "process", "outcome() + 0.5*step_min()", reads=JUDGED),
    Entry("step-product", "process", "step_product()", reads=JUDGED),
    Entry(
        "majority",
        "label-free",
        "majority()",
        reads={"answer": graders.answer_identity},
    ),
)


def draw(limit: float, mean: float) -> list[SuiteReward]:
    """The rewards for a base, in order.

    limit : tokens a completion; mean : of the base's rollouts, tokens
    """
    return [_reward(entry, limit, mean) for entry in LIST]


def seeds(name: str) -> int:
    """How many seeds the reward of this name has; ValueError for a name that is not listed."""
    names = [entry.name for entry in LIST]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
        msg = f"reward={shortened(name)} is not trained on the zoo; {hint}"
        raise ValueError(msg)
    return SEEDS if names.index(name) % EVERY == 0 else 1


def _reward(entry: Entry, limit: float, mean: float) -> SuiteReward:
    numbers = {"limit": limit, "mean": mean, "short": 0.6 * mean, "token": 1 / limit}
    written = {name: f"{value:.4g}" for name, value in numbers.items()}
    shaper = parse(entry.formula.format(**written)) if entry.formula else UserReward()
    return SuiteReward(
        entry.name,
        entry.family,
        shaper,
        1.0,
        None,
        entry.text,
        not entry.pays_wrong,
        entry.reads,
    )
