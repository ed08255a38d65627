"""Laws of rewards that read a judge's score: who is caught, and who is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from toyrl.rollouts import Rollouts
from toyrl.shapers.judge.bounded import Par
from toyrl.shapers.judge.exemplar import Exemplar
from toyrl.shapers.outcome import Outcome
from toyrl.testing import INVARIANTS, check_invariants

LAWS = [
    "judge_is_bounded", "higher_score_never_below", "common_shift", "references_in_any_order",
    "copy_in_the_middle", "off_pivot_ignores_quality",
]  # fmt: skip


@dataclass(frozen=True)
class Squared(Par):
    """The square of the score: unbounded, and a low score is paid as a high one."""

    def transform(self, score: Any, r: Rollouts) -> Any:
        return score**2


@dataclass(frozen=True)
class Latest(Par):
    """The gap to the last reference alone, by its sign."""

    def squash(self, gap: Any, r: Rollouts) -> Any:
        return (gap > 0) * 1.0 + 0 * gap

    def transform(self, score: Any, r: Rollouts) -> Any:
        return self.squash(score - r.fields["judge_references"][..., -1], r)


@pytest.mark.parametrize(
    ("shaper", "broken"),
    [(Par(), set()), (Squared(), {*LAWS[:3], LAWS[4]}), (Latest(), {*LAWS[3:5]})],
)
def test_who_keeps_them(shaper: Par, broken: set[str]):
    found = check_invariants(shaper, invariants=LAWS[:5], max_examples=80 if broken else 30)
    assert set(found.broken()) == broken


def test_they_are_asked_of_rewards_that_read_scores_alone():
    for name in LAWS[:5]:
        assert INVARIANTS[name].applies(Par())
        assert not INVARIANTS[name].applies(Outcome())


class Fluent(Exemplar):
    """Quality paid in every direction."""

    def parts(self, r: Rollouts, memory: Any) -> Any:
        return super().parts(r.with_(pivot=r.w * 0 + 1), memory)


def test_quality_off_the_pivot_is_caught():
    for shaper, broken in ((Exemplar(), ()), (Fluent(), (LAWS[5],))):
        found = check_invariants(shaper, invariants=LAWS[5:], max_examples=60)
        assert found.broken() == broken
    assert not INVARIANTS[LAWS[5]].applies(Par())
