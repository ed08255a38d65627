"""Prefix rewards by hand, and on other backends."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backends import to_strict, to_torch
from tests.shapers.process.scored import scored
from toyrl.rollouts import Rollouts
from toyrl.shapers.process.prefix import BagOfSteps, PrefixSteps, TracePrefix
from toyrl.testing import assert_invariants

ROWS = [[1.0, 1.0, 0.2, 1.0], [0.1, 1.0, 1.0, 1.0], [1.0, 0.5, 1.0, 1.0, 1.0, 0.5], []]


def with_states(n):
    r = scored(ROWS, [0.0, 0.0, 1.0, 0.0], tokens=2)
    return r.with_(trace_states=np.full((1, 4), float(n)))


@pytest.mark.parametrize(
    ("shaper", "n", "want"),
    [
        (PrefixSteps(alpha=2.0), 4, [1.0, 0.0, 2.0, 0.0]),
        (BagOfSteps(alpha=2.0), 4, [1.5, 1.5, 2.0, 0.0]),
        (PrefixSteps(), 2, [1.0, 0.0, 1.0, 0.0]),
        (BagOfSteps(), 2, [1.0, 1.0, 1.0, 0.0]),
        (PrefixSteps(), 0, [0.0, 0.0, 0.0, 0.0]),
        (PrefixSteps(threshold=0.0), 8, [0.5, 0.5, 0.75, 0.0]),
    ],
)
def test_steps_by_hand(shaper, n, want):
    r = with_states(n)
    assert np.allclose(shaper.reward(r), [want], atol=1e-15)
    for move in (to_strict, to_torch):
        found = shaper.apply(move(r)).parts["process"]
        assert (np.asarray(found) == shaper.apply(r).parts["process"]).all()


def test_whole_reward():
    r = Rollouts(np.array([[1.0, 0.0]]), np.ones((1, 2)), 2.0,
                 fields={"trace_prefix": np.array([[0.5, 0.25]])})  # fmt: skip
    assert TracePrefix(alpha=0.4).reward(r).tolist() == [[1.2, 0.1]]


@pytest.mark.parametrize("text", ["trace_prefix()", "prefix_steps()", "step_bag()"])
def test_laws(text):
    assert_invariants(text, max_examples=30)
