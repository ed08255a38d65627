"""The bases themselves: four for development, seven for predictions made before any run.

Networks are as small as their task allows. Habits decide what a base is like; where the network
doesn't learn a step, accuracy stays below what its texts show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from toyrl.bridge.models.tiny import Recipe
from toyrl.worlds.text.habits import Habits

Split = Literal["dev", "test"]


@dataclass(frozen=True)
class Base:
    """One model of the zoo.

    task : what it was trained on, for `load_task`; limit : tokens a completion in its runs
    accuracy : the range that the built model has to be in, on its card's 512 rollouts
    differs : one line, what decides there
    """

    name: str
    split: Split
    task: str
    recipe: Recipe
    limit: int
    accuracy: tuple[float, float]
    differs: str


def _recipe(task: str, difficulties: tuple[int, ...], habits: Habits, **more: object) -> Recipe:
    """A network of 150,000 parameters, or what `more` says."""
    made: dict[str, object] = {"hidden": 64, "layers": 3, "heads": 4, "feed_forward": 176, **more}
    return Recipe(task=task, difficulties=difficulties, habits=habits, **made)  # type: ignore[arg-type]


CHAIN, BRACKETS, EDITS = (1, 2, 2, 3, 4, 4), (2, 3, 3, 4, 5, 6, 6), (1, 2, 2, 3, 4, 4)
"""Difficulties of pretraining texts: easy and hard prompts of the runs most."""
CHAIN_TASK = "shorthand:easy=2,hard=4"
BRACKETS_TASK = "brackets:easy=3,hard=6"
EDITS_TASK = "edits:easy=2,hard=4"
SUMS_TASK = "traces:addition:easy=2,hard=4"
WIDE = {"hidden": 80, "feed_forward": 216}

DEV = (
    Base(
        "wordy-chain",
        "dev",
        CHAIN_TASK,
        _recipe(
            "shorthand",
            CHAIN,
            Habits(
                fill=0.03,
                jump=0,
                stop=0.9,
                recheck=0.8,
                doubt=0.2,
                mend=0.5,
                anew=1,
                slip=0.02,
                runaway=0.05,
                rounds=1,
            ),
            steps=600,
        ),
        96,
        (0.5, 0.9),
        "strong and wordy: two in five tokens re-check a solution that is known",
    ),
    Base(
        "short-edits",
        "dev",
        EDITS_TASK,
        _recipe(
            "edits",
            EDITS,
            Habits(fill=0.05, jump=0.3, stop=0.95, slip=0.1, guess=0.15),
            steps=600,
            batch=96,
        ),
        64,
        (0.05, 0.3),
        "weak and short: most answers are given early; working on repairs the easy ones",
    ),
    Base(
        "bare-brackets",
        "dev",
        BRACKETS_TASK,
        _recipe(
            "brackets",
            BRACKETS,
            Habits(fill=0.2, jump=0.08, stop=0.8, recheck=0.15, slip=0.05, unmarked=0.3),
        ),
        64,
        (0.3, 0.6),
        "middling: right answers are lost because three in ten lack the mark",
    ),
    Base(
        "traced-sums",
        "dev",
        SUMS_TASK,
        _recipe(
            "traces:addition",
            CHAIN,
            Habits(fill=0.02, jump=0.05, stop=0.95, slip=0.03, guess=0.05),
            steps=900,
        ),
        64,
        (0.3, 0.65),
        "learnt from traces: a verifier sees how far each sum is right, not only whether it is",
    ),
)

TEST = (
    Base(
        "lean-chain",
        "test",
        CHAIN_TASK,
        _recipe("shorthand", CHAIN, Habits(fill=0, jump=0.01, stop=1, slip=0.06), **WIDE),
        64,
        (0.4, 0.85),
        "efficient already: nothing but the steps, so there is no slack to cut",
    ),
    Base(
        "leaping-chain",
        "test",
        CHAIN_TASK,
        _recipe("shorthand", CHAIN, Habits(fill=0.05, jump=0.3, stop=0.8), steps=600),
        64,
        (0.25, 0.65),
        "most failures are answers before the last step; working on repairs the easy ones",
    ),
    Base(
        "straying-brackets",
        "test",
        BRACKETS_TASK,
        _recipe(
            "brackets",
            BRACKETS,
            Habits(fill=0.02, jump=0, stop=0.97, slip=0.01, anew=1, runaway=0.12),
            steps=600,
        ),
        96,
        (0.5, 0.9),
        "strong, wrong answers half as long again as right ones: what strays is wrong",
    ),
    Base(
        "guessing-brackets",
        "test",
        BRACKETS_TASK,
        _recipe(
            "brackets",
            BRACKETS,
            Habits(fill=0.05, jump=0.15, stop=0.9, slip=0.12, guess=0.7, unmarked=0.1),
        ),
        64,
        (0.08, 0.35),
        "weak: seven in ten are guesses without a step, and a guess is right now and then",
    ),
    Base(
        "mending-edits",
        "test",
        EDITS_TASK,
        _recipe(
            "edits",
            EDITS,
            Habits(
                fill=0.03,
                jump=0.01,
                stop=0.95,
                recheck=0.1,
                doubt=0.8,
                mend=0.7,
                anew=1,
                slip=0.12,
                rounds=1,
            ),
        ),
        96,
        (0.35, 0.9),
        "re-checks come where a step went wrong and mend a part, so they cannot be cut free",
    ),
    Base(
        "unmarked-edits",
        "test",
        EDITS_TASK,
        _recipe(
            "edits",
            EDITS,
            Habits(fill=0.02, jump=0.01, stop=0.5, slip=0.02, unmarked=0.4),
            steps=600,
        ),
        80,
        (0.2, 0.6),
        "form decides: two in five answers lack the mark; fillers at the end can be cut free",
    ),
    Base(
        "two-faced-chain",
        "test",
        CHAIN_TASK,
        _recipe(
            "shorthand",
            CHAIN,
            Habits(fill=0.05, jump=0, stop=0.8, recheck=0.8, anew=1, runaway=0.03, rounds=1),
            hard=Habits(fill=0, jump=0.35, stop=1, slip=0.05, guess=0.15),
            **WIDE,
        ),
        80,
        (0.35, 0.75),
        "easy prompts are wordy and right, hard ones short and wrong: one policy for both",
    ),
)
