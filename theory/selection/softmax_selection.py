"""Softmax selection, or soft best of k: draw k, pick one of them with odds exp(u / temperature).

With w = exp(u/T) and k draws, 1/sum w = the integral of exp(-t sum w) gives the exact law

    pi(y) = k p(y) w_y integral_0^inf exp(-t w_y) (E_p exp(-t w))^(k-1) dt,

between best of k (T = 0) and the base (T = inf), and towards the tilt p w/Z as k grows: with a
finite set of rewards at the rate 1/k^2 in KL.

With t w_y = exp(s) the integrand falls doubly exponentially to the right and exponentially to the
left, so the trapezoid rule on s answers to rounding, for odds of any size: only differences of
rewards over T are read, one answer at a time.

Formulas: docs/theory/selection.md.

Source: soft best-of-n of Verdun et al. 2025; the law and its expansion are derived.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.policies import tilt
from toyrl.theory.selection._levels import Given
from toyrl.theory.selection.best_of_k import best_of_k

Array = Any
STEP = 0.2
RIGHT, LEFT = 4.2, 45.0  # exp(-exp(4.2)) and exp(-45) are below 1e-19


@entry(
    "softmax_selection",
    kind="theorem",
    cards=("57",),
    works=(),
    provenance="derived",
    formula="k p w int_0^inf exp(-t w) (E exp(-t w))^(k-1) dt, w = exp(u/T)",
)
def softmax_selection(prob: Array, reward: Array, k: Array, temperature: float) -> np.ndarray:
    """(N..., ..., K) law of the pick among k draws with odds exp(reward/temperature).

    prob, reward : (..., K), broadcast; k : any shape (N...), real, at least 1 and finite
    temperature : at least 0 in units of the reward: 0 is the best of k, inf the base

    O(L^2 log k) a prompt for L distinct rewards.

    Raises ValueError for a negative temperature or an infinite k, else as `best_of_k`.
    """
    prob, reward = Given.laws(prob, reward)
    k = Given.draws(k)
    if not temperature >= 0:
        msg = f"temperature={temperature} must be at least 0: 0 picks the best, inf any draw"
        raise ValueError(msg)
    if not np.isfinite(k).all():
        msg = f"k={k} must be finite; its limit is tilt(prob, reward, 1 / temperature)"
        raise ValueError(msg)
    if temperature == 0:
        return best_of_k(prob, reward, k)
    if prob.ndim > 1:
        rows = zip(
            prob.reshape(-1, prob.shape[-1]), reward.reshape(-1, prob.shape[-1]), strict=True
        )
        laws = [softmax_selection(p, r, k, temperature) for p, r in rows]
        return np.stack(laws, -2).reshape(k.shape + prob.shape)
    value, place = np.unique(np.where(prob > 0, reward, -np.inf), return_inverse=True)
    mass = np.bincount(place, prob)
    mass /= mass.sum()
    value, place = (value[1:], place - 1) if mass[0] == 0 else (value, place)
    mass = mass[mass.size - value.size :]
    if temperature == np.inf or value.size == 1:
        return np.broadcast_to(prob / prob.sum(), (*k.shape, prob.size)).copy()
    gain = np.stack([_gain(mass, value, i, k, temperature) for i in range(value.size)], -1)
    gain /= (gain * mass).sum(-1, keepdims=True)
    return np.where(prob > 0, gain[..., place] * prob, 0.0)


def _gain(mass: np.ndarray, value: np.ndarray, i: int, k: np.ndarray, T: float) -> np.ndarray:
    """(N...) law of level i over its mass."""
    most = float(np.log(k.max(initial=1.0)))
    s = np.arange(-LEFT - most, RIGHT, STEP)
    with np.errstate(over="ignore"):  # a level that wins for certain, or never
        gap = np.minimum((value - value[i]) / T, 800.0)
        other = np.exp(s[:, None] + gap)
    none = np.exp(-other) @ mass  # E exp(-t w): near 1 by its distance from 1
    near = np.log1p(np.maximum(np.expm1(-other) @ mass, -0.75))
    log_none = np.where(none > 0.5, near, np.log(np.maximum(none, 5e-324)))
    k = k[..., None]
    return np.exp(np.log(k) + s - np.exp(s) + (k - 1) * log_none).sum(-1) * STEP


@entry(
    "softmax_selection_rate",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="lim k^2 KL(softmax selection || tilt) = Var_tilt(w/Z)/2",
)
def tilt_rate(prob: Array, reward: Array, temperature: float) -> float:
    """The limit of k^2 KL(softmax selection of k || tilt), one prompt; prob, reward (K,).

    From pi = tilt [1 + (1 + Var_p(w)/Z^2 - w/Z)/k + O(1/k^2)]: a finite set of rewards converges
    at 1/k^2, faster than the 1/k that holds for any law. temperature > 0.

    Raises ValueError for a temperature of 0, else as `softmax_selection`.
    """
    prob, reward = Given.laws(prob, reward)
    if not temperature > 0:
        msg = f"temperature={temperature} must be above 0: with 0 there is no tilt to converge to"
        raise ValueError(msg)
    tilted = tilt(prob, reward, 1 / temperature)
    ratio = np.where(prob > 0, tilted / np.where(prob > 0, prob, 1.0), 0.0)
    scale = ratio.max()  # a best answer of 1e-300 makes it 1e300, whose square is inf
    spread = float(tilted @ (ratio / scale - tilted @ (ratio / scale)) ** 2 / 2)
    return float(np.exp(np.log(spread) + 2 * np.log(scale))) if spread > 0 else 0.0


@entry(
    "softmax_of_pool",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="mean over orders of sum_(i<=k) w_i g_i / sum_(i<=k) w_i",
)
def softmax_of_pool(
    proxy: Array,
    gold: Array,
    temperature: float,
    *,
    k_max: int | None = None,
    orders: int = 32,
    seed: int = 0,
) -> np.ndarray:
    """(B, k_max) expected gold of softmax selection from k = 1..k_max of a pool's samples.

    proxy, gold : (B, n); k_max : None: n. Every prefix of a random order is a random subset, so
    the mean over `orders` of them is unbiased for that over all subsets, and exact at k = 1 and n.

    Raises ValueError for a NaN and a temperature that is not above 0 (0: `best_of_pool`).
    """
    proxy, gold = np.broadcast_arrays(np.asarray(proxy, float), np.asarray(gold, float))
    if np.isnan(proxy).any() or np.isnan(gold).any():
        msg = "proxy or gold holds a NaN; leave such samples out"
        raise ValueError(msg)
    if not temperature > 0:
        msg = f"temperature={temperature} must be above 0; at 0 it is best_of_pool"
        raise ValueError(msg)
    B, n = proxy.shape
    out, rows = np.empty((n if k_max is None else min(n, k_max), B)), np.arange(B)[:, None]
    with np.errstate(over="ignore"):  # beyond 1e307 temperatures below the best all are alike
        top = proxy.max(-1, keepdims=True)
        cold = temperature < 1  # of two ways to form it the one that doesn't overflow
        gap = (proxy - top) / temperature if cold else proxy / temperature - top / temperature
        scaled = np.maximum(gap, -1e307)
    scaled = scaled.T[:, :, None]
    value = gold.T[:, :, None]
    order = Given.orders(B, n, orders, seed)
    total, mean = np.full((B, orders), -np.inf), np.zeros((B, orders))
    for k in range(len(out)):
        u, g = scaled[order[k], rows, 0], value[order[k], rows, 0]
        top = np.maximum(total, u)
        total = top + np.log(np.exp(total - top) + np.exp(u - top))
        mean = mean + np.exp(u - total) * (g - mean)
        out[k] = mean.mean(-1)
    out[0] = gold.mean(-1)
    return out.T
