"""The length rewards that are compared, each with the one number that sets how much it saves.

That number is a weight, or, where the published reward has none to turn, a target as a share of the
base's mean length. Where a paper gives a number in tokens of its own model, the share that it was
there stands for it: targets are half of the base's length unless said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from toyrl.experiments.lab.behaviour import Base
from toyrl.shapers.base import Shaper
from toyrl.shapers.compose import Gated
from toyrl.shapers.length.absolute import CosineLength, L1Exact, L1Max, LinearLength, Overlong
from toyrl.shapers.length.adaptive import LaserD, LaserDE
from toyrl.shapers.length.budget import TokenBudget
from toyrl.shapers.length.conciseness import ConcisenessAdditive, Crf
from toyrl.shapers.length.history import Hapo
from toyrl.shapers.length.relative import EfficientReasoning, GrpoLambda, Kimi
from toyrl.shapers.length.truncation import Laser, Truncation, TruncationByDifficulty
from toyrl.shapers.outcome import Outcome
from toyrl.shapers.schedules import Stairs

UPDATES = 200
WEIGHTS, TARGETS = (0.01, 0.03, 0.1, 0.3, 1.0), (0.18, 0.25, 0.375, 0.5, 0.75, 1.0, 1.5)


@dataclass(frozen=True)
class Family:
    """One form of reward.

    knob : "weight" or "target", what `make`'s first number is
    published : that number in the published setting; 0.3 for the forms of no single paper, 1 over
        the base's length for L1, whose weight is per token
    kind : how length is charged, for the table
    """

    make: Callable[[float, Base], Shaper]
    published: float
    kind: str
    knob: str = "weight"

    @property
    def grid(self) -> tuple[float, ...]:
        """Numbers along the frontier, from little saving to much (targets fall).

        Up to weight 1: beyond it some forms pay right answers less than wrong ones."""
        return WEIGHTS if self.knob == "weight" else TARGETS[::-1]


def _linear(a: float, b: Base) -> Shaper:
    return a * LinearLength(unit=b.length)


def _budget(target: Stairs | float) -> Shaper:
    return 0.6 * Outcome() + TokenBudget(target, 0.3)


def _tightened(share: float, b: Base, cuts: int) -> Stairs:
    return Stairs(b.length, share * b.length, cuts, UPDATES)


FAMILIES: Mapping[str, Family] = {
    "additive": Family(lambda a, b: Outcome() - _linear(a, b), 0.3, "all rollouts, by length"),
    "additive conciseness": Family(lambda a, _: ConcisenessAdditive(a), 0.5, "all, by a score"),
    "gated": Family(lambda a, b: Outcome() - Gated(_linear(a, b)), 0.3, "right ones, by length"),
    "CRF": Family(lambda a, _: Crf(a), 0.5, "right ones, by a score"),
    "uniform penalty": Family(lambda a, _: EfficientReasoning(a), 0.2, "right ones, by siblings"),
    "GRPO-lambda": Family(lambda a, _: GrpoLambda(0.2, a), 0.2, "right ones of easy prompts"),
    "Kimi": Family(lambda a, _: Kimi(a), 1.0, "all, by siblings"),
    "HAPO": Family(lambda a, _: Hapo(a), 1.0, "by the prompt's own history"),
    "L1-Exact": Family(lambda a, b: L1Exact(b.length / 2, a / b.length), 1.0, "all, off a target"),
    "L1-Max": Family(lambda a, b: L1Max(b.length / 2, a / b.length), 1.0, "right ones, by slack"),
    "LASER": Family(lambda a, b: Laser(b.length / 2, a), 0.5, "right ones past a target"),
    "LASER-D": Family(
        lambda a, b: LaserD(0.75 * b.length, b.length / 2, b.length / 4, a), 0.5,
        "right ones past a target by difficulty",
    ),
    "LASER-DE": Family(
        lambda a, b: LaserDE(0.75 * b.length, b.length / 2, b.length / 4, a), 0.5,
        "the same, wrong ones paid to go on",
    ),
    "cosine": Family(
        lambda a, b: CosineLength(2 * b.length, -a, -a / 2, 1 - a / 2, 1.0), 1.0,
        "right down, wrong up with length",
    ),
    "overlong": Family(
        lambda a, b: Outcome() + Overlong(b.length / 5, a, limit=b.length), 1.0, "all near a limit"
    ),
    "truncation": Family(
        lambda t, b: Truncation(t * b.length), 0.5, "all past a limit", "target"
    ),
    "LASER, by target": Family(
        lambda t, b: Laser(t * b.length, 0.5), 0.5, "right ones past a target", "target"
    ),
    "ThinkPrune": Family(
        lambda t, b: Truncation(_tightened(t, b, 2)), 0.5, "all past a limit that falls", "target"
    ),
    "limits by difficulty": Family(
        lambda t, b: TruncationByDifficulty(t * b.length, 2 * t * b.length), 0.5,
        "all past a limit by difficulty", "target",
    ),
    "fixed budget": Family(
        lambda t, b: _budget(t * b.length), 0.5, "all, off a budget", "target"
    ),
    "tightening budget": Family(
        lambda t, b: _budget(_tightened(t, b, 3)), 0.5, "all, off a budget that falls", "target"
    ),
}  # fmt: skip
