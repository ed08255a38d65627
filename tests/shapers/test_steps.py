"""Sum, minimum and product of step scores: by hand, on three libraries, edge cases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.backends import arrays_of, to_strict, to_torch
from toyrl.rollouts import Rollouts
from toyrl.shapers.process.steps import StepMinimum, StepProduct, StepSum

SCORES = np.array([[[0.5, 0.9, 0.2, 0.8], [1.0, 0.5, 0.0, 0.0], [0.3, 0.0, 0.0, 0.0]]])
MASK = np.array([[[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]])
ENDS = np.array([[[0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]])
BY_HAND = {
    StepSum: ([2.4, 1.5, 0.0], [1.7, 0.5, 0.0]),
    StepMinimum: ([0.2, 0.5, 0.0], [0.8, 0.5, 0.0]),
    StepProduct: ([0.072, 0.5, 0.0], [0.72, 0.5, 0.0]),
}


def rollouts(*, ends: bool) -> Rollouts:
    fields = {"step_scores": SCORES, **({"step_ends": ENDS} if ends else {})}
    return Rollouts(np.ones((1, 3)), np.array([[4.0, 2.0, 1.0]]), 4.0, mask=MASK, fields=fields)


@pytest.mark.parametrize("kind", BY_HAND, ids=lambda k: k.__name__)
@pytest.mark.parametrize("ends", [False, True], ids=["tokens", "steps"])
def test_by_hand_on_three_libraries(kind, ends):
    want = 2 * np.array([BY_HAND[kind][ends]])
    jnp = pytest.importorskip("jax.numpy")
    for move in (lambda r: r, to_strict, to_torch, lambda r: arrays_of(r, jnp.asarray)):
        found = kind(alpha=2.0).reward(move(rollouts(ends=ends)))
        np.testing.assert_allclose(np.asarray(found), want, rtol=4 * np.finfo(np.float32).eps)


def test_what_a_further_step_pays():
    """A perfect step more: the sum rises by it, minimum and product stay."""
    for kind, gain in ((StepSum, 1.0), (StepMinimum, 0.0), (StepProduct, 0.0)):
        short = rollouts(ends=False)
        longer = SCORES.copy()
        longer[0, 1, 2] = 1.0
        mask = MASK.copy()
        mask[0, 1, 2] = 1.0
        after = short.with_(mask=mask, step_scores=longer)
        assert (kind().reward(after) - kind().reward(short))[0, 1] == gain


def test_minimum_and_product_fall_with_a_bad_step_and_the_sum_does_not():
    bad = rollouts(ends=False)
    scores = SCORES.copy()
    scores[0, 1, 2] = 0.1
    mask = MASK.copy()
    mask[0, 1, 2] = 1.0
    after = bad.with_(mask=mask, step_scores=scores)
    change = [(k().reward(after) - k().reward(bad))[0, 1] for k in BY_HAND]
    np.testing.assert_allclose(change, [0.1, -0.4, -0.45], rtol=1e-12)


def test_a_score_that_is_missing_makes_the_rollout_unscorable():
    scores = SCORES.copy()
    scores[0, 0, 1] = math.nan
    for kind in BY_HAND:
        found = kind().reward(rollouts(ends=False).with_(step_scores=scores))
        assert np.isnan(found).tolist() == [[True, False, False]]
