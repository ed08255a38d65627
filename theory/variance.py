"""Mean and variance of group policy gradients for Bernoulli rewards, in closed form.

One prompt, success probability p, q = 1 - p; groups of G rollouts of which K are right, p^ = K/G.
The gradient estimate is g = (1/G) sum_i A_i grad log pi(o_i). Since E[grad log pi | right] =
grad p / p and E[grad log pi | wrong] = -grad p / q, any advantage that depends on (own class, K)
alone has

    E[g] = (E[A | right] - E[A | wrong]) grad p.

Variances are those in the logit bandit, theta = log(p/q), where grad log pi is q for a right and
-p for a wrong rollout and grad p = p q, so that g is a function of K. The estimators are named as
in `toyrl.estimators.group`: reinforce (no baseline), rloo, dr_grpo (mean baseline), grpo (eps = 0).

Sources: Williams 1992 (REINFORCE); Ahmadian et al. 2024, Back to Basics (RLOO); Shao et al. 2024,
DeepSeekMath section 4.1 (GRPO); Liu et al. 2025, Understanding R1-Zero-Like Training section 3
(Dr. GRPO and the difficulty bias). The closed forms below are derived here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

ESTIMATORS = ("reinforce", "rloo", "dr_grpo", "grpo")
LARGEST_GROUP = 1000  # binomial coefficients beyond overflow float64


def omega(p: Any, group_size: float, *, ddof: float = 1.0) -> np.ndarray:
    """omega_G(p) of GRPO's expected gradient E[g] = omega_G(p) grad p, shape of p.

    In a group with K right, A of a right rollout is (1 - p^)/s and s^2 = p^(1-p^) G/(G - ddof), so
    A_right - A_wrong = 1/s, and summing p^(1-p^)/s over K gives

        omega_G(p) = sqrt((G - ddof)/G) (1/G) sum_{k=1}^{G-1} C(G,k) sqrt(k (G-k)) p^(k-1) q^(G-k-1)
                   = sqrt((G - ddof)/G) E[sqrt(p^(1-p^))] / (p q),

    a polynomial of degree G - 2, symmetric in p and q; constant for G = 2; 1/sqrt(p q) for G = inf
    (GRPO then ascends 2 arcsin(sqrt(p)), see `population_objective`).
    """
    p = _probability(p)
    if math.isinf(group_size):
        with np.errstate(divide="ignore"):
            return 1 / np.sqrt(p * (1 - p))
    G = _size(group_size)
    total = np.zeros_like(p)
    for k in range(1, G):
        total += math.comb(G, k) * math.sqrt(k * (G - k)) * p ** (k - 1) * (1 - p) ** (G - k - 1)
    return math.sqrt((G - ddof) / G) / G * total


def group_advantages(
    right: Any, group_size: int, name: str, *, ddof: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """(A of a right rollout, A of a wrong one) in a group with `right` right rollouts.

    grpo, sample std: sqrt((G-1)(G-K)/(G K)) and -sqrt((G-1) K/(G (G-K))); both 0 in a group
    without contrast. Where a class is missing from the group its value is that of a member that
    is not there: 0 for grpo.
    """
    G, K = _size(group_size), np.asarray(right, dtype=float)
    share = K / G
    if _known(name) == "reinforce":
        return np.ones_like(share), np.zeros_like(share)
    if name == "grpo":
        contrast = (K > 0) & (K < G)
        s = np.sqrt(np.where(contrast, share * (1 - share) * G / (G - ddof), 1.0))
        return np.where(contrast, (1 - share) / s, 0.0), np.where(contrast, -share / s, 0.0)
    scale = G / (G - 1) if name == "rloo" else 1.0
    return scale * (1 - share), -scale * share


def advantage_means(
    p: Any, group_size: int, name: str, *, ddof: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """(E[A | own right], E[A | own wrong]).

    reinforce (1, 0); rloo (q, -p); dr_grpo that times (G-1)/G; grpo omega_G(p) times (q, -p).
    """
    p = _probability(p)
    if _known(name) == "reinforce":
        return np.ones_like(p), np.zeros_like(p)
    scale = gradient_factor(p, group_size, name, ddof=ddof)
    return scale * (1 - p), -scale * p


def gradient_factor(p: Any, group_size: int, name: str, *, ddof: float = 1.0) -> np.ndarray:
    """E[g] over grad p: 1 for reinforce and rloo (unbiased), (G-1)/G for dr_grpo, omega for grpo."""
    p = _probability(p)
    if _known(name) == "grpo":
        return omega(p, group_size, ddof=ddof)
    G = _size(group_size)
    return np.full_like(p, (G - 1) / G if name == "dr_grpo" else 1.0)


def group_gradient(right: Any, p: Any, group_size: int, name: str) -> np.ndarray:
    """g of a group with K right rollouts in the logit bandit (sample std for grpo).

    reinforce p^ q; rloo S^2, the unbiased sample variance of the rewards; dr_grpo p^(1-p^);
    grpo (G-1)/G S. For a centred estimator the own p of grad log pi cancels.
    """
    G = _size(group_size)
    share = np.asarray(right, dtype=float) / G
    if _known(name) == "reinforce":
        return share * (1 - _probability(p))
    variance = share * (1 - share)
    if name == "dr_grpo":
        return variance
    if name == "rloo":
        return variance * G / (G - 1)
    return np.sqrt((G - 1) / G * variance)


def gradient_mean(p: Any, group_size: int, name: str) -> np.ndarray:
    """E[g] in the logit bandit: `gradient_factor` times p q."""
    p = _probability(p)
    return gradient_factor(p, group_size, name) * p * (1 - p)


def gradient_variance(p: Any, group_size: int, name: str) -> np.ndarray:
    """Var[g] in the logit bandit.

    reinforce q^2 p q/G. rloo: Var of the sample variance S^2 of Bernoulli rewards,
    mu_4/G - sigma^4 (G-3)/(G(G-1)) with mu_4 = p q (1 - 3 p q), which is
    (p q/G) [1 - p q (4G-6)/(G-1)]. dr_grpo ((G-1)/G)^2 that. grpo: E[g^2] = ((G-1)/G)^2 p q and
    E[g] = omega_G(p) p q.
    """
    p, G = _probability(p), _size(group_size)
    v = p * (1 - p)
    if _known(name) == "reinforce":
        return (1 - p) ** 2 * v / G
    if name == "grpo":
        return ((G - 1) / G) ** 2 * v - gradient_mean(p, G, "grpo") ** 2
    rloo = v / G * (1 - v * (4 * G - 6) / (G - 1))
    return rloo if name == "rloo" else ((G - 1) / G) ** 2 * rloo


def zero_signal(p: Any, group_size: float) -> np.ndarray:
    """z = p^G + q^G, the share of groups whose rewards are all equal."""
    p = _probability(p)
    return p**group_size + (1 - p) ** group_size


def groups_per_kept(p: Any, group_size: float) -> np.ndarray:
    """1/(1 - z): groups to draw per group that dynamic sampling keeps; inf for p = 0 or 1.

    Kept groups have E[g | kept] = E[g]/(1-z) and prompts are kept in proportion to 1 - z, so
    dynamic sampling rescales the expected gradient and does not reweight prompts.
    """
    with np.errstate(divide="ignore"):
        return 1 / (1 - zero_signal(p, group_size))


def population_objective(p: Any) -> np.ndarray:
    """2 arcsin(sqrt(p)): its derivative is 1/sqrt(p q), what GRPO ascends as G grows."""
    return 2 * np.arcsin(np.sqrt(_probability(p)))


def _probability(p: Any) -> np.ndarray:
    p = np.asarray(p, dtype=float)
    if not np.all((p >= 0) & (p <= 1)):
        msg = f"p={p!r} must lie in [0, 1]: it is a success probability"
        raise ValueError(msg)
    return p


def _size(group_size: float) -> int:
    G = int(group_size) if math.isfinite(group_size) else 0
    if group_size != G or not 2 <= G <= LARGEST_GROUP:
        msg = f"group_size={group_size} must be a whole number in 2..{LARGEST_GROUP}"
        raise ValueError(msg)
    return G


def _known(name: str) -> str:
    if name not in ESTIMATORS:
        msg = f"name={name!r} is not one of {', '.join(ESTIMATORS)}"
        raise ValueError(msg)
    return name
