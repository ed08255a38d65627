"""Estimators around one that pools over the batch: its numbers are the batch's, not a group's."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from toyrl.dynamics.groups.class_weights import class_weights
from toyrl.expressions import parse_estimator
from toyrl.rollouts import Rollouts

G = 3
PROB = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
SHARE = np.array([0.3, 0.7])
REWARD = np.array([[1.0, 0.0, -0.5], [1.0, 0.25, 0.0]])


class Paid:
    """A reward by class."""

    scope = "rollout"

    def __call__(self, r):
        return {"reward": REWARD + 0 * r.correct}


def rollouts() -> Rollouts:
    length = np.array([[2.0, 3, 4], [5, 1, 2]])
    weight = PROB * SHARE[:, None]
    return Rollouts(REWARD > 0.5, length, 8.0, weight=weight, group_size=math.inf)


def enumerated(advantage, keep) -> np.ndarray:
    """E[keep(A_1) | the first rollout's class], over all G-tuples of a prompt's classes."""
    out = np.zeros_like(PROB)
    for b, k in itertools.product(range(2), range(3)):
        for others in itertools.product(range(3), repeat=G - 1):
            chance = np.prod([PROB[b, j] for j in others])
            group = REWARD[b, [k, *others]]
            out[b, k] += chance * keep(advantage(group))
    return out


def batch_std() -> float:
    """Of very many prompts: over the mix of their classes."""
    w = PROB * SHARE[:, None]
    mean = (w * REWARD).sum()
    return math.sqrt((w * (REWARD - mean) ** 2).sum())


@pytest.mark.parametrize(
    ("side", "keep"), [("negative", lambda a: min(a, 0.0)), ("positive", lambda a: max(a, 0.0))]
)
def test_one_side_of_a_pooled_estimator_by_enumeration(side, keep):
    eps, spread = parse_estimator("grpo_batch").eps, batch_std()

    def advantage(group):
        return (group[0] - group.mean()) / (spread + eps)

    found = class_weights(
        rollouts(), Paid(), parse_estimator(f"{side}_only(inner=grpo_batch())"), group_size=G
    )
    assert found.method == "compositions"
    np.testing.assert_allclose(found.w, enumerated(advantage, keep), atol=1e-12)


def test_both_sides_are_the_whole():
    sides = [
        class_weights(rollouts(), Paid(), parse_estimator(text), group_size=G).w
        for text in ("negative_only(inner=grpo_batch())", "positive_only(inner=grpo_batch())",
                     "grpo_batch()")
    ]  # fmt: skip
    np.testing.assert_allclose(sides[0] + sides[1], sides[2], atol=1e-12)


def test_what_has_no_number_is_sampled_and_never_taken_for_a_group():
    """Each part has a standard deviation of its own over the batch."""
    nested = parse_estimator("averaged(inner=grpo_batch())")
    found = class_weights(rollouts(), Paid(), nested, group_size=G, samples=20_000)
    assert found.method == "sampled"
    want = class_weights(rollouts(), Paid(), parse_estimator("grpo_batch"), group_size=G).w
    assert (np.abs(found.w - want) < 4.5 * found.stderr).all()
    with pytest.raises(ValueError, match="need whole batches"):
        class_weights(rollouts(), Paid(), nested, group_size=G, method="compositions")


def test_the_limit_of_large_groups_agrees():
    text = "negative_only(inner=grpo_batch())"
    limit = class_weights(rollouts(), Paid(), parse_estimator(text))
    assert limit.method == "infinite"
    large = class_weights(rollouts(), Paid(), parse_estimator(text), group_size=200)
    np.testing.assert_allclose(large.w, limit.w, atol=0.05)
