"""A reward model that is corrected while the policy exploits it: when it turns, and who is first.

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

**The race.** An update needs a right answer in the group: 1 - (1 - p)^G, p the policy's share of
right answers. While the model still likes the hack, GRPO lowers p, and with it the pairs. Against
one hack alone, with standard deviations of infinite groups, x = logit p moves by
x' = -lr/cosh(x/2): sinh(x/2) falls in a straight line, p as 1/t^2, and pairs are finite in number
(`pairs_left`).

In groups of G both events, a pair and a push away from the right answer, need a right one among
G: at small p they come in a fixed ratio, x' = -2 lr p (G - 1)/sqrt(G) against G p pairs an update.
So there are G^(3/2)/(2 lr (G - 1)) pairs for every factor e by which p falls (`pairs_per_efold`),
p falls as 1/t only, and pairs come for ever, if ever more slowly: the failure is slow, not
absorbing.

**A verifier that errs.** Rejecting right answers makes positives rarer and none of them wrong.
Accepting hacks turns pairs round: at w_c = w_h = w the model leans to the hack as soon as hacks are
more than (h + (1-h) sigma(-w))/(h + 2(1-h) sigma(-w)) >= 1/2 of the positives.

Formulas: docs/theory/cotrained.md.

Source: the flow and both closed forms are paper 28's toy as derived for this project; bounds, pairs
and what follows from them derived.
"""

from __future__ import annotations

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


@entry(
    "pairs_left",
    kind="theorem",
    cards=("28",),
    provenance="derived",
    formula="(1/2lr) int_0^p (1-(1-y)^G) (y(1-y))^(-3/2) dy",
)
def pairs_left(p: Array, group_size: int, rate: float) -> np.ndarray:
    """Pairs that come before right answers are gone, against one hack, in infinite groups' flow.

    p : (...) share of right answers in [0, 1), the hack's is the rest; group_size : of which one
    must be right for a pair, >= 1; rate lr > 0 of the policy. A sum of incomplete beta functions,
    2 sqrt(p/(1-p)) + sum_(k=1)^(G-1) B(p; 1/2, k - 1/2), over 2 lr.

    Raises ValueError for arguments out of their ranges.
    """
    from scipy.special import beta, betainc

    p = np.asarray(p, dtype=float)
    _race(group_size, rate)
    if not np.all((p >= 0) & (p < 1)):
        msg = f"p={p.tolist()} must lie in [0, 1): at 1 there is no hack to run from"
        raise ValueError(msg)
    k = np.arange(1, int(group_size))
    total = (betainc(0.5, k - 0.5, p[..., None]) * beta(0.5, k - 0.5)).sum(-1)
    return ((2 * np.sqrt(p / (1 - p)) + total) / (2 * rate))[()]


@entry(
    "pairs_per_efold",
    kind="theorem",
    cards=("28",),
    provenance="derived",
    formula="G^(3/2)/((1 + m) lr (G-1))",
)
def pairs_per_efold(group_size: int, rate: float, *, losers: int = 1) -> float:
    """Pairs for each factor e by which rare right answers get rarer, under GRPO in groups of G.

    group_size G >= 2; rate lr > 0; losers m >= 1 : kinds of answers equally rare that the hack
    wins over, right ones included: each pushes the hack up when it turns up

    Raises ValueError for arguments out of their ranges.
    """
    _race(group_size, rate, least=2)
    if losers < 1:
        msg = f"losers={losers} counts right answers too; give 1 or more"
        raise ValueError(msg)
    return float(group_size**1.5 / ((1 + losers) * rate * (group_size - 1)))


@entry(
    "tolerated_false_share",
    kind="theorem",
    cards=("28",),
    provenance="derived",
    formula="(h + (1-h) sigma(-w))/(h + 2(1-h) sigma(-w))",
)
def tolerated_false_share(level: Array, share: Array) -> np.ndarray:
    """The share of positives that may be hacks before the model comes to like the hack more.

    Of the positives that a verifier lets through a share are hacks. At w_c = w_h = level (in
    logits) the model moves towards right answers below the share that is returned, towards the hack
    above it. At least 1/2 whatever the level, 1 where all negatives look like the hack (h = 1).

    level, share broadcast; share in [0, 1]. Raises ValueError for a share outside.
    """
    from scipy.special import expit

    h = np.asarray(share, dtype=float)
    if not np.all((h >= 0) & (h <= 1)):
        msg = f"share={h.tolist()} must lie in [0, 1]: it is a share of the negatives"
        raise ValueError(msg)
    plain = (1 - h) * expit(-np.asarray(level, dtype=float))
    total = h + 2 * plain  # 0 where plain negatives teach nothing any more, and there are no others
    return np.where(total > 0, (h + plain) / np.where(total > 0, total, 1.0), 0.5)[()]


@entry(
    "agreed_labels",
    kind="theorem",
    cards=("28",),
    section="hybrid annotation",
    provenance="derived",
    formula="kept = p (s1 s2 + e1 e2) + ..., wrong labels among them",
)
def agreed_labels(
    p: Array, rule: tuple[float, float], judge: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """(share of texts kept, share of wrong labels among those) where two verdicts must agree.

    p : (...) share of right texts, in [0, 1]; rule, judge : chances (false negative, false
    positive) of each, in [0, 1], their errors independent given the text. NaN wrong of none kept.

    Raises ValueError for chances outside [0, 1].
    """
    p = np.asarray(p, dtype=float)
    numbers = np.array([*rule, *judge], dtype=float)
    if not (np.all((p >= 0) & (p <= 1)) and np.all((numbers >= 0) & (numbers <= 1))):
        msg = f"p={p.tolist()}, rule={rule}, judge={judge}: chances in [0, 1]"
        raise ValueError(msg)
    (up, down), (up2, down2) = rule, judge
    good = p * (1 - up) * (1 - up2) + (1 - p) * (1 - down) * (1 - down2)
    bad = p * up * up2 + (1 - p) * down * down2
    kept = good + bad
    return kept[()], np.where(kept > 0, bad / np.where(kept > 0, kept, 1.0), np.nan)[()]


# -- inside ----------------------------------------------------------------------------------------
def _turn(gap: Array) -> Any:
    """Time in units of 1/eta at h = 1."""
    return (gap - np.expm1(-gap)) / 2


def _climb(w_c: float, w_h: float) -> float:
    """The same at h = 0."""
    with np.errstate(over="ignore"):
        return float(np.exp(w_h) - np.exp(w_c) + w_h - w_c)


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


def _race(group_size: int, rate: float, *, least: int = 1) -> None:
    if not (group_size >= least and group_size % 1 == 0):
        msg = f"group_size={group_size} must be a whole number, {least} or above"
        raise ValueError(msg)
    if not (rate > 0 and np.isfinite(rate)):
        msg = f"rate={rate} must be finite and above 0: it is a learning rate"
        raise ValueError(msg)
