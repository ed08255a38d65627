"""Laws of rewards that remember prompts: every one of the catalogue, and who is caught."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from tests.backends import default_for
from toyrl import registry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import MemoryField, Shaped, Shaper
from toyrl.shapers.length.history import Hapo
from toyrl.shapers.outcome import Outcome
from toyrl.testing import INVARIANTS, check_invariants

LAWS = ("memory_order", "memory_kept")
EXAMPLES = 40
"""As many find each of the faults below."""
STATEFUL = {
    e.name: shaper for e in registry.entries("shaper") if (shaper := default_for(e)).all_memory()
}
COMPOSED = {
    "scaled": 0.5 * Hapo(),
    "summed": Outcome() + Hapo(),
}


def test_there_are_some():
    assert {"hapo", "hapo_mean"} <= set(STATEFUL)


@pytest.mark.parametrize("name", [*STATEFUL, *COMPOSED])
def test_every_reward_with_a_memory_keeps_them(name: str):
    shaper = (STATEFUL | COMPOSED)[name]
    for law in (*LAWS, "visits_commute"):
        assert INVARIANTS[law].applies(shaper)
    found = check_invariants(shaper, invariants=[*LAWS, "visits_commute"], max_examples=EXAMPLES)
    assert found.ok, found.broken()


def test_they_are_asked_of_rewards_with_a_memory_alone():
    for law in LAWS:
        assert not INVARIANTS[law].applies(Outcome())


@dataclass(frozen=True)
class Counting(Shaper):
    """Adds to its memory what it finds there: visits count one another."""

    memory: ClassVar[tuple[MemoryField, ...]] = (MemoryField("visits", "sum", 0.0),)

    def parts(self, r: Rollouts, memory: Any) -> Any:
        return Shaped({"outcome": r.correct}, {"visits": memory["visits"] + 1})


@dataclass(frozen=True)
class Fresh(Counting):
    """Pays by what it kept for itself, the number of its calls, instead of its memory."""

    calls: ClassVar[list[int]] = []

    def parts(self, r: Rollouts, memory: Any) -> Any:
        self.calls.append(1)
        return Shaped({"outcome": r.correct + len(self.calls)}, {"visits": memory["visits"] * 0})


@dataclass(frozen=True)
class Last(Counting):
    """The last visit replaces what was there: the order counts, and nobody says that it doesn't."""

    memory: ClassVar[tuple[MemoryField, ...]] = (MemoryField("last", "replace", math.inf),)

    def parts(self, r: Rollouts, memory: Any) -> Any:
        return Shaped({"outcome": r.correct}, {"last": r.length[..., :1]})


@pytest.mark.parametrize(
    ("shaper", "law"), [(Counting(), "memory_order"), (Fresh(), "memory_kept")]
)
def test_who_is_caught(shaper: Shaper, law: str):
    found = check_invariants(shaper, invariants=[law], max_examples=EXAMPLES)
    assert found.broken() == (law,)


def test_an_order_that_is_meant_is_not_asked_for():
    assert not INVARIANTS["memory_order"].applies(Last())
    assert check_invariants(Last(), invariants=["memory_kept"], max_examples=60).ok
