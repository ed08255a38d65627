"""Self-play on a preference function: win rates, soft policy iteration, exploitability.

P (K, K): P[i, j] is the probability that answer i beats j, P + P^T = 1. Against the policy pi the
win rate of an answer is r = P pi; sum pi r = 1/2. The next policy is pi exp(r/eta)/Z, which is
multiplicative weights; the average over iterations approaches the minimax winner, the last one
need not.
(Direct Nash Optimization, arXiv 2404.03715, sections 2 to 4; the Jeffreys identity, the drift from
Nash and the bound's constants are derived.)

Formulas: docs/theory/preference.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.policies import kl, softmax

Array = Any


@entry(
    "symmetrised_preference",
    kind="theorem",
    cards=("29",),
    provenance="text",
    formula="(P + 1 - P^T)/2",
)
def symmetrised(P: Array) -> np.ndarray:
    """(K, K) (P + 1 - P^T)/2: a judge's position bias taken out."""
    P = np.asarray(P, dtype=float)
    return (P + 1 - np.swapaxes(P, -1, -2)) / 2


@entry("win_rate", kind="theorem", cards=("29",), provenance="text", formula="r = P pi")
def win_rate(P: Array, pi: Array) -> np.ndarray:
    """(K,) probability that each answer beats one drawn from pi."""
    return np.asarray(P) @ np.asarray(pi)


@entry("beats", kind="theorem", cards=("29",), provenance="text", formula="pi^T P other")
def beats(P: Array, pi: Array, other: Array) -> float:
    """P(pi > other): the probability that a draw of pi beats one of other."""
    return float(np.asarray(pi) @ np.asarray(P) @ np.asarray(other))


@entry(
    "soft_policy_iteration",
    kind="theorem",
    cards=("29",),
    section="Algorithm 1",
    provenance="text",
    formula="pi exp(r/eta)/Z, r = P pi",
)
def step(P: Array, pi: Array, eta: float) -> np.ndarray:
    """(K,) the next policy, pi exp(win rate / eta)/Z, maximiser of P(. > pi) - eta KL(. || pi)."""
    return softmax(np.log(np.asarray(pi, dtype=float)) + win_rate(P, pi) / eta)


@entry(
    "self_play",
    kind="theorem",
    cards=("29",),
    provenance="text",
    formula="pi_(t+1) = pi_t exp(P pi_t/eta)/Z",
)
def iterates(P: Array, start: Array, eta: float, steps: int) -> np.ndarray:
    """(steps + 1, K) policies from `start`."""
    out = [np.asarray(start, dtype=float)]
    for _ in range(steps):
        out.append(step(P, out[-1], eta))
    return np.array(out)


@entry(
    "exploitability",
    kind="theorem",
    cards=("29",),
    provenance="text",
    formula="max_i (P pi)_i - 1/2",
)
def exploitability(P: Array, pi: Array) -> np.ndarray:
    """(...,) how far above 1/2 the best answer wins against pi; 0 at the minimax winner alone."""
    rates = np.einsum("ij,...j->...i", np.asarray(P), np.asarray(pi))
    return rates.max(-1) - 0.5


@entry(
    "self_play_bound",
    kind="theorem",
    cards=("29",),
    provenance="text",
    formula="eta ln(1/min start)/T + 1/(8 eta)",
)
def average_bound(start: Array, eta: float, steps: int) -> float:
    """Exploitability of the average is at most eta ln(1/min start)/T + 1/(8 eta) (Hedge)."""
    return float(eta * np.log(1 / np.min(start)) / steps + 1 / (8 * eta))


@entry(
    "dno_loss",
    kind="theorem",
    cards=("29",),
    provenance="text",
    formula="-2 sum mu_i mu_j sigma(r_i - r_j) log sigma(h_i - h_j), h = eta log(pi_theta/pi)",
)
def dno_loss(theta: Array, P: Array, pi: Array, eta: float, mu: Array) -> float:
    """-Eq. 8 for pairs from mu x mu and softmax logits theta: cross-entropy with soft targets."""
    h = eta * (np.log(softmax(theta)) - np.log(pi))
    r = win_rate(P, pi)
    target, gap = _sigmoid(r[:, None] - r[None]), h[:, None] - h[None]
    log = -np.logaddexp(0, -gap)
    return float(-2 * np.sum(np.outer(mu, mu) * target * log))


@entry(
    "dno_gradient",
    kind="theorem",
    cards=("29",),
    provenance="text",
    formula="2 eta sum_j mu_i mu_j (sigma(h_i - h_j) - sigma(r_i - r_j)), centred",
)
def dno_gradient(theta: Array, P: Array, pi: Array, eta: float, mu: Array) -> np.ndarray:
    """(K,) gradient of `dno_loss` by theta."""
    now = softmax(theta)
    h = eta * (np.log(now) - np.log(pi))
    r = win_rate(P, pi)
    error = _sigmoid(h[:, None] - h[None]) - _sigmoid(r[:, None] - r[None])
    g = 2 * eta * (np.outer(mu, mu) * error).sum(1)
    return g - now * g.sum()


@entry(
    "minimax_winner",
    kind="theorem",
    cards=("29",),
    provenance="text",
    formula="argmax_pi min_j (pi^T P)_j",
)
def minimax_winner(P: Array) -> np.ndarray:
    """(K,) a policy that wins at least half against every answer, by linear programming."""
    from scipy.optimize import linprog

    P = np.asarray(P, dtype=float)
    k = len(P)
    found = linprog(
        np.r_[np.zeros(k), -1.0],
        A_ub=np.c_[-P.T, np.ones(k)],
        b_ub=np.zeros(k),
        A_eq=np.r_[np.ones(k), 0.0][None],
        b_eq=[1.0],
        bounds=[(0, 1)] * k + [(None, None)],
    )
    return np.maximum(found.x[:k], 0) / np.maximum(found.x[:k], 0).sum()


@entry(
    "jeffreys", kind="theorem", cards=("29",), provenance="text", formula="KL(p || q) + KL(q || p)"
)
def jeffreys(p: Array, q: Array) -> float:
    """KL(p || q) + KL(q || p)."""
    return float(kl(p, q) + kl(q, p))


def _sigmoid(x: Array) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -np.asarray(x)))
