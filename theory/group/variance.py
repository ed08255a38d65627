"""Closed forms of group-relative policy gradients for right/wrong rewards.

Setting: a prompt is solved with probability p (q = 1 - p), groups of G, r_i in {0, 1}, K right
rollouts, share p_hat = K/G, gradient g = (1/G) sum_i A_i grad log pi(o_i). Because
E[grad log pi | right] = grad p / p and E[grad log pi | wrong] = -grad p / q, any estimator whose
A depends on (right or wrong, K) alone has

    E[g] = (E[A | right] - E[A | wrong]) grad p.

For REINFORCE, RLOO and Dr. GRPO this is a constant times grad p; for GRPO it is omega_G(p) grad p,
the difficulty bias. Variances are those of the logit bandit, theta = logit p, where grad log pi is
q for a right and -p for a wrong rollout, so that g is a function of K alone. All functions
broadcast over p; standard deviations are the sample's (ddof = 1) unless told, eps = 0.

Formulas: docs/theory/group.md.

Source: definitions of REINFORCE, RLOO, GRPO, Dr. GRPO and DAPO as TRL and verl have them; closed
forms derived.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from toyrl.registry import entry

ESTIMATORS = ("reinforce", "rloo", "dr_grpo", "grpo")
DIRECT = 256
"""Groups up to which the powers of a binomial law are taken as they stand: no factor overflows."""
Array = Any


@entry(
    "count_law",
    kind="theorem",
    cards=("00",),
    provenance="derived",
    formula="P(K = k) = C(G,k) p^k q^(G-k)",
)
def count_law(p: Array, group_size: int) -> np.ndarray:
    """(..., G+1) P(K right of G)."""
    p = np.asarray(p, dtype=float)[..., None]
    if group_size <= DIRECT:
        k, ways = _ways(group_size)
        law = ways * p**k * (1 - p) ** (group_size - k)
        return np.where((p >= 0) & (p <= 1), law, np.nan)
    from scipy.stats import binom

    return binom.pmf(np.arange(group_size + 1), group_size, p)


@cache
def _ways(group_size: int) -> tuple[np.ndarray, np.ndarray]:
    """(G+1,) counts and in how many ways each comes about."""
    return np.arange(group_size + 1), np.array(
        [float(math.comb(group_size, k)) for k in range(group_size + 1)]
    )


@entry(
    "omega",
    kind="theorem",
    cards=("00",),
    provenance="derived",
    formula="omega_G(p) = sqrt((G-1)/G)/G sum_k C(G,k) sqrt(k(G-k)) p^(k-1) q^(G-k-1)",
)
def omega(p: Array, group_size: float, *, ddof: int = 1) -> np.ndarray:
    """Weight of a prompt under group-std normalisation: E[g] = omega_G(p) grad p.

    In a group with K right, A_right = sqrt((G-1)(G-K)/(G K)) and A_wrong = -A_right K/(G-K). In
    the logit bandit, where grad p = p q, that gives g = p_hat A_right =
    sqrt((G-1)/G) sqrt(p_hat(1-p_hat)). Summed over K ~ Binomial(G, p) and divided by p q,

        omega_G(p) = sqrt((G-1)/G) (1/G) sum_{k=1}^{G-1} C(G,k) sqrt(k(G-k)) p^(k-1) q^(G-k-1),

    a polynomial of degree G-2, symmetric in p <-> q, (G-1)/sqrt(G) at p = 0 and 1, 1/sqrt(2)
    for G = 2, and 1/sqrt(p q) as G grows: GRPO then ascends sum 2 arcsin(sqrt(p)) over prompts.
    ddof = 0 (population std) multiplies it by sqrt(G/(G-1)). group_size = inf: inf at p = 0 and 1.

    Broadcasts over p. Raises ValueError for a group of one.
    """
    p = np.asarray(p, dtype=float)
    if math.isinf(group_size):
        with np.errstate(divide="ignore"):
            return 1 / np.sqrt(p * (1 - p))
    G = int(group_size)
    if G < 2:
        msg = f"group_size={group_size} has no standard deviation; use 2 or more, or inf"
        raise ValueError(msg)
    k = np.arange(1, G)
    # In logarithms: C(G, k) overflows for G above 1000, and p^0 must be 1 at p = 0.
    log_count = math.lgamma(G + 1) - np.array([math.lgamma(i + 1) + math.lgamma(G - i + 1)
                                               for i in k])  # fmt: skip
    with np.errstate(divide="ignore"):
        log_p, log_q = np.log(p)[..., None], np.log1p(-p)[..., None]
    powers = _times(k - 1, log_p) + _times(G - k - 1, log_q)
    terms = np.exp(log_count + 0.5 * np.log(k * (G - k)) + powers)
    return math.sqrt((G - ddof) / G) / G * terms.sum(-1)


def _times(n: np.ndarray, log: np.ndarray) -> np.ndarray:
    """n log, with 0 (-inf) = 0."""
    return np.where(n == 0, 0.0, n * np.where(np.isneginf(log) & (n == 0), 0.0, log))


@entry(
    "gradient_weight",
    kind="theorem",
    cards=("00",),
    provenance="derived",
    formula="E[g] = c grad p: c = 1, 1, (G-1)/G, omega_G(p)",
)
def gradient_weight(estimator: str, p: Array, group_size: float) -> np.ndarray:
    """c in E[g] = c grad p: 1 for REINFORCE and RLOO, (G-1)/G for Dr. GRPO, omega_G(p) for GRPO.

    Raises ValueError for RLOO and GRPO in a group of one.
    """
    p = np.asarray(p, dtype=float)
    _grouped(estimator, group_size)
    if estimator == "grpo":
        return omega(p, group_size)
    return (
        np.ones_like(p)
        * {"reinforce": 1.0, "rloo": 1.0, "dr_grpo": 1 - 1 / group_size}[_known(estimator)]
    )


@entry(
    "mean_advantages",
    kind="theorem",
    cards=("00",),
    provenance="derived",
    formula="E[A | right] = c q, E[A | wrong] = -c p",
)
def mean_advantages(estimator: str, p: Array, group_size: float) -> tuple[np.ndarray, np.ndarray]:
    """E[A | right] and E[A | wrong], own rollout given.

    REINFORCE has 1 and 0. The others are centred: p E[A|right] + q E[A|wrong] = 0 with difference
    c (`gradient_weight`), so they are c q and -c p.

    Raises ValueError for RLOO and GRPO in a group of one.
    """
    p = np.asarray(p, dtype=float)
    if estimator == "reinforce":
        return np.ones_like(p), np.zeros_like(p)
    c = gradient_weight(estimator, p, group_size)
    # c is infinite in an infinite group at p = 0 and 1, where one of the two is still 0.
    right, wrong = np.where(p < 1, c, 0.0) * (1 - p), -np.where(p > 0, c, 0.0) * p
    return right[()], wrong[()]


@entry(
    "group_gradient",
    kind="theorem",
    cards=("00",),
    provenance="derived",
    formula="REINFORCE p_hat q; RLOO G/(G-1) p_hat(1-p_hat)",
)
def group_gradient(estimator: str, right: Array, p: Array, group_size: int) -> np.ndarray:
    """g of a group with K = `right` right rollouts in the logit bandit.

    REINFORCE p_hat q; RLOO the unbiased sample variance S^2 = G/(G-1) p_hat(1-p_hat); Dr. GRPO
    p_hat(1-p_hat); GRPO ((G-1)/G) S. Only REINFORCE reads p: for centred estimators the score's
    mean drops out.

    Raises ValueError for RLOO and GRPO in a group of one.
    """
    _grouped(estimator, group_size)
    share = np.asarray(right, dtype=float) / group_size
    if _known(estimator) == "reinforce":
        return share * (1 - np.asarray(p))
    spread = share * (1 - share)
    if estimator == "rloo":
        return spread * group_size / (group_size - 1)
    return spread if estimator == "dr_grpo" else np.sqrt((1 - 1 / group_size) * spread)


@entry(
    "gradient_variance",
    kind="theorem",
    cards=("00",),
    provenance="derived",
    formula="RLOO: (pq/G)(1 - pq (4G-6)/(G-1))",
)
def gradient_variance(estimator: str, p: Array, group_size: int) -> np.ndarray:
    """Var[g] over one group in the logit bandit, G >= 2.

    REINFORCE q^2 pq/G. RLOO is Var[S^2] = (mu_4 - sigma^4 (G-3)/(G-1))/G with mu_4 = pq(1 - 3pq)
    and sigma^4 = (pq)^2: (pq/G)(1 - pq(4G-6)/(G-1)). Dr. GRPO ((G-1)/G)^2 times that. GRPO
    E[g^2] - E[g]^2 = ((G-1)/G)^2 pq - (omega_G pq)^2.

    At p = 1/2 RLOO's is 2/(G-1) of REINFORCE's; as p -> 1 REINFORCE's falls as q^3/G but RLOO's
    as q/G: on solved prompts a baseline adds variance.

    Raises ValueError for RLOO and GRPO in a group of one.
    """
    _grouped(estimator, group_size)
    p, G = np.asarray(p, dtype=float), int(group_size)
    pq = p * (1 - p)
    shrink = ((G - 1) / G) ** 2
    if _known(estimator) == "reinforce":
        return (1 - p) ** 2 * pq / G
    if estimator == "grpo":
        return shrink * pq - (omega(p, G) * pq) ** 2
    if G == 1:  # Dr. GRPO: the own reward is the mean
        return 0 * pq
    rloo = pq / G * (1 - pq * (4 * G - 6) / (G - 1))
    return rloo if estimator == "rloo" else shrink * rloo


@entry("zero_signal", kind="theorem", cards=("00",), provenance="derived", formula="p^G + q^G")
def zero_signal(p: Array, group_size: int) -> np.ndarray:
    """P(no signal) = p^G + q^G: all rollouts right or all wrong, every centred advantage 0."""
    p = np.asarray(p, dtype=float)
    return p**group_size + (1 - p) ** group_size


@entry(
    "groups_per_kept",
    kind="theorem",
    cards=("00",),
    provenance="derived",
    formula="1/(1 - p^G - q^G)",
)
def groups_per_kept(p: Array, group_size: int) -> np.ndarray:
    """Expected groups to draw per kept one under dynamic sampling at a fixed prompt, 1/(1 - z).

    Across prompts it does not reweight them: E[g | kept] = E[g]/(1-z), and the density of kept
    prompts is proportional to 1-z; the whole gradient is rescaled by 1/E[1-z]. inf where no group
    is ever kept: p = 0, p = 1, and groups of one.
    """
    with np.errstate(divide="ignore"):
        return 1 / (1 - zero_signal(p, group_size))


@entry(
    "batch_std_limit",
    kind="theorem",
    cards=("00",),
    provenance="derived",
    formula="sqrt(E[p(1-p)] + Var(p))",
)
def batch_std_limit(p: np.ndarray, share: np.ndarray) -> float:
    """sqrt(E[p(1-p)] + Var(p)): the divisor of batch normalisation for many prompts."""
    p, share = np.asarray(p, dtype=float), np.asarray(share, dtype=float)
    mean = share @ p
    return math.sqrt(share @ (p * (1 - p)) + share @ (p - mean) ** 2)


def _grouped(estimator: str, group_size: float) -> None:
    """ValueError for an estimator that compares with siblings where there are none."""
    if _known(estimator) in ("rloo", "grpo") and not group_size >= 2:
        msg = f"group_size={group_size}: {estimator} compares with siblings; use 2 or more, or inf"
        raise ValueError(msg)


def _known(estimator: str) -> str:
    if estimator not in ESTIMATORS:
        msg = f"estimator={estimator!r} is not one of {', '.join(ESTIMATORS)}"
        raise ValueError(msg)
    return estimator
