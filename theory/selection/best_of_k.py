"""Best of k: draw k rollouts, keep the one with the highest reward. Exact on finite classes.

With F(r) the base probability of a reward at most r and F(r-) of one below it, the kept reward
is r with probability F(r)^k - F(r-)^k; ties are broken at random, so the classes that share a
reward keep their relative probabilities. KL(best of k || base) follows exactly; the well-known
log k - (k-1)/k holds with equality only without ties and is an upper bound with them.

Everything is read in logarithms: F^k from the upper tail by log1p where F is near 1, and
F(r)^k - F(r-)^k = F(r)^k (1 - (1 - P/F)^k) by expm1, so that a class of 1e-300 drawn 1e9 times is
kept with 1e-291 and not with 0. k is any real number of at least 1, inf keeps the best class.

Shapes: prob, reward, truth (..., K) broadcast against each other; k has axes of its own, which come
first: (N..., ..., K).

Formulas: docs/theory/selection.md.

Source: best-of-k sampling and its KL bound as Beirami et al. 2024 (arXiv 2401.01879) discuss them,
ties derived.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.selection._levels import Given, Levels

Array = Any
BLOCK = 1 << 17
"""Numbers that `curves` forms at a time."""


@entry(
    "best_of_k",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="(F_l^k - F_(l-1)^k) p/P_l in the value class l",
)
def best_of_k(prob: Array, reward: Array, k: Array) -> np.ndarray:
    """(N..., ..., K) probabilities of the kept answer for each k; ties keep the base's ratios.

    prob, reward : (..., K), broadcast; k : any shape, real, at least 1; inf is the limit.

    Raises ValueError for a k below 1, for what is no probability and for a NaN reward.
    """
    prob, reward = Given.laws(prob, reward)
    found = Levels.of(prob, reward)
    log_gain = found.log_gain(Given.draws(k))
    place = np.broadcast_to(found.place, log_gain.shape)
    with np.errstate(divide="ignore"):
        log_prob = np.log(prob / prob.sum(-1, keepdims=True))
    return np.exp(np.take_along_axis(log_gain, place, -1) + log_prob)


@entry(
    "best_of_k_kl",
    kind="theorem",
    cards=("57", "35"),
    provenance="derived",
    formula="sum_l (F_l^k - F_(l-1)^k) log[(F_l^k - F_(l-1)^k)/P_l]",
)
def best_of_k_kl(prob: Array, reward: Array, k: Array) -> np.ndarray:
    """(N..., ...) KL of the best of k from the base, in nats: at most `kl_bound`, and -log P_top.

    Arguments and errors as `best_of_k`: ValueError for a k below 1, ... The ratio's logarithm is
    formed before it is weighed, so that an answer of 1e-300 counts too.
    """
    found, k = Levels.of(prob, reward), Given.draws(k)
    kept = found.kept(k)
    gain = found.log_gain(k)
    return np.maximum(np.where(kept > 0, kept * np.where(kept > 0, gain, 0.0), 0.0).sum(-1), 0.0)


@entry(
    "best_of_k_win_rate",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="sum_l (F_l^k - F_(l-1)^k)(F_(l-1) + P_l/2)",
)
def win_rate(prob: Array, reward: Array, k: Array) -> np.ndarray:
    """(N..., ...) P(the best of k is paid more than one draw), ties half: at most k/(k+1).

    Arguments and errors as `best_of_k`.
    """
    found = Levels.of(prob, reward)
    middle = np.exp(found.log_upto) - found.mass / 2
    return (found.kept(Given.draws(k)) * np.where(found.mass > 0, middle, 0.0)).sum(-1)


@entry(
    "best_of_k_kl_bound",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="log k - (k-1)/k",
)
def kl_bound(k: Array) -> np.ndarray:
    """log k - (k-1)/k nats: KL of best-of-k without ties, an upper bound with them.

    k : any shape, at least 1; the answer has its shape, inf at inf.

    Raises ValueError for a k below 1.
    """
    n = Given.draws(k)
    return np.log(n) - (1 - 1 / n)


@entry(
    "best_of_k_curves",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="E truth, E r and KL under best-of-k",
)
def curves(
    prob: Array, reward: Array, truth: Array, k: Array, shares: Array | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(gold, proxy, KL), each (N,), of best-of-k averaged over prompts; arrays (B, K), k (N,).

    shares : (B,) weights of the prompts, None: all alike. Works through k in blocks, so that a
    million classes and a hundred k take no more room than one of them.

    Errors as `best_of_k`.
    """
    prob, reward, truth = Given.laws(prob, reward, truth)
    weight = np.full(len(prob), 1 / len(prob)) if shares is None else np.asarray(shares)
    found, k = Levels.of(prob, reward), Given.draws(k)
    some = found.mass > 0
    weighed = np.broadcast_to(weight[:, None], some.shape)[some]
    values = [x[some] for x in (found.mean(prob, truth), found.mean(prob, reward))]
    flat = Levels(found.mass[some], found.log_upto[some], found.log_step[some], found.place)
    out, step = np.zeros((3, k.size)), max(1, BLOCK // k.size)
    for i in range(0, len(weighed), step):
        part, w = flat.part(slice(i, i + step)), weighed[i : i + step]
        kept = part.kept(k)
        gain = np.where(kept > 0, part.log_gain(k), 0.0) * kept
        out += [kept @ (w * v[i : i + step]) for v in values] + [gain @ w]
    return out[0], out[1], np.maximum(out[2], 0.0)


@entry(
    "best_of_k_quantiles",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="least g with P(truth of the kept <= g) >= q",
)
def gold_quantiles(prob: Array, reward: Array, truth: Array, k: Array, q: Array) -> np.ndarray:
    """(N, Q) quantiles of the truth of the best of k by `reward`, one prompt; arrays (K,), k (N,).

    q : (Q,) in [0, 1]; q = 0 and 1 are the least and largest truth that can be kept.

    Raises ValueError for a q outside of [0, 1], else as `best_of_k`.
    """
    prob, reward, truth = Given.laws(prob, reward, truth)
    q = np.atleast_1d(np.asarray(q, dtype=float))
    if not ((q >= 0) & (q <= 1)).all():
        msg = f"q={q.tolist()} must lie in [0, 1]"
        raise ValueError(msg)
    order = np.argsort(np.where(prob > 0, truth, np.inf), kind="stable")
    order = order[: np.count_nonzero(prob)]
    upto = np.cumsum(best_of_k(prob, reward, np.atleast_1d(k))[:, order], -1)
    upto /= upto[:, -1:]
    first = [np.minimum(np.searchsorted(row, q), np.searchsorted(row, 1.0)) for row in upto]
    return truth[order][np.array(first)]


@entry(
    "success_of_best",
    kind="theorem",
    cards=("57", "30", "33"),
    provenance="derived",
    formula="1 - (1-p)^k",
)
def success_of_best(p: np.ndarray | float, k: np.ndarray | int) -> np.ndarray:
    """1 - (1-p)^k: pass@k of a known success rate p, exact for small p.

    p in [0, 1] and k >= 0 broadcast (k = 0: 0). From n samples of which c are right: `pass_at_k`.
    """
    k = np.asarray(k)
    with np.errstate(divide="ignore", invalid="ignore"):  # p = 1
        return np.where(k > 0, -np.expm1(k * np.log1p(-np.asarray(p, dtype=float))), 0.0)
