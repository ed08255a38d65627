"""Safe variants: ranked by nearness among the safe ones, the winner confirmed in all worlds."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toyrl.experiments.validate.collapse.variants import SCREEN, Variant, nearest_safe, safe_weight
from toyrl.experiments.validate.verdict import Collapse


def variant(name: str, distance: float, collapsing: set[int], log: list | None = None) -> Variant:
    def judge(rows: np.ndarray) -> Collapse:
        if log is not None:
            log.append((name, len(rows)))
        return Collapse(len(rows), len(collapsing & set(rows.tolist())))

    return Variant(name, judge, distance)


def test_the_nearest_safe_one_wins_and_is_judged_in_all_worlds():
    log: list = []
    best, section = nearest_safe(
        [
            variant("far", 0.5, set(), log),
            variant("near", 0.1, set(), log),
            variant("unsafe", 0.0, set(range(256)), log),
        ],
        256,
    )
    assert best == "near (collapses in 0 of 256 worlds)"
    assert log == [("far", SCREEN), ("near", SCREEN), ("unsafe", SCREEN), ("near", 256 - SCREEN)]
    [table] = section.tables
    assert [row[0] for row in table.rows] == ["near", "far", "unsafe"]
    assert [row[2] for row in table.rows] == ["yes", "yes", "no"]


def test_one_that_fails_in_later_worlds_is_passed_over():
    late = set(range(100, 120))
    best, section = nearest_safe([variant("a", 0.1, late), variant("b", 0.2, set())], 256)
    assert best.startswith("b ")
    assert section.tables[0].rows[-1][1] == "20 of 256"


def test_none_is_said_plainly():
    best, section = nearest_safe([variant("a", 0.1, set(range(9)))], 256)
    assert best == ""
    assert "outcome reward alone" in section.summary


def test_a_change_of_the_trainer_counts_as_nearest():
    best, section = nearest_safe(
        [variant("w", 0.1, set()), Variant("trainer", lambda r: Collapse(len(r), 0))], 64
    )
    assert best.startswith("trainer")
    assert section.tables[0].rows[0][3] == "the reward is unchanged"


@pytest.mark.parametrize("limit", [1e-4, 0.0437, 0.5, 3.0, math.inf])
def test_safe_weights_are_round_and_below_the_limit(limit):
    w = safe_weight(limit)
    assert 0 < w <= min(0.5, limit)
    assert w >= 0.4 * min(0.5, limit)
    assert float(f"{w:.2g}") == pytest.approx(w)
