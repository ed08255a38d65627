"""CANON: advantages against the other half of the group find a metric's better direction."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi
from typing import Any, cast

import numpy as np

from toyrl.dynamics.groups.class_weights import class_weights
from toyrl.estimators.halves import Canon
from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
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
        x = reward.reshape(1, -1)
        high = flat.length.argsort(kind="stable").argsort() >= x.size // 2
        gap = np.where(high, -1.0, 1.0) * (x[high].mean() - x[~high].mean())
        out = x - x.mean() - (2 * self.mu - 1) * gap / 2
        return out.reshape(reward.shape)


@dataclass(frozen=True)
class Swapped(Canon):
    """Mutant: alpha multiplies the other half."""

    heavy: str = "low"


ESTIMATORS = {"canon": Canon, "scaled": Scaled, "whole batch": WholeBatch, "swapped": Swapped}


# -- T1: the gain ----------------------------------------------------------------------------------
def rank_moment(size: int, nodes: int = 240) -> float:
    """E[S^2] of S = (1/G) sum_i sign_i z_i over standard normal metrics z, G even.

    Given the two middle order statistics a < b, the other members of the halves are independent
    truncated normals, so E[S^2 | a, b] is closed; the joint density of (a, b) is integrated on a
    Gauss-Legendre grid that covers some 16 of their standard deviations, dense at gap 0.
    """
    from scipy.special import gammaln
    from scipy.stats import norm

    x, weight = np.polynomial.legendre.leggauss(nodes)
    width, gap = min(8.0, 20 / size**0.5), min(10.0, 200 / size)
    a, wa = width * x[:, None], width * weight[:, None]
    u, wu = (x + 1) / 2, weight / 2
    b, wb = a + gap * u**3, 3 * gap * u**2 * wu
    h = size // 2
    log_low, log_high = norm.logcdf(a), norm.logsf(b)
    log_p = gammaln(size + 1) - 2 * gammaln(h) + (h - 1) * (log_low + log_high)
    log_p = log_p + norm.logpdf(a) + norm.logpdf(b)
    up, down = np.exp(norm.logpdf(b) - log_high), np.exp(norm.logpdf(a) - log_low)
    mean = (b + (h - 1) * up) - (a - (h - 1) * down)
    spread = (h - 1) * ((1 + b * up - up**2) + (1 - a * down - down**2))
    return float((np.exp(log_p) * (mean**2 + spread) * wa * wb).sum() / size**2)


def groups_of(size: int, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Metrics z and rewards (count, size) of the Gaussian policy at theta = 0."""
    z = rng.standard_normal((count, size))
    chance = np.clip(LEVEL + SLOPE * z, 0, 1)
    return z, (rng.random(z.shape) < chance) * 1.0


def gradients(e: Canon, z: np.ndarray, reward: np.ndarray, metric: np.ndarray) -> np.ndarray:
    """(N,) gradient of theta per group, over SLOPE; d log density / d theta = z."""
    r = Rollouts(reward, metric, 1.0)
    return (e.advantages(reward, r) * z).mean(-1) / SLOPE


def gain_rows(kind: type[Canon], groups: int, seed: int) -> list[list[Any]]:
    """size, estimator, formula, mean, standard error, standard deviation."""
    rows = []
    for size in SIZES:
        rng = np.random.default_rng([seed, size])
        moment, count = rank_moment(size), max(1, round(groups * min(1.0, 16 / size)))
        g: dict[str, list[np.ndarray]] = {m: [] for m in MIXES}
        step = max(1, CHUNK // size**2)
        for start in range(0, count, step):
            z, reward = groups_of(size, min(step, count - start), rng)
            for name, mu in MIXES.items():
                g[name].append(gradients(kind(mu=mu), z, reward, z))
        for name, mu in MIXES.items():
            x = np.concatenate(g[name])
            want = 1 - 1 / size + (2 * mu - 1) * moment
            spread = float(x.std(ddof=1))
            rows.append([size, name, want, float(x.mean()), spread / len(x) ** 0.5, spread])
    return rows


def gain_checks(rows: list[list[Any]]) -> list[Check]:
    """Means against the formula; inter amplifies noise as well."""
    checks = [
        Check(f"T1: gain of {name} at G {size}", mean, want, "~", 4 * error, error,
              ("closed form by order statistics", "simulation"))
        for size, name, want, mean, error, _ in rows
    ]  # fmt: skip
    at = {name: (mean, spread) for size, name, _, mean, _, spread in rows if size == 16}
    snr = {name: mean / spread for name, (mean, spread) in at.items()}
    noise = at["inter"][1] / at["mean"][1]
    leading = (1 + 3 * rank_moment(16) / (1 - 1 / 16)) ** 0.5
    limit = rank_moment(4096)
    return [
        *checks,
        Check("T1: E[S^2] tends to 2/pi (G 4096)", limit, 2 / pi, "~", 1e-3),
        Check("T1: noise of inter over the mean baseline at G 16", noise, leading, "~", 0.05,
              routes=("leading order in the slope", "simulation")),
        Check("T1: signal-to-noise, inter over the mean baseline (no better)",
              snr["inter"] / snr["mean"], 1.0, "<"),
    ]  # fmt: skip


def identity_checks(kind: type[Canon], groups: int, seed: int) -> list[Check]:
    """The identity in every group, and theorem 2 for an attribute balanced over the halves."""
    rng = np.random.default_rng([seed, 1])
    z, reward = groups_of(8, groups, rng)
    place = z.argsort(-1).argsort(-1)
    sign = np.where(place < 4, -1.0, 1.0)
    gap = (sign * reward).mean(-1, keepdims=True) * 2
    centred = reward - reward.mean(-1, keepdims=True)
    r, attribute = Rollouts(reward, z, 1.0), np.where(place % 2, 1.0, -1.0)
    worst, contrast = 0.0, 0.0
    for mu in (0.0, 0.3, 0.5, 1.0):
        a = kind(mu=mu).advantages(reward, r)
        worst = max(worst, np.abs(a - centred - (2 * mu - 1) * sign * gap / 2).max())
        contrast = max(contrast, np.abs((attribute * (a - centred)).sum(-1)).max())
    return [
        Check(IDENTITY, float(worst), 1e-12, routes=("identity", "estimator")),
        Check("T1: contrast of an attribute balanced over the halves, change (theorem 2)",
              float(contrast), 1e-12),
    ]  # fmt: skip


def control_checks(kind: type[Canon], groups: int, seed: int) -> list[Check]:
    """Halves drawn at random: no amplification."""
    rng = np.random.default_rng([seed, 2])
    z, reward = groups_of(16, groups, rng)
    metric, checks = rng.random(z.shape), []
    for name, want in (("mean", 1 - 1 / 16), ("inter", 1.0), ("intra", 1 - 2 / 16)):
        g = gradients(kind(mu=MIXES[name]), z, reward, metric)
        label = RANDOM if name == "inter" else f"T1: gain of {name} with random halves at G 16"
        error = float(g.std(ddof=1) / len(g) ** 0.5)
        checks.append(Check(label, float(g.mean()), want, "~", 4 * error, error,
                            ("closed form", "simulation")))  # fmt: skip
    return checks


# -- T2: the direction is found --------------------------------------------------------------------
def paths(e: Canon, bonus: float, replicas: int, updates: int, seed: int) -> np.ndarray:
    """(updates + 1, 2, replicas) theta of the contexts where the metric helps and harms."""
    rng = np.random.default_rng([seed, 3])
    slope = np.array([SLOPE, -SLOPE])[:, None, None]
    theta = np.zeros((2, replicas, 1))
    out = [theta[..., 0]]
    for _ in range(updates):
        z = rng.standard_normal((2, replicas, 16))
        x = theta + z
        hit = rng.random(x.shape) < np.clip(LEVEL + slope * x, 0, 1)
        reward = hit + bonus * x
        a = e.advantages(reward, Rollouts(reward, x, 1.0))
        theta = theta + 0.1 * (a * z).mean(-1, keepdims=True)
        out.append(theta[..., 0])
    return np.array(out)


def direction(
    kind: type[Canon], mu: float, replicas: int, updates: int, seed: int
) -> tuple[list[Check], Picture]:
    """Signs and speed of both contexts; a fixed bonus for the metric goes wrong in one."""
    runs = {
        "CANON, inter": paths(kind(mu=mu), 0.0, replicas, updates, seed),
        "mean baseline": paths(kind(mu=0.5), 0.0, replicas, updates, seed),
        "mean baseline, bonus 0.2 x": paths(Canon(mu=0.5), 0.2, replicas, updates, seed),
    }
    toward = {k: (v[-1] * np.array([[1.0], [-1.0]])).mean(-1) for k, v in runs.items()}
    inter, mean = toward["CANON, inter"], toward["mean baseline"]
    wrong = float((inter <= 0).sum())
    checks = [
        Check(SIGNS, wrong, 0, "=="),
        Check(SPEED, float(inter.sum() / mean.sum()), 1.4, ">="),
        Check(f"{SPEED}, at most", float(inter.sum() / mean.sum()), 1.8),
        Check("T2: with a bonus for the metric, theta where it harms goes the right way by",
              float(toward["mean baseline, bonus 0.2 x"][1]), 0.0, "<"),
    ]  # fmt: skip
    curves = [
        Curve(f"{name}, metric {word}", list(range(updates + 1)), path[:, i].mean(-1).tolist(),
              style="dashed" if i else "line")
        for name, path in runs.items() for i, word in enumerate(("helps", "harms"))
    ]  # fmt: skip
    picture = Picture("direction", "The better direction is found, not set", "update",
                      "theta (metric's mean)", curves,
                      caption="Two contexts; G 16, learning rate 0.1.")  # fmt: skip
    return checks, picture


# -- T3: efficiency --------------------------------------------------------------------------------
def arms(p_short: float, p_long: float) -> Rollouts:
    """Classes of a bandit with a short and a long arm, chosen with probability 1/2 each."""
    prob = np.array([[p_short, 1 - p_short, p_long, 1 - p_long]]) / 2
    return Rollouts(np.array([[1.0, 0, 1, 0]]), np.array([[1.0, 1, 2, 2]]), 2.0, weight=prob)


def drift(e: Canon, p_short: float, p_long: float, size: float) -> float:
    """Expected update of the short arm's logit, exactly."""
    r = arms(p_short, p_long)
    w = class_weights(r, Outcome(), e, group_size=size).w
    return float((w * r.w * np.array([0.5, 0.5, -0.5, -0.5])).sum())


def sampled_drift(
    e: Canon, p_short: float, p_long: float, groups: int, seed: int
) -> tuple[float, float]:
    """The same from sampled groups of 16, and its standard error."""
    rng = np.random.default_rng([seed, 4])
    long = rng.random((groups, 16)) < 0.5
    reward = (rng.random(long.shape) < np.where(long, p_long, p_short)) * 1.0
    a = e.advantages(reward, Rollouts(reward, long + 1.0, 2.0))
    g = (a * np.where(long, -0.5, 0.5)).mean(-1)
    return float(g.mean()), float(g.std(ddof=1) / groups**0.5)


def break_even(e: Canon, p_long: float, size: float) -> float:
    """Success rate of the short arm at which neither arm gains; NaN where one always does."""
    from scipy.optimize import brentq

    ends = [drift(e, p, p_long, size) for p in (0.01, 0.99)]
    if ends[0] * ends[1] > 0:
        return float("nan")
    return cast("float", brentq(lambda p: drift(e, p, p_long, size), 0.01, 0.99, xtol=1e-12))


def efficiency(kind: type[Canon], groups: int, seed: int) -> tuple[list[Check], Picture]:
    """alpha = 0.9 shortens where length is useless, and not where it is needed."""
    checks = []
    for name, alpha, pair, op in (
        (KEEPS, 1.0, (0.8, 0.8), "~"),
        (SHORTENS, 0.9, (0.8, 0.8), ">"),
        (NEEDED, 0.9, (0.3, 0.9), "<"),
    ):
        exact = drift(kind(alpha=alpha), *pair, size=16)
        found, error = sampled_drift(kind(alpha=alpha), *pair, groups, seed)
        checks += [
            Check(name, exact, 0.0, op, 1e-12 if op == "~" else 0.0, routes=("enumeration",)),
            Check(f"{name}, sampled", found, exact, "~", 4 * error, error,
                  ("enumeration", "simulation")),
        ]  # fmt: skip
    grid = np.linspace(0.5, 1.0, 11)
    infinite = [break_even(kind(alpha=float(a)), 0.9, np.inf) for a in grid]
    finite = [break_even(kind(alpha=float(a)), 0.9, 8) for a in grid]
    checks.append(
        Check("T3: break-even p_short = alpha p_long with halves by arm, largest error",
              float(np.abs(np.array(infinite) - grid * 0.9).max()), 1e-9,
              routes=("closed form", "enumeration"))
    )  # fmt: skip
    picture = Picture(
        "break even", "Which arm gains", "alpha", "success rate of the short arm",
        (Curve("halves by arm (infinite group)", grid.tolist(), infinite),
         Curve("G 8, ties averaged", grid.tolist(), finite, style="dashed"),
         Curve("alpha p_long", grid.tolist(), (grid * 0.9).tolist(), style="points")),
        caption="Long arm right with 0.9, both chosen with 1/2; above a line the short arm gains.",
    )  # fmt: skip
    return checks, picture


@experiment(
    "34",
    card="34",
    slug="canon",
    claim="Comparing each rollout with the other half of its group doubles the weight of the "
    "metric's better direction without a preset direction; an alpha below 1 shortens answers "
    "only where length is not needed.",
    source="Eqs. 5-8, Theorems 1 and 2; code biuboomc/CANON",
    provenance="code",
    smoke={"groups": 8000, "replicas": 200, "updates": 60},
    mutants=[
        Mutant("divided by the group's std", {"estimator": "scaled"}, (IDENTITY,)),
        Mutant("halves of the whole batch", {"estimator": "whole batch"}, (IDENTITY, SPEED)),
        Mutant("alpha on the other half", {"estimator": "swapped"}, (SHORTENS,)),
        Mutant("intra in place of inter", {"mu": 0.0}, (SPEED,)),
    ],
)
def run(
    *,
    estimator: str = "canon",
    mu: float = 1.0,
    groups: int = 100_000,
    replicas: int = 1000,
    updates: int = 60,
    seed: int = 0,
) -> Result:
    """Gain along the metric, direction finding, and length where it is and is not needed.

    estimator : "canon", or one of the broken ones in `ESTIMATORS`; mu : of the run in T2
    groups : sampled groups (fewer above G = 16); replicas, updates : of the runs in T2
    """
    kind = ESTIMATORS[estimator]
    rows = gain_rows(kind, groups, seed)
    t2, direction_picture = direction(kind, mu, replicas, updates, seed)
    t3, length_picture = efficiency(kind, groups, seed)
    sizes = [2 * k for k in range(1, 33)]
    gains = Picture(
        "gain", "Gain along the metric", "group size", "E[g] / slope",
        [Curve(name, sizes, [1 - 1 / n + (2 * m - 1) * rank_moment(n) for n in sizes])
         for name, m in MIXES.items()]
        + [Curve(f"{name}, sampled", list(SIZES), [r[3] for r in rows if r[1] == name],
                 style="points") for name in MIXES],
        caption="Infinite groups: 1 and 1 +- 2/pi.",
    )  # fmt: skip
    return Result(
        (
            *identity_checks(kind, min(groups, 20_000), seed),
            *gain_checks(rows),
            *control_checks(kind, groups, seed),
            *t2,
            *t3,
        ),
        (gains, direction_picture, length_picture),
        (Table("gain", ("G", "estimator", "formula", "sampled", "standard error",
                        "standard deviation"), rows, "In units of the slope."),),
        notes=(
            "Theorem 1 holds for means of halves, not for single rollouts: with R = 1 in the low "
            "half, m_high = 1 and m_low = 1/2 inter gives 0 where the mean baseline gives 1/4.",
            "Inter amplifies noise with the signal: a larger step, not a better estimate.",
        ),
    )  # fmt: skip
