"""A bonus for staying within a target length: who stays, who goes on, and where targets settle.

A rollout of length n is right with probability p(n), rising in n up to the limit N. Right pays 1,
wrong rho; within the target T a right one pays alpha more (LASER). Beyond T only p grows, so that
the best length is T or N. All derived; the setting is that of "Learn to Reason Efficiently with
Adaptive Length-based Reward Shaping" (LASER).

Formulas: docs/theory/length.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "laser_switch",
    kind="theorem",
    cards=("05",),
    section="Table 2; derived",
    provenance="derived",
    formula="p(T)/p(N) = (1 - rho)/(1 - rho + alpha)",
)
def laser_switch(alpha: Array, wrong: float = -0.5) -> np.ndarray:
    """The ratio p(T)/p(N) from which LASER stops at its target; below it the limit pays more.

    Staying pays p(T)(1 + alpha - rho), going on p(N)(1 - rho). Hard prompts, whose accuracy at the
    target is a smaller share, are left alone; truncation has no such ratio: it always stops.

    alpha : any shape, >= 0; wrong : rho < 1. Raises ValueError for a rho of 1 or more.
    """
    gap = _gap(wrong)
    return gap / (gap + np.asarray(alpha, dtype=float))


@entry(
    "laser_de_switch",
    kind="theorem",
    cards=("05",),
    section="Table 2; derived",
    provenance="derived",
    formula="p(T)/p(N) = (alpha/p(N) + 1 - rho - alpha)/(1 - rho + alpha)",
)
def laser_de_switch(longest: Array, alpha: Array, wrong: float = -0.5) -> np.ndarray:
    """The same ratio for LASER-DE, which pays a wrong rollout alpha for going on; inf at p(N) = 0.

    Staying pays p(T)(1 + alpha - rho), going on p(N)(1 - rho - alpha) + alpha. Above `laser_switch`
    by (1 - p(N)) alpha/(p(N)(1 - rho + alpha)), so it explores longer where a prompt is not always
    solved at the limit; above 1 it never stops.

    longest : p(N) in [0, 1]; alpha : >= 0; they broadcast; wrong : rho < 1. Raises ValueError for a
    rho of 1 or more.
    """
    gap, alpha = _gap(wrong), np.asarray(alpha, dtype=float)
    p = np.asarray(longest, dtype=float)
    with np.errstate(divide="ignore"):
        bonus = np.where(alpha > 0, alpha / np.where(p > 0, p, 1.0), 0.0)
    bonus = np.where((p > 0) | (alpha == 0), bonus, np.inf)
    return (bonus + gap - alpha) / (gap + alpha)


@entry(
    "l1_exact_length",
    kind="theorem",
    cards=("05",),
    works=("l1",),
    section="LCPO-Exact; derived",
    provenance="derived",
    formula="max(T, tau ln(1/(tau alpha)))",
)
def l1_exact_length(target: Array, alpha: Array, tau: Array) -> np.ndarray:
    """The best length under L1-Exact where accuracy is 1 - exp(-n/tau): the root of p'(n) = alpha.

    Below the target both terms grow, so it is never left downwards. inf for alpha = 0.

    target : >= 0; alpha : >= 0 per token; tau : tokens, > 0; they broadcast.
    """
    target, alpha, tau = (np.asarray(x, dtype=float) for x in (target, alpha, tau))
    with np.errstate(divide="ignore"):
        return np.maximum(target, -tau * np.log(tau * alpha))


@entry(
    "l1_max_length",
    kind="theorem",
    cards=("05",),
    works=("l1",),
    section="LCPO-Max; derived",
    provenance="derived",
    formula="max(T - (1 - delta)/alpha, tau (z - omega(z))), z = 1 + (T + delta/alpha)/tau",
)
def l1_max_length(target: Array, alpha: Array, tau: Array, delta: Array = 0.5) -> np.ndarray:
    """The best length under L1-Max where accuracy is 1 - exp(-n/tau); omega is Wright's function.

    On the slope p'/p = 1/(E - n), E = T + delta/alpha its end: E/tau + 1 = e^x + x for x = n/tau.
    Before the slope, where all is paid, only p grows, so that the best length is never below the
    slope's beginning. It is below its end for every tau: nothing is paid there. At least 0.

    target : >= 0; alpha : > 0 per token; tau : tokens, > 0; delta in [0, 1]; they broadcast.
    Raises ValueError for an alpha that is not above 0, which has no slope.
    """
    from scipy.special import wrightomega

    target, alpha, tau, delta = (np.asarray(x, dtype=float) for x in (target, alpha, tau, delta))
    if not np.all(alpha > 0):
        msg = f"alpha={alpha} must be above 0: without a slope no length is the best"
        raise ValueError(msg)
    z = 1 + (target + delta / alpha) / tau
    return np.maximum(np.maximum(target - (1 - delta) / alpha, tau * (z - wrightomega(z))), 0.0)


@entry(
    "target_quantile",
    kind="theorem",
    cards=("05",),
    section="section 5.2; derived",
    provenance="derived",
    formula="q = 1/n: 1/ceil(2K/3), 1/ceil(K/3), 1",
)
def target_quantile(group_size: int, rounding: str = "floor") -> np.ndarray:
    """(3,) quantile of a bucket's lengths at which its target settles: hard, medium, easy.

    The target is the least length with P(length <= l) n >= 1. Of 8: 1, 1/3, 1/6 in the paper
    ("ceil"), 1, 1/2, 1/5 in the released code ("floor"). inf where n = 0: no length is enough.

    group_size : K >= 1. Raises ValueError for another size or rounding.
    """
    from toyrl.shapers.length.adaptive import answers_for_one

    if group_size < 1:
        msg = f"group_size={group_size} must be at least 1"
        raise ValueError(msg)
    with np.errstate(divide="ignore"):
        return 1 / np.asarray(answers_for_one(int(group_size), rounding), dtype=float)


@entry(
    "exponential_target",
    kind="theorem",
    cards=("05",),
    section="section 5.2; derived",
    provenance="derived",
    formula="-mu ln(1 - q)",
)
def exponential_target(mean: Array, quantile: Array) -> np.ndarray:
    """Where a target settles if lengths are exponential: proportional to the mean; inf from q = 1.

    As the policy shortens, targets fall with it: nothing but the lower end of the grid stops them.

    mean : tokens, >= 0; quantile : in [0, 1], above 1 for none. They broadcast.
    """
    q = np.minimum(np.asarray(quantile, dtype=float), 1.0)
    mean = np.asarray(mean, dtype=float)
    with np.errstate(divide="ignore"):
        return np.where(q < 1, -mean * np.log1p(-np.where(q < 1, q, 0.0)), np.inf)


def _gap(wrong: float) -> float:
    """1 - rho, or ValueError where a wrong answer pays as much as a right one."""
    if not wrong < 1:
        msg = f"wrong={wrong} must be below 1, what a right answer pays"
        raise ValueError(msg)
    return 1.0 - wrong
