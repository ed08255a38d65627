"""RDD: a predictor that chases draws around a mean counts visits; one of a fixed target doesn't."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.core.results import Curve, Picture
from toyrl.experiments.lab.bandits import follow
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.novelty import chased, greedy_visits
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import CLOSED, ENUMERATED, SIMULATED, apart, deviation, missed
from toyrl.models.novelty import NoveltyLearner
from toyrl.shapers.explore.distilled import distillation_bonus, visit_bonus
from toyrl.theory.exploration.distillation import (
    count_tail,
    distillation_errors,
    distilled_count,
    elliptical_count,
    fixed_target_offset,
    moment_count_variance,
    pathwise_bounds,
)

Array = Any
AT = (1, 2, 5, 10, 20)
ERRORS = "constant step: E||f - mu||^2, E|A|^2, E|B|^2, E<A, B>: deviations in standard errors"
COUNT = "step 1/n: mean and variance of z_n, deviations in standard errors"
PATH = "||f - mu||^2 outside (|A| - |B|)^2 .. 2|A|^2 + 2|B|^2: cases"
REPORTED = "A = B: ||f - mu||^2 over |A|^2 + |B|^2, less 2"
SLACK = "constant step: what the reported bound leaves in expectation, least over 2 sigma^2 d q^n/n"
MOMENTS = "finite targets: mean 1/n and variance of DRND's y_n, largest error"
COROLLARY = "is Var z_n at most Var y_n? sides that differ"
TAIL = "chance of being off: exact over Chebyshev's bound, most"
SLOPE = "log b on log n, RDD with 1/n: slope less -1"
STRAIGHT = "log b on log n, RDD with 1/n: R^2"
FLOOR = "log b on log n, RDD with a constant step: slope less -0.525"
DECAY = "log b on log n, RND: slope"
COVERAGE = "greedy for the bonus: KL from uniform visits, RDD over RND, means"
OFFSET = "RND: visits of two states less the closed offset, largest, in visits"
LINEAR = "linear predictor: bonuses against x^T (X^T X)^-1 x, deviations in standard errors"
ONE_HOT = "one-hot features: pseudo-count less visits, largest"
FRESH = "never seen: bonus less 1 over sizes d, largest"


# -- one state -------------------------------------------------------------------------------------
def one_state(rng: Any, replicas: int, against: str, upper: str) -> Items:
    """Replicas of one predictor. against : "mean" or, a mutant, "draw"; upper : bound's name."""
    d, eta, sigma = 4, 0.2, 1.0
    mu = np.ones(d)

    def step(state: np.ndarray, t: int) -> np.ndarray:
        f, star, _ = state
        draw = mu + sigma * rng.standard_normal((replicas, d))
        return np.stack([f + eta * (draw - f), star + (draw - star) / (t + 1), draw])

    path = follow(step, np.zeros((3, replicas, d)), max(AT))[list(AT)]
    f, star, last = path[:, 0], path[:, 1], path[:, 2]
    center = mu if against == "mean" else last
    a, b = star - center, f - star
    drawn = np.stack([((f - center) ** 2).sum(-1), (a**2).sum(-1), (b**2).sum(-1), (a * b).sum(-1)])
    n = np.array(AT)
    told = distillation_errors(n, d, sigma=sigma, eta=eta, bias2=float(d))
    want = np.stack([told.err, told.a, told.b, told.cross])
    yield deviation(ERRORS, drawn.mean(-1), drawn.std(-1) / np.sqrt(replicas), want,
                    (CLOSED, SIMULATED))  # fmt: skip
    z = distillation_bonus(star, np.broadcast_to(center, star.shape)) / sigma**2
    mean, variance = distilled_count(n, d)
    moments = np.stack([z, (z - mean[:, None]) ** 2])
    yield deviation(COUNT, moments.mean(-1), moments.std(-1) / np.sqrt(replicas),
                    np.stack([mean, variance]), (CLOSED, SIMULATED))  # fmt: skip
    least, found, most, reported = pathwise_bounds(f, star, mu)
    top = pick({"corrected": most, "reported": reported}, upper)
    out = (found < least - 1e-9) | (found > top + 1e-9)
    yield missed(PATH, out, np.zeros_like(out), ("algebra", SIMULATED))
    point = pathwise_bounds(mu + 2, mu + 1, mu)
    under = pick({"corrected": point[3], "reported": point[2]}, upper)
    yield apart(REPORTED, point[1] / under, 2.0, 1e-12, ("algebra", "one case"))  # fmt: skip
    gap = (drawn[1] + drawn[2] - drawn[0]) / (2 * sigma**2 * d * (1 - eta) ** n / n)[:, None]
    keep = n <= 5  # at 20 visits the slack is 1 % of a mean's standard deviation
    yield deviation(SLACK, gap[keep].mean(-1), gap[keep].std(-1) / np.sqrt(replicas), 1.0,
                    (CLOSED, SIMULATED))  # fmt: skip


def counting(moments: str, factor: float) -> Items:
    """Finite targets enumerated, and tails. moments : "own" or "normal"; factor : of the bound."""
    found, want = [], []
    for targets in ([1.0, 3.0], [-1.0, 1.0], [0.0, 1.0, 5.0], [-2.0, 0.5, 0.5, 4.0]):
        c = np.array(targets)
        mean, v = c.mean(), c.var()
        m3, m4 = ((c - mean) ** 3).mean(), ((c - mean) ** 4).mean()
        given = {"m3": m3, "m4": m4} if moments == "own" else {}
        for n in (1, 2, 5):
            y = (np.array(list(product(targets, repeat=n))).mean(-1) ** 2 - mean**2) / v
            found.append([y.mean(), y.var()])
            want.append([1 / n, moment_count_variance(n, mean, v, **given)])
    yield apart(MOMENTS, found, want, 1e-12, (CLOSED, ENUMERATED))
    flat, normal = {"m3": 0.0, "m4": 1.0}, {}
    cases = [(mean, m, n) for mean in (0.0, 0.3, 1.0) for m in (flat, normal) for n in (1, 2, 10)]
    holds = [moment_count_variance(n, mean, 1.0, **m) >= distilled_count(n, 1)[1] - 1e-12
             for mean, m, n in cases]  # fmt: skip
    # two-point targets: [4 mu^2/n + (3 n - 2)/n^3] - 1/n^2 >= 2/n^2 where 2 n mu^2 >= 1/n
    said = [True if m is normal or moments != "own" else 4 * mean**2 * n >= 2 / n
            for mean, m, n in cases]  # fmt: skip
    yield missed(COROLLARY, holds, said, (CLOSED, "algebra"))
    n = np.array([1, 3, 30, 300])
    tails = [count_tail(n, d, eps) for d in (1, 4, 64) for eps in (0.01, 0.1, 0.5)]
    exact, bound = np.moveaxis(np.array(tails), 1, 0)
    yield Check(TAIL, float((exact / (factor * bound)).max()), 1.0, "<=", 1e-12,
                routes=("chi-squared law", "Chebyshev"))  # fmt: skip


# -- many states -----------------------------------------------------------------------------------
def regressed(b: np.ndarray, n: np.ndarray) -> tuple[float, float]:
    """(slope, R^2) of log b on log n."""
    x, y = np.log(n), np.log(b)
    slope = float(np.polyfit(x, y, 1)[0])
    return slope, float(np.corrcoef(x, y)[0, 1] ** 2)


def visited(rng: Any, eta: float | None, once: bool, fixed: float) -> Items:
    """Forty states, visited 1 to 316 times.

    eta : RDD's step, None for 1/n; once : one draw a state; fixed : RND's step
    """
    n = np.unique(np.round(np.geomspace(1, 316, 40)))
    signs = np.where(rng.standard_normal((len(n), 64)) < 0, -1.0, 1.0)
    target = rng.standard_normal((len(n), 64))
    rdd = chased(signs, n, rng, eta=eta, sigma=1.0, once=once)
    held = chased(signs, n, rng, eta=0.1, sigma=1.0, once=once)
    rnd = chased(target, n, rng, eta=fixed, sigma=0.0)
    law = regressed(visit_bonus(n, step=0.1), n)[0]
    both = (CLOSED, SIMULATED)
    yield apart(SLOPE, regressed(rdd, n)[0], -1.0, 0.1, both)
    yield Check(STRAIGHT, regressed(rdd, n)[1], 0.95, ">=", routes=both)
    yield apart(FLOOR, [regressed(held, n)[0], law], [-0.525] * 2, 0.125, both)
    fast = regressed(visit_bonus(n, sigma=0.0, step=0.1), n)[0]
    yield Check(DECAY, max(regressed(rnd, n)[0], fast), -3.0, "<", routes=both)  # fmt: skip
    x = n.tolist()
    yield lines("visits", "What a bonus counts", ("visits n", "bonus b"),
                {"RDD, 1/n": rdd, "RDD, step 0.1": held, "RND, step 0.1": np.maximum(rnd, 1e-9),
                 "1/n": 1 / n, "step 0.1, expected": visit_bonus(n, step=0.1),
                 "q^2n": np.maximum(visit_bonus(n, sigma=0.0, step=0.1), 1e-9),
                 "floor": 0 * n + 0.1 / 1.9}, x=x, log_x=True, log_y=True,
                points=("RDD, 1/n", "RDD, step 0.1", "RND, step 0.1"),
                dashed=("1/n", "step 0.1, expected", "q^2n", "floor"),
                caption="64 coordinates, sigma 1, mean of modulus 1; below 1e-9 drawn at it.",
                )  # fmt: skip


def coverage(rng: Any, seeds: int, steps: int, mean: str, eta: float) -> Items:
    """Who goes where the bonus is largest. mean : "signs", or "random" for the mutant.

    eta : put into the closed form of RND's offset
    """
    K, d = 20, 64
    size = np.exp(1.5 * rng.standard_normal((seeds, K, 1)))
    target = size * rng.standard_normal((seeds, K, d))
    signs = np.where(rng.standard_normal((seeds, K, d)) < 0, -1.0, 1.0)
    own = pick({"signs": signs, "random": target}, mean)
    rdd = greedy_visits(own, rng, steps, eta=None, sigma=1.0)
    rnd = greedy_visits(target, rng, steps, eta=0.1, sigma=0.0)

    def off(n: np.ndarray) -> np.ndarray:
        p = n / n.sum(-1, keepdims=True)
        return (p * np.log(np.where(p > 0, p, 1.0) * K)).sum(-1)

    yield Check(COVERAGE, float(off(rdd).mean() / off(rnd).mean()), 0.5, "<=",
                why_one_route="visits of a greedy visitor, sampled; their law has no closed form",
                routes=(SIMULATED,))  # fmt: skip
    first = (target**2).mean(-1)
    said = [[fixed_target_offset(e, row[0], eta) for e in row] for row in first.tolist()]
    # Greedy equalises errors to within one visit of each of the two.
    yield Check(OFFSET, float(np.abs(rnd - rnd[:, :1] - np.array(said)).max()), 2.0, "<=",
                routes=(CLOSED, SIMULATED))  # fmt: skip
    names = tuple(f"rank {i + 1}" for i in range(K))
    order, places = np.argsort(-rnd[0]), list(range(K))
    yield Picture("coverage", "Visits of the greedy visitor", "visits", "", labels=names,
                  curves=(Curve("RND", rnd[0][order].tolist(), places),
                          Curve("RDD", np.sort(rdd[0])[::-1].tolist(), places, style="points")),
                  caption=f"{steps} visits, 20 states, each rule's own order of states; uniform "
                  f"is {steps // K}.")  # fmt: skip
    yield Table("coverage", ("bonus", "KL, mean", "KL, most"),
                [["RDD, 1/n", float(off(rdd).mean()), float(off(rdd).max())],
                 ["RND, step 0.1", float(off(rnd).mean()), float(off(rnd).max())]])  # fmt: skip


def features(rng: Any, coordinates: int, power: int, divided: bool) -> Items:
    """A linear predictor, its coordinates as replicas. power : of the inverse; divided : by d."""
    X, x = rng.standard_normal((30, 4)), rng.standard_normal((6, 4))
    learner = NoveltyLearner("rdd", d=coordinates, ridge=1e-9)
    model = learner.update(learner.start(4, rng), X, rng)
    found = model.score(x) * (1 if divided else coordinates)
    want = elliptical_count(x, X)[0] ** power
    # a mean of d squares of normals of variance b: relative error sqrt(2/d)
    yield deviation(LINEAR, found, want * np.sqrt(2 / coordinates), want, (CLOSED, "learner"))
    rows = np.repeat(np.eye(4), (1, 2, 5, 40), axis=0)
    table = learner.update(learner.start(4, rng), rows, rng)
    told = elliptical_count(np.eye(4), rows)[1] ** power
    yield apart(ONE_HOT, table.pseudo_count(np.eye(4)), told, 1e-6, (CLOSED, "learner"))
    sizes = (1, 16, 64)
    fresh = [NoveltyLearner("rdd", d=k).start(3, rng).score(np.eye(3)) * (1 if divided else k)
             for k in sizes]  # fmt: skip
    yield apart(FRESH, fresh, np.ones((3, 3)), 1e-12, (CLOSED, "learner"))


@experiment(
    "14",
    card="14",
    slug="rdd",
    claim="The distance to the mean of redrawn targets counts visits without bias, better than "
    "DRND's moments unless these are flat; a constant step has a floor, a fixed target decays "
    "geometrically and favours states by the luck of their targets.",
    source="section 4 as reported (Lemma 4.1, Corollary 4.2, Theorem 4.3, section 4.4); exact "
    "forms derived",
    provenance="derived",
    smoke={"replicas": 20000, "seeds": 10, "coordinates": 4000},
    mutants=[
        Mutant("measured against the draw", {"against": "draw", "parts": ["one_state"]},
               (ERRORS, COUNT, SLACK)),
        Mutant("the reported bound, path by path", {"upper": "reported", "parts": ["one_state"]},
               (PATH, REPORTED)),
        Mutant("every target's moments are a normal's", {"moments": "normal",
                                                         "parts": ["counting"]},
               (MOMENTS, COROLLARY)),
        Mutant("the variance of z_n without its 2", {"factor": 0.5, "parts": ["counting"]},
               (TAIL,)),
        Mutant("a constant step called 1/n", {"eta": 0.1, "parts": ["visited"]}, (SLOPE, STRAIGHT)),
        Mutant("one draw a state", {"once": True, "parts": ["visited"]}, (SLOPE, FLOOR)),
        Mutant("means of any size", {"mean": "random", "parts": ["coverage"]}, (COVERAGE,)),
        Mutant("the offset for another step", {"offset_eta": 0.05, "parts": ["coverage"]},
               (OFFSET,)),
        Mutant("the ellipse squared", {"ellipse": 2, "parts": ["features"]}, (LINEAR, ONE_HOT)),
        Mutant("without 1/d", {"divided": False, "parts": ["features"]}, (LINEAR, FRESH)),
        Mutant("fixed targets that stand still", {"eta_fixed": 0.001, "parts": ["visited"]},
               (DECAY,)),
    ],
)  # fmt: skip
def run(
    *,
    against: str = "mean",
    upper: str = "corrected",
    moments: str = "own",
    factor: float = 1.0,
    eta: float | None = None,
    once: bool = False,
    eta_fixed: float = 0.1,
    mean: str = "signs",
    offset_eta: float = 0.1,
    ellipse: int = 1,
    divided: bool = True,
    replicas: int = 20000,
    seeds: int = 20,
    steps: int = 1000,
    coordinates: int = 20000,
    parts: Sequence[str] = ("one_state", "counting", "visited", "coverage", "features"),
    seed: int = 0,
) -> Result:
    """replicas, seeds, coordinates : sizes of samples; steps : visits of the greedy visitor; the
    others are broken by mutants."""
    work: dict[str, Callable[[], Items]] = {
        "one_state": lambda: one_state(draws(seed, 1), replicas, against, upper),
        "counting": lambda: counting(moments, factor),
        "visited": lambda: visited(draws(seed, 2), eta, once, eta_fixed),
        "coverage": lambda: coverage(draws(seed, 3), seeds, steps, mean, offset_eta),
        "features": lambda: features(draws(seed, 4), coordinates, ellipse, divided),
    }
    return run_parts(work, parts)
