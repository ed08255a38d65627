"""Laws of rewards by step: who keeps them, who is caught."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from toyrl.rollouts import Rollouts
from toyrl.shapers.explore.composite import Carl, CarlAdditive, CarlProduct, CarlSurvival
from toyrl.testing import DRIVING_LAWS, broken_driving_laws

STANDING, PRODUCT = "standing_pays_nothing", "only_the_product_counts"


@dataclass(frozen=True, repr=False)
class Summed(Carl):
    """Penalties added up: a total below 0."""

    def paid(self, gain: Any, factors: Any, hard: Any, step: Any = 0) -> Any:
        return {"route": 100 * gain * (1 - sum(1 - v for v in factors.values()))}


@dataclass(frozen=True, repr=False)
class Boosted(Carl):
    """What was broken pays."""

    def paid(self, gain: Any, factors: Any, hard: Any, step: Any = 0) -> Any:
        return {"route": gain * (2 - factors["speed"])}


@dataclass(frozen=True, repr=False)
class Hindsight(Carl):
    """Paid by the whole route, and on behind a crash."""

    def parts(self, r: Rollouts, memory: Any) -> Any:
        return {"route": r.fields["route"][..., -1:] * (1 - 0 * r.fields["route"])}


@pytest.mark.parametrize(
    ("reward", "broken"),
    [
        (Carl(), set()),
        (CarlProduct(terminal_penalty=-0.1), set()),
        (CarlSurvival(), {STANDING}),
        (CarlAdditive(), {STANDING, PRODUCT}),
        (Summed(), {PRODUCT, "no_more_than_the_route"}),
        (Boosted(), {PRODUCT, "factors_only_take_away", "no_more_than_the_route"}),
        (Hindsight(), {"prefixes_are_paid_alike", "nothing_behind_a_hard_one"}),
    ],
)
def test_who_keeps_them(reward: Carl, broken: set[str]):
    assert set(broken_driving_laws(reward)) == broken
    assert broken <= set(DRIVING_LAWS)
