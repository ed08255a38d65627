"""Writing-Zero: a reference drawn from the group raises the bar with the policy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import erfi

from toyrl.estimators.group import PRESETS
from toyrl.estimators.pairwise import Brpo, all_conditions
from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.lab.bandits import follow, train_two_arms
from toyrl.experiments.lab.curves import lines, root
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.groups import advantages
from toyrl.experiments.lab.mutants import pick, replaced
from toyrl.experiments.lab.parts import Items, Part, gather
from toyrl.experiments.lab.routes import SAMPLED, alone, deviation, missed, same
from toyrl.rollouts import Rollouts
from toyrl.theory.group.comparisons import reference_gain
from toyrl.theory.preference.votes import voted_sign

Array = Any
G, STEP, SIZES = 16, 0.05, (5.0, 20.0, 200.0)
PARTS = ("noise", "filter", "votes", "bar", "exploit")
SLOPE = "T1: slope of the rising bar against 1/sqrt(pi), relative error"
FILTERED = "T1: slope with the skew filter against its order statistics, relative error"
STUCK = "T1: fixed reference: quality at the end"
SATURATES = "T1: fixed reference against theta' = 2 phi(theta), error at half time"
ORDER = "T2: noisy judge: least gap in signal to noise, kept > BRPO > std-GRPO > mean baseline"
CLEAN = "T2: clean judge: std-GRPO's signal to noise over BRPO's"
PLAIN = "T3: BRPO keeps the plain answer: least final probability"
SPREAD = "T3: BRPO: spread of that over the exploit's size"
SCALAR = "T3: mean baseline follows an exploit of size 20: final P(plain)"
TIES = "T3: without noise, ties hold BRPO at an interior mixture: P(plain) from 0.865"
DRIFT = "T3: without noise: expected drift at the predicted mixture"
VOTES = "T5: a judge biased to one place: mean sign at equal quality, error in s.e."
KEPT = "T4: kept share against the closed form, largest error in standard errors"
RULE = "T4: kept ranks against |G + 1 - 2k| <= 0.6 G, mistakes"
drawn = alone(
    "simulation", "sampled groups; the closed forms of T1 and the drift give the direction"
)


# -- rules -----------------------------------------------------------------------------------------
def normalised(self: Brpo, parts: Any, r: Rollouts, *_: Any) -> Any:
    """Mutant: signs less their mean, over their standard deviation."""
    return PRESETS["grpo_exact"].apply({"quality": Brpo.apply(self, parts, r)[0]}, r)


RULES = {
    "brpo": Brpo,
    # The rival: every rollout against a reference of quality 0.
    "never redrawn": replaced(Brpo, apply=lambda _, parts, *__: (np.sign(parts["reward"]), {})),
    # Mutant: by how much a rollout wins or loses, not whether.
    "by margin": replaced(
        Brpo, apply=lambda _, parts, *__: (parts["reward"] - parts["reward"][..., :1], {})
    ),
    "normalised": replaced(Brpo, apply=normalised),
}


# -- T1: Gaussian qualities ------------------------------------------------------------------------
def bar_checks(kind: type[Brpo], rival: type[Brpo], replicas: int, updates: int, rng: Any
               ) -> Items:  # fmt: skip
    """Mean quality over training, on the same draws, against both slopes and the ODE."""
    rules = {
        "BRPO": kind("first", math.inf),
        "BRPO with the skew filter": kind("first"),
        "fixed reference": rival("first", math.inf),
    }

    def step(theta: np.ndarray, _: int) -> np.ndarray:
        z = rng.standard_normal((replicas, G))
        a = np.array([advantages(e, z + t[:, None])
                      for t, e in zip(theta, rules.values(), strict=True)])  # fmt: skip
        return theta + STEP * (a * z).mean(-1)

    path = follow(step, np.zeros((len(rules), replicas)), updates).mean(-1)
    free, skewed, fixed = path.T
    slope, half = STEP * (G - 1) / G / math.sqrt(math.pi), updates // 2
    closed = root(lambda t: erfi(t / math.sqrt(2)) - 2 * STEP * half / math.pi, 0, 6)

    picture = lines("brpo-bar", "A bar that rises with the policy", ("update", "mean quality"),
                    dict(zip(rules, path.T, strict=True))
                    | {"theory: t eta (G-1)/(G sqrt(pi))": slope * np.arange(updates + 1)},
                    dashed=("theory: t eta (G-1)/(G sqrt(pi))",), most=updates + 1,
                    caption="Gaussian qualities, groups of 16, step 0.05.")  # fmt: skip
    return [
        Check(SLOPE, abs(free[-1] / updates / slope - 1), 0.03, routes=SAMPLED),
        Check(FILTERED, abs(skewed[-1] / updates / (STEP * reference_gain(G, 0.6)[1]) - 1), 0.03,
              routes=("order statistics", "simulation")),
        Check(STUCK, fixed[-1], 3.2, "<", routes=SAMPLED),
        Check(SATURATES, abs(fixed[half] - closed), 0.05, routes=SAMPLED),
        picture,
    ]  # fmt: skip


# -- T2: a noisy judge -----------------------------------------------------------------------------
def signal_to_noise(a: np.ndarray, z: np.ndarray) -> float:
    """Mean over standard deviation of a group's gradient."""
    g = (a * z).mean(-1)
    return float(g.mean() / g.std())


def noise_checks(kind: type[Brpo], groups: int, rng: Any) -> list[Check]:
    """Signs against scalar scores, with Cauchy noise of scale 3 and without."""
    z = rng.standard_normal((groups // 4, G))
    seen = z + 3 * rng.standard_cauchy(z.shape)
    free, std = kind("first", math.inf), PRESETS["grpo_exact"]
    a = advantages(kind("first"), seen)
    kept = np.any(a != 0, axis=-1)
    rules = (free, std, PRESETS["dr_grpo"])
    ladder = [signal_to_noise(a[kept], z[kept]),
              *(signal_to_noise(advantages(e, seen), z) for e in rules)]  # fmt: skip
    clean = [signal_to_noise(advantages(e, z), z) for e in (std, free)]
    return [
        drawn(ORDER, float(min(-np.diff(ladder))), 0.0, ">"),
        drawn(CLEAN, clean[0] / clean[1], 1.0, ">", claim=False),
    ]


# -- T3: an exploit --------------------------------------------------------------------------------
def exploit_checks(kind: type[Brpo], baseline: str, ties: float, runs: int, rng: Any
                   ) -> Items:  # fmt: skip
    """A plain answer against an exploit that pays 1 + size once in ten, on the same draws."""
    rules = {"BRPO": kind("first"), "mean baseline": PRESETS[baseline],
             "group std": PRESETS["grpo_exact"]}  # fmt: skip
    paid = [(m, 0.1) for _ in rules for m in SIZES] + [(20.0, 0.0)]
    used = [*rules.values(), Brpo("first", ties=ties)]
    size, scale = np.array(paid).T[..., None, None]
    bonus, ends = 1 + size, len(SIZES) * runs * np.arange(1, len(used))

    def group(plain: np.ndarray, _: int) -> tuple[np.ndarray, np.ndarray]:
        u, v = rng.random((2, runs, G))
        noise = rng.standard_normal((runs, G))
        arms = u < plain.reshape(len(paid), runs, 1)
        won = np.where(v < 0.1, bonus, 0.0)
        score = (np.where(arms, 1.0, won) + scale * noise).reshape(-1, G)
        found = [advantages(e, x) for e, x in zip(used, np.split(score, ends), strict=True)]
        return arms.reshape(-1, G) * 1.0, np.concatenate(found)

    path = train_two_arms(group, np.zeros(runs * len(paid)), 600, rate=0.05)
    *end, interior = path[-1].reshape(len(paid), runs).mean(-1).tolist()
    final = dict(zip(rules, np.reshape(end, (len(rules), len(SIZES))).tolist(), strict=True))
    own = final["BRPO"]
    table = Table(
        "exploit",
        ("advantage", *(f"exploit pays 1 + {m:g}" for m in SIZES)),
        [*([n, *x] for n, x in final.items()), ["BRPO, no noise (ties)", "", interior, ""]],
        "Final probability of the plain answer; the exploit is paid once in ten.",
    )  # fmt: skip
    return [
        drawn(PLAIN, min(own), 0.95, ">"),
        drawn(SPREAD, max(own) - min(own), 0.005, "<"),
        drawn(SCALAR, final["mean baseline"][1], 0.1, "<"),
        Check(TIES, interior, 0.865, "~", 0.065, routes=("simulation", "root of the drift")),
        same(DRIFT, tied_drift(ties), 0.0, 1e-12),
        table,
    ]


def tied_drift(ties: float) -> float:
    """Expected drift of the logit at P(plain) = 1.62/1.82, where -0.2 x + 1.62 (1 - x) = 0.

    Without noise two plain answers tie, and lose: plain has -x + 0.8 (1 - x), the exploit
    -0.8 x - 0.82 (1 - x). In an infinite group, by the estimator on the three outcomes.
    """
    x = 1.62 / 1.82
    score, plain = np.array([[1.0, 21.0, 0.0]]), np.array([1.0, 0.0, 0.0])
    weight = np.array([[x, 0.1 * (1 - x), 0.9 * (1 - x)]])
    r = Rollouts(score, np.ones_like(score), 1.0, weight=weight, group_size=math.inf)
    a = Brpo(skew=math.inf, ties=ties).apply({"quality": score}, r)[0]
    return float((weight * a * (plain - x)).sum())


# -- T4, T5: which groups are kept, and votes ------------------------------------------------------
def filter_checks(others: bool, groups: int, rng: Any) -> list[Check]:
    """The kept share and ranks, in groups of four sizes."""
    found, want, ranks, should = [], [], [], []
    for size in (4, 8, 16, 32):
        z = rng.standard_normal((groups // size, size))
        skew = 0.6 * (size - 1) / size if others else 0.6
        kept = np.any(advantages(Brpo("first", skew), z) != 0, axis=-1)
        rank = 1 + (z[:, 1:] < z[:, :1]).sum(-1)
        ranks.append(kept)
        should.append(np.abs(size + 1 - 2 * rank) <= 0.6 * size)
        want.append(reference_gain(size, 0.6)[0])
        found.append(kept.mean())
    error = np.sqrt(np.array(want) * (1 - np.array(want)) / (groups // np.array([4, 8, 16, 32])))
    return [
        deviation(KEPT, found, error, want),
        missed(RULE, np.concatenate(ranks), np.concatenate(should), ("closed form", "estimator")),
    ]


def votes_check(orders: int, groups: int, rng: Any) -> Check:
    """One vote for each order, each won with probability sigmoid(gap +- bias), at gap 0."""
    found, want = [], []
    for bias in (0.0, 0.5, 2.0):
        chance = 1 / (1 + np.exp(-np.array([bias, -bias])))
        won = (rng.random((2, groups)) < chance[:, None]) * 1.0
        half = np.full((2, groups + 1), 0.5)
        sign = all_conditions(np.c_[won, [0.0, 0.0]][:orders], groups, half[:orders])
        found.append(sign[:-1].mean())
        want.append(float(voted_sign(0.0, bias)))
    return deviation(VOTES, found, np.sqrt((1 - np.square(want)) / groups), want)


@experiment(
    "42",
    card="42",
    slug="brpo",
    claim="A reference drawn from the current group keeps a constant signal however good the "
    "policy is; a fixed reference saturates. Signs of comparisons ignore the judge's scale and "
    "outliers, which scalar rewards follow.",
    source="Bootstrapped Relative Policy Optimization; theory derived: order statistics "
    "of the normal law",
    provenance="second-hand",
    smoke={"replicas": 60, "groups": 40_000, "updates": 250, "runs": 13},
    mutants=(
        Mutant("the reference is never redrawn", {"rule": "never redrawn", "parts": ("bar",)},
               (SLOPE, FILTERED)),
        Mutant("signs normalised by the group's std", {"rule": "normalised", "parts": ("bar",)},
               (FILTERED,)),
        Mutant("the margin counts, not its sign",
               {"rule": "by margin", "parts": ("noise", "bar", "exploit")},
               (SLOPE, ORDER, PLAIN, SPREAD)),
        Mutant("the fixed reference is redrawn", {"rival": "brpo", "parts": ("bar",)},
               (STUCK, SATURATES)),
        Mutant("ties count as nothing", {"ties": 0.0, "parts": ("exploit",)}, (TIES, DRIFT)),
        Mutant("the scalar reward is normalised",
               {"baseline": "grpo_exact", "parts": ("exploit",)}, (SCALAR,)),
        Mutant("the share is of the others", {"others": True, "parts": ("filter",)},
               (KEPT, RULE)),
        Mutant("the judge sees one order", {"orders": 1, "parts": ("votes",)}, (VOTES,)),
    ),
)  # fmt: skip
def brpo(
    *,
    replicas: int = 400,
    groups: int = 200_000,
    updates: int = 400,
    runs: int = 32,
    rule: str = "brpo",
    rival: str = "never redrawn",
    baseline: str = "dr_grpo",
    ties: float = -1.0,
    others: bool = False,
    orders: int = 2,
    parts: Sequence[str] = PARTS,
    seed: int = 0,
) -> Result:
    """Gaussian qualities, a noisy judge, an exploit.

    replicas, updates : of T1; groups : simulated groups of T2, T4 and T5; runs : of T3
    rule, rival, baseline, ties, others, orders : what mutants break; parts : those run
    """
    kind, rng = pick(RULES, rule), draws(seed)
    own: dict[str, Part] = {
        "noise": lambda: noise_checks(kind, groups, rng),
        "filter": lambda: filter_checks(others, groups, rng),
        "votes": lambda: (votes_check(orders, groups, rng),),
        "bar": lambda: bar_checks(kind, pick(RULES, rival), replicas, updates, rng),
        "exploit": lambda: exploit_checks(kind, baseline, ties, runs, rng),
    }
    # All draw from one stream, in the order of `PARTS`.
    found = {name: tuple(own[name]()) for name in PARTS if name in parts}
    return gather(x for name in ("bar", "exploit", *PARTS[:3]) for x in found.get(name, ()))
