"""Cloning the best of n under a right-or-wrong reward: the KL optimum, exactly.

With p = P(right) under pi0 and q_n = 1 - (1-p)^n, picking uniformly among the right draws (any
draw if none is right) gives

    pi_bon(s) = pi0(s) [R(s) q_n/p + (1 - R(s)) (1-p)^(n-1)],

which is the maximiser of E R - beta KL(pi || pi0) at 1/beta_n = log[q_n / (p (1-p)^(n-1))]. The
picks that are right have the law pi0(. | R = 1) for every n. (OREAL, arXiv 2502.06781, section 2;
beta_n, the anchor and the direction statement are derived.) The factor 1 - p on wrong rollouts
does not follow from gradient consistency: both expectations carry n (1-p)^(n-1).

Formulas: docs/theory/selection.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.selection.best_of_k import best_of_k, best_of_k_kl, success_of_best

Array = Any


@entry(
    "best_of_n_cloning",
    kind="theorem",
    cards=("30",),
    section="2, Eq. 5",
    provenance="text",
    formula="pi0 [R q_n/p + (1-R)(1-p)^(n-1)]",
)
def best_of_n(pi0: Array, right: Array, n: int) -> np.ndarray:
    """(K,) law of the pick; right (K,) in {0, 1}."""
    return best_of_k(pi0, np.asarray(right) > 0, n)


@entry(
    "cloning_inverse_temperature",
    kind="theorem",
    cards=("30",),
    provenance="derived",
    formula="1/beta_n = log[q_n/(p (1-p)^(n-1))]",
)
def inverse_temperature(p: float, n: int) -> float:
    """1/beta_n = log sum_{i<n} (1-p)^(-i), at which the KL optimum is the best of n.

    p : in [0, 1]; n >= 1. log n as p falls to 0; at p = 1 it is 0 for n = 1, else inf.
    """
    if n == 1:
        return 0.0
    if p in (0.0, 1.0):
        return float(np.log(n)) if p == 0 else float("inf")
    return float(np.log(success_of_best(p, n)) - np.log(p) - (n - 1) * np.log1p(-p))


@entry(
    "best_of_n_kl",
    kind="theorem",
    cards=("30",),
    provenance="derived",
    formula="KL(Bernoulli(q_n) || Bernoulli(p)) <= log n - (n-1)/n",
)
def best_kl(p: float, n: int) -> float:
    """KL(best of n || pi0) in nats: the binary KL of q_n from p; at most log n - (n-1)/n.

    p : in [0, 1]; n >= 1. 0 at p = 0 and p = 1, where there is nothing to choose.
    """
    return float(best_of_k_kl([1 - p, p], [0.0, 1.0], n))


@entry(
    "anchored_mass",
    kind="theorem",
    cards=("30",),
    provenance="derived",
    formula="1/P = beta (logit P - logit p)",
)
def anchored_mass(p: float, beta: float) -> float:
    """P(right) of argmin -E[log pi | right] + beta KL(pi || pi0): 1/P = beta log odds ratio.

    p : in (0, 1]; beta >= 0. 1 without the anchor (beta = 0) and at p = 1; p at beta = inf.

    Raises ValueError for p = 0, where there is no right answer to clone, and a negative beta.
    """
    from scipy.optimize import brentq
    from scipy.special import expit, logit

    if not (0 < p <= 1 and beta >= 0):
        msg = f"p={p}, beta={beta}: p must lie in (0, 1], for right answers are cloned; beta >= 0"
        raise ValueError(msg)
    if p == 1 or beta == 0:
        return 1.0
    if np.isinf(beta):
        return float(p)

    def gap(x: float) -> float:
        return 1 / expit(x) - beta * (x - logit(p))

    return float(expit(brentq(gap, logit(p) + 1e-12, logit(p) + 2 / (p * beta) + 50)))


@entry(
    "prompt_weight",
    kind="theorem",
    cards=("30",),
    provenance="derived",
    formula="E[update] = W(p) grad p",
)
def prompt_weight(p: Array, scheme: str) -> np.ndarray:
    """W(p) in E[update] = W(p) grad p: how a scheme weighs prompts of success rate p.

    reinforce 1; rloo 1; pair_1_p: a right with weight 1 and a wrong one with 1-p; pair_rloo: RLOO
    advantages of rewards +-1, wrong ones halved; pair_grpo: population-normalised advantages

    p : any shape, in (0, 1): at 0 and 1 no pair can be drawn and grad p is 0.

    Raises ValueError for another scheme and for another p.
    """
    p = np.asarray(p, dtype=float)
    if ((p <= 0) | (p >= 1)).any():
        msg = f"p={p} must lie strictly between 0 and 1: else there is no right and wrong rollout"
        raise ValueError(msg)
    q = 1 - p
    schemes = {
        "reinforce": (p, 0 * p),
        "rloo": (p * q, p * q),
        "pair_1_p": (1 + 0 * p, q),
        "pair_rloo": (2 * q, p),
        "pair_grpo": (np.sqrt(q / p), np.sqrt(p / q)),
    }
    if scheme not in schemes:
        msg = f"scheme={scheme!r} is not one of {', '.join(schemes)}"
        raise ValueError(msg)
    right, wrong = schemes[scheme]
    return right / p + wrong / q
