"""Laws of rewards that read entropies by phase: who keeps them, who is caught."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from toyrl.rollouts import Rollouts
from toyrl.shapers.length.phase_entropy import Pear
from toyrl.shapers.outcome import Outcome
from toyrl.testing import INVARIANTS, check_invariants
from toyrl.testing.laws.phases import thought_twice

LAWS = ("phases_are_means", "thinking_twice_costs_nothing")


@dataclass(frozen=True)
class Summed(Pear):
    """Sums in the place of means: a hidden penalty on length."""

    def parts(self, r: Rollouts, memory: Any) -> Any:
        return {"entropy": -(r.fields["entropy"] * r.mask).sum(-1)}


@dataclass(frozen=True)
class First(Pear):
    """The first token's entropy alone."""

    needs: ClassVar[tuple[str, ...]] = ("correct", "entropy", "think_end", "mask")

    def parts(self, r: Rollouts, memory: Any) -> Any:
        return {"entropy": -r.fields["entropy"][..., 0] * (r.length > 0)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shaper", "broken"), [(Pear(), ()), (Summed(), LAWS), (First(), LAWS[:1])]
)
def test_who_keeps_them(shaper: Pear, broken: tuple[str, ...]):
    found = check_invariants(shaper, invariants=list(LAWS), max_examples=100)
    assert found.broken() == broken


def test_they_are_asked_of_rewards_that_read_both_alone():
    for name in LAWS:
        assert INVARIANTS[name].applies(Pear())
        assert not INVARIANTS[name].applies(Outcome())


def test_a_thought_twice_by_hand():
    mask = np.array([[[1.0, 1, 1, 0], [1, 1, 1, 1]]])
    fields = {
        "entropy": np.array([[[1.0, 2, 3, 9], [4, 5, 6, 7]]]),
        "think_end": np.array([[[0.0, 1, 0, 0], [0, 0, 0, 0]]]),
    }
    r = Rollouts(np.ones((1, 2)), mask.sum(-1), 4.0, mask=mask, fields=fields)
    twice = thought_twice(r)
    assert twice.length.tolist() == [[4, 7]]
    assert twice.mask is not None
    assert twice.mask.sum(-1).tolist() == [[4, 7]]
    own = twice.mask > 0
    assert twice.fields["entropy"][own].tolist() == [1, 1, 2, 3, 4, 5, 6, 4, 5, 6, 7]
