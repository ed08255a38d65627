"""CANON: advantages against the other half of the group find a metric's better direction."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import pi

import numpy as np

from experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.dynamics.class_weights import class_weights
from toyrl.estimators.canon import Canon
from toyrl.rollouts import Rollouts
from toyrl.shapers.outcome import Outcome

LEVEL, SLOPE = 0.5, 0.1  # success probability LEVEL + SLOPE z of a rollout with metric z
SIZES = (4, 8, 16, 64)
MIXES = {"mean": 0.5, "inter": 1.0, "intra": 0.0}
CHUNK = 1 << 20
IDENTITY = "T1: A = R - mean + (2 mu - 1) sign gap/2, largest error in a group"
RANDOM = "T1: inter with random halves is unbiased at G 16"
SIGNS = "T2: theta moves against the metric's direction, of two contexts"
SPEED = "T2: inter's speed over the mean baseline's"
KEEPS = "T3: drift of the short arm's logit, both arms equal, alpha 1"
SHORTENS = "T3: drift of the short arm's logit, both arms equal, alpha 0.9"
NEEDED = "T3: drift of the short arm's logit, long arm needed, alpha 0.9"


@dataclass(frozen=True)
class Scaled(Canon):
    """Mutant: divided by the group's standard deviation afterwards, as GRPO would."""

    def advantages(self, reward: np.ndarray, r: Rollouts) -> np.ndarray:
        a = super().advantages(reward, r)
        s = reward.std(-1, ddof=1, keepdims=True)
        return np.where(s > 0, a / np.where(s > 0, s, 1.0), 0.0)


@dataclass(frozen=True)
class WholeBatch(Canon):
    """Mutant: sorted by the metric over the whole batch instead of the group."""

    def advantages(self, reward: np.ndarray, r: Rollouts) -> np.ndarray:
        flat = Rollouts(r.correct.reshape(1, -1), r.length.reshape(1, -1), r.max_length)
        high = flat.length > np.median(flat.length)
        x = reward.reshape(1, -1)
        gap = np.where(high, -1.0, 1.0) * (x[high].mean() - x[~high].mean())
        out = x - x.mean() - (2 * self.mu - 1) * gap / 2
        return out.reshape(reward.shape)


@dataclass(frozen=True)
class Swapped(Canon):
    """Mutant: alpha multiplies the other half."""

    heavy: str = "low"


ESTIMATORS = {"canon": Canon, "scaled": Scaled, "whole batch": WholeBatch, "swapped": Swapped}


# -- T1: the gain ------------------------------------------------------------------------------------
def rank_moment(size: int) -> float:
    """E[S^2] of S = (1/G) sum sign_i z_i over standard normal z, by its order statistics.

    S is the half-difference of the means of the two halves, an L-statistic whose second moment
    is summed from E[z_(i) z_(j)]; these by quadrature over the joint density are costly, so the
    conditional form is used: given the middle gap (a, b) the halves are independent truncated
    normals.
    """
    from scipy.integrate import dblquad
    from scipy.special import gammaln
    from scipy.stats import norm

    h = size // 2
    log_c = gammaln(size + 1) - 2 * gammaln(h)

    def given(b: float, a: float) -> float:
        low, high = norm.cdf(a), norm.sf(b)
        log_p = log_c + (h - 1) * (np.log(low) + np.log(high)) + norm.logpdf(a) + norm.logpdf(b)
        up, down = norm.pdf(b) / high, norm.pdf(a) / low
        mean = (b + (h - 1) * up) - (a - (h - 1) * down)
        spread = (h - 1) * ((1 + b * up - up**2) + (1 - a * down - down**2))
        return float(np.exp(log_p) * (mean**2 + spread) / size**2)

    return dblquad(given, -7, 7, lambda a: a, lambda _: 7, epsabs=1e-9, epsrel=1e-8)[0]
