"""Signals of a vehicle as factors, and one episode's lists."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.worlds.search.infractions import (
    LIMITS,
    centre_factor,
    comfort_factor,
    held,
    limits_broken,
    roach_rewards,
    route_rewards,
    speed_factor,
    sticky_factor,
)


def test_factors_by_hand():
    assert speed_factor([0, 10, 11.115, 20], 10).tolist() == pytest.approx([1, 1, 0.5, 0])
    assert comfort_factor([0, 3, 6]).tolist() == [1, 0.75, 0.5]
    signals = {"jerk": [8.37, -9.0], "yaw_rate": [0.0, 1.0], "longitudinal_acceleration": [2.5, 0]}
    assert limits_broken(signals).tolist() == [1, 2]
    assert len(LIMITS) == 6
    flags = [0, 1, 0, 0, 0, 1]
    assert held(flags, 3).tolist() == [False, True, True, True, False, True]
    assert held(flags, 0).tolist() == [False] + [True] * 5
    assert sticky_factor(flags, ticks=1).tolist() == [1, 0.5, 1, 1, 1, 0.5]
    for value, message in ((0.0, "v_over=0.0 must be above 0"),):
        with pytest.raises(ValueError, match=message):
            speed_factor(1.0, 1.0, value)
    with pytest.raises(ValueError, match="'roll' has no limit of comfort"):
        limits_broken({"roll": 1.0})


def test_the_leaky_counter_against_a_loop():
    rng = np.random.default_rng(0)
    offset, count, want = rng.choice([0.1, -0.8], 200, p=[0.45, 0.55]), 0, []
    for x in offset:
        count = count + 1 if abs(x) > 0.5 else max(0, count - 1)
        want.append(0.5 if count > 5 else 1.0)
    assert centre_factor(offset, frames=5).tolist() == want
    assert 0.5 in want[:100]


def test_the_lists_of_one_episode():
    paid = route_rewards([0, 10, 10, 30], [[0.5, 0.5], [], [0.0]])
    assert (paid.r.tolist(), paid.ret, paid.unread) == ([2.5, 0, 0], 2.5, 0)
    ended = route_rewards([0, 10, 30, 60], [[], [], []], 1, terminal_hint=1.0)
    assert ended.r.tolist() == [10, 19, 0]
    assert route_rewards([0], []).ret == 0
    assert route_rewards([5, 4], [[0.5]]).r.tolist() == [-0.5]
    assert route_rewards([5, 4], [[0.5]], monotone=True).r.tolist() == [0]


def test_a_factor_that_is_no_number_counts_nothing_and_is_reported():
    RC, factors = [0, 10, 20], [[np.nan, 1.0], [1.0]]
    sound, released = (route_rewards(RC, factors, released=x) for x in (False, True))
    assert (sound.r.tolist(), sound.unread) == ([0, 10], 1)
    assert np.isnan(released.ret)
    assert released.unread == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (([0, 1], [[1.5]]), r"the factor 1.5 of step 0 is not in \[0, 1\]"),
        (([0, 1], [[], []]), "RC has 2 values for 2 steps"),
        (([0, 1], [[]], 1), r"terminate_at=1 is no step: None, or 0..0"),
    ],
)
def test_what_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        route_rewards(*given)


def test_the_composite_baseline_pays_for_waiting():
    terms = roach_rewards([0, 3], [0, 6], [0, -1], [0, 0.2], [0, 0.02], [0, 2])
    assert [terms[n][0] for n in terms] == [1, 0, 0, 0, 0]
    assert sum(float(x[1]) for x in terms.values()) == pytest.approx(0.5 - 0.5 - 0.2 - 0.1 - 1 - 3)
