"""Where votes push a policy over answers: own votes, votes of another wording, certainty.

For rewards less their group's mean, E[(1/G) sum_i (r_i - mean r)(e_(a_i) - pi)], in logits:

    another view's vote   (1 - 1/G) pi_a (M'_a - sum_b M'_b pi_b), the gradient of <M', pi> with M',
                          the law of the other vote, held fixed
    own vote              E[f_a ([v = a] - f_v)], f = counts/G: label and sample are correlated

With two answers, p right, d = logit p, and two wordings p and q (d' = logit q) with one trap:

    d. = 2 w(p) p (1 - p) (2M(q) - 1),   d'. = 2 w(q) q (1 - q) (2M(p) - 1),

w = 1 - 1/G, or omega_G with standard deviations. Both factors in front are even about 1/2 and
2M - 1 is odd, so that H(p) - H(q) stands still, H' = (2M - 1)/(w (p(1-p))^2), H even: no path
crosses the line p + q = 1. **Agreement ends right if and only if p + q > 1**, whatever G is. A vote
of its own, low entropy and self-certainty do if and only if p > 1/2.

With traps that the wordings don't share nothing wrong is ever agreed on: a label that is the other
wording's trap pays nobody here, a right answer's drift is (1 - 1/G) p M'_0 (1 - p) >= 0, and no
start collapses.

Formulas: docs/theory/label_free.md.

Source: derived, for paper 47.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.group.variance import omega
from toyrl.theory.label_free._groups import Groups
from toyrl.theory.label_free.labels import two_answer_label

Array = Any
SCALES = ("none", "group")


@entry(
    "cross_vote_drift",
    kind="theorem",
    cards=("47",),
    provenance="derived",
    formula="(1 - 1/G) pi_a (M'_a - sum_b M'_b pi_b)",
)
def cross_vote_drift(policy: Array, label: Array, group_size: float) -> np.ndarray:
    """Expected update of the logits (..., K), paid by another view's vote.

    policy, label : (..., K) chances of the answers, and of each to be the label (they may sum to
        less than 1: no label); group_size G >= 1, inf allowed. Sums to 0, and is 0 only where the
        label's chances are all the same.

    Raises ValueError for a group below 1.
    """
    if not group_size >= 1:
        msg = f"group_size={group_size} must be 1 or above: the rollouts of a group"
        raise ValueError(msg)
    pi, m = np.asarray(policy, dtype=float), np.asarray(label, dtype=float)
    return (1 - 1 / group_size) * pi * (m - (m * pi).sum(-1, keepdims=True))


@entry(
    "own_vote_drift",
    kind="theorem",
    cards=("47",),
    works=("ttrl",),
    provenance="derived",
    formula="E[f_a ([v = a] - f_v)]",
)
def own_vote_drift(prob: Array, group_size: int) -> np.ndarray:
    """(K,) expected update of the logits, paid by the group's own vote, ties even; prob (K,).

    By enumeration of all kinds of groups. Raises ValueError for what is no probability, a group
    below 1, and above 200,000 kinds of groups.
    """
    counts, chance = Groups.of(prob, group_size)
    f = counts / group_size
    lead = counts == counts.max(-1, keepdims=True)
    v = lead / lead.sum(-1, keepdims=True)
    return chance @ (f * v - f * (f * v).sum(-1, keepdims=True))


@entry(
    "two_view_drift",
    kind="theorem",
    cards=("47",),
    provenance="derived",
    formula="d. = 2 w(p) p (1-p) (2 M(q) - 1)",
)
def two_view_drift(p: Array, q: Array, group_size: int, *, scale: str = "none") -> np.ndarray:
    """Rate of logit p for a policy paid by the vote of the other wording, two answers, one trap.

    p, q : broadcast, chances of the right answer here and there; group_size G >= 2
    scale : "none", rewards less their mean; "group", over their standard deviation too

    Raises ValueError for p or q outside [0, 1], a group below 2 and another scale.
    """
    p = np.asarray(p, dtype=float)
    label = 2 * two_answer_label(q, group_size) - 1
    return 2 * _weight(p, group_size, scale) * label


@entry(
    "agreement_ends_right",
    kind="theorem",
    cards=("47",),
    provenance="derived",
    formula="p + q > 1",
)
def agreement_ends_right(p: Array, q: Array) -> np.ndarray:
    """Whether two wordings with one trap end on the right answer, p and q their chances of it now.

    Broadcast; Booleans. On the line p + q = 1 itself, which no path leaves, False: (1/2, 1/2).

    Raises ValueError for chances outside [0, 1].
    """
    p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    if not np.all((p >= 0) & (p <= 1) & (q >= 0) & (q <= 1)):
        msg = f"p={p.tolist()}, q={q.tolist()} must lie in [0, 1]: they are chances"
        raise ValueError(msg)
    return p + q > 1


@entry(
    "agreement_invariant",
    kind="theorem",
    cards=("47",),
    provenance="derived",
    formula="H(p) - H(q), H(p) = int_(1/2)^p (2M(y) - 1)/(w(y) (y(1-y))^2) dy",
)
def agreement_invariant(p: float, q: float, group_size: int, *, scale: str = "none") -> float:
    """What stays the same along the flow of two wordings with one trap; 0 on p = q and p + q = 1.

    p, q : scalars inside (0, 1); group_size G >= 2; scale as in `two_view_drift`. By quadrature.

    Raises ValueError for p or q not inside (0, 1), a group below 2 and another scale.
    """
    from scipy.integrate import quad

    if not (0 < p < 1 and 0 < q < 1):
        msg = f"p={p}, q={q} must lie inside (0, 1): at the ends the integral has no limit"
        raise ValueError(msg)

    def slope(d: float) -> float:  # in the logit, where dp = p(1-p) dd
        y = 1 / (1 + np.exp(-d))
        w = _weight(np.array(y), group_size, scale)
        return float((2 * two_answer_label(y, group_size) - 1) / w)

    low, high = (abs(float(np.log(x / (1 - x)))) for x in (q, p))  # H is even
    return float(quad(slope, low, high, epsabs=1e-11, epsrel=1e-11, limit=200)[0])


@entry(
    "entropy_drift",
    kind="theorem",
    cards=("47",),
    section="baseline: entropy minimisation (from memory)",
    provenance="derived",
    formula="d. = 2 p (1-p) logit p",
)
def entropy_drift(p: Array) -> np.ndarray:
    """Rate of logit p, two answers of one word, where minus the entropy is climbed.

    p : broadcast. 0 at 1/2, and away from it on both sides. Raises ValueError for p outside [0, 1].
    """
    p = _inside(p)
    from scipy.special import xlog1py, xlogy

    return 2 * ((1 - p) * (xlogy(p, p)) - p * xlog1py(1 - p, -p))


@entry(
    "certainty_drift",
    kind="theorem",
    cards=("47",),
    section="baseline: self-certainty (from memory)",
    provenance="derived",
    formula="d. = 2p - 1",
)
def certainty_drift(p: Array) -> np.ndarray:
    """Rate of logit p, two answers of one word, where KL(U || p) is climbed.

    p : broadcast. It doesn't slow down at the ends: certainty has no largest value.

    Raises ValueError for p outside [0, 1].
    """
    return 2 * _inside(p) - 1


def _inside(p: Array) -> np.ndarray:
    p = np.asarray(p, dtype=float)
    if not np.all((p >= 0) & (p <= 1)):
        msg = f"p={p.tolist()} must lie in [0, 1]: they are chances"
        raise ValueError(msg)
    return p


def _weight(p: np.ndarray, group_size: int, scale: str) -> np.ndarray:
    """w(p) p (1 - p), even about 1/2."""
    if scale not in SCALES or not group_size >= 2:
        msg = f"scale={scale!r}, group_size={group_size}: scale is one of {', '.join(SCALES)}, and "
        raise ValueError(msg + "a group has 2 rollouts or more")
    p = _inside(p)
    if scale == "none":
        return (1 - 1 / group_size) * p * (1 - p)
    inner = np.clip(p, 1e-300, 1 - 1e-16)
    return np.where((p > 0) & (p < 1), omega(inner, group_size) * p * (1 - p), 0.0)
