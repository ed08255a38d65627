"""Early rejection: beams are scored after tau of L tokens, the weak dropped, the others finished.

Two laws of what that risks. Where a score is a sum of independent tokens, partial and final scores
correlate by sqrt(tau/L) only, and the best beam is lost with a probability that falls to 0 like
sqrt(1 - tau/L): nothing is exponential. Where the best beam is ahead by delta a token on average,
it is beaten with at most (N-1) exp(-tau delta^2/4) (unit variance a token).

What it saves: N tau + (N/M)(L - tau) tokens a step in the place of N L, so never more than a factor
M. As published, survivors aren't scored again after they were finished, so the last L - tau tokens
are seen by nobody: where one wrong token spoils an answer, accuracy is at most q^(L - tau).

Formulas: docs/theory/selection.md.

Source: Cheshmi, Khan, Wang, Liu and Anwar 2025 (arXiv 2508.01969) and the repository
scheshmi/accelerated-reasoning-ER-PRM; bound and correlation second-hand, re-derived; the rest is
derived.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.order_statistics import normal_maximum

Array = Any
NODES = np.linspace(-8.5, 8.5, 171)


@entry(
    "survivors",
    kind="theorem",
    cards=("36",),
    section="partial_beam_search.py",
    provenance="code",
    formula="the max(1, N // M) candidates of highest partial score, ties in their order",
)
def survivors(scores: Array, budget: int, width: int) -> np.ndarray:
    """(..., keep) places of the candidates that are finished, best first; scores (..., C).

    budget N and width M (expansions a beam), at least 1: keep = max(1, N // M), or C if that is
    less (the released code keeps N // M, and none where N < M). A NaN counts as the worst; ties
    keep the order in which candidates were generated.

    Raises ValueError for a budget or width below 1, and for no candidate.
    """
    scores = np.asarray(scores, dtype=float)
    if budget < 1 or width < 1 or not scores.shape[-1]:
        msg = f"budget={budget}, width={width} must be at least 1, and scores hold a candidate"
        raise ValueError(msg)
    worst = np.where(np.isnan(scores), -np.inf, scores)
    return np.argsort(-worst, axis=-1, kind="stable")[..., : max(1, budget // width)]


@entry(
    "pair_survival",
    kind="theorem",
    cards=("36",),
    provenance="derived",
    formula="1 - arccos(sqrt(share))/pi",
)
def pair_survival(share: Array) -> np.ndarray:
    """P(the better of two beams is kept) after a share tau/L of independent tokens; same shape.

    share : in [0, 1]. 1/2 at 0; the miss is about sqrt(1 - share)/pi near 1.

    Raises ValueError for another share.
    """
    share = _share(share)
    # arccos(sqrt(s)) by its distance from 1, which near s = 1 is what counts.
    return 1 - np.arctan2(np.sqrt(1 - share), np.sqrt(share)) / np.pi


@entry(
    "beam_survival",
    kind="theorem",
    cards=("36",),
    provenance="derived",
    formula="N E[sum_(j<K) C(N-1,j) P(P > p, F < f)^j P(P < p, F < f)^(N-1-j)]",
)
def beam_survival(beams: int, keep: int, share: float) -> float:
    """P(the beam of the best final score is among the `keep` best partial ones), normal tokens.

    beams N >= keep K >= 1; share tau/L in [0, 1]. By a quadrature over two normals, to 1e-9.

    Raises ValueError for other numbers.
    """
    from scipy.special import gammaln, ndtr

    _beams(beams, keep)
    share = float(_share(share))
    if keep == beams or share == 1:
        return 1.0
    if share == 0:
        return keep / beams
    x, weight, f = _grid(share)
    both = _bivariate(x, f, share**0.5)
    ahead = np.maximum(ndtr(f) - both, 0.0)
    j = np.arange(keep).reshape(-1, 1, 1)
    ways = gammaln(beams) - gammaln(j + 1) - gammaln(beams - j)
    with np.errstate(divide="ignore"):
        log = ways + (beams - 1 - j) * np.log(both)
    chance = (np.exp(log) * ahead**j).sum(0)
    return float(min(1.0, beams * (chance * weight).sum()))


@entry(
    "score_loss",
    kind="theorem",
    cards=("36",),
    provenance="derived",
    formula="M_N - E[max F of the K best partial ones]; (1 - sqrt(share)) M_N for K = 1",
)
def score_loss(beams: int, keep: int, share: float) -> float:
    """Expected final score lost by keeping `keep` of N beams, in units of sqrt(L), normal tokens.

    Arguments as `beam_survival`. Given the K-th best partial score the others above it are
    independent, so the maximum's law is one integral.

    Raises ValueError for other numbers.
    """
    from scipy.special import gammaln, log_ndtr, ndtr

    _beams(beams, keep)
    share, most = float(_share(share)), float(normal_maximum(beams)[0])
    if keep == beams or share == 1:
        return 0.0
    if keep == 1:
        return (1 - math.sqrt(share)) * most
    rho, rest = math.sqrt(share), math.sqrt(1 - share)
    x, f = NODES[:, None], NODES[None] + 0.0
    ways = gammaln(beams + 1) - gammaln(beams - keep + 1) - gammaln(keep)
    above = np.maximum(ndtr(f) - _bivariate(x, f, rho), 0.0) if share else ndtr(-x) * ndtr(f)
    last = np.exp(ways - x**2 / 2 + (beams - keep) * log_ndtr(x)) / math.sqrt(2 * math.pi)
    law = (last * above ** (keep - 1) * ndtr((f - rho * x) / rest)).sum(0) * (NODES[1] - NODES[0])
    # E max = integral of 1{f > 0} - P(max <= f), whose jump at 0 the rule halves.
    step = np.where(NODES > 0, 1.0, np.where(np.abs(NODES) < 1e-12, 0.5, 0.0))
    return float(most - (step - law).sum() * (NODES[1] - NODES[0]))


@entry(
    "drift_miss",
    kind="theorem",
    cards=("36",),
    provenance="derived",
    formula="1 - E Phi(z + delta sqrt(tau))^(N-1) <= (N-1) exp(-tau delta^2/4)",
)
def drift_miss(beams: int, delta: float, tau: Array) -> np.ndarray:
    """P(the beam ahead by delta a token isn't the best partial one of N), unit normal tokens.

    tau : tokens, any shape, at least 0, whose shape the answer has; delta >= 0; exact where tiny.

    Raises ValueError for other numbers.
    """
    from scipy.special import log_ndtr

    tau = _tokens(tau)
    _beams(beams, 1)
    ahead = _delta(delta) * np.sqrt(tau)[..., None]
    # The mass of a rare miss lies about half way between the two: nodes reach there.
    x = np.linspace(-9, 9, 1801) - ahead / 2
    lost = -np.expm1((beams - 1) * log_ndtr(x + ahead))
    log = -(x**2) / 2 - 0.5 * math.log(2 * math.pi)
    return np.minimum((np.exp(log) * lost).sum(-1) * 0.01, 1.0)


@entry(
    "drift_bound",
    kind="theorem",
    cards=("36",),
    provenance="second-hand",
    formula="(N-1) exp(-tau delta^2/(4 sigma^2))",
)
def drift_bound(beams: int, delta: float, tau: Array, sigma: float = 1.0) -> np.ndarray:
    """The paper's bound on `drift_miss` for noise that is sub-Gaussian(sigma) a token.

    Arguments as `drift_miss`; sigma > 0. The answer has the shape of tau and may exceed 1.

    Raises ValueError for other numbers.
    """
    _beams(beams, 1)
    if not sigma > 0:
        msg = f"sigma={sigma} must be above 0: the spread of a token's score"
        raise ValueError(msg)
    return (beams - 1) * np.exp(-_tokens(tau) * (_delta(delta) / sigma) ** 2 / 4)


@entry(
    "token_saving",
    kind="theorem",
    cards=("36",),
    provenance="derived",
    formula="1/(share + (1 - share)/M)",
)
def token_saving(share: Array, width: int) -> np.ndarray:
    """Tokens of full beam search over those of early rejection: 1 at share 1, M towards 0.

    share : tau/L in [0, 1], any shape, which the answer has; width M >= 1. By the cap a larger
    saving than M counts something else than generated tokens.

    Raises ValueError for other numbers.
    """
    _beams(width, 1)
    share = _share(share)
    return 1 / (share + (1 - share) / width)


@entry(
    "scoring_saving",
    kind="theorem",
    cards=("36",),
    provenance="derived",
    formula="(prefix + L)/(prefix + tau)",
)
def scoring_saving(prefix: Array, length: float, tau: float) -> np.ndarray:
    """Tokens that the reward model reads in full over those after tau, `prefix` before the step.

    prefix : any shape, at least 0, whose shape the answer has; 0 < tau <= length.

    Raises ValueError for other numbers.
    """
    prefix = np.asarray(prefix, dtype=float)
    if not ((prefix >= 0).all() and 0 < tau <= length):
        msg = f"tau={tau} must lie in (0, length={length}], and prefix be at least 0"
        raise ValueError(msg)
    return (prefix + length) / (prefix + tau)


@entry(
    "chain_accuracy",
    kind="theorem",
    cards=("36",),
    provenance="derived",
    formula="(P(a survivor is right at its last score) q^(L-tau), P(one is right at the end))",
)
def chain_accuracy(
    q: float, steps: int, length: int, tau: int, beams: int, width: int
) -> tuple[float, float]:
    """Accuracy of early rejection where a token is right with q and the score says so far right.

    Two numbers: the last partial score picks the answer, as published; one more score picks it.
    steps H of `length` L tokens, scored after tau; beams // width beams at the start, each expanded
    width-fold. tau = L is full beam search. Exact over the number of beams that are right.

    Raises ValueError for a q outside of [0, 1] and other numbers.
    """
    from scipy.stats import binom

    _beams(beams, 1)
    _beams(width, 1)
    if not (0 <= q <= 1 and 1 <= tau <= length and steps >= 1):
        msg = f"q={q} must lie in [0, 1], tau={tau} in 1..length={length}, steps={steps} be >= 1"
        raise ValueError(msg)
    keep = max(1, beams // width)
    count = np.arange(keep + 1)
    right = (count == keep) * 1.0  # the law of how many survivors are right
    seen = unseen = 0.0
    for _ in range(steps):
        made = np.zeros(keep * width + 1)
        for c, mass in enumerate(right):
            made[: c * width + 1] += mass * binom.pmf(np.arange(c * width + 1), c * width, q**tau)
        kept = np.bincount(np.minimum(np.arange(made.size), keep), made, keep + 1)
        seen = float(kept[1:].sum())
        right = kept @ binom.pmf(count, count[:, None], q ** (length - tau))
        unseen = float(right[1:].sum())
    return seen * q ** (length - tau), unseen


# -- numbers ---------------------------------------------------------------------------------------
def _share(share: Array) -> np.ndarray:
    found = np.asarray(share, dtype=float)
    if not ((found >= 0) & (found <= 1)).all():
        msg = f"share={found.tolist()} must lie in [0, 1]: tau of L tokens"
        raise ValueError(msg)
    return found


def _tokens(tau: Array) -> np.ndarray:
    found = np.asarray(tau, dtype=float)
    if not (found >= 0).all():
        msg = f"tau={found.tolist()} must be at least 0: tokens"
        raise ValueError(msg)
    return found


def _delta(delta: float) -> float:
    if not delta >= 0:
        msg = f"delta={delta} must be at least 0: how far the best beam is ahead, a token"
        raise ValueError(msg)
    return float(delta)


def _beams(beams: int, keep: int) -> None:
    if not 1 <= keep <= beams:
        msg = f"beams={beams} and width must be at least 1, and keep={keep} in 1..beams"
        raise ValueError(msg)


def _grid(share: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(x, weight, f): partial scores, the mass of each with what is left, and the final score."""
    x, y = NODES[:, None], NODES[None]
    weight = np.exp(-(x**2 + y**2) / 2) / (2 * math.pi) * (NODES[1] - NODES[0]) ** 2
    return x, weight, math.sqrt(share) * x + math.sqrt(1 - share) * y


def _bivariate(h: np.ndarray, k: np.ndarray, rho: float) -> np.ndarray:
    """P(X <= h, Y <= k) of unit normals with correlation rho < 1, by Owen's T (Owen 1956)."""
    from scipy.special import ndtr, owens_t

    h, k = np.broadcast_arrays(h, k)
    tiny = 1e-12
    h, k = (np.where(np.abs(v) < tiny, tiny, v) for v in (h, k))
    root = math.sqrt(1 - rho**2)
    found = (ndtr(h) + ndtr(k)) / 2
    found = found - owens_t(h, (k / h - rho) / root) - owens_t(k, (h / k - rho) / root)
    return np.clip(found - np.where(h * k < 0, 0.5, 0.0), 0.0, 1.0)
