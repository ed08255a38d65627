"""LASER's modes, LASER-D and -DE: buckets, targets and the guard (card 05)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl import parse
from toyrl.estimators.group import PRESETS
from toyrl.rollouts import Rollouts
from toyrl.shapers.length.adaptive import LaserD, LaserDE, adaptive_targets, target_grid
from toyrl.shapers.length.difficulty import by_bucket, solve_rate_bucket
from toyrl.shapers.length.truncation import StopProperly, TruncationByDifficulty
from toyrl.testing import check_invariants, rollouts

MODES = {"bonus": "", "penalty": ", within=0, beyond=-1", "hybrid": ", beyond=-1"}


def group(correct: Any, length: Any, limit: float = 100.0, **fields: Any) -> Rollouts:
    own = {k: np.array([v], dtype=float) for k, v in fields.items()}
    return Rollouts(np.array([correct], dtype=float), np.array([length], dtype=float), limit,
                    fields=own)  # fmt: skip


# -- modes -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("mode", "want"),
    [("bonus", [1.5, 1, -0.5]), ("penalty", [1, 0.5, -0.5]), ("hybrid", [1.5, 0.5, -0.5])],
)
def test_modes_of_the_released_code(mode: str, want: list[float]):
    r = group([1, 1, 0], [50, 51, 10])
    for text in (f"laser(50{MODES[mode]})", f"laser_d(50, 50, 50{MODES[mode]})"):
        assert parse(text).reward(r).tolist() == [want]


# -- buckets ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [3, 6, 8, 9, 12, 24])
def test_buckets_and_their_ties(size: int):
    """At exact thirds the reward takes the easier side, the monitor the harder one."""
    rate = np.arange(size + 1) / size
    exact = [3 * k for k in range(size + 1)]  # 3 k against size and 2 size, in whole numbers
    easier = [(k >= size) + (k >= 2 * size) for k in exact]
    harder = [(k > size) + (k > 2 * size) for k in exact]
    assert solve_rate_bucket(rate).tolist() == easier
    assert solve_rate_bucket(rate, ties="harder").tolist() == harder
    assert by_bucket((7.0, 8.0, 9.0), solve_rate_bucket(rate)).tolist() == [7 + b for b in easier]
    with pytest.raises(ValueError, match="ties"):
        solve_rate_bucket(rate, ties="up")


def test_targets_follow_the_solve_rate():
    r = Rollouts(
        np.array([[0, 0, 0, 1.0], [0, 0, 1, 1], [0, 1, 1, 1]]), np.full((3, 4), 30.0), 100.0
    )
    part = LaserD(hard=40, medium=20, easy=8).apply(r).parts["laser_d"]
    assert part.sum(-1).tolist() == [0.5, 0, 0]
    part = LaserD(hard=20, medium=30, easy=8).apply(r).parts["laser_d"]
    assert part.sum(-1).tolist() == [0, 1.0, 0]


@given(rollouts(weights="none"), st.floats(0, 0.5))
def test_laser_d_with_one_target_is_laser(r: Rollouts, alpha: float):
    """Invariants 1 and 2: R is kept, and alpha goes to right rollouts within the target alone."""
    one = LaserD(0.5, 0.5, 0.5, alpha).reward(r)
    np.testing.assert_array_equal(one, parse(f"laser(0.5, alpha={alpha!r})").reward(r))
    de = LaserDE(0.5, 0.5, 0.5, alpha).reward(r)
    assert de[r.correct == 1].tolist() == one[r.correct == 1].tolist()
    assert np.all(one[r.correct == 1] >= 1)
    assert np.all(de[r.correct == 0] <= 0)


@pytest.mark.slow
def test_invariants_as_laws():
    goals = ["wrong_never_above_right", "shorter_right_never_below", "length_unit"]
    for text in ("laser()", "laser_d()", "laser_de()", "laser(beyond=-1)"):
        assert check_invariants(text, invariants=goals, max_examples=60).ok, text
    law = ["longer_wrong_never_below"]
    assert check_invariants("laser_de()", invariants=law, max_examples=60).ok
    assert not check_invariants("efficient_reasoning() - linear_length()", invariants=law).ok


# -- LASER-DE --------------------------------------------------------------------------------------
def test_laser_de_pays_wrong_and_long():
    """A clean wrong long answer totals 0; a missing or looping one keeps its base score."""
    r = group([0, 0, 0, 0, 1], [60, 40, 60, 60, 60], answered=[1, 1, 0, 1, 1],
              repeated=[0, 0, 0, 1, 1])  # fmt: skip
    assert LaserDE(50, 50, 50).reward(r).tolist() == [[0.0, -0.5, -1.0, -0.5, 1.0]]
    released = LaserDE(50, 50, 50, guard=0).reward(r).tolist()
    assert released == [[0.0, -0.5, -1.0, 0.0, 1.0]]


def test_all_wrong_gives_signal_by_length_under_de_only():
    r = group([0, 0], [40, 60])
    for shaper, want in ((LaserD(50, 50, 50), [0, 0]), (LaserDE(50, 50, 50), [-1, 1])):
        a, _ = PRESETS["grpo_population"].apply(shaper.apply(r).parts, r)
        assert a[0].tolist() == want


# -- targets ---------------------------------------------------------------------------------------
def slow_target(length: list[float], n: int, grid: list[float], last: float) -> float:
    for at_most in grid:
        if int(sum(x <= at_most for x in length) * n / len(length) + 1e-9) >= 1:
            return at_most
    return last


@given(st.lists(st.integers(1, 5000), min_size=8, max_size=8), st.sampled_from(["floor", "ceil"]))
def test_adaptive_targets_against_a_slow_definition(length: list[int], rounding: str):
    counts = {"floor": (1, 2, 5), "ceil": (1, 3, 6)}[rounding]
    grid = target_grid(512, 4096, 1024).tolist()
    for which, right in enumerate((1, 4, 7)):
        r = group([1.0] * right + [0.0] * (8 - right), length, 9000.0)
        got = adaptive_targets(r, lowest=512, highest=4096, rounding=rounding)
        want = slow_target([float(x) for x in length], counts[which], grid, max(length))
        assert got[which] == want
        # The two other buckets are empty: the longest answer stands in.
        assert [got[i] for i in range(3) if i != which] == [max(length)] * 2


def test_grid_edges_and_refusals():
    assert target_grid(1024, 4096, 1024).tolist() == [1024, 2048, 3072, 4096]
    assert target_grid(512, 3072, 1024).tolist() == [512, 1024, 2048, 3072]
    r = group([1, 0, 0], [10, 20, 30])
    assert adaptive_targets(r, lowest=5, highest=40, every=10, longest=77).easy == 77
    # A third solved is on the edge: medium for the reward, hard for the monitor.
    assert adaptive_targets(r, lowest=5, highest=40, every=10).hard == 30
    with pytest.raises(ValueError, match="rounding"):
        adaptive_targets(r, lowest=5, rounding="up")
    with pytest.raises(ValueError, match="lowest"):
        adaptive_targets(r, lowest=0)


@given(rollouts(weights="none", prompts=(2, 5), group=(2, 6)))
def test_shorter_answers_never_lengthen_targets(r: Rollouts):
    """Invariant 5, with floor targets never below ceil ones."""
    options: dict[str, Any] = {"lowest": 1.0, "highest": 10.0, "every": 1.0, "group_size": 8,
                               "longest": 99.0}  # fmt: skip
    floor = adaptive_targets(r, **options)
    ceil = adaptive_targets(r, rounding="ceil", **options)
    assert all(f >= c for f, c in zip(floor, ceil, strict=True))
    shorter = adaptive_targets(r.with_(length=np.maximum(r.length - 1, 0)), **options)
    assert all(a <= b for a, b in zip(shorter, floor, strict=True))


def test_adapted_is_a_new_shaper():
    r = group([1, 1, 1, 1], [10, 20, 30, 40])
    old = LaserDE()
    new = old.adapted(r, lowest=5, highest=50, every=5)
    assert (old.easy, new.easy, type(new)) == (0.5, 20.0, LaserDE)
    assert repr(new) == "laser_de(hard=40.0, medium=40.0, easy=20.0)"


# -- group baselines as released -------------------------------------------------------------------
def test_a_lone_right_rollout_as_released():
    """compute_norm_length_penalty: mean 0 and standard deviation 1, so z is the length."""
    r = group([1, 0, 0], [3, 10, 90])
    got = parse("efficient_reasoning(0.4, lone=1, wrong=-0.5)").reward(r)[0]
    assert got.tolist() == pytest.approx([1 - 0.4 / (1 + np.exp(-3)), -0.5, -0.5])
    r = group([1, 1, 0], [3, 10, 90])
    same = parse("efficient_reasoning(0.4)").reward(r)
    np.testing.assert_array_equal(parse("efficient_reasoning(0.4, lone=1)").reward(r), same)


def test_kimi_as_released():
    r = group([1, 1, 0], [10, 20, 30])
    t = 0.5 - (np.array([10, 20, 30]) - 10) / (20 + 1e-6)
    want = np.where([1, 1, 0], 1 + 0.4 * t, 0.4 * np.minimum(t, 0))
    assert parse("kimi(0.4, eps=1e-6)").reward(r)[0] == pytest.approx(want, rel=1e-12)
    assert parse("kimi(0.4, eps=1e-6)").reward(group([1, 1], [7, 7])).tolist() == [[1, 1]]


# -- limits by difficulty, and truncation as released (card 08) ------------------------------------
def test_limits_by_difficulty():
    """From half solved on the easy limit, counted before truncation."""
    length = np.full((3, 4), 30.0)
    right = np.array([[0, 0, 0, 1.0], [0, 0, 1, 1], [1, 1, 1, 1]])
    shaper = TruncationByDifficulty(easy=20, hard=40)
    assert shaper.reward(Rollouts(right, length, 100.0)).sum(-1).tolist() == [1, 0, 0]
    assert shaper.reward(Rollouts(right, length - 10, 100.0)).sum(-1).tolist() == [1, 2, 4]
    low = TruncationByDifficulty(0.2, 0.4, right=1, wrong=-1)
    assert low.reward(Rollouts(right, length, 100.0))[0].tolist() == [-1, -1, -1, 1]


@given(rollouts(weights="none"))
def test_one_limit_for_both_is_truncation(r: Rollouts):
    same = TruncationByDifficulty(0.5, 0.5).reward(r)
    np.testing.assert_array_equal(same, parse("truncation(0.5)").reward(r))


def test_limits_by_difficulty_obeys_the_laws_of_truncation():
    goals = ["wrong_never_above_right", "shorter_right_never_below", "length_unit"]
    assert check_invariants("truncation_by_difficulty()", invariants=goals, max_examples=60).ok


def test_stop_properly():
    """R = S (stop + (1 - stop) 0.1); one that ends by itself at the limit has stopped."""
    cut = np.array([[False, False, True, True, False]])
    r = Rollouts(np.array([[1.0, 1, 1, 0, 0]]), np.array([[9.0, 99, 99, 99, 9]]), 99.0,
                 truncated=cut)  # fmt: skip
    assert StopProperly().reward(r)[0].tolist() == [1, 1, 0.1, 0, 0]
    assert StopProperly(kept=1).reward(r)[0].tolist() == [1, 1, 1, 0, 0]
    assert StopProperly(kept=0, wrong=-1).reward(r)[0].tolist() == [1, 1, -1, -1, -1]
