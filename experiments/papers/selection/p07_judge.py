"""A judge that looks in a slightly wrong place: how many draws, how warm, how hard a task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Mutant, Result, experiment
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import CLOSED, apart, deviation, mean_error, missed, same
from toyrl.experiments.lab.shared import shared
from toyrl.experiments.papers.selection.p07_regression import NAMES, regression
from toyrl.theory.judge import difficulty as hard
from toyrl.theory.judge import nearest as near
from toyrl.theory.judge import softmax as soft

VALUE = 1000
"""Units of one value of the integral over distances: about 0.1 ms."""
KS = np.unique(np.geomspace(1, 30_000, 13).astype(int))
DRAWN = "1: best of k against simulation, largest of 12 in standard errors"
THEOREM = "2: random judges whose error rises although 2ab <= s^2, or never although above"
SEARCHED = "2: best k against a search over 1..200, judges that differ"
EXAMPLE = "2: m = 0, s = 1, y_R = 1.2, y_T = 0.2: least error"
RATE = "2: k^2 (error - a^2) over its limit at k = 10,000, furthest from 1"
TEACHER = "3: teacher as judge: error (k+1)(k+2)/(pi s^2 e^(b^2/s^2)), k >= 64, off 1 by at most"
ENDLESS = "4: softmax, k = 10^7, against the tilted normal law, largest error"
WARM = "4: best temperature for endless draws against a search, largest error in u"
BOTH = "4: judges with a best temperature above 0 but no finite best k, or the reverse"
BEYOND = "4: best judge at temperature T: error above its least over a grid of c, largest"
PLANE = "5: softmax of 2 draws against two-dimensional quadrature, largest error"
PICKED = "5: softmax of k draws against simulation, largest of 6 in standard errors"
ORDER = "5: third order of the expansion: least order in T of what is left, k = 2, 3, 8"
ORDER_2 = "5: second order of the expansion: order in T of what is left, k = 8"
SLOPES = "6: log-slope in k of the averaged error, off its range by at most"
LEVEL = "6: averaged error (k+1)(k+2) at k = 2^20 over pi s^2/sqrt(1-2v), v = 0.1 and 0.3, off 1"
SOME = "6: averaged error of 16 draws at v = 1 against simulation"
BANDS = {0.1: (-2.01, -1.99), 0.3: (-2.01, -1.99), 1.0: (-1.15, -1.0), 2.0: (-0.7, -0.5)}


# -- 1, 2, 3: best of k ----------------------------------------------------------------------------
def measured(k: Any, m: Any, s: Any, judge: Any, truth: Any, goal: str) -> np.ndarray:
    """Error of the best of k against the truth, or (a mutant) against the judge's own centre."""
    against = pick({"truth": truth, "judge": judge}, goal)
    each = [np.asarray(x, dtype=float) for x in (k, m, s, judge, against)]
    return integrated([x.shape for x in each], [x.ravel().tolist() for x in each])[()]


@shared
def integrated(shapes: Sequence[Any], values: Sequence[Any]) -> np.ndarray:
    """`nearest_error` of arrays given by their shapes and values."""
    each = [np.reshape(v, s) for s, v in zip(shapes, values, strict=True)]
    spend(VALUE * np.broadcast(*each).size)
    return np.asarray(near.nearest_error(*each))


@shared
def best_of(judge: float, truth: float) -> float:
    """The best number of draws of N(0, 1)."""
    return near.optimal_k(0.0, 1.0, judge, truth)


def nearest(rng: Any, problems: int, drawn: int, goal: str, criterion: str, charged: str,
            counted: str) -> Items:  # fmt: skip
    """The integral against draws; the theorem on random judges; the rate.

    criterion : what is held against s^2; charged : the bias's share in the rate; counted : k^2 or
    (k+1)(k+2)
    """
    means, errors, want = [], [], []
    for k in (1, 4, 32):
        for judge, truth in ((0.0, 0.0), (1.5, 0.5), (-2.0, 1.0), (3.0, -1.0)):
            y = 0.3 + 0.8 * rng.standard_normal((drawn, k))
            kept = np.take_along_axis(y, np.abs(y - judge).argmin(-1)[:, None], -1)[:, 0]
            mean, error = mean_error((kept - truth) ** 2)
            means.append(mean)
            errors.append(error)
            want.append(measured(k, 0.3, 0.8, judge, truth, goal))
    yield deviation(DRAWN, means, errors, want)
    judge, truth = 1.5 * rng.standard_normal((2, problems))
    path = measured(KS[:, None], 0.0, 1.0, judge, truth, goal)
    rises = np.any(np.diff(path, axis=0) > 1e-12 * (1 + path[1:]), axis=0)
    a, b = judge - truth, judge
    known = np.asarray(near.has_finite_optimum(0.0, 1.0, judge, truth))
    stops = pick({"2ab": known, "ab": a * b > 1}, criterion)
    clear = np.abs(2 * a * b - 1) > 1e-3  # on the boundary the rise sets in at endless k
    yield missed(THEOREM, rises[clear], np.asarray(stops)[clear], ("criterion", "curves"))
    some = np.flatnonzero(known)[:8]
    grid = np.arange(1, 201)
    found = [grid[measured(grid, 0.0, 1.0, judge[i], truth[i], goal).argmin()] for i in some]
    best = [best_of(float(judge[i]), float(truth[i])) for i in some]
    yield missed(SEARCHED, found, np.minimum(best, 200), ("sign of the derivative", "search"))
    least = float(measured(grid[:20], 0.0, 1.0, 1.2, 0.2, goal).min())
    yield same(EXAMPLE, least, 0.68373, 5e-6, ("integral", "derived by hand"))
    judges = np.array([0.5, 1.0, -0.7])
    limit = near.rate_coefficient(0.0, 1.0, judges, pick({"bias": 0.2, "none": judges}, charged))
    left = 1e8 * (measured(1e4, 0.0, 1.0, judges, 0.2, goal) - (judges - 0.2) ** 2) / limit
    yield Check(RATE, float(np.abs(left - 1).max()), 2e-3, routes=(CLOSED, "integral"))
    k, truths = np.array([64.0, 1e3, 1e6])[:, None], np.array([0.0, 0.5, 1.0])
    scale = pick({"(k+1)(k+2)": (k + 1) * (k + 2), "k^2": k**2}, counted)
    level = measured(k, 0.0, 1.0, truths, truths, goal) * scale / (np.pi * np.exp(truths**2))
    yield Check(TEACHER, float(np.abs(level - 1).max()), 5e-3, routes=(CLOSED, "integral"))
    k = np.geomspace(1, 3000, 60)
    curves = {f"judge {x:g}, truth 0.2": measured(k, 0.0, 1.0, x, 0.2, goal)
              for x in (0.2, 0.6, 1.2, 2.0)}  # fmt: skip
    yield lines("judge-draws", "Best of k by a judge that is off", ("draws k", "squared error"),
                curves, x=k.tolist(), log_x=True, log_y=True,
                caption="Draws N(0, 1). Above 2ab = s^2 (the two upper judges) more draws hurt "
                "from some k on.")  # fmt: skip


# -- 4, 5: a softmax -------------------------------------------------------------------------------
def on_plane(T: float, m: float, judge: float, truth: float) -> float:
    """Softmax of two draws of N(m, 1), by a Gauss-Hermite rule in both."""
    x, w = np.polynomial.hermite_e.hermegauss(120)
    y, w = m + x, w / w.sum()
    v, g = -((y - judge) ** 2) / T, (y - truth) ** 2
    first = 1 / (1 + np.exp(v - v[:, None]))
    return float((w[:, None] * w * (first * g[:, None] + (1 - first) * g)).sum())


def endless(rng: Any, remedy: str, teacher: bool, tilted: float) -> Items:
    """Very many draws: the tilted law, the best temperature, the best judge.

    remedy : the "exact" temperature or that of the truncated "expansion"; teacher : c = 0;
    tilted : power of the weights in the limit
    """
    exact, limit = [], []
    for T, judge in ((1.0, 2.0), (8.0, -1.0), (30.0, 0.5)):
        exact.append(soft.softmax_error(10**7, T, 0.3, 1.0, judge, 0.1))
        limit.append(soft.infinite_error(T / tilted, 0.3, 1.0, judge, 0.1))
    spend(3 * 100 * VALUE)
    yield apart(ENDLESS, exact, limit, 1e-5, ("integral", "tilted law"))
    judge, truth = 1.5 * rng.standard_normal((2, 400))
    given = (0.0, 1.0, judge, truth)
    T = pick({"exact": soft.optimal_temperature(*given),
              "expansion": soft.expansion_temperature(1e9, *given)}, remedy)  # fmt: skip
    u = np.linspace(0, 1, 20_001)[:, None]
    path = (u * (0.0 - truth) + (1 - u) * (judge - truth)) ** 2 + u
    kept = np.where(np.isinf(T), 1.0, T / (np.where(np.isinf(T), 1.0, T) + 2))
    yield apart(WARM, kept, u[path.argmin(0), 0], 1e-4, (CLOSED, "search"))
    yield missed(BOTH, T > 0, near.has_finite_optimum(*given), ("best temperature", "best k"))
    c, over = np.linspace(-2, 12, 1401), []
    for t in (0.5, 4.0, 12.0):
        own = 0.0 if teacher else float(soft.best_misspecification(t, 1.0))
        error = [soft.infinite_error(t, 0.7, 1.0, 0.1 - x * 0.6, 0.1) for x in (own, c)]
        over.append(float(error[0] - error[1].min()))
    yield Check(BEYOND, max(over), 1e-9, routes=(CLOSED, "search"))


def finite(rng: Any, drawn: int, official: bool, weights: float, colder: float) -> Items:
    """Few draws: quadrature in the plane, simulation, what the expansion leaves.

    official : the third order of the released code; weights : power of the simulated weights;
    colder : of the weights in the plane
    """
    T = np.array([2.0, 10.0, 50.0])
    flat = [on_plane(t / colder, 0.3, 2.0, 0.1) for t in T]
    yield apart(PLANE, [soft.softmax_error(2, t, 0.3, 1.0, 2.0, 0.1) for t in T], flat, 1e-6,
                ("integral", "two-dimensional quadrature"))  # fmt: skip
    means, errors, want = [], [], []
    for k in (3, 16):
        for t in (0.5, 2.0, 8.0):
            y = 0.3 + rng.standard_normal((drawn, k))
            v = -weights * (y - 2.0) ** 2 / t
            w = np.exp(v - v.max(-1, keepdims=True))
            mean, error = mean_error((w * (y - 0.1) ** 2).sum(-1) / w.sum(-1))
            means.append(mean)
            errors.append(error)
            want.append(soft.softmax_error(k, t, 0.3, 1.0, 2.0, 0.1))
    yield deviation(PICKED, means, errors, want)
    args = (0.3, 1.0, 2.0, 0.1)

    def left(k: int, t: float, order: int) -> float:
        exact = on_plane(t, 0.3, 2.0, 0.1) if k == 2 else float(soft.softmax_error(k, t, *args))
        return abs(exact - float(soft.expansion(k, t, *args, order=order, official=official)))

    falls = [np.log2(left(k, 100.0, 3) / left(k, 200.0, 3)) for k in (2, 3, 8)]
    yield Check(ORDER, float(min(falls)), 3.9, ">=", routes=("expansion", "quadrature"))
    slow = float(np.log2(left(8, 100.0, 2) / left(8, 200.0, 2)))
    yield Check(ORDER_2, slow, 3.0, "~", 0.1, claim=False)
    spend(100 * VALUE)


def warm_pictures() -> Items:
    """Error against k for judges that look beyond the truth, and against T."""
    T, k = 6.0, np.unique(np.geomspace(1, 200, 40).astype(int))
    best = float(soft.best_misspecification(T, 1.0))
    curves = {f"c = {x:g} c*": soft.softmax_error(k, T, 0.8, 1.0, 0.1 - x * best * 0.7, 0.1)
              for x in (0, 0.5, 1, 1.5)}  # fmt: skip
    yield lines("judge-beyond", "Softmax of k draws, T = 6 s^2", ("draws k", "squared error"),
                curves, x=k.tolist(), log_x=True,
                caption="The best judge looks beyond the truth by c* = T/(2 s^2).")  # fmt: skip
    T = np.geomspace(0.3, 300, 36)
    found = np.array([soft.softmax_error([4, 32], t, 0.0, 1.0, 1.2, 0.2) for t in T])
    yield lines("judge-warm", "An over-optimising judge, by temperature",
                ("T/s^2", "squared error"),
                {"4 draws": found[:, 0], "32 draws": found[:, 1],
                 "endless draws": soft.infinite_error(T, 0.0, 1.0, 1.2, 0.2)},
                x=T.tolist(), log_x=True, caption="m = 0, y_R = 1.2, y_T = 0.2: best at T = 1.9 "
                "for endless draws.")  # fmt: skip


# -- 6: difficulty ---------------------------------------------------------------------------------
def harder(rng: Any, drawn: int, nodes: int, noisy: float, order: str) -> Items:
    """Averaged error: slopes, level, simulation.

    noisy : variance of the answer that the error is measured against; order : the mean over prompts
    of the "exponential", or the exponential of the "mean"
    """
    k = 2.0 ** np.array([14, 17, 20])
    error = {v: hard.averaged_error(k, v, nodes=nodes) + noisy for v in BANDS}
    spend(VALUE / 5 * nodes * 3 * len(BANDS))  # large arrays are cheaper
    slopes = {v: float(np.polyfit(np.log(k), np.log(e), 1)[0]) for v, e in error.items()}
    off = [max(low - slopes[v], slopes[v] - high) for v, (low, high) in BANDS.items()]
    yield Check(SLOPES, max(off), 0.0, routes=("integral", "min(2, 1/v)"))
    level = [error[v][-1] * (k[-1] + 1) * (k[-1] + 2)
             / pick({"exponential": hard.averaged_coefficient(v), "mean": np.pi * np.exp(v)}, order)
             for v in (0.1, 0.3)]  # fmt: skip
    yield Check(LEVEL, float(np.abs(np.array(level) - 1).max()), 1e-3, routes=(CLOSED, "integral"))
    b = rng.standard_normal((drawn, 1))
    y = rng.standard_normal((drawn, 16))
    mean, stderr = mean_error(((y - b) ** 2).min(-1) + noisy)
    exact = float(hard.averaged_error(16, 1.0, nodes=nodes))
    yield Check(SOME, mean, exact, "~", 4 * stderr, stderr, ("integral", "simulation"))
    k = np.geomspace(1, 2**20, 40)
    yield lines("judge-difficulty", "Best of k by the teacher, averaged over prompts",
                ("draws k", "squared error over s^2"),
                {f"difficulty v = {v:g}": hard.averaged_error(k, v, nodes=nodes // 2)
                 for v in (0.0, 0.3, 0.5, 1.0, 2.0)},
                x=k.tolist(), log_x=True, log_y=True,
                caption="Below v = 1/2 the error falls as 1/k^2, beyond as k^(-1/v).")  # fmt: skip
    spend(VALUE / 5 * nodes / 2 * 40 * 5)


@experiment(
    "07",
    card="07",
    slug="llm-judge-scaling",
    claim="Best of k by a judge of its own centre over-optimises exactly if 2(y_R - y_T)(y_R - m) "
    "> s^2; then a finite k and a temperature above 0 are best. By the teacher the error falls as "
    "1/k^2, averaged over tasks only while they are not too hard.",
    source="Results 1-3, Remarks 3, 4, 6; code I-Halder/Demystifying-LLM-as-a-Judge, BLR_zero_T.py "
    "and BLR_non_zero_T.py; integral, theorem and corrections derived in theory/judge",
    provenance="derived",
    smoke={"problems": 100, "drawn": 16_000, "nodes": 48, "pictures": False, "fits": 7,
           "sizes": [50, 200]},
    mutants=(
        Mutant("error against the judge's own centre", {"goal": "judge", "parts": ["nearest"]},
               (DRAWN, THEOREM, SEARCHED, EXAMPLE, RATE)),
        Mutant("the criterion without its 2", {"criterion": "ab", "parts": ["nearest"]},
               (THEOREM,)),
        Mutant("the rate of an unbiased judge", {"charged": "none", "parts": ["nearest"]}, (RATE,)),
        Mutant("k^2 for small k", {"counted": "k^2", "parts": ["nearest"]}, (TEACHER,)),
        Mutant("the expansion's temperature is called exact",
               {"remedy": "expansion", "parts": ["endless"]}, (WARM, BOTH)),
        Mutant("the teacher is the best judge", {"teacher": True, "parts": ["endless"]},
               (BEYOND,)),
        Mutant("weights at half the temperature", {"weights": 2.0, "parts": ["finite"]},
               (PICKED,)),
        Mutant("the official third order", {"official": True, "parts": ["finite"]}, (ORDER,)),
        Mutant("errors against noisy answers", {"noisy": 0.1, "parts": ["harder"]},
               (SLOPES, SOME)),
        Mutant("the mean over prompts inside the exponential", {"order": "mean",
                                                                "parts": ["harder"]}, (LEVEL,)),
        Mutant("the tilted law at half the temperature", {"tilted": 2.0, "parts": ["endless"]},
               (ENDLESS,)),
        Mutant("T read as 2 s^2 T, in the plane", {"colder": 2.0, "parts": ["finite"]}, (PLANE,)),
        Mutant("the ridge is not renormalised", {"renormalised": False, "parts": ["regression"]},
               (NAMES.learned, NAMES.variance)),
        Mutant("the estimate's noise is left out", {"estimate": False, "parts": ["regression"]},
               (NAMES.offset,)),
    ),
)  # fmt: skip
def judge_scaling(
    *,
    parts: tuple[str, ...] | list[str] = ("nearest", "endless", "finite", "harder", "regression"),
    problems: int = 400,
    drawn: int = 100_000,
    nodes: int = 160,
    fits: int = 12,
    sizes: tuple[int, ...] | list[int] = (25, 50, 100, 200, 400),
    pictures: bool = True,
    goal: str = "truth",
    criterion: str = "2ab",
    charged: str = "bias",
    counted: str = "(k+1)(k+2)",
    remedy: str = "exact",
    teacher: bool = False,
    tilted: float = 1.0,
    weights: float = 1.0,
    colder: float = 1.0,
    official: bool = False,
    noisy: float = 0.0,
    order: str = "exponential",
    renormalised: bool = True,
    estimate: bool = True,
    seed: int = 0,
) -> Result:
    """problems : random judges; drawn : samples of a simulation; nodes : of the rule over prompts.

    fits, sizes : regressions of each number of features; parts, pictures : what is run; the others
    are broken by mutants.
    """
    made = {
        "nearest": lambda: nearest(draws(seed), problems, drawn, goal, criterion, charged, counted),
        "endless": lambda: endless(draws(seed, 1), remedy, teacher, tilted),
        "finite": lambda: finite(draws(seed, 2), drawn, official, weights, colder),
        "harder": lambda: harder(draws(seed, 3), drawn, nodes, noisy, order),
        "regression": lambda: regression(draws(seed, 4), fits, sizes, renormalised, estimate),
        "pictures": warm_pictures,
    }
    shown = (*parts, *(["pictures"] if pictures else []))
    return run_parts(made, shown, notes=(
        "The official code's third order in 1/T is right only for many draws; for two its error is "
        "of the third order itself.",
        "The official offset leaves out the noise of the estimate: a factor of 4 at d/n = 1/2.",
    ))  # fmt: skip
