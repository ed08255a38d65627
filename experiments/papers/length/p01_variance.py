"""Variance of gated and additive conciseness rewards: enumeration, closed form, simulation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from toyrl.experiments.core import Check, Table
from toyrl.experiments.lab.draws import Draws, draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.routes import (
    ENUMERATED,
    EXACT,
    SIMULATED,
    apart,
    missed,
    same,
    sampled,
)
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.shapers.length.conciseness import ConcisenessAdditive, Crf
from toyrl.shapers.outcome import Outcome
from toyrl.theory.length import conciseness as theory
from toyrl.theory.length.conciseness import ScoreLaw
from toyrl.theory.length.score_moments import score_law

EXAMPLE = {
    "p": 0.35,
    "kappa": 1.2,
    "right": ([0.2, 0.5, 0.9], [0.5, 0.3, 0.2]),
    "wrong": ([0.4, 0.8, 1.0], [0.2, 0.3, 0.5]),
}
"""Wrong answers are the more concise ones: the raw variance of CRF is then the larger one."""
EQUAL = "variance: enumeration equals closed form"
SIGN = "T1: sign of the raw difference, laws missed"
LARGER = "T1: share of laws where CRF has the larger raw variance"
SAVED = "T2: second moment saved as derived"
FOLLOWS, NOISIER = (
    "T3: laws where CRF follows the outcome less",
    "T3: laws where CRF's gradient is relatively noisier",
)
NU, SAMPLED = "example: relative gradient variance of ", "example: sampled variance of "
FACTOR = "example: additive is relatively noisier by a factor"


# -- rewards on classes --------------------------------------------------------------------------
def paid(form: str, kappa: np.ndarray | float, share: np.ndarray | float) -> Shaper:
    """A reward with the given total weight kappa where `share` of siblings are right.

    form : "crf" (its own weight is kappa = alpha (s + exp(share)); s is 1 here) or "additive"; as
        mutants "outcome" (conciseness is not paid) and "wrong" (it is paid to wrong answers)
    """
    crf = Crf(alpha=kappa / (1.0 + np.exp(share)), s=1.0)
    forms = {
        "crf": crf,
        "additive": ConcisenessAdditive(kappa),
        "outcome": Outcome(),
        "wrong": Outcome() + ConcisenessAdditive(kappa) - crf,
    }
    return pick(forms, form)


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
        return score_law(self.outcome, self.score, self.mass, self.kappa)

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


def random_laws(n: int, rng: Draws) -> Laws:
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


def variance_checks(pair: tuple[str, str], law: str, draw: int, samples: int, seed: int
                    ) -> list[Check]:  # fmt: skip
    """T1, T2, T3 on random laws; the example by three routes.

    pair : the forms that stand for the additive reward and for CRF
    law : how the example is sampled: "its own", or as a mutant "even"
    """
    rng = draws(seed)
    laws = random_laws(draw, rng)
    add, crf = (statistics(laws, laws.reward(paid(f, laws.kappa, laws.p))) for f in pair)
    moments = laws.moments()
    positive = moments.gap_add > 0
    smaller = crf["variance"] < add["variance"]
    lower = (crf["corr2"] < add["corr2"] - 1e-12) & positive
    noisier = (crf["nu"] > add["nu"] * (1 + 1e-9)) & positive
    found = np.stack([add["variance"], crf["variance"]])
    saved = add["second"] - crf["second"]
    return [
        apart(EQUAL, found, theory.variances(moments), 1e-10),
        missed(SIGN, smaller, theory.crf_has_smaller_variance(moments)),
        Check(LARGER, float((~smaller).mean()), 0.5, ">", claim=False),
        apart(SAVED, saved, theory.second_moment_saving(moments), 1e-10),
        Check(FOLLOWS, float(lower.sum()), 0, "==", routes=EXACT),
        Check(NOISIER, float(noisier.sum()), 0, "==", routes=EXACT),
        *example_checks(pair, law, samples, rng),
    ]


def example_checks(pair: tuple[str, str], law: str, samples: int, rng: Draws) -> list[Check]:
    """The worked example: printed values, and the simulation within 4 standard errors."""
    laws, names = example(), ("additive", "CRF")
    rewards = [laws.reward(paid(f, laws.kappa, laws.p)) for f in pair]
    found = [{k: float(v.item()) for k, v in statistics(laws, x).items()} for x in rewards]
    closed = [float(x.item()) for x in theory.relative_gradient_variances(laws.moments())]
    chance = laws.mass[0] if law == "its own" else np.full_like(laws.mass[0], 1 / laws.mass.size)
    drawn = rng.choice(laws.mass.shape[1], size=samples, p=chance)
    out = [same(NU + n, s["nu"], c, 1e-9) for n, s, c in zip(names, found, closed, strict=True)]
    out.append(Check(FACTOR, found[0]["nu"] / found[1]["nu"], 10.0, ">", routes=EXACT))
    for name, stat, reward in zip(names, found, rewards, strict=True):
        x = reward[0, drawn]
        squares = (x - x.mean()) ** 2
        out.append(sampled(SAMPLED + name, squares, stat["variance"], (ENUMERATED, SIMULATED)))
    return out


def variance_table() -> Table:
    """The example under four rewards; the length penalty charges (1 - c)/0.9 of the limit."""
    laws = example()
    rewards = {
        "outcome": laws.outcome,
        "length penalty": laws.outcome - EXAMPLE["kappa"] * (1 - laws.score),
        **{n: laws.reward(paid(n.lower(), laws.kappa, laws.p)) for n in ("additive", "CRF")},
    }
    found = {name: statistics(laws, reward) for name, reward in rewards.items()}
    rows = [[n, *(float(s[k].item()) for k in ("variance", "corr2", "nu"))]
            for n, s in found.items()]  # fmt: skip
    return Table(
        "variance",
        ("reward", "variance (reward^2)", "squared correlation with outcome",
         "relative gradient variance"),
        rows,
        caption=f"One law of scores, accuracy {EXAMPLE['p']}, weight {EXAMPLE['kappa']}: gating "
        "raises the raw variance because it adds signal, and lowers the noise relative to it. "
        "The last column is without a baseline, so a constant counts: the length penalty is "
        "additive less a constant.",
    )  # fmt: skip
