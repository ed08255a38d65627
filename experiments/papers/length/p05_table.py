"""LASER's unified table: nine length rewards and two modes, each held to its row written out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from toyrl.estimators.group import PRESETS
from toyrl.experiments.core import Mutant, Result, Table, experiment
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.lengths import best, expected
from toyrl.experiments.lab.mutants import pick, replaced
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import apart, missed
from toyrl.experiments.papers.length.p05_laser import paying_wrong
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.shapers.length.absolute import L1Exact, L1Max
from toyrl.shapers.length.adaptive import LaserD, LaserDE
from toyrl.shapers.length.relative import EfficientReasoning, Kimi
from toyrl.shapers.length.truncation import Laser, Truncation
from toyrl.shapers.schedules import Stairs
from toyrl.theory.length import targets as theory

LIMIT, TARGET, SIZE = 64.0, 16.0, 8
HARD, MEDIUM, EASY = 40.0, 20.0, 8.0
STAGES = {0: 64.0, 40: 40.0, 80: 16.0}
"""ThinkPrune's limits in its three stages, by update."""
TAUS = (2.0, 4.0, 8.0, 16.0, 40.0)
RIGHT, WRONG, MISSING = 1.0, -0.5, -1.0
DEFINED = ("shaper", "definition")
STOPS = "B: L1-Max: best length within one token of its equation"
ENDS = "B: L1-Max: best lengths at or past the end of its slope"
STAGED = "B: ThinkPrune: best length in each of three stages is its limit, misses"
FREE = "C: group reward, all right: advantages under the std at weights 0.05 and 0.4"

Group = Sequence[tuple[int, float, int, int]]
"""Of each sibling: right, length, answered, repeats itself."""


# -- A: the rows, written out ----------------------------------------------------------------------
def base(o: int, answered: int) -> float:
    """R: 1, -0.5 for a wrong answer, -1 for none."""
    return RIGHT if o else WRONG if answered else MISSING


def own_target(group: Group) -> float:
    """The target of the group's bucket: thirds of the share of right siblings, 1/3 and 2/3 up."""
    right = sum(o for o, *_ in group)
    return EASY if 3 * right >= 2 * SIZE else MEDIUM if 3 * right >= SIZE else HARD


def group_row(group: Group) -> list[float]:
    """1 - 0.4 sigma(z) for right ones, the sample's std + 1e-6; mean 0 and std 1 where alone."""
    lengths = [n for o, n, *_ in group if o]
    mean, spread = (0.0, 1.0) if len(lengths) == 1 else (float(np.mean(lengths or [0.0])), 0.0)
    if len(lengths) > 1:
        spread = float(np.std(lengths, ddof=1)) + 1e-6
    return [1 - 0.4 / (1 + math.exp(-(n - mean) / spread)) if o else WRONG for o, n, *_ in group]


def kimi_row(group: Group) -> list[float]:
    """R + 0.4 t, t = 0.5 - (L - L_min)/(L_max - L_min + 1e-6); wrong: min(0, t); 0 if all equal."""
    low, high = min(n for _, n, *_ in group), max(n for _, n, *_ in group)
    out = []
    for o, n, *_ in group:
        t = 0.5 - (n - low) / (high - low + 1e-6) if high > low else 0.0
        out.append((RIGHT if o else WRONG) + 0.4 * (t if o else min(0.0, t)))
    return out


def each(row: Callable[..., float]) -> Callable[[Group], list[float]]:
    """A row that looks at one rollout, for a group."""
    return lambda group: [row(*x) for x in group]


def laser_d_row(group: Group) -> list[float]:
    """R + 0.5 for right ones within the bucket's target."""
    t = own_target(group)
    return [base(o, a) + 0.5 * o * (n <= t) for o, n, a, _ in group]


def laser_de_row(group: Group) -> list[float]:
    """The same, and 0.5 for wrong ones beyond it that answered and don't repeat themselves."""
    t = own_target(group)
    more = [0.5 * (not o) * (n > t) * a * (1 - repeated) for o, n, a, repeated in group]
    return [x + y for x, y in zip(laser_d_row(group), more, strict=True)]


def within(limit: float) -> Callable[[Group], list[float]]:
    """R within a limit, else the wrong one's."""
    return each(lambda o, n, *_: (RIGHT if o else WRONG) if n <= limit else WRONG)


ROWS: dict[str, Callable[[Group], list[float]]] = {
    "vanilla truncation": within(TARGET),
    "Efficient Reasoning (group)": group_row,
    "Kimi k1.5 (group)": kimi_row,
    "L1-Exact": each(lambda o, n, *_: (RIGHT if o else WRONG) - 0.01 * abs(n - TARGET)),
    "L1-Max": each(lambda o, n, *_: o * min(max(0.03 * (TARGET - n) + 0.5, 0.0), 1.0)),
    "LASER": each(lambda o, n, a, _: base(o, a) + 0.5 * o * (n <= TARGET)),
    "LASER, penalty mode": each(lambda o, n, a, _: base(o, a) - 0.5 * o * (n > TARGET)),
    "LASER, hybrid mode": each(
        lambda o, n, a, _: base(o, a) + 0.5 * o * (1 if n <= TARGET else -1)
    ),
    "LASER-D": laser_d_row,
    "LASER-DE": laser_de_row,
}
PLAIN = ("vanilla truncation", "Efficient Reasoning (group)", "Kimi k1.5 (group)", "L1-Exact",
         "L1-Max")  # fmt: skip
"""Rows whose shapers know two base scores: every sibling has answered."""
SHAPERS: dict[str, Shaper] = {
    "vanilla truncation": Truncation(TARGET, wrong=WRONG),
    "Efficient Reasoning (group)": EfficientReasoning(0.4, ddof=1, eps=1e-6, lone=1, wrong=WRONG),
    "Kimi k1.5 (group)": Kimi(0.4, wrong=WRONG, eps=1e-6),
    "L1-Exact": L1Exact(TARGET, 0.01, wrong=WRONG),
    "L1-Max": L1Max(TARGET, 0.03),
    "LASER": Laser(TARGET),
    "LASER, penalty mode": Laser(TARGET, within=0, beyond=-1),
    "LASER, hybrid mode": Laser(TARGET, beyond=-1),
    "LASER-D": LaserD(HARD, MEDIUM, EASY),
    "LASER-DE": LaserDE(HARD, MEDIUM, EASY),
}
ROW = {name: f"A: {name}: reward of every rollout, largest error" for name in ROWS}
THINKS = "A: ThinkPrune: reward of every rollout in its three stages, largest error"


def scored_as_right(self: Kimi, r: Rollouts, memory: Any) -> Any:
    """Mutant: a wrong rollout gains for being short, as a right one does."""
    own = Kimi.parts(self, r.with_(correct=np.ones_like(r.correct)), memory)
    return Kimi.parts(self, r, memory) | {"kimi": own["kimi"]}


def one_sided(self: L1Exact, r: Rollouts, memory: Any) -> Any:
    """Mutant: only what is beyond the target is charged."""
    late = r.with_(length=np.maximum(r.length, self.target))
    return L1Exact.parts(self, late, memory)


def as_printed(self: L1Max, r: Rollouts, memory: Any) -> Any:
    """Mutant: L - T in the place of T - L, as the paper's table prints it."""
    return L1Max.parts(self, r.with_(length=2 * self.target - r.length), memory)


BROKEN: dict[str, Shaper] = {
    "vanilla truncation": Truncation(TARGET - 0.5, wrong=WRONG),
    "Efficient Reasoning (group)": EfficientReasoning(0.4, wrong=WRONG),
    "Kimi k1.5 (group)": replaced(Kimi, parts=scored_as_right)(0.4, wrong=WRONG, eps=1e-6),
    "L1-Exact": replaced(L1Exact, parts=one_sided)(TARGET, 0.01, wrong=WRONG),
    "L1-Max": replaced(L1Max, parts=as_printed)(TARGET, 0.03),
    "LASER": replaced(Laser, parts=paying_wrong)(TARGET),
    "LASER, penalty mode": Laser(TARGET, beyond=-1),
    "LASER, hybrid mode": Laser(TARGET, within=0, beyond=-1),
    "LASER-D": LaserD(EASY, MEDIUM, HARD),
    "LASER-DE": LaserDE(HARD, MEDIUM, EASY, guard=0),
}
FAULTS = {
    "vanilla truncation": "a length equal to the target is beyond it",
    "Efficient Reasoning (group)": "the population's std, and nothing for a lone right answer",
    "Kimi k1.5 (group)": "short wrong answers gain",
    "L1-Exact": "nothing below the target",
    "L1-Max": "the sign as printed",
    "LASER": "the bonus goes to wrong answers too",
    "LASER, penalty mode": "a bonus beside the penalty",
    "LASER, hybrid mode": "no bonus beside the penalty",
    "LASER-D": "the long target for easy prompts",
    "LASER-DE": "loops are paid, as released",
}


def drawn(prompts: int, seed: int) -> np.ndarray:
    """(4, B, G) right, length, answered, repeats; lone and no right ones and ties among them."""
    rng = draws(seed, 3)
    right = rng.random((prompts, SIZE)) < rng.random((prompts, 1))
    length = rng.integers(1, int(LIMIT) + 1, (prompts, SIZE))
    length[::7] = TARGET
    right[::5] = np.arange(SIZE) < np.arange(len(right[::5]))[:, None] % 3
    answered = right | (rng.random(right.shape) < 0.7)
    return np.array([right, length, answered, rng.random(right.shape) < 0.3], dtype=float)


def rows(shapers: dict[str, Shaper], prune: Any, prompts: int, seed: int) -> Items:
    """Every row on random groups, by its shaper and written out."""
    right, length, answered, repeated = drawn(prompts, seed)
    for name, row in ROWS.items():
        known = np.ones_like(right) if name in PLAIN else answered
        r = Rollouts(right, length, LIMIT, fields={"answered": known, "repeated": repeated})
        cells = np.stack([right, length, known, repeated], axis=-1).tolist()
        want = [row([(int(o), n, int(a), int(k)) for o, n, a, k in group]) for group in cells]
        spend(50 * right.size)
        yield apart(ROW[name], shapers[name].reward(r), want, 1e-12, DEFINED)
    found, want = [], []
    for step, limit in STAGES.items():
        r = Rollouts(right, length, LIMIT, step=step)
        found.append(np.asarray(prune.reward(r)))
        want.append(np.where(length <= limit, np.where(right > 0, RIGHT, WRONG), WRONG))
    yield apart(THINKS, found, want, 1e-12, DEFINED)


# -- B: best lengths -------------------------------------------------------------------------------
def best_lengths(maximum: Shaper, prune: Shaper) -> Items:
    """A policy that always writes n tokens: where L1-Max and ThinkPrune's stages leave it."""
    n = np.arange(1, LIMIT + 1)
    p = [1 - np.exp(-n / t) for t in TAUS]
    found = [best(n, expected(maximum, n, x, LIMIT)) for x in p]
    want = theory.l1_max_length(TARGET, 0.03, np.array(TAUS))
    end = TARGET + 0.5 / 0.03
    yield apart(STOPS, found, want, 1.0)
    yield missed(ENDS, [x >= end for x in found], [False] * len(TAUS))
    stays = [[best(n, expected(prune, n, x, LIMIT, step=k)) for x in p] for k in STAGES]
    yield missed(STAGED, stays, [[limit] * len(TAUS) for limit in STAGES.values()])
    yield Table("best", ("tau", "L1-Max", "its equation", *(f"ThinkPrune, up to {x:g}"
                                                            for x in STAGES.values())),
                [[t, f, float(w), *(s[i] for s in stays)]
                 for i, (t, f, w) in enumerate(zip(TAUS, found, want, strict=True))])  # fmt: skip


# -- C: the weight under a group's std -------------------------------------------------------------
def scale_free(estimator: str, prompts: int, seed: int) -> Items:
    """In groups that are all right the group reward's advantages don't depend on its weight."""
    length = drawn(prompts, seed)[1]
    r = Rollouts(np.ones_like(length), length, LIMIT)
    z = (length - length.mean(-1, keepdims=True)) / np.where(
        length.std(-1, keepdims=True) > 0, length.std(-1, keepdims=True), 1.0
    )
    score = 1 / (1 + np.exp(-z))
    spread = score.std(-1, ddof=1, keepdims=True)
    want = -(score - score.mean(-1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    found = [PRESETS[estimator].apply(EfficientReasoning(a).apply(r).parts, r)[0]
             for a in (0.05, 0.4)]  # fmt: skip
    yield apart(FREE, found, [want, want], 1e-9, ("closed form", "estimator"))


@experiment(
    "05-table",
    card="05",
    slug="laser-table",
    claim="Nine published length rewards and two modes are rows of one table; each pays what its "
    "row says, on both sides of a target, for lone and for wrong answers.",
    source="Eq. 2, Table 2 (its sign of L1-Max corrected); code hkust-nlp/Laser; optima derived",
    provenance="code",
    smoke={},
    mutants=[
        *(Mutant(FAULTS[name], {"broken": name, "parts": "A"}, (ROW[name],)) for name in ROWS),
        Mutant("one limit from the first", {"prune": "fixed"}, (THINKS, STAGED)),
        Mutant("the sign of L1-Max as printed", {"broken": "L1-Max", "parts": "B"}, (STOPS, ENDS)),
        Mutant("no division", {"estimator": "dr_grpo", "parts": "C"}, (FREE,)),
    ],
)
def run(
    *,
    broken: str | None = None,
    prune: str = "staged",
    estimator: str = "grpo_exact",
    prompts: int = 60,
    parts: str = "ABC",
    seed: int = 0,
) -> Result:
    """Random groups of 8, lengths 1..64, target 16; targets 40, 20, 8 by difficulty.

    prompts : random groups; parts : which to run; the others : the mechanism, or broken ones
    """
    shapers = SHAPERS if broken is None else SHAPERS | {broken: pick(BROKEN, broken)}
    limits = pick({"staged": Stairs(LIMIT, TARGET, 2, 100, geometric=0), "fixed": TARGET}, prune)
    pruned = Truncation(limits, wrong=WRONG)
    each_part = {
        "A": lambda: rows(shapers, pruned, prompts, seed),
        "B": lambda: best_lengths(shapers["L1-Max"], pruned),
        "C": lambda: scale_free(estimator, prompts, seed),
    }
    return run_parts(each_part, parts, notes=(
        "The paper's table prints L - L_T for L1-Max; its plot and L1's own definition fall with "
        "length, and with the printed sign the longest answer is the best.",
        "LASER-D's adaptation and -DE's guard are in `toyrl reproduce laser`.",
    ))  # fmt: skip
