"""How well a reward tells an aligned policy's answers from the base's: gap, AUROC, the best score.

Base p0 on finitely many answers, reward r, aligned policy p_t = p0 e^(t r)/Z (`policies.tilt`,
t = 1/beta), cumulants K(t) = log E_0 e^(t r).

    gap      E_t r - E_0 r = K'(t) - K'(0) = int_0^t Var_s r ds = [KL(p_t||p0) + KL(p0||p_t)]/t.
             The last because log p_t/p0 = t r - K: its mean under p_t less that under p0 is t gap.
    AUROC    P(r of p_t above r of p0) + P(equal)/2 = E_t F(r), F the mid-distribution function of r
             under p0. dAUROC/dt = Cov_t(r, F(r)) >= 0, as F rises with r; at t = 0 it is
             E_0|r - r'|/4, since Cov_0(r, F(r)) is a quarter of Gini's mean difference.
    best     p_t/p0 rises with r, so by Neyman and Pearson no other score has a larger AUROC.

The same holds for any two laws p1, p0 with r = log p1/p0.

Formulas: docs/theory/detection.md. Arrays: prob, reward, score (K,).

Source: derived, for paper 43 (reward models recognise aligned models' texts).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.policies import tilt

Array = Any


@entry(
    "reward_gap",
    kind="theorem",
    cards=("43",),
    provenance="derived",
    formula="E_t s - E_0 s; for s = r: [KL(p_t||p0) + KL(p0||p_t)]/t",
)
def reward_gap(
    prob: Array, reward: Array, inverse_beta: Array, score: Array | None = None
) -> np.ndarray:
    """Mean score of the aligned policy over that of the base, (...) like inverse_beta.

    prob, reward (K,); inverse_beta t >= 0, any shape, inf for the best answers alone; score (K,):
    another reward model (default the reward itself, where the gap is never negative). Exact for
    small t too: sum p0 (s - E_0 s) (p_t/p0 - 1).
    """
    p, r = np.asarray(prob, dtype=float), np.asarray(reward, dtype=float)
    s = r if score is None else np.asarray(score, dtype=float)
    there = p > 0
    p, r, s = p[there], r[there], s[there]
    t = np.asarray(inverse_beta, dtype=float)[..., None]
    top = r - r.max()
    with np.errstate(invalid="ignore"):  # inf times 0
        power = np.where(top == 0, 0.0, t * top)
    # log E_0 e^(t (r - max r)): near 0 by log1p for small t, by the sum itself for large t.
    fallen = (p * np.expm1(power)).sum(-1, keepdims=True) / p.sum()
    whole = (p * np.exp(power)).sum(-1, keepdims=True) / p.sum()
    log_mean = np.where(fallen > -0.5, np.log1p(np.maximum(fallen, -0.5)), np.log(whole))
    return (p * (s - p @ s / p.sum()) * np.expm1(power - log_mean)).sum(-1)


@entry(
    "auroc",
    kind="theorem",
    cards=("43",),
    provenance="derived",
    formula="P(s1 > s0) + P(s1 = s0)/2",
)
def auroc(positive: Array, negative: Array, score: Array) -> np.ndarray:
    """Chance that a draw from `positive` outscores one from `negative`, ties counted half.

    positive, negative : (..., K) probabilities (or counts) of the answers, one a batch of the
        other or of the same shape; score : (K,). A constant score gives 1/2. NaN where a law is
        empty. O(K log K).

    Raises ValueError for a score that is NaN.
    """
    p, q = np.asarray(positive, dtype=float), np.asarray(negative, dtype=float)
    place, levels = _levels(score)
    up, down = (_summed(x, place, levels) for x in (p, q))
    below = np.cumsum(down, -1) - down / 2
    mass = up.sum(-1) * down.sum(-1)
    won = (up * below).sum(-1)
    return np.where(mass > 0, won / np.where(mass > 0, mass, 1.0), np.nan)


@entry(
    "sampled_auroc",
    kind="theorem",
    cards=("43",),
    provenance="derived",
    formula="(sum of ranks - n(n+1)/2)/(n m), and DeLong's standard error",
)
def sampled_auroc(positive: Array, negative: Array) -> tuple[float, float]:
    """(AUROC, standard error) from scores (n,) and (m,): Mann and Whitney's, ties counted half.

    The error is DeLong's, from the variance of each draw's share of wins: NaN for a class of one.
    (NaN, NaN) for an empty class. O((n + m) log(n + m)).

    Raises ValueError for a score that is NaN.
    """
    a, b = np.asarray(positive, dtype=float).ravel(), np.asarray(negative, dtype=float).ravel()
    _numbers(np.concatenate([a, b]))
    if not (a.size and b.size):
        return np.nan, np.nan
    wins = _share_below(a, b)
    losses = _share_below(b, a)
    if min(a.size, b.size) < 2:
        return float(wins.mean()), np.nan
    error = np.sqrt(wins.var(ddof=1) / a.size + losses.var(ddof=1) / b.size)
    return float(wins.mean()), float(error)


@entry(
    "roc_curve",
    kind="theorem",
    cards=("43",),
    provenance="derived",
    formula="(P_0(s >= c), P_1(s >= c)) over thresholds c",
)
def roc_curve(positive: Array, negative: Array, score: Array) -> tuple[np.ndarray, np.ndarray]:
    """(false positives (L + 1,), true positives (L + 1,)) over thresholds, from (0, 0) to (1, 1).

    positive, negative, score : (K,). Concave for a score that rises with p1/p0. The area under the
    line through these points is `auroc`.

    Raises ValueError for a score that is NaN and for a law that is empty.
    """
    place, levels = _levels(score)
    out = []
    for name, law in (("negative", negative), ("positive", positive)):
        mass = _summed(np.asarray(law, dtype=float), place, levels)[::-1]
        if not mass.sum() > 0:
            msg = f"{name} is empty: there is no curve without both laws"
            raise ValueError(msg)
        out.append(np.concatenate([[0.0], np.cumsum(mass) / mass.sum()]))
    return out[0], out[1]


@entry(
    "best_auroc",
    kind="theorem",
    cards=("43",),
    provenance="derived",
    formula="AUROC of log p1/p0",
)
def best_auroc(positive: Array, negative: Array) -> float:
    """The largest AUROC of any score, that of the likelihood ratio (Neyman and Pearson).

    positive, negative : (K,) probabilities. NaN where a law is empty.
    """
    p, q = np.asarray(positive, dtype=float), np.asarray(negative, dtype=float)
    # By the share p/(p + q), which rises with p/q and is finite; no answer without either counts.
    both = p + q
    return float(auroc(p, q, np.where(both > 0, p / np.where(both > 0, both, 1.0), 0.0)))


@entry(
    "auroc_slope",
    kind="theorem",
    cards=("43",),
    provenance="derived",
    formula="Cov_t(r, F(r)); E_0|r - r'|/4 at t = 0",
)
def auroc_slope(prob: Array, reward: Array, inverse_beta: Array = 0.0) -> np.ndarray:
    """dAUROC/dt of the tilted policy against its base at t = inverse_beta, (...) like it.

    prob, reward (K,). Never negative.
    """
    p, r = np.asarray(prob, dtype=float), np.asarray(reward, dtype=float)
    place, levels = _levels(r)
    mass = _summed(p, place, levels) / p.sum()
    F = (np.cumsum(mass) - mass / 2)[place]
    tilted = tilt(p, r, inverse_beta)
    mean = (tilted * F).sum(-1, keepdims=True)
    return np.maximum((tilted * r * (F - mean)).sum(-1), 0.0)


@entry(
    "gini_mean_difference",
    kind="theorem",
    cards=("43",),
    provenance="derived",
    formula="E|r - r'| = 2 int G(1 - G) dr",
)
def gini_mean_difference(prob: Array, reward: Array) -> float:
    """E|r - r'| of two draws from the base, in reward units; prob, reward (K,). O(K log K)."""
    p, r = np.asarray(prob, dtype=float), np.asarray(reward, dtype=float)
    order = np.argsort(r)
    below = np.cumsum(p[order] / p.sum())[:-1]
    return float(2 * (below * np.maximum(1 - below, 0.0) * np.diff(r[order])).sum())


@entry(
    "gaussian_auroc",
    kind="theorem",
    cards=("43",),
    provenance="derived",
    formula="Phi(t s/sqrt(2))",
)
def gaussian_auroc(inverse_beta: Array, sd: Array) -> np.ndarray:
    """AUROC along the tilt of a normal reward of standard deviation s >= 0; its gap is t s^2.

    The tilt moves the mean by t s^2 and keeps s. inverse_beta t >= 0 and sd broadcast.
    """
    from scipy.special import ndtr

    return ndtr(np.asarray(inverse_beta, dtype=float) * np.asarray(sd, dtype=float) / np.sqrt(2))


@entry(
    "best_of_n_auroc",
    kind="theorem",
    cards=("43",),
    provenance="derived",
    formula="n/(n + 1)",
)
def best_of_n_auroc(n: Array) -> np.ndarray:
    """AUROC of the best of n against one draw, without ties: of n + 1 draws another is the largest.

    n >= 1, any shape. Raises ValueError for an n below 1.
    """
    n = np.asarray(n, dtype=float)
    if not np.all(n >= 1):
        msg = f"n={n.tolist()} must be at least 1"
        raise ValueError(msg)
    return 1 - 1 / (n + 1)


def _levels(score: Array) -> tuple[np.ndarray, int]:
    """(K,) place of each answer's score among the different scores, and how many there are."""
    s = np.asarray(score, dtype=float)
    _numbers(s)
    levels, place = np.unique(s, return_inverse=True)
    return place.ravel(), len(levels)


def _numbers(score: np.ndarray) -> None:
    if np.isnan(score).any():
        msg = f"score has {int(np.isnan(score).sum())} NaN; leave these answers out"
        raise ValueError(msg)


def _summed(x: np.ndarray, place: np.ndarray, levels: int) -> np.ndarray:
    """(..., L) mass (..., K) by level."""
    rows = x.reshape(-1, x.shape[-1])
    out = np.array([np.bincount(place, row, minlength=levels) for row in rows])
    return out.reshape(*x.shape[:-1], levels)


def _share_below(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n,) for each of a the share of b that it beats, ties half."""
    b = np.sort(b)
    return (np.searchsorted(b, a, "left") + np.searchsorted(b, a, "right")) / 2 / b.size
