"""Train long, think short: a triangle at a token budget, tightened in steps that keep its pull."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.experiments.lab.bandits import follow, sigmoid
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.lengths import expected, payments
from toyrl.experiments.lab.mutants import pick, replaced
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import apart, missed
from toyrl.experiments.lab.shared import shared
from toyrl.rollouts import Rollouts
from toyrl.shapers.compose import Gated, OnTrace
from toyrl.shapers.format import Formatted
from toyrl.shapers.length.budget import TokenBudget
from toyrl.shapers.outcome import Outcome
from toyrl.shapers.schedules import Constant, Decay, Stairs
from toyrl.theory.length import budget as theory

Array = Any
FIRST, LAST, STEPS = 256.0, 87.0, 600
SPREAD, SKILL, PACE, RATE = 20.0, 60.0, 4000.0, 0.05
"""Spread of lengths, tokens that show 63 % of the skill, step sizes of length and skill."""
RIGHT, LENGTH = 0.6, 0.3
GAMMAS = (0.34, 0.5, 0.6, 0.7, 0.857, 1.0)
GRID = SPREAD * np.linspace(-6, 6, 601)
SCHEDULES: dict[str, Any] = {
    "fixed": Constant(LAST),
    "one cut": Stairs(FIRST, LAST, 1, STEPS),
    "three cuts": Stairs(FIRST, LAST, 3, STEPS),
    "seven cuts": Stairs(FIRST, LAST, 7, STEPS),
    "three equal cuts": Stairs(FIRST, LAST, 3, STEPS, geometric=0),
}
FAR, NEAR = 258.0, 150.0  # tokens, outside the triangle and inside
COURSES = (*((FAR, n) for n in SCHEDULES), *((NEAR, n) for n in tuple(SCHEDULES)[:3]))
CARRY = "A: pay at the old budget after a decay, shaper against max(0, 2 - 1/gamma)"
BUDGETS = "A: budgets along the run, from their definition"
ABOVE = "A: equal cuts lie above geometric ones in between, misses"
TRACE = "A: pay by the thinking alone, a tag and an answer behind it, largest error"
WHOLE = "A: reward of right and wrong rollouts, from its definition"
SLOPE = "B: pull on the mean length, closed form against shaper and differences"
STUCK = "B: from 258 tokens: least final length under a fixed budget and one cut"
DOWN = "B: from 258 tokens: final lengths of the curricula, farthest from 100"
TWICE = "B: final lengths and accuracies, closed pull against the shaper's"
GAIN = "B: from 150 tokens: accuracy, three cuts less fixed, within [0.01, 0.03]: from 0.02"
LEVEL = "B: from 150 tokens: difference of the two final lengths"
LINEAR = "B: accuracy at the end, equal less geometric cuts"
CLOCK = "B: skill clock against the time that length gave it"
BAND = "C: best lengths of triangle and band with and without a price per token, misses"


# -- broken rules ----------------------------------------------------------------------------------
def slower(self: TokenBudget, r: Rollouts, _: Any) -> Mapping[str, Array]:
    """Mutant: beyond the budget the pay falls half as fast."""
    share = r.length / self.budget
    return {
        "token_budget": self.alpha * np.where(share <= 1, share, np.maximum(1.5 - share / 2, 0))
    }


class Rounded(Stairs):
    """Mutant: cuts come at the nearest multiple instead of after it."""

    def __call__(self, step: Any) -> Any:
        return Stairs.__call__(self, step + self.steps / (self.decays + 1) / 2)


SHAPES: dict[str, Any] = {"triangle": TokenBudget, "slower": replaced(TokenBudget, parts=slower)}
WRAPS: dict[str, Any] = {"thinking": OnTrace, "completion": lambda term: term}
STAIRS: dict[str, Any] = {"floor": Stairs, "round": Rounded}


# -- A: the pay ------------------------------------------------------------------------------------
def long(n: np.ndarray) -> Rollouts:
    """(1, N) rollouts of these lengths, half of them right."""
    return Rollouts((np.arange(n.size) % 2)[None] * 1.0, n[None], 512.0)


def traced(wrap: Any, n: np.ndarray) -> np.ndarray:
    """(N,) pay of rollouts that think n tokens, close the tag and answer in 40 more."""
    place, k = np.arange(int(n.max()) + 41), n[:, None]
    mask, marks = (place < k + 41) * 1.0, (place == k) * 1.0
    r = long(n + 41).with_(mask=mask[None], think_end=marks[None])
    return np.asarray(wrap(TokenBudget(LAST, LENGTH)).reward(r))[0]


def definitions(shape: Any, stairs: Any, gated: bool, wrap: Any, swaps: Mapping[str, str]
                ) -> Items:  # fmt: skip
    """Carry-over, schedules and the whole reward, each from its definition."""
    kept = [payments(shape(g * FIRST), np.array([FIRST]), 1e4)[0, 0] for g in GAMMAS]
    at = np.arange(0, STEPS + 100, 10)
    found = [[stairs(FIRST, LAST, n, STEPS)(float(t)) for t in at] for n in (1, 3, 7)]
    want = [[FIRST * (LAST / FIRST) ** (min(t * (n + 1) // STEPS, n) / n) for t in at]
            for n in (1, 3, 7)]  # fmt: skip
    found += [[Decay(FIRST, 0.7, 150)(float(t)) for t in at]]
    want += [[max(1.0, FIRST * 0.7 ** (t // 150)) for t in at]]
    equal, ratio = (np.array([SCHEDULES[swaps.get(n, n)](float(t)) for t in at])
                    for n in ("three equal cuts", "three cuts"))  # fmt: skip
    inside = (at >= 150) & (at < 450)
    n = np.array([0.0, 40, 87, 130, 174, 300])
    term = TokenBudget(LAST, LENGTH)
    paid = payments(RIGHT * Outcome() + (Gated(term) if gated else term) + 0.1 * Formatted(),
                    n, 512.0, format=0.5)  # fmt: skip
    triangle = LENGTH * np.where(n <= LAST, n / LAST, np.maximum(1 - (n - LAST) / LAST, 0))
    yield apart(CARRY, kept, theory.budget_carry_over(np.array(GAMMAS)), 1e-12)
    yield apart(BUDGETS, found, want, 1e-9, ("schedule", "definition"))
    yield missed(ABOVE, equal > ratio + 1e-9, inside, ("schedule", "definition"))
    yield apart(TRACE, traced(wrap, n), shape(LAST, LENGTH).reward(long(n))[0], 1e-12,
                ("thinking of each length", "shorter rollouts"))  # fmt: skip
    yield apart(WHOLE, paid, [RIGHT + triangle + 0.05, triangle + 0.05], 1e-12)
    rows = [[g, float(theory.budget_carry_over(g)), k] for g, k in zip(GAMMAS, kept, strict=True)]
    yield Table("carry", ("decay", "share of the peak kept", "by the shaper"), rows)


# -- B: lengths and skill --------------------------------------------------------------------------
def shown(mean: Array) -> np.ndarray:
    """Share of the skill that shows at a mean length."""
    return 1 - np.exp(-mean / SKILL)


def pull_by_shaper(shape: Any) -> Callable[[Array, Array], np.ndarray]:
    """Slope of the mean pay in the mean length: the pay times the score, summed over a grid."""
    z = GRID / SPREAD
    chance = np.exp(-0.5 * z**2)
    chance = chance / chance.sum()

    def pull(mean: Array, budget: Array) -> np.ndarray:
        length = np.maximum(np.asarray(mean)[:, None] + GRID, 0.0)
        r = Rollouts(np.ones_like(length), length, 1e6)
        target = np.broadcast_to(np.asarray(budget, dtype=float)[:, None], length.shape)
        spend(UPDATE + length.size)
        return (shape(target).reward(r) * chance * z / SPREAD).sum(-1)

    return pull


def closed_pull(mean: Array, budget: Array) -> np.ndarray:
    """The same in closed form."""
    return theory.budget_pull(mean, SPREAD, budget)


@shared
def courses(shape: str, flat: bool) -> np.ndarray:
    """(STEPS + 1, 2, S) mean length and skill's logit of each of `COURSES`.

    shape : of `SHAPES`, whose pull is felt, or "" for that in closed form
    flat : mutant, skill is learned at one pace whatever the length
    """
    chosen, starts = [SCHEDULES[n] for _, n in COURSES], [start for start, _ in COURSES]
    pull = pull_by_shaper(pick(SHAPES, shape)) if shape else closed_pull

    def step(x: np.ndarray, k: int) -> np.ndarray:
        mean, u = x
        a = sigmoid(u)
        own = pull(mean, np.array([f(k) for f in chosen]))
        longer = LENGTH * own + RIGHT * a * np.exp(-mean / SKILL) / SKILL
        gain = RATE * RIGHT * a * (1 - a) * (shown(100.0) if flat else shown(mean))
        return np.array([mean + PACE * longer, u + gain])

    return follow(step, np.array([starts, [-1.0] * len(starts)]), STEPS)


def course(shape: str, names: tuple[str, ...], start: float, flat: bool) -> np.ndarray:
    """The same from one start under the schedules of these names."""
    return courses(shape, flat)[..., [COURSES.index((start, n)) for n in names]]


def training(shape: str, swaps: Mapping[str, str], flat: bool) -> Items:
    """The mean field from 258 tokens, outside the triangle, and from 150, inside."""
    names = tuple(swaps.get(n, n) for n in SCHEDULES)
    two = (names[0], names[2])
    far, near = ([course(x, who, start, flat) for x in ("", shape)]
                 for who, start in ((names, FAR), (two, NEAR)))  # fmt: skip
    means = np.array([40.0, 87, 120, 174, 200, 258])
    budget, h = np.full(means.size, LAST), 1e-3
    ahead, behind = (theory.budget_pay(means + x, SPREAD, budget) for x in (h, -h))
    slopes = [pull_by_shaper(pick(SHAPES, shape))(means, budget), (ahead - behind) / (2 * h)]
    yield apart(SLOPE, slopes, [closed_pull(means, budget)] * 2, 1e-6, ("closed form", "shaper"))
    end = np.array([x[-1, 0] for x in far])
    accuracy = np.array([sigmoid(x[-1, 1]) * shown(x[-1, 0]) for x in far])
    both = ("closed form", "shaper")
    yield apart(TWICE, [end[0], 100 * accuracy[0]], [end[1], 100 * accuracy[1]], 0.05, both)
    yield Check(STUCK, float(end[:, :2].min()), 200, ">", routes=both)
    yield Check(DOWN, float(np.abs(end[:, 2:] - 100).max()), 10, routes=both)
    own = np.array([sigmoid(x[-1, 1]) * shown(x[-1, 0]) for x in near])
    gain = own[:, 1] - own[:, 0]
    yield Check(GAIN, float(np.abs(gain - 0.02).max()), 0.01, routes=both)
    yield Check(LEVEL, float(max(np.ptp(x[-1, 0]) for x in near)), 2.0, routes=both)
    yield Check(LINEAR, float((accuracy[:, 4] - accuracy[:, 2]).min()), 0.0, ">", routes=both)
    clock = theory.skill_clock(far[0][:, 1])
    given = RATE * RIGHT * np.cumsum(shown(far[0][:-1, 0]), axis=0)
    yield apart(CLOCK, clock[1:] - clock[:1], given, 2e-2, ("closed form", "updates"))
    rows = [["258", n, float(m), float(a)]
            for n, m, a in zip(names, end[0], accuracy[0], strict=True)]  # fmt: skip
    rows += [["150", n, float(m), float(a)]
             for n, m, a in zip(two, near[0][-1, 0], own[0], strict=True)]  # fmt: skip
    yield Table("ends", ("start", "budget", "mean length", "accuracy"), rows)
    t = np.arange(STEPS + 1)
    yield lines("budget", "Budgets", ("update", "tokens"),
                {n: np.array([SCHEDULES[n](k) for k in t.tolist()]) for n in names})  # fmt: skip
    yield lines("length", "Mean length from 258 tokens", ("update", "tokens"),
                {n: far[0][:, 0, i] for i, n in enumerate(names)})  # fmt: skip
    yield lines("accuracy", "Accuracy from 258 tokens", ("update", "accuracy"),
                {n: sigmoid(far[0][:, 1, i]) * shown(far[0][:, 0, i]) for i, n in enumerate(names)},
                caption="Longer answers show more skill.")  # fmt: skip


# -- C: triangle and band --------------------------------------------------------------------------
def ablation(band: float) -> Items:
    """Best lengths where accuracy is flat from a quarter of the budget on, by enumeration."""
    n, found, want = np.arange(1, 513.0), [], []
    for budget in (32, 64, 128, 256):
        flat = budget // 4
        success = np.minimum(n / flat, 1.0)
        for kind in (0.0, band):
            shaper = RIGHT * Outcome() + TokenBudget(budget, LENGTH, band=kind)
            value = expected(shaper, n, success, 512.0)
            priced = value - 0.5 * LENGTH / budget * n
            found.append([int((value > value.max() - 1e-12).sum()), n[np.argmax(priced)]])
        want += [[1, budget], [budget - flat + 1, flat]]
    yield missed(BAND, found, want)


@experiment(
    "17",
    card="17",
    slug="curriculum-budget",
    claim="A policy beyond twice the budget feels no pull on its length, so a fixed budget or one "
    "large cut compresses nothing where small cuts do; at one final length the curriculum ends "
    "more accurate, and a band in the place of the triangle over-compresses.",
    source="sections 3.3 to 4.5; the dead-zone law, the mean field and its clock derived",
    provenance="derived",
    smoke={},
    mutants=[
        Mutant("the far side falls half as fast", {"shape": "slower"},
               (CARRY, SLOPE, TWICE, STUCK)),
        Mutant("paid to right answers alone", {"gated": True, "parts": "A"}, (WHOLE,)),
        Mutant("the answer counted with the thinking", {"counted": "completion", "parts": "A"},
               (TRACE,)),
        Mutant("cuts at the nearest multiple", {"stairs": "round", "parts": "A"}, (BUDGETS,)),
        Mutant("no curriculum", {"swaps": {"three cuts": "fixed"}, "parts": "B"}, (DOWN, GAIN)),
        Mutant("small cuts in the place of one", {"swaps": {"one cut": "seven cuts"}, "parts": "B"},
               (STUCK,)),
        Mutant("geometric cuts called equal",
               {"swaps": {"three equal cuts": "three cuts"}, "parts": "AB"}, (ABOVE, LINEAR)),
        Mutant("one cut in the place of three", {"swaps": {"three cuts": "one cut"}, "parts": "B"},
               (DOWN, LEVEL)),
        Mutant("skill learned at one pace", {"flat": True, "parts": "B"}, (GAIN, CLOCK)),
        Mutant("the triangle in the place of the band", {"band": 0.0, "parts": "C"}, (BAND,)),
    ],
)  # fmt: skip
def run(
    *,
    shape: str = "triangle",
    stairs: str = "floor",
    gated: bool = False,
    counted: str = "thinking",
    swaps: Mapping[str, str] | None = None,
    flat: bool = False,
    band: float = 1.0,
    parts: str = "ABC",
    seed: int = 0,
) -> Result:
    """Pay and schedules; mean length and skill under five budgets; band against triangle.

    parts : which to run; the others but `seed`, which nothing draws from, are for mutants
    """
    del seed
    kind = pick(SHAPES, shape)
    each = {
        "A": lambda: definitions(
            kind, pick(STAIRS, stairs), gated, pick(WRAPS, counted), swaps or {}
        ),
        "B": lambda: training(shape, swaps or {}, flat),
        "C": lambda: ablation(band),
    }
    return run_parts(each, parts, notes=(
        "Lengths are normal with a spread of 20 tokens; accuracy is sigmoid(u)(1 - exp(-mean/60)). "
        "The runs that never compress end most accurate: the claim is one at equal final length.",
    ))  # fmt: skip
