"""CANON: advantages against the other half of the group find a metric's better direction."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Any

import numpy as np

from toyrl.estimators.halves import Canon
from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.experiments.lab import groups as lab
from toyrl.experiments.lab.bandits import arm_classes, drift, follow
from toyrl.experiments.lab.curves import lines, root
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import after, pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import alone, apart, sampled
from toyrl.rollouts import Rollouts
from toyrl.theory.group.comparisons import halves_moment

LEVEL, SLOPE = 0.5, 0.1  # success probability LEVEL + SLOPE z of a rollout with metric z
SIZES, MIXES, CHUNK = (4, 8, 16, 64), {"mean": 0.5, "inter": 1.0, "intra": 0.0}, 1 << 20
EQUAL, LONG_NEEDED = (0.8, 0.8), (0.3, 0.9)  # success of the short and of the long arm
IDENTITY = "T1: A = R - mean + (2 mu - 1) sign gap/2, largest error in a group"
BALANCED = "T1: contrast of an attribute balanced over the halves, change (theorem 2)"
GAIN = {m: tuple(f"T1: gain of {m} at G {n}" for n in SIZES) for m in MIXES}
LIMIT = "T1: E[S^2] tends to 2/pi (G 4096)"
NOISE = "T1: noise of inter over the mean baseline at G 16"
SNR = "T1: signal-to-noise, inter over the mean baseline (no better)"
RANDOM = {"mean": "T1: gain of mean with random halves at G 16",
          "inter": "T1: inter with random halves is unbiased at G 16",
          "intra": "T1: gain of intra with random halves at G 16"}  # fmt: skip
SIGNS = "T2: theta moves against the metric's direction, of two contexts"
SPEED = "T2: inter's speed over the mean baseline's"
MOST = f"{SPEED}, at most"
BONUS = "T2: with a bonus for the metric, theta where it harms goes the right way by"
KEEPS = "T3: drift of the short arm's logit, both arms equal, alpha 1"
SHORTENS = "T3: drift of the short arm's logit, both arms equal, alpha 0.9"
NEEDED = "T3: drift of the short arm's logit, long arm needed, alpha 0.9"
EVEN = "T3: break-even p_short = alpha p_long with halves by arm, largest error"


# -- broken rules ----------------------------------------------------------------------------------
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
        x = reward.reshape(1, -1)
        high = r.length.reshape(1, -1).argsort(kind="stable").argsort() >= x.size // 2
        gap = np.where(high, -1.0, 1.0) * (x[high].mean() - x[~high].mean())
        out = x - x.mean() - (2 * self.mu - 1) * gap / 2
        return out.reshape(reward.shape)


@dataclass(frozen=True)
class Swapped(Canon):
    """Mutant: alpha multiplies the other half."""

    heavy: str = "low"


@dataclass(frozen=True)
class Preset(Canon):
    """Mutant: the high half gets the released code's bonus, a direction set beforehand."""

    bonus: Any = 0.5


RULES = {
    "canon": Canon, "scaled": Scaled, "whole batch": WholeBatch, "swapped": Swapped,
    "preset": Preset, "reversed": after(Canon, _mix=lambda mu: 1 - mu),
    "mixed": after(Canon, _mix=lambda mu: 0.5 + 0 * mu),
    "doubled": after(Canon, _mix=lambda mu: 2 * mu if mu == 1 else mu),
}  # fmt: skip


def advantages(e: Canon, reward: np.ndarray, metric: np.ndarray) -> np.ndarray:
    """(..., G) of sampled groups; each pair of a group is compared, which costs a unit."""
    spend(UPDATE)
    return lab.advantages(e, reward, metric, compared=reward.shape[-1])


# -- T1: the gain ----------------------------------------------------------------------------------
MOMENTS = {"ranks": halves_moment, "random signs": lambda size: 1 / size}


def groups_of(size: int, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Metrics z and rewards (count, size) of the Gaussian policy at theta = 0."""
    z = rng.standard_normal((count, size))
    chance = np.clip(LEVEL + SLOPE * z, 0, 1)
    return z, (rng.random(z.shape) < chance) * 1.0


def gradients(e: Canon, z: np.ndarray, reward: np.ndarray, metric: np.ndarray) -> np.ndarray:
    """(N,) gradient of theta per group, over SLOPE; d log density / d theta = z."""
    return (advantages(e, reward, metric) * z).mean(-1) / SLOPE


def gain_checks(kind: type[Canon], moment: str, groups: int, seed: int) -> Items:
    """Means against the formula; inter amplifies noise as well."""
    checks, rows, at, law = [], [], {}, pick(MOMENTS, moment)
    for place, size in enumerate(SIZES):
        rng, count = draws(seed, size), max(1, round(groups * min(1.0, 16 / size)))
        g: dict[str, list[np.ndarray]] = {m: [] for m in MIXES}
        step = max(1, CHUNK // size**2)
        for start in range(0, count, step):
            z, reward = groups_of(size, min(step, count - start), rng)
            for name, mu in MIXES.items():
                g[name].append(gradients(kind(mu=mu), z, reward, z))
        for name, mu in MIXES.items():
            x, want = np.concatenate(g[name]), 1 - 1 / size + (2 * mu - 1) * law(size)
            at[name, size] = x
            checks.append(sampled(GAIN[name][place], x, want,
                                  ("closed form by order statistics", "simulation")))  # fmt: skip
            spread = float(x.std(ddof=1))
            rows.append([size, name, want, float(x.mean()), spread / len(x) ** 0.5, spread])
    inter, mean = at["inter", 16], at["mean", 16]
    noise = float(inter.std(ddof=1) / mean.std(ddof=1))
    leading = (1 + 3 * halves_moment(16) / (1 - 1 / 16)) ** 0.5
    sizes = [2 * k for k in range(1, 33)]
    exact = {n: [1 - 1 / k + (2 * m - 1) * halves_moment(k) for k in sizes]
             for n, m in MIXES.items()}  # fmt: skip
    points = {f"{n}, sampled": (SIZES, [r[3] for r in rows if r[1] == n]) for n in MIXES}
    return [
        *checks,
        Check(LIMIT, law(4096), 2 / pi, "~", 1e-3, routes=("limit", "order statistics")),
        Check(NOISE, noise, leading, "~", 0.05,
              routes=("leading order in the slope", "simulation")),
        Check(SNR, float(inter.mean() / mean.mean() / noise), 1.0, "<", routes=("simulation",),
              why_one_route="a ratio below 1; gain and noise have two routes each"),
        lines("gain", "Gain along the metric", ("group size", "E[g] / slope"), exact | points,
              x=sizes, points=list(points), caption="Infinite groups: 1 and 1 +- 2/pi."),
        Table("gain", ("G", "estimator", "formula", "sampled", "standard error",
                       "standard deviation"), rows, "In units of the slope."),
    ]  # fmt: skip


def identity_checks(kind: type[Canon], groups: int, seed: int) -> Items:
    """The identity in every group, and theorem 2 for an attribute balanced over the halves."""
    z, reward = groups_of(8, groups, draws(seed, 1))
    place = z.argsort(-1).argsort(-1)
    sign, attribute = np.where(place < 4, -1.0, 1.0), np.where(place % 2, 1.0, -1.0)
    gap = (sign * reward).mean(-1, keepdims=True) * 2
    centred = reward - reward.mean(-1, keepdims=True)
    mixes = np.array([0.0, 0.3, 0.5, 1.0])
    a = np.stack([advantages(kind(mu=mu), reward, z) for mu in mixes.tolist()])
    want = centred + (2 * mixes[:, None, None] - 1) * sign * gap / 2
    routes = ("identity", "estimator")
    return [
        apart(IDENTITY, a, want, 1e-12, routes),
        apart(BALANCED, (attribute * (a - centred)).sum(-1), 0.0, 1e-12, routes),
    ]


def control_checks(kind: type[Canon], halves: str, groups: int, seed: int) -> Items:
    """Halves drawn at random: no amplification."""
    rng = draws(seed, 2)
    z, reward = groups_of(16, groups, rng)
    metric = pick({"random": rng.random(z.shape), "metric": z}, halves)
    wants = {"mean": 1 - 1 / 16, "inter": 1.0, "intra": 1 - 2 / 16}
    return [sampled(RANDOM[name], gradients(kind(mu=MIXES[name]), z, reward, metric), want)
            for name, want in wants.items()]  # fmt: skip


# -- T2: the direction is found --------------------------------------------------------------------
def paths(e: Canon, bonus: float, replicas: int, updates: int, seed: int) -> np.ndarray:
    """(updates + 1, 2, replicas) theta of the contexts where the metric helps and harms."""
    rng, slope = draws(seed, 3), np.array([SLOPE, -SLOPE])[:, None, None]

    def step(theta: np.ndarray, _: int) -> np.ndarray:
        z = rng.standard_normal((2, replicas, 16))
        x = theta + z
        hit = rng.random(x.shape) < np.clip(LEVEL + slope * x, 0, 1)
        return theta + 0.1 * (advantages(e, hit + bonus * x, x) * z).mean(-1, keepdims=True)

    return follow(step, np.zeros((2, replicas, 1)), updates)[..., 0]


def direction(kind: type[Canon], mu: float, bonus: float, *rest: int) -> Items:
    """Signs and speed of both contexts; a fixed bonus for the metric goes wrong in one.

    rest : replicas, updates, seed
    """
    runs = {
        "CANON, inter": paths(kind(mu=mu), 0.0, *rest),
        "mean baseline": paths(kind(mu=0.5), 0.0, *rest),
        "mean baseline, bonus 0.2 x": paths(Canon(mu=0.5), bonus, *rest),
    }
    inter, mean, paid = ((v[-1] * np.array([[1.0], [-1.0]])).mean(-1) for v in runs.values())
    trained = alone("simulation", "the end of a path of sampled groups has no closed form; T1 "
                    "gives its start")  # fmt: skip
    curves = {
        f"{name}, metric {word}": path[:, i].mean(-1)
        for name, path in runs.items()
        for i, word in enumerate(("helps", "harms"))
    }
    return [
        trained(SIGNS, float((inter <= 0).sum()), 0, "=="),
        trained(SPEED, float(inter.sum() / mean.sum()), 1.4, ">="),
        trained(MOST, float(inter.sum() / mean.sum()), 1.8),
        trained(BONUS, float(paid[1]), 0.0, "<"),
        lines("direction", "The better direction is found, not set",
              ("update", "theta (metric's mean)"), curves,
              dashed=[k for k in curves if k.endswith("harms")],
              caption="Two contexts; G 16, learning rate 0.1."),
    ]  # fmt: skip


# -- T3: efficiency --------------------------------------------------------------------------------
def short_drift(e: Canon, success: tuple[float, float], size: float) -> float:
    """Expected update of the logit of the short of two arms, chosen with 1/2 each, exactly."""
    r = arm_classes([0.5, 0.5], success, length=[1.0, 2.0], max_length=2.0)
    return float(drift(r, e, group_size=size)[0])


def sampled_drift(e: Canon, success: tuple[float, float], groups: int, seed: int) -> np.ndarray:
    """(groups,) the same update from sampled groups of 16."""
    rng = draws(seed, 4)
    long = rng.random((groups, 16)) < 0.5
    reward = (rng.random(long.shape) < np.where(long, success[1], success[0])) * 1.0
    return (advantages(e, reward, long + 1.0) * np.where(long, -0.5, 0.5)).mean(-1)


def break_even(e: Canon, size: float) -> float:
    """Success rate of the short arm at which neither arm gains; NaN where one always does."""
    return root(lambda p: short_drift(e, (p, LONG_NEEDED[1]), size), 0.01, 0.99)


def efficiency(kind: type[Canon], alpha: float, groups: int, seed: int) -> Items:
    """alpha = 0.9 shortens where length is useless, and not where it is needed.

    The rule under test is enumerated; the library's estimator runs on sampled groups.
    """
    sign = alone("enumeration", "a sign; the next check samples the number")
    for name, used, true, pair, op in (
        (KEEPS, 1.0, 1.0, EQUAL, "~"),
        (SHORTENS, alpha, 0.9, EQUAL, ">"),
        (NEEDED, alpha, 0.9, LONG_NEEDED, "<"),
    ):
        exact = short_drift(kind(alpha=used), pair, 16)
        drawn = sampled_drift(Canon(alpha=true), pair, groups, seed)
        yield sign(name, exact, 0.0, op, 1e-12 if op == "~" else 0.0)
        yield sampled(f"{name}, sampled", drawn, exact, ("enumeration", "simulation"))
    grid = np.linspace(0.5, 1.0, 11)
    infinite, finite = ([break_even(kind(alpha=a), n) for a in grid] for n in (np.inf, 8))
    yield apart(EVEN, infinite, grid * 0.9, 1e-9)
    yield lines(
        "break even", "Which arm gains", ("alpha", "success rate of the short arm"),
        {"halves by arm (infinite group)": infinite, "G 8, ties averaged": finite,
         "alpha p_long": grid * 0.9}, x=grid.tolist(),
        dashed=["G 8, ties averaged"], points=["alpha p_long"],
        caption="Long arm right with 0.9, both chosen with 1/2; above a line the short arm gains.",
    )  # fmt: skip


@experiment(
    "34",
    card="34",
    slug="canon",
    claim="Comparing each rollout with the other half of its group doubles the weight of the "
    "metric's better direction without a preset direction; an alpha below 1 shortens answers "
    "only where length is not needed.",
    source="Eqs. 5-8, Theorems 1 and 2; code biuboomc/CANON",
    provenance="code",
    smoke={"groups": 2000, "replicas": 40, "updates": 60},
    mutants=[
        Mutant("divided by the group's std",
               {"estimator": "scaled", "parts": ("identity", "gain", "control")},
               (IDENTITY, *GAIN["mean"], *GAIN["inter"], RANDOM["mean"])),
        Mutant("halves of the whole batch",
               {"estimator": "whole batch", "parts": ("identity", "direction")},
               (IDENTITY, BALANCED, SPEED)),
        Mutant("inter and intra exchanged", {"estimator": "reversed", "parts": ("gain",)},
               (*GAIN["inter"], *GAIN["intra"], NOISE)),
        Mutant("mu ignored: the mean baseline throughout",
               {"estimator": "mixed", "parts": ("gain", "direction")}, (SNR, NOISE, SPEED)),
        Mutant("halves independent of the metric", {"moment": "random signs", "parts": ("gain",)},
               (LIMIT, *GAIN["inter"][1:])),
        Mutant("the control sorted by the metric", {"halves": "metric", "parts": ("control",)},
               (RANDOM["inter"], RANDOM["intra"])),
        Mutant("intra in place of inter", {"mu": 0.0, "parts": ("direction",)}, (SPEED,)),
        Mutant("inter counted twice", {"estimator": "doubled", "parts": ("direction",)},
               (MOST,)),
        Mutant("a preset direction",
               {"estimator": "preset", "parts": ("direction", "efficiency")},
               (SIGNS, KEEPS, SHORTENS, f"{KEEPS}, sampled", f"{SHORTENS}, sampled",
                f"{NEEDED}, sampled")),
        Mutant("the bonus is not paid", {"bonus": 0.0, "parts": ("direction",)}, (BONUS,)),
        Mutant("alpha on the other half", {"estimator": "swapped", "parts": ("efficiency",)},
               (SHORTENS, EVEN, f"{SHORTENS}, sampled")),
        Mutant("alpha below p_short / p_long", {"alpha": 0.2, "parts": ("efficiency",)},
               (NEEDED,)),
    ],
)  # fmt: skip
def run(
    *,
    estimator: str = "canon",
    mu: float = 1.0,
    alpha: float = 0.9,
    bonus: float = 0.2,
    moment: str = "ranks",
    halves: str = "random",
    parts: tuple[str, ...] = ("identity", "gain", "control", "direction", "efficiency"),
    groups: int = 100_000,
    replicas: int = 1000,
    updates: int = 60,
    seed: int = 0,
) -> Result:
    """Gain along the metric, direction finding, and length where it is and is not needed.

    estimator : "canon", or one of the broken ones in `RULES`; mu, bonus : of the runs in T2;
    alpha : of T3; moment, halves : of the formula and of the control in T1; parts : which to run
    groups : sampled groups (fewer above G = 16); replicas, updates : of the runs in T2
    """
    kind = pick(RULES, estimator)
    return run_parts(
        {
            "identity": lambda: identity_checks(kind, min(groups, 20_000), seed),
            "gain": lambda: gain_checks(kind, moment, groups, seed),
            "control": lambda: control_checks(kind, halves, groups, seed),
            "direction": lambda: direction(kind, mu, bonus, replicas, updates, seed),
            "efficiency": lambda: efficiency(kind, alpha, groups, seed),
        },
        parts,
        (
            "Theorem 1 holds for means of halves, not for single rollouts: with R = 1 in the low "
            "half, m_high = 1 and m_low = 1/2 inter gives 0 where the mean baseline gives 1/4.",
            "Inter amplifies noise with the signal: a larger step, not a better estimate.",
        ),
    )
