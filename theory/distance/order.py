"""Does a reward order policies as the truth does? Exact, at the level of outcome classes.

For one prompt a policy is a point of the simplex over classes and its return is linear, so a
constant per prompt never changes the order of policies: rewards are compared after centring
within each prompt under the base policy. This is the canonicalised, normalised comparison of
STARC at outcome level, d = sqrt(2 (1 - rho)): 0 for positive affine copies (one scale for all
prompts), sqrt 2 for uncorrelated rewards, 2 for opposite ones. It is VAL's distance on the bandit
of the prompts (`toyrl.theory.distance.metric`), the base being the policy and weighing the norm.

Formulas: docs/theory/distance.md.

Source: EPIC (Gleave et al. 2021) and STARC (Skalse et al. 2024, arXiv 2309.15257), specialised to
outcome classes; derived. Arrays are prob, reward, truth (B, K) over B prompts and K classes, and
shares (B,) of the prompts, which sum to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toyrl.registry import entry
from toyrl.theory.policies import tilt_curve, tilt_to_kl


@entry(
    "centred_reward",
    kind="theorem",
    cards=("27",),
    provenance="derived",
    formula="r - E_base r, per prompt",
)
def centred(prob: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """(B, K) reward minus its base mean per prompt; 0 on classes of probability 0."""
    return np.where(prob > 0, reward - (prob * reward).sum(-1, keepdims=True), 0.0)


@entry(
    "reward_correlation",
    kind="theorem",
    cards=("27",),
    provenance="derived",
    formula="rho = Cov(r, truth) / (sd(r) sd(truth)), rewards centred per prompt",
)
def correlation(
    prob: np.ndarray, reward: np.ndarray, truth: np.ndarray, shares: np.ndarray
) -> float:
    """Correlation of centred rewards over prompts and classes; NaN if one of them is constant."""
    a, b = centred(prob, reward), centred(prob, truth)
    weight = prob * shares[:, None]
    cov, va, vb = (weight * a * b).sum(), (weight * a * a).sum(), (weight * b * b).sum()
    # A spread below rounding of the values is no spread.
    tiny = 1e-28 * max(1.0, np.abs(reward).max()) ** 2
    if va <= tiny or vb <= tiny:
        return float("nan")
    return float(np.clip(cov / np.sqrt(va * vb), -1, 1))


@entry(
    "order_distance",
    kind="theorem",
    cards=("27",),
    provenance="derived",
    formula="sqrt(2 (1 - rho))",
)
def distance(prob: np.ndarray, reward: np.ndarray, truth: np.ndarray, shares: np.ndarray) -> float:
    """sqrt(2 (1 - rho)) in [0, 2]; NaN if one of the rewards is constant."""
    return float(np.sqrt(2 * (1 - correlation(prob, reward, truth, shares))))


@entry(
    "potential_like",
    kind="theorem",
    cards=("27",),
    provenance="derived",
    formula="r - scale truth = constant per prompt",
)
def potential_like(
    prob: np.ndarray, reward: np.ndarray, truth: np.ndarray, *, scale: float = 1.0
) -> bool:
    """True if reward - scale * truth is constant within each prompt: then it changes nothing."""
    gap = np.where(prob > 0, reward - scale * truth, np.nan)
    spread = np.nanmax(gap, -1) - np.nanmin(gap, -1)
    return bool((spread <= 1e-9 * max(1.0, float(np.abs(reward).max()))).all())


@dataclass(frozen=True)
class Regret:
    """Best truth within a KL ball minus the truth where the reward's own optimum ends.

    nats (N,), best (N,), reached (N,): best expected truth, and truth of the policy that is best
    for the reward, both with KL at most `nats` from the base
    """

    nats: np.ndarray
    best: np.ndarray
    reached: np.ndarray

    @property
    def regret(self) -> np.ndarray:
        """(N,) lost truth."""
        return self.best - self.reached


@entry(
    "regret",
    kind="theorem",
    cards=("27",),
    provenance="derived",
    formula="max over the KL ball of E truth - E truth at the reward's own optimum in it",
)
def regret(
    prob: np.ndarray,
    reward: np.ndarray,
    truth: np.ndarray,
    shares: np.ndarray,
    nats: np.ndarray,
) -> Regret:
    """Regret of optimising `reward` inside KL balls of the given radii (averaged over prompts).

    The optimum of a linear return in a KL ball is a tilt; its temperature is the root of its KL.
    Tilting towards the truth gives `best`, towards the reward `reached`.
    """
    best = [_at(prob, truth, truth, shares, x) for x in nats]
    reached = [_at(prob, reward, truth, shares, x) for x in nats]
    return Regret(np.asarray(nats), np.array(best), np.array(reached))


def _at(
    prob: np.ndarray, objective: np.ndarray, truth: np.ndarray, shares: np.ndarray, nats: float
) -> float:
    t = tilt_to_kl(prob, objective, float(nats), shares)
    return float(tilt_curve(prob, objective, truth, [t], shares)[0][0])
