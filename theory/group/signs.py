"""When does a length penalty push right answers down? Signs of group-relative advantages.

Setting: reward r = c (1 - alpha f), c in {0, 1} right or wrong, f in [0, 1] the normalised length
cost. A group of G has K right rollouts, of mean cost f_bar. Its mean reward is
(K/G) (1 - alpha f_bar), so with p_hat = K/G

    A_i < 0  iff  1 - alpha f_i < p_hat (1 - alpha f_bar)  iff  f_i > p_hat f_bar + (1-p_hat)/alpha,

for every estimator that centres on the group's mean (or on the others') and scales by something
positive. All functions broadcast over arrays.

Formulas: docs/theory/group.md.

Source: the diagnosis of length-penalised GRPO in paper 03; thresholds, probabilities and drifts are
derived.
"""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "sign_threshold",
    kind="theorem",
    cards=("03",),
    section="diagnosis of length-penalised GRPO; threshold derived",
    provenance="derived",
    formula="f* = p_hat f_right + (1 - p_hat)/alpha",
)
def cost_threshold(p_hat: Array, mean_cost: Array, alpha: Array) -> Array:
    """f*: a right rollout's advantage is negative iff its length cost exceeds this.

    p_hat : share of right rollouts in the group, in (0, 1]; mean_cost : their mean cost;
    alpha : weight of the penalty, > 0 (0: inf, no rollout is). At p_hat = 1 it is the mean, for
    any alpha > 0.
    """
    a = np.asarray(alpha, dtype=float)
    found = p_hat * mean_cost + (1 - p_hat) / np.where(a > 0, a, 1.0)
    return np.where(a > 0, found, np.inf)[()]


@entry(
    "punished_if_all_pay",
    kind="theorem",
    cards=("03",),
    provenance="derived",
    formula="alpha (f - f_bar) > 1 - p_hat",
)
def punished_if_all_pay(cost: Array, mean_cost_all: Array, p_hat: Array, alpha: Array) -> Array:
    """Bool: a right rollout is pushed down when wrong ones pay too, r = c - alpha f.

    r_i < mean iff 1 - alpha f_i < p_hat - alpha f_bar over all G rollouts.
    """
    return alpha * (np.asarray(cost) - mean_cost_all) > 1 - np.asarray(p_hat)


@entry(
    "verbose_threshold",
    kind="theorem",
    cards=("03",),
    provenance="derived",
    formula="alpha = (G - K)/(G - 1)",
)
def verbose_threshold(group_size: Array, right: Array) -> Array:
    """alpha above which one verbose (f = 1) right rollout among concise right ones is pushed down.

    f* = (K/G)(1/K) + (1 - K/G)/alpha < 1 iff alpha > (G - K)/(G - 1).

    Raises ValueError for a group of one, which has no others.
    """
    if np.any(np.asarray(group_size) < 2):
        msg = f"group_size={group_size} must be at least 2: a rollout alone has no others"
        raise ValueError(msg)
    return (group_size - np.asarray(right)) / (group_size - 1)


@entry(
    "population_boundary",
    kind="theorem",
    cards=("03",),
    provenance="derived",
    formula="p = (1 - alpha)/(1 - alpha q)",
)
def population_boundary(alpha: Array, q: Array) -> Array:
    """p above which long right rollouts have negative advantage in an infinite group.

    Right answers are long (f = 1) with probability q, else short (f = 0): the mean reward is
    p (1 - alpha q), that of a long right rollout 1 - alpha. 1, never, where all are long (q = 1).
    """
    alpha, q = np.asarray(alpha, dtype=float), np.asarray(q, dtype=float)
    mixed = alpha * q != 1
    return np.where(mixed, (1 - alpha) / np.where(mixed, 1 - alpha * q, 1.0), 1.0)[()]


@entry(
    "negative_probability",
    kind="theorem",
    cards=("03",),
    provenance="derived",
    formula="P(A < 0 | right, long) over K ~ Binomial(G-1, p)",
)
def negative_probability(p: float, q: float, alpha: float, group_size: int) -> float:
    """P(A < 0 | own rollout is right and long) in a group of G, exactly.

    With K right rollouts, m of them long: f_bar = m/K, and 1 > f* iff alpha (G - m) > G - K. Both
    counts include the own rollout: K - 1 ~ Binomial(G-1, p), m - 1 ~ Binomial(K-1, q). Ties
    (alpha (G-m) = G-K up to rounding) have A = 0 and do not count.
    """
    G, total = group_size, 0.0
    for right in range(1, G + 1):
        chance = comb(G - 1, right - 1) * p ** (right - 1) * (1 - p) ** (G - right)
        for m in range(1, right + 1):
            if alpha * (G - m) - (G - right) > 8 * np.finfo(float).eps * G:
                longs = comb(right - 1, m - 1) * q ** (m - 1) * (1 - q) ** (right - m)
                total += chance * longs
    return total


# -- a shared policy that cannot tell easy prompts from hard ones --------------------------------
@entry(
    "shared_drift",
    kind="theorem",
    cards=("03",),
    provenance="derived",
    formula="(1/G) E sum over long i of A_i, n ~ Binomial(G, q) long",
)
def shared_drift(
    estimator: str, q: Array, rho: float, alpha: float, group_size: int, *, eps: float = 0.0
) -> Array:
    """E[update] of z = logit P(long) when easy and hard prompts share it, per unit step.

    A share rho of prompts is easy (long and short are both right), on the others only long is
    right; long costs f = 1, short f = 0. With n of G long, the group's score-function gradient is
    (1/G) sum_i A_i (1[i long] - q) = (1/G) sum_(i long) A_i, since advantages sum to 0.

    dr_grpo : easy groups give -alpha x, hard ones (1 - alpha) x, with x = (n/G)(1 - n/G) and
        E x = (G-1)/G q (1-q)
    grpo : -y and +y, y = sqrt((G-1)/G) sqrt((n/G)(1 - n/G)): alpha has cancelled. With eps > 0
        added to the standard deviation alpha s or (1 - alpha) s, s = sqrt(G x/(G-1)), it has not:
        -alpha x/(alpha s + eps) and (1 - alpha) x/((1 - alpha) s + eps)
    drpo : easy groups are unmixed and silent; a mixed hard one gives (1-q) - (-q) = 1

    q : any shape. Raises ValueError for another estimator.
    """
    q, G = np.asarray(q, dtype=float), group_size
    n = np.arange(G + 1)
    law = np.array([comb(G, int(k)) for k in n]) * q[..., None] ** n * (1 - q[..., None]) ** (G - n)
    share = n / G
    if estimator == "dr_grpo":
        return ((1 - rho) * (1 - alpha) - rho * alpha) * (law @ (share * (1 - share)))
    if estimator == "grpo":
        if eps > 0:
            x = share * (1 - share)
            s = np.sqrt(G / (G - 1) * x)
            hard, easy = (w * x / (w * s + eps) for w in (1 - alpha, alpha))
            return law @ ((1 - rho) * hard - rho * easy)
        y = np.sqrt((G - 1) / G * share * (1 - share))
        return ((1 - rho) - rho) * (law @ y)
    if estimator == "drpo":
        return (1 - rho) * (law @ ((n > 0) & (n < G)))
    msg = f"estimator={estimator!r} is not one of dr_grpo, grpo, drpo"
    raise ValueError(msg)


@entry(
    "shared_policy_collapses",
    kind="theorem",
    cards=("03",),
    provenance="derived",
    formula="Dr. GRPO: rho alpha > (1 - rho)(1 - alpha); GRPO: rho > 1/2",
)
def shared_policy_collapses(estimator: str, rho: float, alpha: float) -> bool:
    """True if the shared policy goes to short answers: the sign of `shared_drift`, for every q."""
    if estimator == "dr_grpo":
        return rho * alpha > (1 - rho) * (1 - alpha)
    if estimator == "grpo":
        return rho > 0.5
    return False


@entry(
    "shared_collapse_weight",
    kind="theorem",
    cards=("03",),
    provenance="derived",
    formula="s (2 rho - 1) alpha (1 - alpha) = eps (1 - rho - alpha), s = sqrt(G x/(G-1))",
)
def shared_collapse_weight(rho: Array, group_size: int, eps: Array, long: Array = 1) -> np.ndarray:
    """alpha above which groups with `long` of G long answers go to short ones, std + eps below.

    Easy groups push by -alpha/(alpha s + eps), hard ones by (1 - alpha)/((1 - alpha) s + eps),
    x = (n/G)(1 - n/G): one root in (0, 1) for every share rho of easy prompts. It is what is left
    of the weight's independence: as eps falls to 0 the root falls to 0 for rho > 1/2 (collapse at
    every weight) and rises to 1 for rho < 1/2 (at none); to first order it is
    eps (1 - rho)/((2 rho - 1) s). As eps grows it tends to 1 - rho, Dr. GRPO's boundary.

    rho : in (0, 1); eps >= 0; long : 1..G-1; they broadcast. eps = 0 gives the limit, 1/2 at
    rho = 1/2.

    Raises ValueError for a group of one and for counts of long answers outside 1..G-1.
    """
    n = np.asarray(long, dtype=float)
    if group_size < 2 or np.any((n < 1) | (n > group_size - 1)):
        msg = f"group_size={group_size}, long={long}: a mixed group has 1 to group_size - 1 of them"
        raise ValueError(msg)
    rho, eps = np.asarray(rho, dtype=float), np.asarray(eps, dtype=float)
    share = n / group_size
    s = np.sqrt(group_size / (group_size - 1) * share * (1 - share))
    k = (2 * rho - 1) * s
    # k a^2 - (k + eps) a + eps (1 - rho) = 0: the root in (0, 1), no difference of near numbers
    root = np.sqrt((k - eps) ** 2 + 4 * k * eps * rho)
    below = k + eps + root
    few = k < 0
    found = np.where(
        few,
        (k + eps - root) / np.where(few, 2 * k, 1.0),
        2 * eps * (1 - rho) / np.where(few | (below == 0), 1.0, below),
    )
    none = np.where(rho > 0.5, 0.0, np.where(rho < 0.5, 1.0, 0.5))
    return np.where(eps > 0, found, none)


# -- DRPO's own trade-off ------------------------------------------------------------------------
@entry(
    "drpo_fixed_point",
    kind="theorem",
    cards=("03",),
    section="stationary policy; derived",
    provenance="derived",
    formula="pi_a ~ (b_a/(1-b_a))^tau exp(-tau l_a/(C lambda))",
)
def drpo_fixed_point(
    success: np.ndarray, length: np.ndarray, limit: float, lambda_: float, tau: float
) -> np.ndarray:
    """Stationary policy (A,) of DRPO on a softmax bandit whose arms succeed with probability b_a.

    In the population W_a ~ pi_a b_a e^(-l_a/(C lambda)) and V_a ~ pi_a^(1+1/tau) (1-b_a), both
    normalised; the logit flow is W - V, so W = V and

        pi_a ~ (b_a/(1-b_a))^tau exp(-tau l_a/(C lambda)):

    length is traded linearly against the log-odds of being right. success in (0, 1); length and
    limit in the same tokens; lambda_ > 0.

    Raises ValueError for a success that is 0 or 1 and for a lambda_ or limit that isn't above 0.
    """
    if not (lambda_ > 0 and limit > 0):
        msg = f"lambda_={lambda_}, limit={limit}: both must be above 0"
        raise ValueError(msg)
    b = np.asarray(success, dtype=float)
    if ((b <= 0) | (b >= 1)).any():
        msg = (
            f"success={success} must lie strictly between 0 and 1; else an arm never or always wins"
        )
        raise ValueError(msg)
    score = tau * (np.log(b / (1 - b)) - np.asarray(length) / (limit * lambda_))
    e = np.exp(score - score.max())
    return e / e.sum()


@entry(
    "break_even_lambda",
    kind="theorem",
    cards=("03",),
    provenance="derived",
    formula="lambda = (delta l/C)/log odds ratio",
)
def break_even_lambda(
    success: tuple[float, float], length: tuple[float, float], limit: float
) -> float:
    """lambda at which DRPO is indifferent between two arms (the longer one succeeds more often).

    (delta l / C) / log odds ratio; below it the shorter arm is preferred. 0 if success is certain
    in one arm alone, inf if both succeed alike and lengths differ.

    Raises ValueError for equal arms, which are indifferent at every lambda.
    """
    from scipy.special import logit

    short, long = logit(np.asarray(success, dtype=float))
    cost = (length[1] - length[0]) / limit
    if success[0] == success[1]:
        if cost == 0:
            msg = f"success={success}, length={length}: equal arms have no break-even"
            raise ValueError(msg)
        return float("inf")
    return float(cost / (long - short))
