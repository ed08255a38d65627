"""When a reward model that is corrected at every update stops liking a hack.

Three kinds of answers: right, plainly wrong, and a hack that the model likes. A linear model scores
them w_c, 0 and w_h; every update compares a right answer with a negative that is like the hack with
chance h (the share), plainly wrong else, and moves at the rate eta:

    w_c' = eta [h sigma(w_h - w_c) + (1 - h) sigma(-w_c)],   w_h' = -eta h sigma(w_h - w_c).

The model turns where w_c passes w_h. With D = w_h - w_c at the start, as times in units of updates:

    h = 1   D' = -2 eta sigma(D):   (D - e^(-D) + 1)/(2 eta)                linear in the flaw
    h = 0   w_c alone moves:        (e^(w_h) + w_h - e^(w_c) - w_c)/eta     exponential in it

Between them the path has no elementary integral that we know (in a = e^(w_c), b = e^(-w_h) it is an
equation of Abel's kind); `crossing_time` integrates it, and three comparisons bound it:

    above   h sigma(D) alone drives D:   (D - e^(-D) + 1)/(2 eta h)
            w_c' >= eta (1-h) sigma(-w_c), w_h falls:
                                         (e^(w_h) + w_h - e^(w_c) - w_c)/(eta (1-h))
    below   sigma(-w_c) is largest at the start:
                                         int_0^D dy/(eta (2h sigma(y) + (1-h) sigma(-w_c)))

Formulas: docs/theory/cotrained.md.

Source: derived, for paper 28, with the toy of `toyrl reproduce 28`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "crossing_time",
    kind="theorem",
    cards=("28",),
    provenance="derived",
    formula="h = 1: (D - e^-D + 1)/(2 eta); h = 0: (e^w_h + w_h - e^w_c - w_c)/eta",
)
def crossing_time(right: float, hack: float, share: float, rate: float) -> float:
    """Updates with a pair until the reward model likes right answers more than the hack; scalars.

    right, hack : its logits of both at the start; share h in [0, 1] of negatives like the hack
    rate : eta >= 0. 0 where right answers are ahead from the start, inf at eta = 0.
    Closed at h = 0 and 1, integrated to about 1e-10 between them.

    Raises ValueError for logits that aren't finite, a share outside [0, 1], a negative rate.
    """
    w_c, w_h, h = _start(right, hack, share, rate)
    if w_h <= w_c:
        return 0.0
    if rate == 0:
        return float("inf")
    if h in (0.0, 1.0):
        return float((_turn(w_h - w_c) if h else _climb(w_c, w_h)) / rate)
    return _integrated(w_c, w_h, h) / rate


@entry(
    "crossing_bounds",
    kind="theorem",
    cards=("28",),
    provenance="derived",
    formula="int_0^D dy/(eta(2h sigma(y) + (1-h) sigma(-w_c))) <= t <= min of both ends' forms",
)
def crossing_bounds(right: float, hack: float, share: float, rate: float) -> tuple[float, float]:
    """(at least, at most) the updates of `crossing_time`, in closed form; equal at h = 1.

    Arguments and errors as there; at h = 0 the upper bound is the time itself.
    """
    from scipy.special import expit

    w_c, w_h, h = _start(right, hack, share, rate)
    gap = w_h - w_c
    if gap <= 0:
        return 0.0, 0.0
    if rate == 0:
        return float("inf"), float("inf")
    most = [_turn(gap) / h] if h > 0 else []
    most += [_climb(w_c, w_h) / (1 - h)] if h < 1 else []
    a, b = 2 * h, (1 - h) * float(expit(-w_c))
    if b == 0:
        least = _turn(gap) / h if h > 0 else most[0]
    else:  # int (1 + e^-y)/(a + b + b e^-y) dy, by partial fractions in e^y
        bend = np.logaddexp(np.log(a + b) + gap, np.log(b)) - np.log(a + 2 * b)
        least = gap / b - a / (b * (a + b)) * bend
    return float(min(least, *most) / rate), float(min(most) / rate)


# -- inside ----------------------------------------------------------------------------------------
def _turn(gap: Array) -> Any:
    """Time in units of 1/eta at h = 1."""
    return (gap - np.expm1(-gap)) / 2


def _climb(w_c: float, w_h: float) -> float:
    """The same at h = 0."""
    with np.errstate(over="ignore"):
        return float(np.exp(w_h) - np.exp(w_c) + w_h - w_c)


@lru_cache(maxsize=1024)
def _integrated(w_c: float, w_h: float, h: float) -> float:
    """Time over D, which falls without a stop: dt/dD and dw_c/dD from the flow."""
    from scipy.integrate import solve_ivp
    from scipy.special import expit

    def slope(closed: float, y: np.ndarray) -> list[float]:
        gap = w_h - w_c - closed
        near, far = h * expit(gap), (1 - h) * expit(-y[1])
        return [1 / (2 * near + far), (near + far) / (2 * near + far)]

    found = solve_ivp(slope, (0, w_h - w_c), [0.0, w_c], method="LSODA", rtol=1e-11, atol=1e-12)
    return float(found.y[0, -1])


def _start(right: float, hack: float, share: float, rate: float) -> tuple[float, float, float]:
    if not (np.isfinite(right) and np.isfinite(hack)):
        msg = f"right={right}, hack={hack} must be finite: they are logits"
        raise ValueError(msg)
    if not 0 <= share <= 1:
        msg = f"share={share} must lie in [0, 1]: it is a share of the negatives"
        raise ValueError(msg)
    if not (rate >= 0 and np.isfinite(rate)):
        msg = f"rate={rate} must be finite and 0 or above: it is a learning rate"
        raise ValueError(msg)
    return float(right), float(hack), float(share)
