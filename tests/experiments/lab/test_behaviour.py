"""Looking for the number at which runs end at a length."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from toyrl.experiments.lab import behaviour
from toyrl.experiments.lab.behaviour import Base, Size, factor, run, solve, worlds_of
from toyrl.shapers.outcome import Outcome

GRID = (0.01, 0.1, 1.0, 10.0)


def runs(length: Any, asked: list[float]) -> Any:
    """Runs of two worlds whose length and accuracy follow a law of the number."""

    def at(x: float) -> Any:
        asked.append(x)
        n = float(length(x))
        return SimpleNamespace(factor=np.array([n, n]), change=np.log([n, n**2]))

    return at


def test_a_number_is_found_and_the_change_taken_at_the_length():
    asked: list[float] = []
    found = solve(runs(lambda x: 1 / (1 + x) ** 2, asked), 0.5, GRID, 20)
    assert found.number == pytest.approx(np.sqrt(2) - 1, rel=0.02)
    assert abs(np.log(found.length / 0.5)) <= behaviour.CLOSE
    # accuracy is linear in the log length here, so that nothing is lost between two runs
    assert found.change == pytest.approx(np.log([0.5, 0.25]), abs=1e-12)
    assert len(set(asked)) < 10


def test_the_mild_side_is_tried_first_where_the_middle_is_too_short():
    """Past some target nothing is right any more, and lengths come back: not that crossing."""
    lengths = {1.5: 1.0, 1.0: 0.85, 0.75: 0.7, 0.5: 0.6, 0.375: 0.95, 0.25: 1.0}
    law = lambda x: np.interp(-x, [-k for k in lengths], list(lengths.values()))  # noqa: E731
    found = solve(runs(law, []), 0.9, tuple(lengths), 6)
    assert 1.0 < found.number < 1.5


def test_a_length_out_of_reach_has_no_number():
    found = solve(runs(lambda x: 1 / (1 + x / 100), []), 0.5, GRID, 6)
    assert np.isnan(found.number)
    assert np.isnan(found.change).all()
    assert found.length == pytest.approx(1 / 1.1)


def test_reach_is_over_the_distance_of_the_worlds_and_nothing_else():
    base = Base("short", 0.5, 600.0, 2048.0)
    whole, half = (worlds_of(base, Size(2, 4, 3, reach=x)).numbers for x in (1.0, 0.5))
    for name, number in whole.items():
        share = 0.5 if name == "distance" else 1.0
        assert half[name].tolist() == (share * number).tolist()


def test_runs_of_one_size_meet_the_same_draws():
    size = Size(2, 4, 3)
    w = worlds_of(Base("short", 0.5, 600.0, 2048.0), size)
    from toyrl.estimators.group import PRESETS

    one, other = (run(w, Outcome(), PRESETS["grpo"], size) for _ in range(2))
    assert one.change.tolist() == other.change.tolist()
    assert factor(one) == pytest.approx(float(np.exp(np.log(one.factor).mean())))
