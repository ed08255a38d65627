"""Rollouts as an estimator reads them: token fields, which may be huge, stay behind."""

from __future__ import annotations

import numpy as np

from toyrl.dynamics.groups.class_problem import Problem
from toyrl.estimators.base import read_by
from toyrl.expressions import parse, parse_estimator
from toyrl.rollouts import Rollouts


def rollouts(**fields: np.ndarray) -> Rollouts:
    """(2, 3) classes of up to 4 tokens."""
    length = np.array([[1.0, 2.0, 4.0]] * 2)
    mask = (np.arange(4) < length[..., None]) * 1.0
    right = np.array([[1.0, 0.0, 1.0]] * 2)
    weight = np.full((2, 3), 1 / 6)
    return Rollouts(right, length, 8.0, weight=weight, mask=mask, fields=fields)


def test_only_what_is_read_goes_along():
    r = rollouts(entropy=np.ones((2, 3, 4)), probe_distance=np.ones((2, 3)))
    plain = read_by(parse_estimator("grpo"), r)
    assert (plain.fields, plain.mask) == ({}, None)
    near = read_by(parse_estimator("near_grpo"), r)
    assert list(near.fields) == ["probe_distance"]
    assert read_by(parse_estimator("trust_grpo"), r) is r, "a shaper inside reads what it likes"


def test_drawn_groups_leave_the_tokens_of_a_known_reward_behind():
    r = rollouts(entropy=np.ones((2, 3, 4)), think_end=np.zeros((2, 3, 4)))
    problem = Problem.of(r, parse("outcome()"), parse_estimator("grpo"), 8)
    parts, drawn = problem.gather_samples(np.zeros((1, 2, 5, 8), dtype=int))
    assert drawn.shape == (1, 10, 8)
    assert (drawn.fields, drawn.mask) == ({}, None)
    assert set(parts) == {"outcome"}
