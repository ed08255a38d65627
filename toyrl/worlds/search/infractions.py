"""What a vehicle's signals make of the pay: soft factors in [0, 1] that multiply, hard ends.

    speed_factor     falls in a straight line above the limit
    comfort_factor   by the number of kinematic limits that are broken
    sticky_factor    a violation that goes on counting for a while
    centre_factor    too far from the lane's centre for too long
    route_rewards    the pay of one episode from its lists, as the released code keeps them
    roach_rewards    a composite reward of an earlier agent: the rival (unverified)

NumPy; the last axis is time. Source: paper 20, official code (`rl_config.py`); where a statement is
from memory, the docstring says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any
LIMITS = {
    "longitudinal_acceleration": (-4.05, 2.40),
    "lateral_acceleration": (-4.89, 4.89),
    "jerk": (-8.37, 8.37),
    "longitudinal_jerk": (-4.13, 4.13),
    "yaw_rate": (-0.95, 0.95),
    "yaw_acceleration": (-1.93, 1.93),
}
"""Lowest and highest comfortable value, in m/s^2, m/s^3, rad/s and rad/s^2."""
STICKY = 500
"""Simulator ticks for which a broken limit goes on counting."""


def speed_factor(v: Array, limit: Array, v_over: float = 2.23) -> np.ndarray:
    """max(0, 1 - max(0, v - limit)/v_over): 1 up to the limit, 0 from v_over above it on.

    v, limit : m/s, shapes that broadcast; v_over : m/s, > 0

    Raises ValueError for a v_over that is not positive. Paper 20, code.
    """
    if not v_over > 0:
        msg = f"v_over={v_over} must be above 0: m/s over the limit at which nothing is paid"
        raise ValueError(msg)
    over = np.maximum(np.asarray(v, dtype=float) - limit, 0.0)
    return np.maximum(0.0, 1.0 - over / v_over)


def comfort_factor(n_violated: Array, factor: float = 0.5, limits: int = len(LIMITS)) -> np.ndarray:
    """1 - factor n/limits for n broken limits, in [1 - factor, 1]; any shape. Paper 20, code."""
    return 1.0 - factor * np.asarray(n_violated, dtype=float) / limits


def limits_broken(signals: Mapping[str, Array]) -> np.ndarray:
    """(...) how many of `LIMITS` are broken, signals by name, arrays of one shape; edges are kept.

    Raises ValueError for a signal that has no limit.
    """
    unknown = [n for n in signals if n not in LIMITS]
    if unknown:
        msg = f"{unknown[0]!r} has no limit of comfort; there are {', '.join(LIMITS)}"
        raise ValueError(msg)
    broken: Any = 0
    for name, value in signals.items():
        low, high = LIMITS[name]
        broken = broken + ((np.asarray(value) < low) | (np.asarray(value) > high))
    return np.asarray(broken)


def held(violated: Array, ticks: int = STICKY) -> np.ndarray:
    """(..., T) bool: violated now or within the last `ticks` steps, this one counting as the first.

    ticks : 0 for a violation that counts to the end. Paper 20: 500 in CARLA, to the end in nuPlan.
    """
    seen = np.cumsum(np.asarray(violated, dtype=bool), axis=-1)
    before = np.zeros_like(seen)
    if 0 < ticks < seen.shape[-1]:
        before[..., ticks:] = seen[..., :-ticks]
    return seen > before


def sticky_factor(violated: Array, factor: float = 0.5, ticks: int = STICKY) -> np.ndarray:
    """(..., T) `factor` while a violation is held (`held`), else 1. Paper 20, code (0.5)."""
    return np.where(held(violated, ticks), factor, 1.0)


def centre_factor(
    offset: Array, *, frames: int = 30, metres: float = 0.5, factor: float = 0.5
) -> np.ndarray:
    """(..., T) `factor` where the leaky counter of frames off the centre is above `frames`.

    offset : (..., T) metres from the lane's centre, either sign; the counter rises by 1 in a frame
        that is more than `metres` off and falls by 1, not below 0, in another
    frames : of three seconds, here at 10 a second

    Paper 20, code; the rate of frames is ours.
    """
    move = np.where(np.abs(np.asarray(offset, dtype=float)) > metres, 1, -1)
    total = np.cumsum(move, axis=-1)
    lowest = np.minimum(np.minimum.accumulate(total, axis=-1), 0)
    return np.where(total - lowest > frames, factor, 1.0)


@dataclass(frozen=True)
class RouteRewards:
    """One episode's pay: r (T,), their sum, and how many factors were no number (counted as 0)."""

    r: np.ndarray
    ret: float
    unread: int


def route_rewards(
    RC: Sequence[float],
    penalties: Sequence[Sequence[float]],
    terminate_at: int | None = None,
    *,
    terminal_hint: float = 0.0,
    monotone: bool = False,
    released: bool = False,
) -> RouteRewards:
    """r_t = (RC_t - RC_(t-1)) prod_k p_(k,t), less the hint at the hard step, 0 behind it.

    RC : T + 1 route completions in percent, the first at the start
    penalties : T lists of factors in [0, 1]; an empty one multiplies by 1
    terminate_at : step of the hard infraction, from 0, or None; it still pays its progress
    terminal_hint : what a collision or a red light costs (1.0 in the code), else 0
    monotone : steps back pay 0 instead of their loss; released : a factor NaN makes the pay NaN,
        where the sound form counts it as 0 and says so in `unread`

    Raises ValueError for other lengths, a factor outside [0, 1], and a step that is not there.
    Paper 20, Eq. of the simple reward; code `simple_reward.py`.
    """
    done, T = np.asarray(RC, dtype=float), len(penalties)
    if done.shape != (T + 1,):
        msg = f"RC has {done.size} values for {T} steps; give one more than there are steps"
        raise ValueError(msg)
    if terminate_at is not None and not 0 <= terminate_at < T:
        msg = f"terminate_at={terminate_at} is no step: None, or 0..{T - 1}"
        raise ValueError(msg)
    bad = [(t, p) for t, own in enumerate(penalties) for p in own if p < 0 or p > 1]
    if bad:
        msg = f"the factor {bad[0][1]} of step {bad[0][0]} is not in [0, 1]: factors only take away"
        raise ValueError(msg)
    gain = np.diff(done)
    gain = np.maximum(gain, 0.0) if monotone else gain
    unread = sum(bool(np.isnan(p)) for own in penalties for p in own)
    factor = np.array([np.prod(np.asarray(own, dtype=float)) for own in penalties])
    if not released:
        factor = np.where(np.isnan(factor), 0.0, factor)
    r = gain * factor
    if terminate_at is not None:
        r[terminate_at] -= terminal_hint
        r[terminate_at + 1 :] = 0.0
    return RouteRewards(r, float(r.sum()), unread)


def roach_rewards(
    v: Array,
    v_wanted: Array,
    offset: Array,
    heading: Array,
    steering_change: Array,
    ended: Array,
    *,
    v_max: float = 6.0,
) -> dict[str, np.ndarray]:
    """The five terms of a composite reward, to be summed: speed, position, rotation, action, end.

    v, v_wanted : m/s; offset : metres from the centre; heading : radians off; steering_change : of
    the control; ended : 0, or 1 on a step that ends the episode for an infraction, 2 where the
    speed is charged too (collision, red light); all of one shape. v_max : m/s, > 0

    Standing still is paid 1 a step wherever the wanted speed is 0. Paper 20's baseline, from memory
    of Roach: unverified.
    """
    v, end = np.asarray(v, dtype=float), np.asarray(ended)
    return {
        "speed": 1.0 - np.abs(v - v_wanted) / v_max,
        "position": -0.5 * np.abs(np.asarray(offset, dtype=float)),
        "rotation": -np.abs(np.asarray(heading, dtype=float)),
        "action": np.where(np.abs(np.asarray(steering_change)) > 0.01, -0.1, 0.0),
        "terminal": -1.0 * (end > 0) - v * (end > 1),
    }
