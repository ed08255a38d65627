"""Accuracy against length under every length reward, in behaviour worlds of two kinds of base."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from toyrl.experiments.core import Mutant, Picture, Result, Table, experiment
from toyrl.experiments.lab import behaviour
from toyrl.experiments.lab.behaviour import Size, factor
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import alone, mean_error
from toyrl.experiments.papers.length.pareto_families import FAMILIES
from toyrl.experiments.papers.length.pareto_lab import BASES, Lab
from toyrl.worlds.behaviour.training import Path

SAVING = {"short": 0.9, "thinking": 0.55}
"""Mean lengths at which rewards are compared, over the base's: what most of them can reach."""
ESTIMATORS = ("grpo", "dr_grpo", "grpo_batch")
CONTRASTS = {
    "gated less additive": ("gated", "additive"),
    "GRPO-lambda less uniform": ("GRPO-lambda", "uniform penalty"),
    "LASER less truncation": ("LASER, by target", "truncation"),
}
TARGET = {"short": 0.75, "thinking": 0.375}
"""Of LASER and truncation: below what the base writes, but within reach of its right answers."""
SMALL, MOST, NARROW = 0.01, 0.03, 0.02
PUBLISHED = {k: f"A: as published, group std: accuracy, {k}, worse base" for k in CONTRASTS}
LESS = "A: as published: log length, better less worse reward, least"
SPARES = "A: saved by GRPO-lambda of what the uniform penalty saves, in logs, worse base"
TIGHTER = "A: short base, budget a quarter of its length: log length, tightened less fixed"
STUCK = "A: the same, saved by the fixed budget of what the tightened one saves"
FIXED = "B: group std: log length that a tenfold weight moves, at most"
MOVES = "B: mean only: the same at least"
MET = "C: equal saving: lengths, farthest from the asked one in logs"
UNSEEN = {
    "gated less additive": "C: equal saving: gain of gating not seen (beside the outcome, wrong "
    "runaways go first, for free), gain at most",
    "GRPO-lambda less uniform": "C: equal saving: gain of sparing hard prompts not seen (all "
    "prompts share the behaviours), gain at most",
    "tightened less fixed": "C: equal saving: gain of tightening not seen (nothing is learnt that "
    "length would show), gain at most",
}
STILL = "C: equal saving, thinking base: accuracy, LASER less truncation"
ONE = "C: equal saving: one frontier, best less worst mean accuracy of the families"
trained = alone("behaviour worlds", "a path over sampled groups has no closed form; `toyrl.theory."
                "length` has those of single prompts, papers 01 to 17 hold them")  # fmt: skip


def quarter(a: np.ndarray, b: np.ndarray | float = 0.0) -> float:
    """What a less b is at least in three worlds of four."""
    return float(np.quantile(a - b, 0.25))


# -- A: as published -------------------------------------------------------------------------------
def published(lab: Lab) -> Items:
    """The contrasts at the published numbers, under GRPO's standard deviation."""
    longer = []
    for name, (better, worse) in CONTRASTS.items():
        found = []
        for base in BASES:
            number = TARGET[base] if name == "LASER less truncation" else None
            one, other = (lab.at(n, base, "grpo", number) for n in (better, worse))
            found.append(quarter(one.change, other.change))
            longer.append(np.log(factor(one) / factor(other)))
        yield trained(PUBLISHED[name], min(found), 0.0, ">")
    yield trained(LESS, float(min(longer)), 0.0, ">")
    spared = [np.log(factor(lab.at("GRPO-lambda", b, "grpo")) / lab.plain(b, "grpo"))
              / np.log(factor(lab.at("uniform penalty", b, "grpo")) / lab.plain(b, "grpo"))
              for b in BASES]  # fmt: skip
    yield trained(SPARES, float(min(spared)), 0.7, ">")
    fixed, tight = (lab.at(n, "short", "grpo", 0.25) for n in ("fixed budget", "tightening budget"))
    alone_ = lab.outcome("short", "grpo")
    saved = [float(np.log(p.factor / alone_.factor).mean()) for p in (fixed, tight)]
    apart = np.log(fixed.factor / tight.factor)
    yield trained(TIGHTER, -float(apart.mean()), -0.1, "<")
    # how much less is no claim: 0.43 of it where runs go half as far, 0.62 where as far as here
    yield trained(STUCK, saved[0] / saved[1], 1.0, "<", claim=False)


# -- B: what a weight moves ------------------------------------------------------------------------
def weights(lab: Lab, turned: Sequence[str], bases: Sequence[str], estimators: Sequence[str]
            ) -> Items:  # fmt: skip
    """A tenfold weight, with and without division by the group's standard deviation."""
    moved = {}
    for label, e in zip(("std", "mean"), estimators, strict=True):
        ends = [[factor(lab.at(n, b, e, x)) for x in (0.02, 0.2)] for n in turned for b in bases]
        moved[label] = [float(np.log(low / high)) for low, high in ends]
    yield trained(FIXED, max(map(abs, moved["std"])), 0.15, "<")
    yield trained(MOVES, min(moved["mean"]), 0.1, ">")


# -- C: at equal saving ----------------------------------------------------------------------------
def equal(lab: Lab, families: Iterable[str], bases: Iterable[str], estimator: str, passes: int
          ) -> Items:  # fmt: skip
    """Every family's number solved for one mean length; the contrasts again.

    passes : runs that solve for the length; 0: all stay as published, a mutant
    """
    found, rows = {}, []
    for base in bases:
        plain = lab.outcome(base, estimator).change
        for name in families:
            f = lab.family(name)

            def at(x: float, name: str = name, base: str = base) -> Path:
                return lab.at(name, base, estimator, x)

            if passes:
                s = behaviour.solve(at, SAVING[base], f.grid, passes)
            else:
                p = at(f.published)
                s = behaviour.Solved(f.published, p.change, factor(p))
            found[base, name] = s
            lost = s.change - plain
            met = np.isfinite(s.number)
            says = [s.number, s.length, 100 * float(lost.mean()), 100 * quarter(lost)]
            rows.append([name, base, f.knob, *(says if met else ["-", s.length, "-", "-"])])
    yield from equal_checks({k: s for k, s in found.items() if np.isfinite(s.number)})
    yield Table("equal", ("reward", "base", "turned", "solved at", "length over base's",
                          "accuracy over correctness (points)", "in 3 worlds of 4 at least"), rows,
                "Mean-only advantages. Without a number: no weight or target of the grid reaches "
                f"the length, {SAVING['short']} and {SAVING['thinking']} of the base's; the length "
                "is then the nearest.")  # fmt: skip


def equal_checks(found: Mapping[tuple[str, str], behaviour.Solved]) -> Items:
    """What differs at one length, and what doesn't."""
    bases = {b for b, _ in found}
    off = [abs(np.log(s.length / SAVING[b])) for (b, _), s in found.items()]
    yield trained(MET, float(max(off)), MOST)
    pairs = {**CONTRASTS, "tightened less fixed": ("tightening budget", "fixed budget")}
    for name, sentence in UNSEEN.items():
        a, b = pairs[name]
        gaps = [float((found[k, a].change - found[k, b].change).mean())
                for k in bases if (k, a) in found and (k, b) in found]  # fmt: skip
        yield trained(sentence, max(gaps, default=np.nan), SMALL)
    laser, cut = (found.get(("thinking", n)) for n in CONTRASTS["LASER less truncation"])
    if laser is not None and cut is not None:
        gain, error = mean_error(laser.change - cut.change)
        yield trained(STILL, gain, 0.0, ">", stderr=error)
    means = {b: [float(s.change.mean()) for (k, _), s in found.items() if k == b] for b in bases}
    yield trained(ONE, max(max(v) - min(v) for v in means.values()), NARROW)


# -- D: the frontier -------------------------------------------------------------------------------
GROUPS = {
    "all": ("additive", "additive conciseness", "Kimi", "HAPO", "L1-Exact", "cosine", "overlong"),
    "right": ("gated", "CRF", "uniform penalty", "GRPO-lambda", "L1-Max", "LASER", "LASER-D",
              "LASER-DE"),
    "limits": ("truncation", "limits by difficulty", "ThinkPrune", "LASER, by target",
               "fixed budget", "tightening budget"),
}  # fmt: skip
TITLES = {"all": "charged to right and wrong", "right": "charged to right answers",
          "limits": "by a limit, a target or a budget"}  # fmt: skip


def frontier(lab: Lab, families: Sequence[str], bases: Sequence[str], stride: int) -> Items:
    """Ends of runs along each family's number, mean-only; and as published by estimator."""
    for base in bases:
        for group, names in GROUPS.items():
            chosen = [n for n in names if n in families]
            if chosen:
                yield frontier_picture(lab, base, group, chosen, stride)
    rows, estimators = [], ESTIMATORS[: 1 if stride > 1 else None]
    for base in bases:
        for name in ("correctness alone", *families):
            row: list[Any] = [name, base]
            for e in estimators:
                plain = lab.outcome(base, e)
                p = plain if name == "correctness alone" else lab.at(name, base, e)
                row += [100 * float((p.change - plain.change).mean()), factor(p)]
            number = "" if name == "correctness alone" else lab.family(name).published
            rows.append([*row[:2], number, *row[2:]])
    says = ("accuracy over correctness (points)", "length over base's")
    heads = [f"{e}: {x}" for e in estimators for x in says]
    yield Table("published", ("reward", "base", "number", *heads), rows,
                "At the published numbers (0.3 where there is no single paper, 1 over the base's "
                "length for L1), targets half of the base's length.")  # fmt: skip


def frontier_picture(lab: Lab, base: str, group: str, names: Sequence[str], stride: int
                     ) -> Picture:  # fmt: skip
    """One group of families; bands are two standard errors of the difference to correctness."""
    plain = lab.outcome(base, "dr_grpo")
    curves: dict[str, Any] = {}
    for name in names:
        runs = [lab.at(name, base, "dr_grpo", x) for x in lab.family(name).grid[::stride]]
        y = np.array([100 * p.change.mean() for p in runs])
        error = np.array([200 * (p.change - plain.change).std() / len(p.change) ** 0.5
                          for p in runs])  # fmt: skip
        x = np.array([factor(p) for p in runs])
        kept = slice(int(np.argmin(x)) + 1)
        curves[name] = (x[kept], y[kept], (y - error)[kept], (y + error)[kept])
    curves["correctness alone"] = ([factor(plain)], [100 * plain.change.mean()])
    curves["base"] = ([1.0], [0.0])
    return lines(
        f"{base}-{group}", f"{base.capitalize()} base: {TITLES[group]}",
        ("mean length over the base's", "change of accuracy (points)"), curves,
        points=("correctness alone", "base"),
        caption="Mean over worlds at the end of training, mean-only advantages, along weights of "
        "0.01 to 1 or targets of 1.5 to 0.18 of the base's length, as far as they shorten: past a "
        "target that nobody meets lengths come back. Bands: two standard errors of the difference "
        "to correctness alone, on the same draws.",
    )  # fmt: skip


PAIRED = ("gated", "additive", "GRPO-lambda", "uniform penalty", "LASER, by target", "truncation",
          "fixed budget", "tightening budget")  # fmt: skip


@experiment(
    "length-pareto",
    card="",
    slug="length-pareto",
    claim="As published, gating beats adding, sparing hard prompts a uniform penalty and a bonus "
    "within a target truncation at it, and each saves less: at one mean length all length rewards "
    "lie on one frontier within two points, where the bonus keeps half a point over truncation.",
    source="papers 01, 03, 04, 05, 08, 11 and 17; behaviour worlds (docs/forecast.md)",
    provenance="derived",
    # half of the way in 24 steps: a step is then about as far as one of the 60 of a full run
    smoke={"worlds": 8, "prompts": 12, "steps": 24, "reach": 0.5, "families": PAIRED,
           "shown": PAIRED[:1], "bases": ("thinking",), "passes": 3, "stride": 6,
           "turned": ("gated",)},
    mutants=(
        Mutant("additive in the place of gated", {"swaps": {"gated": "additive"}, "parts": "A"},
               (PUBLISHED["gated less additive"],)),
        Mutant("every prompt pays", {"swaps": {"GRPO-lambda": "uniform penalty"}, "parts": "A"},
               (PUBLISHED["GRPO-lambda less uniform"], LESS)),
        Mutant("the prompts solved least pay",
               {"swaps": {"GRPO-lambda": "least solved"}, "parts": "A"}, (SPARES,)),
        Mutant("truncation in the place of LASER",
               {"swaps": {"LASER, by target": "truncation"}, "parts": "A"},
               (PUBLISHED["LASER less truncation"],)),
        Mutant("a budget that never tightens",
               {"swaps": {"tightening budget": "fixed budget"}, "parts": "A"}, (TIGHTER,)),
        Mutant("mean-only in the place of the std", {"spread": "dr_grpo", "parts": "B"}, (FIXED,)),
        Mutant("divided by the std after all", {"plain": "grpo", "parts": "B"}, (MOVES,)),
        Mutant("numbers as published, by the std", {"passes": 0, "plain": "grpo", "parts": "C"},
               (MET, UNSEEN["gated less additive"], UNSEEN["GRPO-lambda less uniform"], ONE)),
        Mutant("a penalty in the place of the fixed budget, as published",
               {"passes": 0, "plain": "grpo", "swaps": {"fixed budget": "uniform penalty"},
                "parts": "C"}, (UNSEEN["tightened less fixed"],)),
        Mutant("limits in the place of the bonus", {"swaps": {"LASER, by target": "truncation"},
               "parts": "C"}, (STILL,)),
    ),
)  # fmt: skip
def run(
    *,
    worlds: int = 16,
    prompts: int = 24,
    steps: int = 60,
    reach: float = 1.0,
    families: Sequence[str] = tuple(FAMILIES),
    shown: Sequence[str] = tuple(FAMILIES),
    bases: Sequence[str] = tuple(BASES),
    turned: Sequence[str] = ("gated", "uniform penalty", "Kimi"),
    passes: int = 6,
    stride: int = 1,
    swaps: Mapping[str, str] | None = None,
    spread: str = "grpo",
    plain: str = "dr_grpo",
    parts: str = "ABCD",
    seed: int = 0,
) -> Result:
    """A base that answers in 600 tokens and one that thinks for 10,177, under all length rewards.

    worlds, prompts, steps, reach : of the training
    families, bases : that are compared at equal saving
    shown : families in pictures; turned : whose weight is
    passes : at most, runs that solve for a length; stride : of the frontier's numbers
    The others : the mechanism, or broken ones
    """
    lab = Lab(Size(worlds, prompts, steps, seed, reach), swaps or {})
    each = {
        "A": lambda: published(lab),
        "B": lambda: weights(lab, turned, bases, (spread, plain)),
        "C": lambda: equal(lab, families, bases, plain, passes),
        "D": lambda: frontier(lab, shown, bases, stride),
    }
    return run_parts(each, parts, notes=(
        "Not here: PEAR (reads entropies), modes chosen by a first token (no behaviour is one), "
        "DRPO (an objective, not a reward). Targets of LASER-D and -DE don't adapt.",
        "CRF and additive conciseness read the behaviours' own conciseness, the share of work "
        "among the tokens: they cannot buy a cut of the work, and no weight reaches the length.",
        "Behaviour worlds hold no skill that a long answer would teach sooner, and these bases "
        "answer before the work is done in one rollout of 300 at most: the collapses of papers 01 "
        "and 03 are in their own experiments.",
    ))  # fmt: skip
