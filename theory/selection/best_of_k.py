"""Best of k: draw k rollouts, keep the one with the highest reward. Exact on finite classes.

With F(r) the base probability of a reward at most r and F(r-) of one below it, the kept reward
is r with probability F(r)^k - F(r-)^k; ties are broken at random, so the classes that share a
reward keep their relative probabilities. KL(best of k || base) follows exactly; the well-known
log k - (k-1)/k holds with equality only without ties and is an upper bound with them.

Formulas: docs/theory/selection.md.

Source: best-of-k sampling and its KL bound as Beirami et al. 2024 (arXiv 2401.01879) discuss them,
ties derived; pass@k of Chen et al. 2021 (arXiv 2107.03374), Eq. 1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toyrl.registry import entry


@entry(
    "best_of_k",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="(F_l^k - F_(l-1)^k) p/P_l in the value class l",
)
def best_of_k(prob: np.ndarray, reward: np.ndarray, k: Sequence[int]) -> np.ndarray:
    """(N, K) class probabilities of the kept rollout for each k, one prompt; prob, reward (K,)."""
    _, place = np.unique(reward, return_inverse=True)
    level = np.bincount(place, prob)
    upto = np.minimum(np.cumsum(level), 1.0)
    upto[-1] = 1.0
    below = np.concatenate([[0.0], upto[:-1]])
    n = np.asarray(k, dtype=float)[:, None]
    kept = upto**n - below**n
    share = np.where(level > 0, kept / np.where(level > 0, level, 1.0), 0.0)
    return share[:, place] * prob


@entry(
    "best_of_k_kl_bound",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="log k - (k-1)/k",
)
def kl_bound(k: Sequence[int]) -> np.ndarray:
    """log k - (k-1)/k nats: KL of best-of-k without ties, an upper bound with them.

    k : (N,) whole numbers of at least 1.

    Raises ValueError for a k below 1.
    """
    n = np.asarray(k, dtype=float)
    if (n < 1).any():
        msg = f"k={k} must be at least 1: one rollout is kept of k drawn"
        raise ValueError(msg)
    return np.log(n) - (n - 1) / n


@entry(
    "best_of_k_curves",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="E truth, E r and KL under best-of-k",
)
def curves(
    prob: np.ndarray,
    reward: np.ndarray,
    truth: np.ndarray,
    k: Sequence[int],
    shares: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(gold, proxy, KL), each (N,), of best-of-k averaged over prompts; arrays (B, K)."""
    from toyrl.theory.policies import kl

    B = len(prob)
    shares = np.full(B, 1 / B) if shares is None else np.asarray(shares)
    kept = np.stack([best_of_k(p, r, k) for p, r in zip(prob, reward, strict=True)], axis=1)
    gold = (kept * truth).sum(-1) @ shares
    proxy = (kept * reward).sum(-1) @ shares
    return gold, proxy, kl(kept, prob) @ shares


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


@entry(
    "pass_at_k_estimate",
    kind="theorem",
    cards=("57",),
    provenance="derived",
    formula="1 - C(n-c,k)/C(n,k)",
)
def pass_at_k(n: int | np.ndarray, c: np.ndarray, k_max: int) -> np.ndarray:
    """(..., k_max) unbiased pass@k, k = 1..k_max, from c right answers among n samples.

    1 - C(n-c, k)/C(n, k) by one cumulative product over k; exactly 1 once k > n - c. NaN for
    k > n, where no unbiased estimator exists.

    n, c : shapes that broadcast. Raises ValueError for c outside 0..n.
    """
    n, c = np.broadcast_arrays(np.asarray(n), np.asarray(c))
    if np.any((c < 0) | (c > n)):
        msg = "c must lie in 0..n: it counts right answers among n samples"
        raise ValueError(msg)
    j = np.arange(k_max)
    wrong, left = (n - c)[..., None] - j, n[..., None] - j
    ratio = np.where(left > 0, np.maximum(wrong, 0) / np.maximum(left, 1), 0.0)
    out = 1 - np.cumprod(ratio, axis=-1)
    return np.where(j < n[..., None], out, np.nan)
