"""The stand-still trap: two decisions under a sum of terms, and under a product.

A rollout goes with chance p and is careful with chance q, each a sigmoid of its own logit. Going
carefully earns G, going carelessly crashes at -C, standing is comfortable and paid w by the sum,
care costs c. The product pays G for going carefully and nothing else (times 1 - c with a cost).

The sum has a local maximum where nobody goes. What separates the starts that end there is a level
of a conserved quantity. The product has neither. All derived, for paper 20.

Formulas: docs/theory/composite.md.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any
FORMS = ("product", "survival", "additive")


@entry(
    "sum_rewards",
    kind="theorem",
    cards=("20",),
    section="stand-still trap; derived",
    provenance="derived",
    formula="w(1-go) + go (careful G - (1-careful) C) - c careful",
)
def sum_rewards(G: float = 1.0, C: float = 1.0, w: float = 0.3, c: float = 0.1) -> np.ndarray:
    """(4,) pay of the sum: stand, stand carefully, go carelessly, go carefully."""
    return np.array([w, w - c, -C, G - c])


@entry(
    "product_rewards",
    kind="theorem",
    cards=("20",),
    section="stand-still trap; derived",
    provenance="derived",
    formula="go careful G (1 - c careful)",
)
def product_rewards(G: float = 1.0, c: float = 0.0) -> np.ndarray:
    """(4,) pay of the product, in the same order; c in [0, 1] is the share that care costs."""
    return np.array([0.0, 0.0, 0.0, G * (1 - c)])


@entry(
    "sum_gradient",
    kind="theorem",
    cards=("20",),
    section="stand-still trap; derived",
    provenance="derived",
    formula="[p(1-p)(q(G+C) - (C+w)), q(1-q)(p(G+C) - c)]",
)
def sum_gradient(
    p: Array, q: Array, G: float = 1.0, C: float = 1.0, w: float = 0.3, c: float = 0.1
) -> np.ndarray:
    """(2, ...) gradient of the sum's mean reward in the logits of p and q, any shape in [0, 1].

    The first changes its sign at q = (C + w)/(G + C), the second at p = c/(G + C).
    """
    p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    return np.array([p * (1 - p) * (q * (G + C) - C - w), q * (1 - q) * (p * (G + C) - c)])


@entry(
    "product_gradient",
    kind="theorem",
    cards=("20",),
    section="stand-still trap; derived",
    provenance="derived",
    formula="G (1-c) [p(1-p) q, q(1-q) p]",
)
def product_gradient(p: Array, q: Array, G: float = 1.0, c: float = 0.0) -> np.ndarray:
    """(2, ...) the same under the product: both positive inside the square, so there is no trap."""
    p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    return G * (1 - c) * np.array([p * (1 - p) * q, q * (1 - q) * p])


@entry(
    "trap_saddle",
    kind="theorem",
    cards=("20",),
    section="stand-still trap; derived",
    provenance="derived",
    formula="(c/(G+C), (C+w)/(G+C))",
)
def trap_saddle(
    G: float = 1.0, C: float = 1.0, w: float = 0.3, c: float = 0.1
) -> tuple[float, float]:
    """(p, q) where the sum's gradient vanishes inside the square.

    Raises ValueError where it doesn't: c at most 0, w at least G, or c at least G + C.
    """
    if not (0 < c < G + C and -C < w < G):
        msg = (
            f"G={G}, C={C}, w={w}, c={c}: a saddle needs 0 < c < G + C and -C < w < G (standing is "
            "worth less than a route, and more than a crash)"
        )
        raise ValueError(msg)
    return c / (G + C), (C + w) / (G + C)


@entry(
    "trap_invariant",
    kind="theorem",
    cards=("20",),
    section="stand-still trap, Eq. 3; derived",
    provenance="derived",
    formula="I(p, q) = Phi(p; c) - Phi(q; C+w)",
)
def trap_invariant(
    p: Array, q: Array, G: float = 1.0, C: float = 1.0, w: float = 0.3, c: float = 0.1
) -> np.ndarray:
    """What gradient flow on the sum conserves, (...), p and q in (0, 1).

    Phi(x; k) = (G+C) [ln(x/(1-x)) + 1/(1-x)] - k [2 ln(x/(1-x)) - 1/x + 1/(1-x)] is the integral of
    ((G+C) x - k)/(x (1-x))^2; -inf or inf at the edges of the square, NaN where both meet.
    """
    e = G + C
    return np.asarray(_phi(p, e, c) - _phi(q, e, C + w))


def _phi(x: Array, e: float, k: float) -> Array:
    x = np.asarray(x, dtype=float)
    logit = np.log(x) - np.log1p(-x)
    return e * (logit + 1 / (1 - x)) - k * (2 * logit - 1 / x + 1 / (1 - x))


@entry(
    "basin_boundary",
    kind="theorem",
    cards=("20",),
    section="stand-still trap; derived",
    provenance="derived",
    formula="the root q of I(p0, q) = I(p*, q*), on the other side of q* than p0 of p*",
)
def basin_boundary(
    p0: float, G: float = 1.0, C: float = 1.0, w: float = 0.3, c: float = 0.1
) -> float:
    """The chance of care below which a start at p0 ends standing, under the sum.

    p0 : in (0, 1). 0.26594 at p0 = 0.3 and the defaults.

    Raises ValueError for p0 outside (0, 1), and where there is no saddle (`trap_saddle`).
    """
    if not 0 < p0 < 1:
        msg = f"p0={p0} must be in (0, 1): a chance that can still move"
        raise ValueError(msg)
    from scipy.optimize import brentq

    p, q = trap_saddle(G, C, w, c)
    level = float(trap_invariant(p, q, G, C, w, c))
    middle = math.log(q / (1 - q))

    def above(z: float) -> float:
        x = 1 / (1 + math.exp(-z))
        return float(trap_invariant(p0, x, G, C, w, c)) - level

    if above(middle) <= 0:
        return q  # p0 is the saddle's own
    far = -30.0 if p0 > p else 30.0
    return float(1 / (1 + math.exp(-brentq(above, far, middle, xtol=1e-13))))  # type: ignore[operator]


@entry(
    "reaches_the_end",
    kind="theorem",
    cards=("20",),
    section="stand-still trap; derived",
    provenance="derived",
    formula="I(p, q) > I(p*, q*) where the forces disagree, else both point upwards",
)
def reaches_the_end(
    p: Array, q: Array, G: float = 1.0, C: float = 1.0, w: float = 0.3, c: float = 0.1
) -> np.ndarray:
    """(...) bool: on which side of the basin boundary a policy stands, p and q in (0, 1).

    Raises ValueError where there is no saddle (`trap_saddle`).
    """
    p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    low, high = trap_saddle(G, C, w, c)
    level = float(trap_invariant(low, high, G, C, w, c))
    apart = trap_invariant(p, q, G, C, w, c) > level
    # where the signs of the two forces differ the level decides; where they agree, they do
    return np.where(p > low, (q >= high) | apart, (q > high) & ~apart)


@entry(
    "idling_steps",
    kind="theorem",
    cards=("20",),
    section="stand-still trap, second table; derived",
    provenance="derived",
    formula="T = G/w",
)
def idling_steps(G: float = 1.0, w: float = 0.3) -> float:
    """Steps of standing still that the sum pays as much as a finished route; inf for w = 0.

    G : of the route; w : a step's. The product pays 0, however many. Raises ValueError for w < 0.
    """
    if w < 0:
        msg = f"w={w} must be 0 or more: what a step of standing still pays"
        raise ValueError(msg)
    return G / w if w > 0 else math.inf


@entry(
    "standing_pay",
    kind="theorem",
    cards=("20",),
    section="nuPlan's three forms; derived",
    provenance="derived",
    formula="0 product, s survival, (w_ttc + w_speed + w_comfort)/sum w additive",
)
def standing_pay(
    form: str,
    survival: float = 0.6,
    weights: tuple[float, float, float, float] = (5.0, 5.0, 4.0, 2.0),
) -> float:
    """The share of a perfect route's pay that an episode of standing still collects.

    form : one of `FORMS`; survival : s; weights : of progress, ttc, speed, comfort

    Raises ValueError for another form.
    """
    if form not in FORMS:
        msg = f"form={form!r} is unknown; choose from {', '.join(FORMS)}"
        raise ValueError(msg)
    if form == "additive":
        return sum(weights[1:]) / sum(weights)
    return survival if form == "survival" else 0.0
