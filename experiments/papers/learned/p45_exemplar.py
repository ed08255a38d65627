"""ExTrans: paid for beating an exemplar; one language in full, the others for their form."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.bandits import follow, sigmoid
from toyrl.experiments.lab.curves import lines, root
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.hacked import who_hacks_what
from toyrl.experiments.lab.mutants import pick, replaced
from toyrl.experiments.lab.routes import CLOSED, ENUMERATED, SIMULATED, alone, apart, missed
from toyrl.graders.judged.comparisons import comparison_grades
from toyrl.rollouts import Rollouts
from toyrl.shapers.judge.bounded import JudgeCentred, JudgeRaw
from toyrl.shapers.judge.exemplar import (
    THRESHOLDS,
    Exemplar,
    multilingual_reward,
    translation_reward,
)
from toyrl.theory.learned import exemplar as law

Array = Any
Items = Iterator[Check | Table | Picture]
TAU, G, RATE, AHEAD, SPREAD = 0.5, 8, 0.02, 1.0, 2.0
DELTAS = np.arange(-4.0, 5.0)
ARMS = {
    "faithful literary": (1, 5, 1, 0.78), "literal": (1, 3, 1, 0.82),
    "poor, long thought": (1, 1, 2, 0.50), "excellent, with commentary": (0, 5, 2, 0.80),
    "copy of the exemplar": (1, 3, 2, 0.79),
}  # fmt: skip
"""Format, grade, analysis, quality estimate."""
ANSWERS = ("clearly better", "Grade: 2", "3", "I can't decide.", "", "4/5", "6", "worse")
SAID = (5.0, 2.0, 3.0, np.nan, np.nan, 4.0, np.nan, 1.0)

SIM_LIVE = "a: P(the group's grades differ) over delta, sampled and closed, largest gap"
SIM_CORR = "a: correlation of grade and quality over delta, the same"
SIM_DRIFT = "a: slope of the mean grade, difference quotient and closed, largest gap"
FLAT = "a: live under exemplars at the policy's level, over spreads of difficulty, largest gap"
SPREAD_LIVE = "a: live under an absolute scale over spreads of difficulty, largest gap"
SPREAD_CORR = "a: correlation under an absolute scale, the same"
FAR = "a: live with an exemplar 3 above or below the policy"
COPY = "a: grade of a copy of the exemplar less 3, over 9 levels"
CENTRED = "a: without thresholds, advantages with and without exemplar, largest gap"
USELESS = "a: live of a judge that always says the same"
GAIN = "b: ascent, mean gain under exemplars over that under an absolute scale"
EVEN = "b: ascent, spread of the gain over sources under exemplars"
WHO = "c: maximisers of thought, estimate, comparison without gate and the whole that are not so"
BEST = "c: r_all of the literary translation"
NEXT = "c: r_all of the next one, the copy"
SUMMAND = "c: weight below which format as a summand lets the commentary win"
UNREAD = "c: judge's answers that are read wrongly, of 8"
COUNTED = "c: share of answers that can't be read"
GRADIENT = "d: gradient of the objective, against its difference quotient over outcomes"
COLLAPSE = "d: right language and quality elsewhere, the pivot paid alone"
CARRIED = "d: the same with the lightweight reward"

ends = alone("exact ascent", "the end of an ascent has no closed form; its gradient has two routes")


# -- rules -----------------------------------------------------------------------------------------
def near(self: Exemplar, r: Rollouts) -> tuple[Array, Array]:
    """Mutant: paid for likeness to the exemplar."""
    del self
    gap = np.abs(r.fields["judge"] - r.fields["judge_references"][..., 0])
    return 5.0 - sum((gap > s) * 1.0 for s in (0.25, 0.5, 1.0, 1.5)), gap < np.inf


def one_for_all(self: Exemplar, r: Rollouts) -> tuple[Array, Array]:
    """Mutant: one global exemplar, at level 0, instead of one for each source."""
    zero = 0 * r.fields["judge_references"]
    return Exemplar.comparison(self, r.with_(judge_references=zero))


def silent(self: Exemplar, r: Rollouts) -> tuple[Array, Array]:
    """Mutant: the judge answers 3 whatever it is shown."""
    del self
    return 0 * r.fields["judge"] + 3, r.w < np.inf


RULES: dict[str, type[Exemplar]] = {
    "over": Exemplar, "likeness": replaced(Exemplar, comparison=near),
    "one exemplar": replaced(Exemplar, comparison=one_for_all),
    "constant": replaced(Exemplar, comparison=silent),
}  # fmt: skip
FORMS = {
    "deviation": law.corr,
    "variance": lambda d, s, tau: law.corr(d, s, tau) ** 2 / np.maximum(
        tau * law.drift(d, s, tau), 1e-300),
}  # fmt: skip


def judged(q: Array, q_ex: Array) -> Rollouts:
    """(B, G) rollouts of qualities q and exemplars of q_ex (B,), all in good form."""
    zero = np.zeros_like(q)
    reference = np.broadcast_to(np.asarray(q_ex, dtype=float)[:, None, None], (*q.shape, 1))
    fields = {"judge": q, "judge_references": reference, "format": zero + 1}
    return Rollouts(zero, zero + 1, 10.0, fields=fields)


def paid(shaper: Exemplar, q: Array, q_ex: Array) -> np.ndarray:
    """(B, G) grades as the shaper pays them."""
    spend(np.size(q))
    return np.asarray(shaper.reward(judged(q, q_ex)))


def signal(grade: Array, q: Array, mu: Array) -> tuple[float, float]:
    """Share of groups (B, G) whose grades differ, and correlation of grade and q in the groups."""
    x, y = grade - grade.mean(), q - np.asarray(mu)[..., None]
    size = np.sqrt((x**2).sum() * (y**2).sum())
    return float((np.ptp(grade, axis=-1) > 0).mean()), float((x * y).sum() / size) if size else 0.0


# -- (a) what a group can learn --------------------------------------------------------------------
def signals(shaper: Exemplar, form: Callable[..., Any], tau: float, groups: int, rng: Any) -> Items:
    """Closed forms over delta, against groups that are drawn and paid by the shaper."""
    drawn = []
    for delta in DELTAS:
        d = rng.normal(0, SPREAD, groups)  # how hard the source is, which the exemplar absorbs
        q = d[:, None] + delta + TAU * rng.standard_normal((groups, G))
        grade = paid(shaper, q, d)
        drawn.append(signal(grade, q, d + delta))
    live, corr = (np.array(x) for x in zip(*drawn, strict=True))
    closed = law.live(DELTAS, THRESHOLDS, tau, G), form(DELTAS, THRESHOLDS, tau)
    routes = (CLOSED, SIMULATED)
    yield apart(SIM_LIVE, live, closed[0], 4 * 0.5 / np.sqrt(groups), routes)
    # From +-3 on a grade in a thousand or fewer differs: too few for a sampled correlation. 0.01
    # for 20,000 groups is over 4 standard errors.
    yield apart(SIM_CORR, corr[2:-2], closed[1][2:-2], 1.4 / np.sqrt(groups), routes)
    slope = law.drift(DELTAS, THRESHOLDS, tau)
    step = 1e-5
    mean = [law.grade_law(DELTAS + h, THRESHOLDS, TAU) @ np.arange(1, 6) for h in (-step, step)]
    yield apart(SIM_DRIFT, slope, (mean[1] - mean[0]) / (2 * step), 1e-8,
                (CLOSED, "difference quotient"))  # fmt: skip
    yield Table("signal of a group", ("delta", "live", "sampled", "corr", "sampled "),
                [[float(v) for v in row] for row in
                 zip(DELTAS, closed[0], live, closed[1], corr, strict=True)])  # fmt: skip
    grid = np.linspace(-4, 4, 161)
    yield lines("signal", "An exemplar is worth something near the policy",
                ("mu - q_ex", "share, correlation"),
                {"P(grades differ)": law.live(grid, THRESHOLDS, TAU, G),
                 "correlation with quality": law.corr(grid, THRESHOLDS, TAU)}, x=grid.tolist(),
                caption=f"Five grades, groups of {G}, spread of quality {TAU:g}.")  # fmt: skip


def spreads(shaper: Exemplar, scale: float, groups: int, rng: Any) -> Items:
    """Sources of different difficulty: exemplars at the policy's level, and an absolute scale."""
    widths, rows = (0.0, 1.0, 2.0, 3.0), []
    for width in widths:
        d = rng.normal(0, width, groups)
        q = d[:, None] + TAU * rng.standard_normal((groups, G))
        relative, fixed = paid(shaper, q, d), paid(Exemplar(), q, 0 * d)
        within = np.mean([np.ptp(x, axis=-1) > 0 for x in (relative, fixed)], axis=-1)
        each = law.corr(d, THRESHOLDS, TAU)
        rows.append([width, *within, law.live_absolute(THRESHOLDS, TAU, G, scale * width),
                     float(each.mean()),
                     law.corr_absolute(THRESHOLDS, TAU, scale * width)])  # fmt: skip
    _, relative, fixed, closed, drawn, corr = (np.array(x) for x in zip(*rows, strict=True))
    routes, room = (CLOSED, SIMULATED), 4 * 0.5 / np.sqrt(groups)
    same = law.live(0.0, THRESHOLDS, TAU, G)
    yield apart(FLAT, relative, np.full(4, same), room, routes)
    yield apart(SPREAD_LIVE, fixed, closed, room, routes)
    yield apart(SPREAD_CORR, drawn, corr, room, ("quadrature", "mean over drawn sources"))
    yield Table("difficulty of the sources", ("sd of difficulty", "live, exemplar",
                "live, absolute", "closed", "corr, absolute", "closed "), rows)  # fmt: skip
    grid = np.linspace(0, 4, 41)
    yield lines("difficulty", "An absolute scale falls silent as sources differ",
                ("standard deviation of difficulty", "P(grades in a group differ)"),
                {"absolute": [law.live_absolute(THRESHOLDS, TAU, G, x) for x in grid],
                 "exemplar": np.full(41, same)}, x=grid.tolist(), dashed=["exemplar"])  # fmt: skip


def limits(shaper: Exemplar, raw: str, far: float, control: float, rng: Any) -> Items:
    """A far exemplar, a copy, scores without thresholds and a judge that says nothing."""
    q = 2 * DELTAS[:, None] + TAU * rng.standard_normal((9, G))
    ends = law.live(np.array([-far, far]), THRESHOLDS, TAU, G)
    yield Check(FAR, float(ends.max()), 0.02, "<", routes=("closed form",),
                why_one_route="the same number is sampled above")  # fmt: skip
    copy = paid(shaper, np.repeat(DELTAS[:, None], G, 1), DELTAS)
    yield apart(COPY, copy, np.full_like(copy, 3.0), 0.0, ("shaper", "definition"))
    r = judged(q, 1.5 * DELTAS)
    centred = pick({"difference": JudgeCentred, "graded": Exemplar}, raw)()
    both = [np.asarray(s.reward(r)) for s in (JudgeRaw(), centred)]
    first, second = (x - x.mean(-1, keepdims=True) for x in both)
    yield apart(CENTRED, first, second, 1e-12, ("judge_raw", "judge_centred"))
    said = paid(RULES["constant"](), q, DELTAS) + control * (q > 0)
    alive, follows = signal(said, q, 2 * DELTAS)
    yield Check(USELESS, max(alive, abs(follows)), 0.0, "==", routes=("enumeration",),
                why_one_route="no spread, no signal: by definition")  # fmt: skip


# -- (b) ascent ------------------------------------------------------------------------------------
def ascents(own: bool, updates: int, sources: int, rng: Any) -> Items:
    """mu climbs the slope of its mean grade: sources (S,), exemplars one ahead of the policy."""
    d = rng.normal(0, SPREAD, sources)
    middle = {"exemplar": d + AHEAD if own else 0 * d + AHEAD, "absolute": 0 * d}

    def step(mu: np.ndarray, _: int) -> np.ndarray:
        return mu + RATE * np.array(
            [law.drift(x - m, THRESHOLDS, TAU) for x, m in zip(mu, middle.values(), strict=True)]
        )

    path = follow(step, np.stack([d, d]), updates) - d
    gain = path[-1].mean(-1)
    yield ends(GAIN, float(gain[0] / gain[1]), 1.3, ">=")
    yield ends(EVEN, float(np.ptp(path[-1, 0])), 1e-9)
    yield Table("ascent", ("graded", "mean gain", "least", "largest"),
                [[n, float(x.mean()), float(x.min()), float(x.max())]
                 for n, x in zip(middle, path[-1], strict=True)])  # fmt: skip
    yield lines("ascent", "Every source climbs alike under its own exemplar",
                ("update", "gain in quality"),
                {n: (np.arange(updates + 1), x.mean(-1), *np.quantile(x, (0.1, 0.9), -1))
                 for n, x in zip(middle, path.swapaxes(0, 1), strict=True)},
                caption=f"{sources} sources of difficulty N(0, {SPREAD:g}^2); "
                "bands: 10 to 90 %.")  # fmt: skip


# -- (c) who hacks what ----------------------------------------------------------------------------
def summed(weight: float, alpha: float) -> np.ndarray:
    """(5,) the whole reward of the arms, had format been one summand among others."""
    form, *rest = np.array(list(ARMS.values()), dtype=float).T
    return weight * form + translation_reward(np.ones_like(form), *rest, alpha=alpha)


def hacks(gate: bool, alpha: float, unread: str) -> Items:
    """Maximisers of each part alone and of the whole; a judge's answers that can't be read."""
    form, grade, thought, estimate = np.array(list(ARMS.values()), dtype=float).T
    whole = translation_reward(form, grade, thought, estimate, alpha=alpha)
    whole = whole if gate else summed(0.5, alpha)  # mutant: a summand
    columns = {"thought": thought, "quality estimate": estimate, "comparison, no gate": grade,
               "whole": whole}  # fmt: skip
    found = who_hacks_what(tuple(ARMS), columns, form * grade)
    want = np.array([[0, 0, 1, 1, 1], [0, 1, 0, 0, 0], [1, 0, 0, 1, 0], [1, 0, 0, 0, 0]], bool)
    yield missed(WHO, found.best, want, (ENUMERATED, "by hand"))
    top = np.sort(whole)[::-1]
    hand = (ENUMERATED, "by hand")
    yield apart(BEST, top[0], 6.28, 1e-12, hand)
    yield apart(NEXT, top[1], 4.79, 1e-12, hand)
    lead = root(lambda w: float(summed(w, alpha) @ [1, 0, 0, -1, 0]), 0.0, 5.0)
    yield apart(SUMMAND, lead, 6.80 - 6.28, 1e-9, ("root", "by hand"))
    yield Table(
        "who hacks what",
        ("text", *columns),
        [[n, *map(float, x)] for n, x in zip(ARMS, found.values.T, strict=True)],
    )
    yield found.picture("who", "Each part alone is hacked", "True utility: the grade "
                        "of a text that holds the format.")  # fmt: skip
    grades, share = comparison_grades(ANSWERS)
    if unread == "tie":  # mutant: what can't be read counts as equal
        grades, share = np.nan_to_num(grades, nan=3.0), 0.0
    wrong = ~((grades == SAID) | (np.isnan(grades) & np.isnan(SAID)))
    yield missed(UNREAD, wrong, np.zeros(len(SAID), bool), ("grader", "by hand"))
    yield apart(COUNTED, share, 3 / 8, 1e-15, ("grader", "by hand"))


# -- (d) one pivot ---------------------------------------------------------------------------------
def objective(x: Array, light: float) -> float:
    """Mean reward of logits (a, z, v_0 .. v_D), over all outcomes, by `multilingual_reward`.

    sigmoid(a) : a good translation; sigmoid(v_0 + z), sigmoid(v_d - z) : the right language
    """
    good, said = (y.ravel() for y in np.meshgrid([0.0, 1.0], [0.0, 1.0]))
    total, z = 0.0, np.append(x[2] + x[1], x[3:] - x[1])
    for d, logit in enumerate(z):
        chance = np.where(good > 0, sigmoid(x[0]), sigmoid(-x[0])) * np.where(
            said > 0, sigmoid(logit), sigmoid(-logit)
        )
        r = multilingual_reward(good * said, said * 0 + 1, said, said * 0 + (d == 0))
        total += (1.0 if d == 0 else light / (len(z) - 1)) * float(chance @ r)
    return total


def gradient(x: Array, light: float) -> np.ndarray:
    """(D + 3,) gradient of `objective`."""
    a, right, other = sigmoid(x[0]), sigmoid(x[2] + x[1]), sigmoid(x[3:] - x[1])
    pivot, rest = a * right * (1 - right), light * other * (1 - other) / len(other)
    return np.array([a * (1 - a) * right, pivot - rest.sum(), pivot, *rest])


def transfer(light: float, rival: float, updates: int, rng: Any) -> Items:
    """Exact ascent from a = -1, z = v = 0, the light reward at each weight."""
    start = np.array([-1.0, *np.zeros(6)])
    x, step = rng.normal(size=7), 1e-5
    quotient = [
        (objective(x + h, 1.0) - objective(x - h, 1.0)) / (2 * step) for h in step * np.eye(7)
    ]
    yield apart(GRADIENT, gradient(x, light), quotient, 1e-8, (CLOSED, "difference quotient"))
    curves, rows = {}, []
    for name, weight in (("pivot alone", rival), ("with the lightweight reward", light)):
        path = follow(lambda y, _, w=weight: y + 0.5 * gradient(y, w), start, updates)
        quality = sigmoid(path[:, 0])
        language = sigmoid(path[:, 3:] - path[:, 1:2]).mean(-1)
        rows.append([name, float(quality[-1]), float(language[-1])])
        curves[f"{name}: quality"], curves[f"{name}: right language elsewhere"] = quality, language
    yield ends(COLLAPSE, rows[0][1] * rows[0][2], 0.1)
    yield ends(CARRIED, rows[1][1] * rows[1][2], 0.95, ">=")
    yield Table("transfer", ("reward", "quality", "right language elsewhere"), rows)
    yield lines("transfer", "Without a language check all is written in one language",
                ("update", "chance"), curves,
                dashed=[n for n in curves if n.endswith("quality")])  # fmt: skip


@experiment(
    "45",
    card="45",
    slug="extrans",
    claim="A grade over an exemplar keeps its signal however hard the source is, where an absolute "
    "scale falls silent, as long as the exemplar is near the policy. Behind a format gate the "
    "whole reward has the good translation as its only maximiser. Quality paid in one language "
    "carries over to others if format and language are checked there; else their language is lost.",
    source="reward; gate and linear form of DeepTrans; closed forms and toys derived",
    provenance="reconstructed",
    smoke={"groups": 1000},
    mutants=[
        Mutant("likeness to the exemplar", {"rule": "likeness", "parts": "a"}, (SIM_CORR, COPY)),
        Mutant("one exemplar for all sources", {"rule": "one exemplar", "parts": "ab"},
               (SIM_LIVE, SIM_CORR, FLAT, COPY, EVEN, GAIN)),
        Mutant("a judge that says 3", {"rule": "constant", "parts": "a"},
               (SIM_LIVE, SIM_CORR, FLAT)),
        Mutant("variance for deviation", {"form": "variance", "parts": "a"}, (SIM_CORR,)),
        Mutant("another spread of quality", {"tau": 0.6, "parts": "a"}, (SIM_LIVE, SIM_DRIFT)),
        Mutant("half the spread of difficulty", {"scale": 0.5, "parts": "a"},
               (SPREAD_LIVE, SPREAD_CORR)),
        Mutant("an exemplar 2 away", {"far": 2.0, "parts": "a"}, (FAR,)),
        Mutant("thresholds in the difference", {"raw": "graded", "parts": "a"}, (CENTRED,)),
        Mutant("the constant judge peeks", {"control": 1.0, "parts": "a"}, (USELESS,)),
        Mutant("format as a summand of 0.5", {"gate": False, "parts": "c"}, (WHO, BEST, NEXT)),
        Mutant("analysis weighs twice as much", {"alpha": 1.0, "parts": "c"},
               (BEST, NEXT, SUMMAND)),
        Mutant("unread is equal", {"unread": "tie", "parts": "c"}, (UNREAD, COUNTED)),
        Mutant("no reward elsewhere", {"light": 0.0, "parts": "d"}, (GRADIENT, CARRIED)),
        Mutant("the rival checks languages", {"rival": 1.0, "parts": "d"}, (COLLAPSE,)),
    ],
)  # fmt: skip
def run(
    *,
    rule: str = "over",
    form: str = "deviation",
    tau: float = TAU,
    scale: float = 1.0,
    far: float = 3.0,
    raw: str = "difference",
    control: float = 0.0,
    gate: bool = True,
    alpha: float = 0.5,
    unread: str = "nan",
    light: float = 1.0,
    rival: float = 0.0,
    groups: int = 20000,
    sources: int = 200,
    climb: int = 400,
    updates: int = 2000,
    parts: str = "abcd",
    seed: int = 0,
) -> Result:
    """Signal of graded groups, ascent, maximisers, one pivot language.

    groups : drawn for each delta; sources, climb : of the ascent; updates : of the transfer
    parts : which of a to d are run
    rule, form, tau, scale, far, raw, control, gate, alpha, unread, light, rival : for mutants
    """
    shaper = pick(RULES, rule)()
    todo: dict[str, Callable[[], list[Items]]] = {
        "a": lambda: [
            signals(shaper, pick(FORMS, form), tau, groups, draws(seed, 0)),
            spreads(shaper, scale, groups, draws(seed, 1)),
            limits(shaper, raw, far, control, draws(seed, 2)),
        ],
        "b": lambda: [ascents(rule != "one exemplar", climb, sources, draws(seed, 3))],
        "c": lambda: [hacks(gate, alpha, unread)],
        "d": lambda: [transfer(light, rival, updates, draws(seed, 4))],
    }
    found = [x for part in parts for items in todo[part]() for x in items]
    checks, tables, pictures = (
        tuple(x for x in found if isinstance(x, kind)) for kind in (Check, Table, Picture)
    )
    return Result(checks, pictures, tables)  # pyright: ignore[reportArgumentType]
