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
from toyrl.theory.policies import kl, softmax, tilt

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
    """(K,) the next policy, pi exp(win rate / eta)/Z, maximiser of P(. > pi) - eta KL(. || pi).

    eta >= 0; 0 is the best response to pi (equal ones keep their shares), inf is pi itself.
    Answers of probability 0 stay at 0.
    """
    if eta == 0:
        return tilt(pi, win_rate(P, pi), np.inf)
    with np.errstate(divide="ignore"):  # log 0
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
    """Exploitability of the average is at most eta ln(1/min start)/T + 1/(8 eta) (Hedge).

    inf, no bound at all, for eta = 0, no steps, or a start that never plays some answer.
    """
    least = float(np.min(start))
    if eta == 0 or steps == 0 or least == 0:
        return float("inf")
    return float(eta * -np.log(least) / steps + 1 / (8 * eta))


@entry(
    "dno_loss",
    kind="theorem",
    cards=("29",),
    provenance="text",
    formula="-sum (mu_i nu_j + nu_i mu_j) sigma(r_i - r_j) log sigma(h_i - h_j)",
)
def dno_loss(
    theta: Array, P: Array, pi: Array, eta: float, mu: Array, other: Array | None = None
) -> float:
    """-Eq. 8 for pairs from mu x other and softmax logits theta: cross-entropy with soft targets.

    theta, pi, mu, other : (K,), pi > 0; h = eta log(pi_theta/pi). mu and other, the two policies
    that pairs are drawn from (None: both from mu), move the minimum only where they leave answers
    out; the one policy at the minimum of full support is `step`.

    Raises ValueError for a pi that is not positive everywhere.
    """
    h, r = _log_ratio(theta, pi, eta), win_rate(P, pi)
    target, gap = _sigmoid(r[:, None] - r[None]), h[:, None] - h[None]
    log = -np.logaddexp(0, -gap)
    return float(-np.sum(_both_orders(mu, other) * target * log))


@entry(
    "dno_gradient",
    kind="theorem",
    cards=("29",),
    provenance="text",
    formula="eta sum_j (mu_i nu_j + nu_i mu_j)(sigma(h_i - h_j) - sigma(r_i - r_j)), centred",
)
def dno_gradient(
    theta: Array, P: Array, pi: Array, eta: float, mu: Array, other: Array | None = None
) -> np.ndarray:
    """(K,) gradient of `dno_loss` by theta.

    Raises ValueError for a pi that is not positive everywhere.
    """
    h, r = _log_ratio(theta, pi, eta), win_rate(P, pi)
    error = _sigmoid(h[:, None] - h[None]) - _sigmoid(r[:, None] - r[None])
    g = eta * (_both_orders(mu, other) * error).sum(1)
    return g - softmax(theta) * g.sum()


@entry(
    "explaining_scores",
    kind="theorem",
    cards=("29",),
    provenance="derived",
    formula="s_i = mean_j logit P_ij",
)
def explaining_scores(P: Array) -> np.ndarray:
    """(K,) scores, of mean 0, whose differences are nearest to the log-odds of the win table.

    The least squares fit of s_i - s_j to logit P_ij over all pairs; exact where
    P_ij = sigma(s_i - s_j), and all 0 for rock, paper, scissors.

    P : (K, K), every entry in (0, 1), P + P^T = 1 (`symmetrised`). Raises ValueError for another.
    """
    return _log_odds(P).mean(-1)


@entry(
    "cyclic_share",
    kind="theorem",
    cards=("29",),
    provenance="derived",
    formula="sum (logit P_ij - s_i + s_j)^2 / sum (logit P_ij)^2",
)
def cyclic_share(P: Array) -> float:
    """The share of a win table's squared log-odds that no score explains, in [0, 1].

    0 for P_ij = sigma(s_i - s_j), which a reward model of scores can hold, and for a table of
    ties; 1 for pure cycles such as rock, paper, scissors, on which every score is 0 and a reward
    maximiser indifferent, though `step` still moves.

    P : as in `explaining_scores`, and refused as there.
    """
    odds, s = _log_odds(P), explaining_scores(P)
    total = float(np.sum(odds**2))
    rest = float(np.sum((odds - s[:, None] + s[None]) ** 2))
    rounding = odds.size * (16 * np.finfo(float).eps) ** 2  # of log-odds near 0
    return rest / total if total > rounding else 0.0


@entry(
    "cyclic_preference",
    kind="theorem",
    cards=("29",),
    provenance="derived",
    formula="P_ij = 1/2 + strength if i beats j in the cycle, 1/2 - strength if j beats i",
)
def cyclic_preference(size: int, strength: float) -> np.ndarray:
    """(size, size) a win table without a best answer: each beats the next half of a circle.

    size : odd, 3 is rock, paper, scissors; strength in [0, 1/2]: the winner wins with probability
    1/2 + strength. The minimax winner is uniform.

    Raises ValueError for an even size or one below 3, and for another strength.
    """
    if size < 3 or size % 2 == 0 or not 0 <= strength <= 0.5:
        msg = f"size={size}, strength={strength}: take an odd size from 3 on, strength in [0, 1/2]"
        raise ValueError(msg)
    ahead = (np.arange(size)[None] - np.arange(size)[:, None]) % size
    sign = np.where(ahead == 0, 0, np.where(ahead <= size // 2, 1, -1))
    return 0.5 + strength * sign


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


def _log_odds(P: Array) -> np.ndarray:
    from scipy.special import logit

    P = np.asarray(P, dtype=float)
    if not ((P > 0) & (P < 1)).all() or np.abs(P + P.T - 1).max() > 1e-9:
        msg = "P must lie in (0, 1) with P + P^T = 1; symmetrise it, and shrink certain wins"
        raise ValueError(msg)
    return logit(P)


def _both_orders(mu: Array, other: Array | None) -> np.ndarray:
    """(K, K) weight of each ordered pair: the sum over both places it is drawn in."""
    drawn = np.outer(mu, mu if other is None else other)
    return drawn + drawn.T


def _log_ratio(theta: Array, pi: Array, eta: float) -> np.ndarray:
    pi = np.asarray(pi, dtype=float)
    if not (pi > 0).all():
        msg = f"pi={pi} must be positive everywhere: log-ratios of the others are no numbers"
        raise ValueError(msg)
    return eta * (np.log(softmax(theta)) - np.log(pi))


def _sigmoid(x: Array) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -np.asarray(x)))
