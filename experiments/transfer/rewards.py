"""The rewards of a transfer suite, drawn by a fixed rule before anything is trained.

A family is correctness plus a weight times a term. Weights are multiples of the family's own
threshold: the weight at which half of the calibrated worlds have collapsed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from toyrl.experiments.errors import UsageError
from toyrl.experiments.transfer.graders import (
    answered,
    phrase_count,
    right_steps,
    written_steps,
)
from toyrl.experiments.validate.reward_law.law import UserReward
from toyrl.graders.base import TextRow
from toyrl.messages import shortened
from toyrl.rollouts.fields import FIELDS, behind
from toyrl.rollouts.texts import OWN
from toyrl.shapers.base import Shaper
from toyrl.shapers.compose import Gated, Scaled, Sum
from toyrl.shapers.length.absolute import LinearLength, Overlong
from toyrl.shapers.outcome import Outcome

MULTIPLES = {"small": (0.7, 1.4, 4.0), "full": (0.25, 0.7, 1.4, 4.0)}
Text = Callable[[Sequence[TextRow]], Sequence[float | None]]
"""A reward of texts: one number a row, None where it can't be scored."""
Grader = Callable[[Sequence[TextRow]], Sequence[Any]]
"""A field of texts: one number a row, or one sequence of numbers, a token each."""


@dataclass(frozen=True)
class Family:
    """Correctness plus w times a term.

    term : a shaper, or None for a text term; text : its function of rows
    gated : paid to right answers only; limit : where the term needs the run's limit
    """

    name: str
    term: Shaper | None = None
    text: Text | None = None
    gated: bool = False

    def reward(self, weight: float) -> Shaper:
        """Correctness plus the weighted term."""
        term: Shaper = Scaled(self.term if self.term is not None else UserReward(), weight)
        return Sum((Outcome(), Gated(term) if self.gated else term))

    @property
    def alone(self) -> Shaper:
        """The term without correctness."""
        term: Shaper = self.term if self.term is not None else UserReward()
        return Gated(term) if self.gated else term


@dataclass(frozen=True)
class SuiteReward:
    """One reward of a suite.

    multiple : weight in thresholds of its family, None for a reward that is its term alone;
    protected : pays nothing to wrong answers, what a sceptic calls safe
    reads : further fields that the shaper reads, each by a grader of texts
    """

    name: str
    family: str
    shaper: Shaper
    weight: float
    multiple: float | None = None
    text: Text | None = None
    protected: bool = False
    reads: Mapping[str, Grader] = field(default_factory=dict)

    def graders(self) -> dict[str, Any]:
        """What a trainer needs to fill the shaper's fields."""
        return {**self.reads, **({} if self.text is None else {"user_reward": self.text})}

    def values(self, rollouts: Any, rows: list[TextRow]) -> np.ndarray:
        """(B, G) the reward of logged rollouts; rows in the same order, flat."""
        given = {name: _array(grade(rows)) for name, grade in self.graders().items()}
        fields = {name: v.reshape(*rollouts.shape, *v.shape[1:]) for name, v in given.items()}
        if any(v.ndim > 1 and behind(name) != "M" for name, v in given.items()):
            place = np.arange(int(np.max(rollouts.length)))
            rollouts = rollouts.with_(mask=(place < rollouts.length[..., None]) * 1.0)
        return np.asarray(self.shaper.reward(rollouts.with_(**fields)), dtype=float)

    def refuse_unread(self) -> None:
        """UsageError for a reward that reads what texts don't show, such as a judge's score."""
        lacking = [n for n in self.shaper.all_needs() if n not in (*OWN, *self.graders())]
        if not lacking:
            return
        origins = {n: FIELDS[n].origin for n in lacking if n in FIELDS}
        from_ = f" ({'; '.join(f'{n}: {origin}' for n, origin in origins.items())})"
        msg = (
            f"{self.name} reads {', '.join(lacking)}, which sampled texts don't show"
            f"{from_ if origins else ''}, so that nothing can be predicted; train it with the "
            "trainer itself (toyrl.bridge.training, whose graders=, columns or forward pass fill "
            "the field)"
        )
        raise UsageError(msg)


def _array(values: Sequence[Any]) -> np.ndarray:
    """(N,) numbers, NaN for None, or (N, T) from one sequence a row, filled up with 0."""
    if not isinstance(values[0], Sequence):
        return np.array(values, dtype=float)
    width = max(map(len, values))
    return np.array([[*v, *[0.0] * (width - len(v))] for v in values], dtype=float)


ADDITIVE = Family("additive", Scaled(LinearLength(), -1.0))
GATED = Family("gated", Scaled(LinearLength(), -1.0), gated=True)
FORMAT = Family("format", text=answered)
PHRASES = Family("phrases", text=phrase_count)
STEPS = Family("right-steps", text=right_steps)
LAZY = Family("written-steps", text=written_steps)
FULL = (ADDITIVE, GATED, FORMAT, PHRASES, STEPS, LAZY)
LONGER = Family("longer", LinearLength())


def families(suite: str, limit: float) -> tuple[Family, ...]:
    """Families whose weights need a threshold."""
    if suite == "small":
        return (ADDITIVE, GATED)
    return (*FULL, LONGER, Family("overlong", Overlong(limit=limit, cache=limit / 2)))


def draw(suite: str, thresholds: dict[str, float], limit: float) -> list[SuiteReward]:
    """All rewards of a suite ("small": 8, "full": 35), in a fixed order.

    thresholds : family -> weight at which half of the worlds have collapsed, finite
    """
    if suite not in MULTIPLES:
        msg = f"suite={shortened(suite)} is not one of {', '.join(MULTIPLES)}"
        raise ValueError(msg)
    out = []
    for family in families(suite, limit):
        for multiple in MULTIPLES[suite]:
            weight = multiple * thresholds[family.name]
            out.append(
                SuiteReward(
                    f"{family.name}-{multiple:g}",
                    family.name,
                    family.reward(weight),
                    weight,
                    multiple,
                    family.text,
                    family.gated,
                )
            )
    alone = (FORMAT, PHRASES) if suite == "small" else (FORMAT, PHRASES, STEPS)
    for family in alone:
        out.append(
            SuiteReward(
                f"{family.name}-only", f"{family.name}-only", UserReward(), 1.0, None, family.text
            )
        )
    return out
