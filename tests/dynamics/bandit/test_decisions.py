"""Two decisions: updates of every batch, drawn ones, and flows with a boundary."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from toyrl.dynamics import flow
from toyrl.dynamics.bandit import decisions as d
from toyrl.theory.composite import trap

Z = np.log([0.3 / 0.7, 0.24 / 0.76])
REWARD = trap.sum_rewards()


def test_the_update_of_a_batch_by_its_definition():
    """(R_i - mean of the others) times the score, over all 64 ordered batches of three."""
    p = d.chances(Z)
    mean, total = np.zeros(2), 0.0
    for batch in itertools.product(range(4), repeat=3):
        R, score = REWARD[list(batch)], d.TAKEN[list(batch)] - p
        want = np.mean([(R[i] - np.delete(R, i).mean()) * score[i] for i in range(3)], axis=0)
        counts = np.bincount(batch, minlength=4)
        np.testing.assert_allclose(d.counted_update(REWARD, counts), want, atol=1e-15)
        chance = d.outcome_law(Z)[list(batch)].prod()
        mean, total = mean + chance * want, total + chance
    assert total == pytest.approx(1, abs=1e-14)
    np.testing.assert_allclose(d.update_law(REWARD, Z, 3)[0], mean, atol=1e-15)
    np.testing.assert_allclose(d.drift(REWARD, Z), mean, atol=1e-15)
    with pytest.raises(ValueError, match="batch=1 must be 2 or more"):
        d.update_law(REWARD, Z, 1)


def test_the_gradient_is_that_of_the_mean_reward():
    h, found = 1e-6, d.drift(REWARD, Z)
    for i in range(2):
        step = h * np.eye(2)[i]
        up, down = (d.outcome_law(Z + s * step) @ REWARD for s in (1, -1))
        assert found[i] == pytest.approx((up - down) / (2 * h), abs=1e-9)


def test_all_batches_of_two_updates_against_trained_runs():
    def beyond(z):
        return trap.reaches_the_end(*d.chances(z).T)

    exact, n = d.chance_beyond(REWARD, Z, 2, beyond, updates=2), 20_000
    ends = d.train(REWARD, np.broadcast_to([0.3, 0.24], (n, 2)), 2, 2, seed=3)
    seen = trap.reaches_the_end(*ends.T).mean()
    assert abs(seen - exact) < 4 * np.sqrt(exact * (1 - exact) / n)


def test_logits_far_out_have_a_law():
    counts, chance = d.every_batch(np.array([800.0, -800.0]), 2)
    assert chance.sum() == pytest.approx(1)
    assert counts[chance.argmax()].tolist() == [0, 0, 2, 0]


def test_a_path_and_an_edge_of_a_flow_that_is_known():
    """dz/dt = z: e^t; starts below 0 go down, above it up."""
    end = flow.path(lambda z: z, np.array([1.0, -2.0]), step=0.1, steps=10)[-1]
    np.testing.assert_allclose(end, np.e * np.array([1, -2]), rtol=1e-5)
    options = {"step": 0.5, "steps": 20}
    found = flow.edge(lambda z: z, lambda x: x[:, None] - 0.3, lambda z: z[:, 0] > 0, 0.0, 1.0,
                      **options)  # fmt: skip
    assert found == pytest.approx(0.3, abs=1 / 15**3)
    none = flow.edge(lambda z: z, lambda x: x[:, None] + 1, lambda z: z[:, 0] > 0, 0.0, 1.0,
                     **options)  # fmt: skip
    assert np.isnan(none)
