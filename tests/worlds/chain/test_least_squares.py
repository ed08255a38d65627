"""Damped least squares: known minima, bounds, and rows that don't see each other."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.worlds.chain.least_squares import Rules, levenberg_marquardt

STARTS = np.array([[-1.2, 1.0], [3.0, -2.0], [0.0, 0.0]])


def rosenbrock(p):
    x, y = p.T
    r = np.stack([10 * (y - x**2), 1 - x], axis=-1)
    zero = 0 * x
    J = np.stack([np.stack([-20 * x, 10 + zero], -1), np.stack([-1 + zero, zero], -1)], 1)
    return r, J


@pytest.mark.parametrize(
    "rules", [Rules(), Rules(iterations=200, relative=False, largest_step=2.0, whole=False)]
)
def test_rosenbrocks_minimum_is_found_from_every_start(rules):
    """0 at (1, 1)."""
    p, cost = levenberg_marquardt(rosenbrock, STARTS, rules)
    assert p == pytest.approx(np.ones((3, 2)), abs=1e-6)
    assert np.all(cost < 1e-12)


def test_a_row_is_solved_alone_as_beside_others():
    rules = Rules(iterations=12, patience=13)
    together, _ = levenberg_marquardt(rosenbrock, STARTS, rules)
    alone, _ = levenberg_marquardt(rosenbrock, STARTS[1:2], rules)
    assert alone[0] == pytest.approx(together[1], rel=1e-12)


def test_a_bound_holds_and_the_cost_is_that_of_the_point():
    def line(p):
        return p - 5.0, np.ones((len(p), 1, 1))

    p, cost = levenberg_marquardt(line, np.zeros((2, 1)), Rules(bound=3.0))
    assert p.tolist() == [[3.0], [3.0]]
    assert cost.tolist() == [2.0, 2.0]
    free, _ = levenberg_marquardt(line, np.zeros((1, 1)))
    assert free == pytest.approx(5.0, abs=1e-6)


def test_steps_are_limited_and_the_search_stops_when_it_has_enough():
    seen = []

    def line(p):
        seen.append(p.copy())
        return p - 5.0, np.ones((len(p), 1, 1))

    p, _ = levenberg_marquardt(line, np.zeros((1, 1)), Rules(largest_step=2.0, enough=0.5))
    moves = np.diff(np.ravel(seen))
    assert moves.max() <= 2.0
    assert abs(p[0, 0] - 5) < 0.5
    assert len(seen) == 4  # 0, 2, 4, and the first point within 0.5
