"""Laws of rewards that read a judge's score: who is caught, and who is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from toyrl.rollouts import Rollouts
from toyrl.shapers.judge.bounded import Par
from toyrl.shapers.outcome import Outcome
from toyrl.testing import INVARIANTS, check_invariants

LAWS = ["judge_is_bounded", "higher_score_never_below", "common_shift", "references_in_any_order"]


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
    ("shaper", "broken"), [(Par(), set()), (Squared(), set(LAWS[:3])), (Latest(), {LAWS[3]})]
)
def test_who_keeps_them(shaper: Par, broken: set[str]):
    found = check_invariants(shaper, invariants=LAWS, max_examples=80 if broken else 30)
    assert set(found.broken()) == broken


def test_they_are_asked_of_rewards_that_read_scores_alone():
    for name in LAWS:
        assert INVARIANTS[name].applies(Par())
        assert not INVARIANTS[name].applies(Outcome())
