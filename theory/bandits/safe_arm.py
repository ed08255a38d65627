"""A safe arm that pays lam against an unknown one, theta ~ Beta(a, b): where credit decides.

With s successes and f failures of the unknown arm B, m_B = (a + s)/(a + b + s + f), and m pulls
left,

    Q_m(A) = lam + g V_(m-1)(s, f),
    Q_m(B) = m_B (1 + g V_(m-1)(s + 1, f)) + (1 - m_B) g V_(m-1)(s, f + 1),   V = max, V_0 = 0.

Nothing is learned from A, so once A is best it stays best; the sweep doesn't use that. The largest
lam at which B is tried first is the index of B with n pulls: Gittins' index in the limit. An exact
tie counts as not exploring; totals split ties evenly.

Myopic (g = 0), without memory, or met once (n = 1), B is tried only if lam < a/(a + b): each of the
three conditions is needed above it. Noise in the estimate stands in for the third: an average of S
posterior samples is above lam with a chance that S = 1 (Thompson sampling) has large and S = inf 0.

Formulas: docs/theory/bandits.md.

Source: section 2 and E2, E4 of our notes on paper 48 (the toy is derived; the reading of
"pseudo-Thompson" as an average of S samples is a reconstruction); Bradt, Johnson and Karlin 1956.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import comb, factorial
from typing import Any, cast

import numpy as np

from toyrl.registry import entry

Array = Any
Choice = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
RULES = ("bayes", "thompson")
TIE = 1e-12


@entry(
    "safe_arm_value",
    kind="theorem",
    cards=("48",),
    section="Eq. 1; E2",
    provenance="derived",
    formula="max(lam + g V, m_B (1 + g V(s + 1)) + (1 - m_B) g V(f + 1))",
)
def safe_arm_value(
    lam: Array, horizon: int, discount: Array = 1.0, a0: float = 1.0, b0: float = 1.0
) -> np.ndarray:
    """Largest expected discounted pay of n pulls; the broadcast shape of lam and discount.

    lam : (...,) pay of the safe arm, finite; discount : (...,) in [0, 1]; a0, b0 : above 0

    Raises ValueError for arguments out of their ranges and a horizon below 1.
    """
    safe, unknown = _first_pull(lam, horizon, discount, a0, b0)
    return np.maximum(safe, unknown)


@entry(
    "explore_first",
    kind="theorem",
    cards=("48",),
    section="E2",
    provenance="derived",
    formula="1 if Q(B) > Q(A) at the first pull",
)
def explore_first(
    lam: Array, horizon: int, discount: Array = 1.0, a0: float = 1.0, b0: float = 1.0
) -> np.ndarray:
    """1.0 where the unknown arm is pulled first, 0.0 where not or tied; (...,) as they broadcast.

    Arguments and ValueError as for `safe_arm_value`.
    """
    safe, unknown = _first_pull(lam, horizon, discount, a0, b0)
    return (unknown > safe + TIE * horizon).astype(float)


@entry(
    "gamma_star",
    kind="theorem",
    cards=("48",),
    section="E2",
    provenance="derived",
    formula="(lam - 1/2)/(1/3 - lam/2)",
)
def gamma_star(lam: Array) -> np.ndarray:
    """Discount above which two pulls are enough to try a uniform arm first; (...,) as lam.

    lam : (...,) in [1/3, 2/3). 0 or less: tried at every discount; above 1: at none.

    Raises ValueError for lam outside the range in which only a success makes B worth a second pull.
    """
    lam = np.asarray(lam, dtype=float)
    if not ((lam >= 1 / 3) & (lam < 2 / 3)).all():
        msg = f"lam={lam} must lie in [1/3, 2/3): elsewhere the second pull doesn't depend on "
        raise ValueError(msg + "the first")
    return (lam - 1 / 2) / (1 / 3 - lam / 2)


@entry(
    "lam_star",
    kind="theorem",
    cards=("48",),
    section="E2",
    provenance="derived",
    formula="the lam at which Q(A) = Q(B) at the first of n pulls",
)
def lam_star(horizon: int, discount: float = 1.0, a0: float = 1.0, b0: float = 1.0) -> float:
    """Largest pay of the safe arm at which the unknown one is tried first; a scalar.

    The index of the unknown arm with so many pulls, Gittins' index as n rises with discount < 1.
    Arguments and ValueError as for `safe_arm_value`.
    """
    from scipy.optimize import brentq

    def lead(lam: float) -> float:
        safe, unknown = _first_pull(lam, horizon, discount, a0, b0)
        return float(unknown - safe)

    low = a0 / (a0 + b0)
    if lead(low) <= 0:  # one pull, or none that counts
        return float(low)
    return cast("float", brentq(lead, low, 1.0, xtol=1e-13))


@entry(
    "safe_arm_total",
    kind="theorem",
    cards=("48",),
    section="E2, E4",
    provenance="derived",
    formula="sum of pay under argmax Q at discount g, or under P(theta > lam)",
)
def safe_arm_total(
    lam: float, horizon: int, discount: float = 1.0, rule: str = "bayes", a0: float = 1.0,
    b0: float = 1.0,
) -> float:  # fmt: skip
    """Expected pay of n pulls, not discounted, of a rule; a scalar.

    rule : "bayes" acts greedily on Q with this discount (0: myopic), ties at random; "thompson"
        takes B with the chance that theta > lam, whatever the discount

    Raises ValueError for an unknown rule, and as `safe_arm_value` does.
    """
    if rule not in RULES:
        msg = f"rule={rule!r} is unknown; choose from {', '.join(RULES)}"
        raise ValueError(msg)
    choice: Choice = _greedy
    if rule == "thompson":
        from scipy.special import betaincc

        choice = lambda s, f, _: betaincc(a0 + s, b0 + f, np.clip(lam, 0, 1))  # noqa: E731
    _, _, paid = _sweep(lam, horizon, discount, a0, b0, choice)
    return float(paid)


@entry(
    "safe_arm_oracle",
    kind="theorem",
    cards=("48",),
    section="6.2",
    provenance="derived",
    formula="lam + (1 - lam)^2/2",
)
def safe_arm_oracle(lam: Array) -> np.ndarray:
    """E max(lam, theta) with theta uniform, what an oracle is paid a pull; (...,) as lam in [0, 1].

    Raises ValueError for lam outside [0, 1].
    """
    lam = np.asarray(lam, dtype=float)
    if not ((lam >= 0) & (lam <= 1)).all():
        msg = f"lam={lam} must lie in [0, 1]"
        raise ValueError(msg)
    return lam + (1 - lam) ** 2 / 2


@entry(
    "noisy_first_pull",
    kind="theorem",
    cards=("48",),
    section="Eq. 3; E4",
    provenance="reconstructed",
    formula="P(mean of S uniform samples > lam), Irwin-Hall",
)
def noisy_first_pull(lam: float, samples: int) -> float:
    """Chance that a myopic agent with a noisy estimate pulls a uniform arm first; a scalar.

    samples : S posterior samples that are averaged: 1 is Thompson sampling, many are the mean
    lam : in [0, 1]. Exact rational arithmetic: no cancellation at large S

    Raises ValueError for lam outside [0, 1] or samples below 1.
    """
    if not 0 <= lam <= 1:
        msg = f"lam={lam} must lie in [0, 1]"
        raise ValueError(msg)
    if not int(samples) == samples >= 1:
        msg = f"samples={samples} must be a whole number from 1 on"
        raise ValueError(msg)
    S = int(samples)
    x = S * (1 - Fraction(lam))  # by symmetry, P(sum < x)
    terms = ((-1) ** k * comb(S, k) * (x - k) ** S for k in range(int(x) + 1))
    return float(sum(terms, Fraction(0)) / factorial(S))


# -- inside ----------------------------------------------------------------------------------------
def _first_pull(
    lam: Array, horizon: int, discount: Array = 1.0, a0: float = 1.0, b0: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """(Q(A), Q(B)) at the first pull, (...,) as lam and discount broadcast.

    Arguments and ValueError as for `safe_arm_value`.
    """
    safe, unknown, _ = _sweep(lam, horizon, discount, a0, b0, None)
    return safe, unknown


def _counts(most: int) -> tuple[np.ndarray, np.ndarray]:
    """Successes and failures as (most + 1, 1) and (1, most + 1)."""
    k = np.arange(most + 1)
    return k[:, None], k[None, :]


def _sweep(
    lam: Array, n: int, discount: Array, a0: float, b0: float, choice: Choice | None
) -> tuple[np.ndarray, np.ndarray, Any]:
    """Q(A), Q(B) of the first pull, and the expected total of a choice (the chance of B)."""
    lam, g = _checked(lam, n, discount, a0, b0)
    lam, g = lam[..., None, None], g[..., None, None]
    value = total = np.zeros((*lam.shape[:-2], n + 1, n + 1))
    safe = unknown = value
    for left in range(1, n + 1):
        s, f = _counts(n - left)
        mean = (a0 + s) / (a0 + b0 + s + f)
        here, won, lost = _children(value)
        safe, unknown = lam + g * here, mean * (1 + g * won) + (1 - mean) * g * lost
        value = np.maximum(safe, unknown)
        if choice is not None:
            here, won, lost = _children(total)
            tried = choice(s, f, (unknown - safe) / left)
            explored = mean * (1 + won) + (1 - mean) * lost
            total = (1 - tried) * (lam + here) + tried * explored
    return safe[..., 0, 0], unknown[..., 0, 0], total[..., 0, 0]


def _children(value: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The next values after a pull of A, a success and a failure of B."""
    return value[..., :-1, :-1], value[..., 1:, :-1], value[..., :-1, 1:]


def _greedy(_s: np.ndarray, _f: np.ndarray, lead: np.ndarray) -> np.ndarray:
    return np.where(np.abs(lead) <= TIE, 0.5, (lead > 0).astype(float))


def _checked(
    lam: Array, n: int, discount: Array, a0: float, b0: float
) -> tuple[np.ndarray, np.ndarray]:
    lam, g = np.broadcast_arrays(np.asarray(lam, dtype=float), np.asarray(discount, dtype=float))
    if not np.isfinite(lam).all():
        msg = f"lam={lam} must be finite"
        raise ValueError(msg)
    if not ((g >= 0) & (g <= 1)).all():
        msg = f"discount={discount} must lie in [0, 1]"
        raise ValueError(msg)
    if not int(n) == n >= 1:
        msg = f"horizon={n} must be a whole number from 1 on"
        raise ValueError(msg)
    if not (0 < a0 < np.inf and 0 < b0 < np.inf):
        msg = f"a0={a0}, b0={b0} must be finite and above 0: they are a Beta prior"
        raise ValueError(msg)
    return lam, g
