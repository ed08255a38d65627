"""Variance of gated and additive conciseness rewards: enumeration, closed form, simulation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from toyrl.experiments.core import Check, Table
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.shapers.length.conciseness import ConcisenessAdditive, Crf
from toyrl.theory.length import conciseness as theory
from toyrl.theory.length.conciseness import ScoreLaw

EXAMPLE = {
    "p": 0.35,
    "kappa": 1.2,
    "right": ([0.2, 0.5, 0.9], [0.5, 0.3, 0.2]),
    "wrong": ([0.4, 0.8, 1.0], [0.2, 0.3, 0.5]),
}
"""Wrong answers are the more concise ones: the raw variance of CRF is then the larger one."""
BREAKS = (
    "variance: enumeration equals closed form",
    "T2: second moment saved as derived",
)
"""Checks that fail when the additive reward stands in for the gated one."""


# -- rewards on classes --------------------------------------------------------------------------
def gated(form: str, kappa: np.ndarray | float, share: np.ndarray | float) -> Shaper:
    """The reward under test with the given total weight kappa where `share` of siblings are right.

    CRF's own weight is kappa = alpha (s + exp(share)); s is 1 here. form = "additive" is the
    mutant.
    """
    if form == "additive":
        return ConcisenessAdditive(kappa)
    return Crf(alpha=kappa / (1.0 + np.exp(share)), s=1.0)


@dataclass(frozen=True)
class Laws:
    """n laws of (outcome, score), each on 2J classes: J scores if right, J if wrong.

    p, kappa : (n, 1); score : (n, 2J); mass : (n, 2J), summing to 1
    """

    p: np.ndarray
    kappa: np.ndarray
    score: np.ndarray
    mass: np.ndarray

    @property
    def outcome(self) -> np.ndarray:
        """(n, 2J) 1 for the first half of the classes."""
        half = np.arange(self.score.shape[1]) < self.score.shape[1] // 2
        return np.broadcast_to(half.astype(float), self.score.shape).copy()

    def moments(self) -> ScoreLaw:
        """Moments of the score given each outcome."""
        o, w = self.outcome, self.mass
        m1 = (w * o * self.score).sum(1, keepdims=True) / self.p
        m0 = (w * (1 - o) * self.score).sum(1, keepdims=True) / (1 - self.p)
        v1 = (w * o * (self.score - m1) ** 2).sum(1, keepdims=True) / self.p
        v0 = (w * (1 - o) * (self.score - m0) ** 2).sum(1, keepdims=True) / (1 - self.p)
        return ScoreLaw(self.p, m1, v1, m0, v0, self.kappa)

    def reward(self, shaper: Shaper) -> np.ndarray:
        """(n, 2J) reward of every class in the population limit."""
        r = Rollouts(
            self.outcome,
            np.ones(self.score.shape),
            1.0,
            weight=self.mass,
            group_size=math.inf,
            fields={"conciseness": self.score},
        )
        return np.asarray(shaper.reward(r))

    def mean(self, values: np.ndarray) -> np.ndarray:
        """(n, 1) expectation."""
        return (self.mass * values).sum(1, keepdims=True)


def example() -> Laws:
    """The worked example."""
    (c1, w1), (c0, w0), p = EXAMPLE["right"], EXAMPLE["wrong"], EXAMPLE["p"]
    mass = np.concatenate([p * np.array(w1), (1 - p) * np.array(w0)])[None]
    return Laws(np.array([[p]]), np.array([[EXAMPLE["kappa"]]]), np.array([[*c1, *c0]]), mass)


def random_laws(n: int, rng: np.random.Generator) -> Laws:
    """Three scores per outcome, uniform on [0.1, 1], with Dirichlet weights; kappa to 5."""
    p = rng.uniform(0.02, 0.98, (n, 1))
    mass = np.concatenate(
        [p * rng.dirichlet(np.ones(3), n), (1 - p) * rng.dirichlet(np.ones(3), n)], axis=1
    )
    return Laws(p, rng.uniform(0.01, 5, (n, 1)), rng.uniform(0.1, 1, (n, 6)), mass)


# -- A: variance -----------------------------------------------------------------------------------
def statistics(laws: Laws, reward: np.ndarray) -> dict[str, np.ndarray]:
    """Variance, second moment, squared correlation with the outcome and nu, by enumeration."""
    o = laws.outcome
    mean = laws.mean(reward)
    variance = laws.mean((reward - mean) ** 2)
    covariance = laws.mean((reward - mean) * (o - laws.p))
    g = o - laws.p  # the score of o ~ Bernoulli(sigmoid(theta)) for theta
    gradient = laws.mean(g * reward)
    return {
        "variance": variance,
        "second": laws.mean(reward**2),
        "corr2": covariance**2 / (variance * laws.p * (1 - laws.p)),
        "nu": laws.mean((g * reward) ** 2) / gradient**2 - 1,
        "gap": gradient / (laws.p * (1 - laws.p)),
    }


def both(laws: Laws, form: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Statistics of the additive reward and of the reward under test."""
    additive = laws.reward(ConcisenessAdditive(laws.kappa))
    tested = laws.reward(gated(form, laws.kappa, laws.p))
    return statistics(laws, additive), statistics(laws, tested)


def variance_checks(form: str, draws: int, samples: int, seed: int) -> list[Check]:
    """T1, T2, T3 on random laws; the example by three routes."""
    rng = np.random.default_rng(seed)
    laws = random_laws(draws, rng)
    add, crf = both(laws, form)
    law = laws.moments()
    closed_add, closed_crf = theory.variances(law)
    error = max(
        np.abs(add["variance"] - closed_add).max(), np.abs(crf["variance"] - closed_crf).max()
    )
    saved = add["second"] - crf["second"]
    positive = law.gap_add > 0
    smaller = crf["variance"] < add["variance"]
    missed = smaller != theory.crf_has_smaller_variance(law)
    lower = (crf["corr2"] < add["corr2"] - 1e-12) & positive
    noisier = (crf["nu"] > add["nu"] * (1 + 1e-9)) & positive
    routes = ("closed form", "enumeration")
    return [
        Check(BREAKS[0], float(error), 1e-10, routes=routes),
        Check("T1: sign of the raw difference, laws missed", float(missed.sum()), 0, "==",
              routes=routes),
        Check("T1: share of laws where CRF has the larger raw variance",
              float((~smaller).mean()), 0.5, ">"),
        Check(BREAKS[1],
              float(np.abs(saved - theory.second_moment_saving(law)).max()), 1e-10, routes=routes),
        Check("T3: laws where CRF follows the outcome less", float(lower.sum()), 0, "=="),
        Check("T3: laws where CRF's gradient is relatively noisier", float(noisier.sum()), 0, "=="),
        *example_checks(form, samples, rng),
    ]  # fmt: skip


def example_checks(form: str, samples: int, rng: np.random.Generator) -> list[Check]:
    """The worked example: printed values, and the simulation within 4 standard errors."""
    laws = example()
    add, crf = both(laws, form)
    nu_add, nu_crf = (float(x.item()) for x in theory.relative_gradient_variances(laws.moments()))
    out = [
        Check("example: relative gradient variance of additive", float(add["nu"].item()), nu_add,
              "~", 1e-9, routes=("closed form", "enumeration")),
        Check("example: relative gradient variance of CRF", float(crf["nu"].item()), nu_crf, "~",
              1e-9, routes=("closed form", "enumeration")),
        Check("example: additive is relatively noisier by a factor", nu_add / nu_crf, 10.0, ">"),
    ]  # fmt: skip
    drawn = rng.choice(laws.mass.shape[1], size=samples, p=laws.mass[0])
    for name, stat, shaper in (
        ("additive", add, ConcisenessAdditive(laws.kappa)),
        ("CRF", crf, gated(form, laws.kappa, laws.p)),
    ):
        x = laws.reward(shaper)[0, drawn]
        centred = (x - x.mean()) ** 2
        error = float(centred.std() / math.sqrt(samples))
        out.append(
            Check(f"example: sampled variance of {name}", float(centred.mean()),
                  float(stat["variance"].item()), "~", 4 * error, error,
                  ("enumeration", "simulation"))
        )  # fmt: skip
    return out


def variance_table() -> Table:
    """The example under four rewards; the length penalty charges (1 - c)/0.9 of the limit."""
    laws = example()
    k = EXAMPLE["kappa"]
    rewards = {
        "outcome": laws.outcome,
        "length penalty": laws.outcome - k * (1 - laws.score),
        "additive": laws.reward(ConcisenessAdditive(laws.kappa)),
        "CRF": laws.reward(gated("crf", laws.kappa, laws.p)),
    }
    rows = []
    for name, reward in rewards.items():
        s = statistics(laws, reward)
        rows.append([name, *(float(s[key].item()) for key in ("variance", "corr2", "nu"))])
    return Table(
        "variance",
        ("reward", "variance (reward^2)", "squared correlation with outcome",
         "relative gradient variance"),
        rows,
        caption=f"One law of scores, accuracy {EXAMPLE['p']}, weight {k}: gating raises the raw "
        "variance because it adds signal, and lowers the noise relative to it. The last column is "
        "without a baseline, so a constant counts: the length penalty is additive less a constant.",
    )  # fmt: skip
