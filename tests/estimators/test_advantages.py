"""`toyrl.advantages`: the estimator's own numbers in three libraries, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import toyrl

REWARDS = np.array([[1.0, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, np.nan]])


def test_grpo_is_the_centred_reward_over_its_deviation():
    got = toyrl.advantages("grpo(eps=0, ddof=0)", REWARDS)
    assert got.tolist() == [[1.0, -1.0, -1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]
    named = toyrl.advantages(toyrl.parse_estimator("rloo"), REWARDS[:1])
    assert named[0].tolist() == pytest.approx([2 / 3, -2 / 3, -2 / 3, 2 / 3])


def test_torch_in_torch_out():
    import torch

    got = toyrl.advantages("grpo", torch.tensor(REWARDS[:1]))
    assert isinstance(got, torch.Tensor)
    assert got.numpy() == pytest.approx(toyrl.advantages("grpo", REWARDS[:1]))


def test_an_estimator_that_reads_rollouts_asks_for_them():
    needy = [e for e in toyrl.entries("estimator") if e.target.needs]
    assert needy
    with pytest.raises(ValueError, match=r"reads .* of the rollouts; give them"):
        toyrl.advantages(needy[0].target, REWARDS)
    r = toyrl.Rollouts(np.ones((1, 4)), np.array([[1.0, 2, 3, 4]]), 8.0)
    assert toyrl.advantages("grpo", REWARDS[:1], r).shape == (1, 4)


def test_rewards_without_a_group_axis_are_refused():
    with pytest.raises(ValueError, match="axis"):
        toyrl.advantages("grpo", np.ones(4))
