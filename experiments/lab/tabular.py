"""Tabular processes: learners and bi-level rewards, with the work counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from toyrl.dynamics.tabular import q_learning
from toyrl.dynamics.tabular.experience import Steps
from toyrl.experiments.core.work import COMPILED, UPDATE, spend
from toyrl.experiments.lab.bandits import follow, sigmoid
from toyrl.theory.shaping import bilevel

Array = Any
SOLVES = 6 * UPDATE
"""Units of an outer step: an inner fixed point and its derivatives, about 1.3 ms."""


def learned(mdp: Any, steps: Steps, **options: Any) -> np.ndarray:
    """`toyrl.dynamics.tabular.q_learning.learn`, a fraction of a unit for each step."""
    spend(UPDATE + len(steps) * COMPILED * mdp.n_actions)
    return q_learning.learn(mdp, steps, **options)


def outer_ascent(
    inner: bilevel.Inner,
    start: Array,
    updates: int,
    *,
    rate: float,
    cap: float = np.inf,
    turn: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (updates + 1, n) of a blend under ascent on J, and J (2,) at the first and the last.

    cap : the weights' largest norm; turn : what is done to the gradient, for mutants
    """

    def step(phi: np.ndarray, _: int) -> np.ndarray:
        _, gradient, _ = _outer(inner, phi, None)
        moved = phi + rate * turn(gradient[:-1])
        return moved * min(1.0, cap / max(float(np.linalg.norm(moved)), 1e-300))

    path = follow(step, start, updates)
    return path, np.array([_value(inner, phi, None) for phi in path[[0, -1]]])


def discount_ascent(
    inner: bilevel.Inner, phi: Array, start: float, updates: int, *, rate: float, price: float
) -> tuple[np.ndarray, np.ndarray]:
    """Discounts (updates + 1,) under ascent on J - price * discount by their logit, and J (2,) at
    the first and the last."""

    def step(z: np.ndarray, _: int) -> np.ndarray:
        g = sigmoid(z)
        _, gradient, _ = _outer(inner, phi, float(g))
        return z + rate * (gradient[-1] - price) * g * (1 - g)

    path = sigmoid(follow(step, np.log(start / (1 - start)), updates))
    return path, np.array([_value(inner, phi, float(g)) for g in path[[0, -1]]])


def _outer(inner: bilevel.Inner, phi: Array, discount: float | None) -> Any:
    spend(SOLVES)
    end = bilevel.inner_end(inner, phi, discount)
    return bilevel.outer_gradient(inner, end.theta, phi, discount)


def _value(inner: bilevel.Inner, phi: Array, discount: float | None) -> float:
    spend(SOLVES)
    return bilevel.outer_value(inner, bilevel.inner_end(inner, phi, discount).theta)[0]
