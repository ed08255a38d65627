"""Memoryless models with additive rewards: the KL optimum and the best of N, symbol by symbol.

y = (z_1, ..., z_m) with independent symbols of law P and the reward sum_i rho(z_i). The optimum at
KL m delta is a product of tilts T = P exp(alpha rho)/Z with KL(T || P) = delta, whatever m. The
paper takes rho = log Q of a second model, without loss of generality up to an affine map: T is then
the mismatched tilt P Q^alpha/Z.

The reward of the optimum obeys large deviations with rate I(x) = KL(T_b || T), E_{T_b} rho = x, and
its scaled cumulants are Renyi cross entropies. The best of N = e^(m delta) reaches the same reward
and the same law per symbol; its total KL from the optimum grows as log m all the same, and its
reward is behind by log m/(2 alpha m).

Formulas: docs/theory/selection.md.

Source: Yang, Salamatian, Sun, Suresh and Beirami 2024 (arXiv 2404.01730), re-derived; the two rates
at finite m are derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.policies import kl, tilt, tilt_to_kl
from toyrl.theory.selection.best_of_k import curves

Array = Any


@entry(
    "pythagorean_gap",
    kind="theorem",
    cards=("35",),
    provenance="derived",
    formula="KL(phi || phi_a) = [KL(phi || p) - KL(phi_a || p)] + a [E_phi_a r - E_phi r]",
)
def pythagorean_gap(phi: Array, prob: Array, reward: Array, inverse_beta: float) -> np.ndarray:
    """(...) KL of any law phi from the tilt, by what it spends and earns: no ratio to the tilt.

    phi, prob, reward : (..., K), broadcast; phi lives where prob does. What trades KL for reward
    nearly as well as the tilt is near it.
    """
    best = tilt(prob, reward, inverse_beta)
    paid = np.where(np.asarray(prob) > 0, reward, 0.0)
    earned = (best * paid).sum(-1) - (np.asarray(phi) * paid).sum(-1)
    return kl(phi, prob) - kl(best, prob) + inverse_beta * earned


@entry(
    "symbol_tilt",
    kind="theorem",
    cards=("35",),
    provenance="derived",
    formula="T(z) = P(z) exp(alpha rho(z))/Z with KL(T || P) = delta",
)
def symbol_tilt(P: Array, rho: Array, delta: float) -> tuple[np.ndarray, float]:
    """((S,) law of a symbol, alpha) of the optimum at `delta` nats a symbol, the same for every m.

    P, rho : (S,). Beyond the KL of the best symbols alone alpha is inf.

    Raises ValueError for a negative delta.
    """
    if not delta >= 0:
        msg = f"delta={delta} must be at least 0: nats a symbol"
        raise ValueError(msg)
    alpha = tilt_to_kl(P, rho, delta)
    return tilt(P, rho, alpha), alpha


@entry(
    "scaled_cumulant",
    kind="theorem",
    cards=("35",),
    provenance="derived",
    formula="Lam(t) = log sum_z T(z) exp(t rho(z)) = log Z(alpha + t) - log Z(alpha)",
)
def scaled_cumulant(T: Array, rho: Array, t: Array) -> np.ndarray:
    """(1/m) log E exp(t r) of a product of T, for every m: convex, Lam(0) = 0, Lam'(0) = E rho.

    T, rho : (S,); t : any shape, whose shape the answer has.
    """
    T, rho, t = (np.asarray(x, dtype=float) for x in (T, rho, t))
    some = T > 0
    power = t[..., None] * rho[some] + np.log(T[some])
    top = power.max(-1, keepdims=True)
    return np.log(np.exp(power - top).sum(-1)) + top[..., 0]


@entry(
    "renyi_cross_entropy",
    kind="theorem",
    cards=("35",),
    provenance="derived",
    formula="H_s(A || Q) = log(sum_z A(z) Q(z)^(s-1))/(1-s), the cross entropy at s = 1",
)
def renyi_cross_entropy(A: Array, Q: Array, s: Array) -> np.ndarray:
    """Renyi cross entropy of order s in nats: with rho = log Q, Lam(t) = -t H_(1+t)(T || Q).

    A, Q : (S,) laws; s : any real orders, any shape, whose shape the answer has.

    Raises ValueError where Q lacks a symbol that A has.
    """
    A, Q, s = (np.asarray(x, dtype=float) for x in (A, Q, s))
    if ((A > 0) & (Q <= 0)).any():
        msg = f"Q={Q.tolist()} lacks a symbol that A={A.tolist()} has: its logarithm is no reward"
        raise ValueError(msg)
    log_q = np.log(np.where(Q > 0, Q, 1.0))
    t = s - 1
    cross = -float(A @ log_q)
    near = np.abs(t) < 1e-6  # Lam(t)/t there: mean and half the variance
    spread = float(A @ (log_q + cross) ** 2)
    far = -scaled_cumulant(A, log_q, np.where(near, 1.0, t)) / np.where(near, 1.0, t)
    return np.where(near, cross - t * spread / 2, far)


@entry(
    "reward_rate",
    kind="theorem",
    cards=("35",),
    provenance="derived",
    formula="I(x) = KL(T_b || T) with E_(T_b) rho = x, = sup_t [t x - Lam(t)]",
)
def reward_rate(T: Array, rho: Array, x: Array) -> np.ndarray:
    """Large-deviation rate of the reward a symbol at level x under a product of T: nats a symbol.

    T, rho : (S,); x : any shape, whose shape the answer has. P(r/m near x) = exp(-m I(x) + o(m));
    inf beyond the least and largest rho that T has.
    """
    from scipy.optimize import brentq

    T, rho = np.asarray(T, dtype=float), np.asarray(rho, dtype=float)
    x = np.asarray(x, dtype=float)
    mine = rho[T > 0]
    low, high, mean = mine.min(), mine.max(), float(T @ np.where(T > 0, rho, 0.0))
    out = np.full(x.shape, np.inf)
    for i, level in np.ndenumerate(x):
        if low < level < high:
            # To either side the tilt of the distance from the mean, in the direction of the level.
            side = 1.0 if level >= mean else -1.0
            unit = 1 / (high - low)

            def gap(t: float, side: float = side, level: float = level) -> float:
                return float(tilt(T, side * rho, t) @ np.where(T > 0, rho, 0.0) - level) * side

            end = unit
            while gap(end) < 0:
                end *= 2
            root: Any = 0.0 if gap(0.0) >= 0 else brentq(gap, 0.0, end, xtol=1e-15 * unit)
            out[i] = kl(tilt(T, side * rho, root), T)
        elif level in (low, high):
            out[i] = -np.log(T[(T > 0) & (rho == level)].sum())
    return out


@dataclass(frozen=True)
class PerSymbol:
    """Best of N = e^(m delta) beside the optimum, m ones and zeros, reward = their sum.

    reward : (M,) E r/m of the best of N; optimum : that of the KL optimum, the same for all m
    kl_base, bound : (M,) KL(best of N || base)/m, exact and as log N - (N-1)/N
    kl_optimum : (M,) KL(best of N || optimum), in all: grows as log m
    alpha : inverse temperature of the optimum
    """

    reward: np.ndarray
    optimum: float
    kl_base: np.ndarray
    bound: np.ndarray
    kl_optimum: np.ndarray
    alpha: float


@entry(
    "best_of_n_per_symbol",
    kind="theorem",
    cards=("35",),
    provenance="derived",
    formula="E_(pi_N) r/m -> E_T rho and KL(pi_N || phi)/m -> 0 for N = e^(m delta)",
)
def best_of_n_per_symbol(p: float, delta: float, m: Array) -> PerSymbol:
    """The best of N = e^(m delta) of m tokens, each 1 with probability p, exactly, for each m.

    p in (0, 1); delta in (0, -log p); m : (M,) whole numbers of at least 1. The reward's binomial
    law is read in logarithms, so N may be e^700.

    Raises ValueError for another p, delta or m.
    """
    from scipy.special import gammaln

    m = np.atleast_1d(np.asarray(m))
    if not (0 < p < 1 and 0 < delta < -np.log(p) and (m >= 1).all()):
        msg = f"p={p}, delta={delta}, m={m.tolist()}: p must lie in (0, 1), delta in (0, -log p) "
        msg += "and m be at least 1"
        raise ValueError(msg)
    best, alpha = symbol_tilt([1 - p, p], [0.0, 1.0], delta)
    rows = []
    for size in m.tolist():
        r = np.arange(size + 1.0)
        ways = gammaln(size + 1) - gammaln(r + 1) - gammaln(size - r + 1)
        law = np.exp(ways + r * np.log(p) + (size - r) * np.log1p(-p))
        law /= law.sum()
        n = np.exp(min(size * delta, 709.0))
        paid, _, nats = (float(v[0]) for v in curves(law[None], r[None], r[None], [n]))
        # The laws of N and of the optimum differ by levels alone: the identity gives their KL.
        own = size * float(best[1])
        apart = nats - size * delta + alpha * (own - paid)
        total = size * delta
        rows.append([paid / size, nats / size, (total - (1 - np.exp(-total))) / size, apart])
    reward, base, bound, far = np.array(rows).T
    return PerSymbol(reward, float(best[1]), base, bound, far, alpha)


@entry(
    "reward_bound",
    kind="theorem",
    cards=("35",),
    provenance="derived",
    formula="E_phi r <= (KL(phi || p) + log Z(t))/t for every t > 0",
)
def reward_bound(prob: Array, reward: Array, nats: float) -> float:
    """The largest expected reward within `nats` of the base: what no sampler and no policy exceeds.

    prob, reward : (K,); nats at least 0. By the tilt of that KL; from -log P of the best on, their
    reward.

    Raises ValueError for negative nats.
    """
    if not nats >= 0:
        msg = f"nats={nats} must be at least 0: a KL divergence"
        raise ValueError(msg)
    prob = np.asarray(prob, dtype=float)
    pi = tilt(prob, reward, tilt_to_kl(prob, reward, nats))
    return float(pi @ np.where(prob > 0, reward, 0.0))
