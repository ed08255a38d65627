"""Quality and diversity: novelty search, learned behaviour spaces, emitters and their schedule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from toyrl.dynamics.population.schedule import EXPLOIT, Alternate, Confidence
from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import SAMPLED, same
from toyrl.experiments.papers.population import p24_exact as exact
from toyrl.experiments.papers.population.p24_search import (
    ARMS,
    BANDIT,
    FITNESS,
    NOVELTY,
    RANDOM,
    SATURATED,
    SERENE,
    arm,
)
from toyrl.theory.population.coverage import expected_coverage, mean_of_genes_mass
from toyrl.worlds.search.redundant import DISCS

CHANCE = "d: coverage of random genomes"
WIDE = "d: coverage of novelty search"
TIMES = "d: coverage of novelty search over that of random genomes"
BLIND = "d: seeds in which the best paid, kept alone, find a reward"
DISCS_BEST = "d: seeds in which SERENE leaves a disc below 0.95"
DEEPER = "d: what SERENE leaves of the reward over what novelty search leaves, medians"
PLANE = "e: coverage with the learned code of a plane over that with true descriptors"
UNTRAINED = "e: coverage with an untrained projection of the plane"
PICTURES = "e: coverage of TAXONS on pictures over that with true descriptors"
LEARNED = "STAX"
STAX_WIDE = "f: coverage of STAX over SERENE's with true descriptors"
STAX_BEST = "f: seeds in which STAX leaves a disc below 0.95"
SHARE = "f: exploiting turns of the bandit after nothing new is found, over those before"
LABELS = {NOVELTY: "novelty search", RANDOM: "random genomes", FITNESS: "best paid kept"}
TWO = ("true descriptors", "learned code")
EXACT = ("scores", "paths", "code")
SEARCHES = ("chance", "blind", "wide", "deep", "codes", "stax", "turns")
WHY = "a search has no closed form; its rivals run on the same seeds"


Get = Callable[..., tuple[np.ndarray, ...]]


def _arm(seed: int, seeds: int, name: str, *settings: Any) -> tuple[np.ndarray, ...]:
    """`arm` by name, budget, rule and train; its work is counted once a run."""
    return arm(name, seed, seeds, *settings)


def below(best: np.ndarray) -> int:
    """Seeds (n, 2) in which the best reward of a disc is below 0.95."""
    return int((best.min(1) < SATURATED).sum())


def chance(get: Get, budget: int, uniform: bool) -> Items:
    """Random genomes against their law."""
    edges = np.linspace(-1, 1, 21)
    side = np.full(20, 1 / 20) if uniform else mean_of_genes_mass(edges[:-1], edges[1:], 8)
    found = get(RANDOM, budget)[0][:, -1].mean()
    want = expected_coverage(np.outer(side, side), budget)
    yield same(CHANCE, found, want, 0.03, SAMPLED)


def blind(get: Get, seeds: int, budget: int, rule: str) -> Items:
    """Selection by reward alone."""
    best = get(FITNESS, budget, rule)[1]
    yield Check(BLIND, int((best.max(1) > 0).sum()), max(1, seeds // 10), why_one_route=WHY)


def wide(get: Get, budget: int, rule: str) -> Items:
    """Novelty search beside random genomes."""
    found = float(get(NOVELTY, budget, rule)[0][:, -1].mean())
    yield Check(WIDE, found, 0.85, ">=", why_one_route=WHY)
    by_chance = get(RANDOM, budget)[0][:, -1].mean()
    yield Check(TIMES, float(found / by_chance), 1.7, ">=", routes=(NOVELTY, RANDOM))


def deep(get: Get, seeds: int, budget: int, rule: str) -> Items:
    """SERENE beside novelty search."""
    best = get(SERENE, budget, rule)[1]
    # The toy's own mark: at least 9 of 10 seeds; of fewer seeds one may miss too.
    yield Check(DISCS_BEST, below(best), max(1, seeds // 10), "<=", why_one_route=WHY)
    found = get(NOVELTY, budget)[1]
    left = float(np.median(1 - best) / np.median(1 - found))
    yield Check(DEEPER, left, 0.5, "<=", routes=(SERENE, NOVELTY))


def drawn(get: Get, seeds: int, budget: int) -> Items:
    """Coverage as it grows, and two archives."""
    grown = {name: get(name, budget) for name in (NOVELTY, SERENE, RANDOM, FITNESS)}
    yield lines(
        "coverage",
        "Cells reached",
        ("evaluations", "share of 400 cells"),
        {LABELS.get(n, n): found[0].mean(0) for n, found in grown.items()},
        x=np.linspace(0, budget, 41).tolist(),
        caption=f"Mean of {seeds} seeds.",
    )
    for name in (NOVELTY, SERENE):
        title = f"Archive of {LABELS.get(name, name)}"
        yield scatter(f"archive-{name.lower()}", title, *grown[name][3:])


def scatter(name: str, title: str, kept: np.ndarray, paid: np.ndarray) -> Picture:
    """The archive and what was paid, with the rims of both discs."""
    turn = np.linspace(0, 2 * np.pi, 60)
    rims = [Curve(f"disc at {x, y}", (x + 0.1 * np.cos(turn)).tolist(),
                  (y + 0.1 * np.sin(turn)).tolist(), style="dashed") for x, y in DISCS]  # fmt: skip
    dots = [Curve(label, b[::step, 0].tolist(), b[::step, 1].tolist(), style="points")
            for label, b, step in (("novelty archive", kept, max(1, len(kept) // 600)),
                                   ("paid", paid, max(1, len(paid) // 200)))
            if len(b)]  # fmt: skip
    return Picture(name, title, "mean of genes 1 to 8", "mean of genes 9 to 16", (*dots, *rims))


def codes(get: Get, seeds: int, budget: int, rule: str, train: bool, never: bool) -> Items:
    """Novelty search with learned descriptors over the same with true ones."""
    flat = "plane untrained" if never else "plane"
    found = get(flat, budget // 2)[0][:, -1].mean()
    yield Check(UNTRAINED, float(found), 0.4, "<=", why_one_route=WHY)
    true = get(NOVELTY, budget)[0][:, -1].mean()
    plane = get("plane", budget, rule)[0][:, -1].mean()
    yield Check(PLANE, float(plane / true), 0.9, ">=", routes=TWO)
    seen = get("pictures", budget, rule, train)[0][:, -1].mean()
    # Ten seeds decide. Of one seed the ratio has a standard deviation of 0.045: fewer seeds are
    # let three standard errors.
    slack = 0.0 if seeds >= 10 else 3 * 0.045 / np.sqrt(seeds)
    yield Check(PICTURES, float(seen / true), 0.9 - slack, ">=", routes=TWO)


def rivals(get: Get, seeds: int, budget: int) -> Items:
    """Every arm in one table, untrained codes and surprise in a plane among them."""
    rows = []
    for name in ARMS:
        grown, best, shares = get(name, budget)[:3]
        seen = shares[~np.isnan(shares).any(1)]
        rows.append([name, grown[:, -1].mean().round(3), grown[:, -1].std().round(3),
                     *best.mean(0).round(2), seeds - below(best),
                     *(seen.mean(0).round(2) if len(seen) else ["", ""])])  # fmt: skip
    yield Table("arms", ("search", "coverage", "sd over seeds", "best in disc 1", "best in disc 2",
                         "seeds with both", "exploiting before", "after"), rows,
                f"Means of {seeds} seeds, {budget} evaluations each.")  # fmt: skip


def stax(get: Get, seeds: int, budget: int, rule: str) -> Items:
    """Emitters with a learned code beside SERENE with true descriptors."""
    true = get(SERENE, budget)[0][:, -1].mean()
    grown, best = get(LEARNED, budget, rule)[:2]
    yield Check(STAX_WIDE, float(grown[:, -1].mean() / true), 0.9, ">=", routes=TWO)
    yield Check(STAX_BEST, below(best), max(1, seeds // 5), "<=", why_one_route=WHY)


def turns(schedule: str, count: int = 120) -> Items:
    """Which turns a schedule takes: exploring finds two emitters a turn, then none any more.

    Exploiting uses up one a turn; those there at first would last to the end. Twice `count` turns.
    """
    chooser, left, taken = pick(SCHEDULES, schedule)(), 2 * count, []
    for turn in range(2 * count):
        choice = chooser.choose(left > 0)
        change = -1 if choice == EXPLOIT else 2 if turn < count else 0
        chooser.learn(change if choice != EXPLOIT or left else None)
        left = max(left + change, 0)
        taken.append(choice == EXPLOIT)
    before, after = np.mean(taken[:count]), np.mean(taken[count:])
    spend(2 * count * 100)
    yield Check(SHARE, float(after / before), 0.8, "<=", routes=("before", "after"))


def paid_for_use() -> Confidence:
    """Mutant: exploiting is paid for the emitters that it uses up."""

    class Flipped(Confidence):
        def learn(self, change: int | None) -> None:
            flipped = self.last == EXPLOIT and change is not None
            super().learn(-change if flipped and change is not None else change)

    return Flipped()


SCHEDULES: dict[str, Callable[[], Any]] = {"bandit": Confidence, "in turns": Alternate,
                                           "flipped": paid_for_use}  # fmt: skip


def saturated(get: Get, budget: int) -> Items:
    """The same in searches, over twice the evaluations."""
    rows = []
    for name in (BANDIT, LEARNED):
        shares = get(name, budget)[2]
        seen = shares[~np.isnan(shares).any(1)]
        rows.append([name, len(seen), *seen.mean(0).round(3), (seen.std(0) / len(seen) ** 0.5)
                     .round(3)[1]])  # fmt: skip
    yield Table("exploiting", ("search", "seeds with both discs", "share before", "share after",
                               "standard error of after"), rows,
                "Turns spent on exploiting before and after both discs are at 0.95.")  # fmt: skip


@experiment(
    "24",
    card="24",
    slug="quality-diversity",
    claim="Where reward is rare, selection by novelty reaches almost every behaviour and selection "
    "by reward none that is paid; a code learned from observations serves about as well as the "
    "true behaviour; emitters in turn with exploring climb every reward that was found.",
    source="released code (core/evolvers, core/searcher); the redundant space is a toy of ours",
    provenance="code",
    smoke={"seeds": 2, "budget": 16_500, "parts": [*EXACT, *SEARCHES]},
    mutants=(
        Mutant("copies taken for the point itself", {"score": "no copies", "parts": ["scores"]},
               (exact.NEAR,)),
        Mutant("the point among its neighbours", {"score": "itself", "parts": ["scores"]},
               (exact.NEAR, exact.SCATTERED)),
        Mutant("mean distance to all", {"score": "all", "parts": ["scores"]},
               (exact.NEAR, exact.FEWER, exact.SCATTERED)),
        Mutant("improvement with its sign", {"gain": "signed", "parts": ["scores"]},
               (exact.GAIN,)),
        Mutant("fronts by the sum", {"front": "by sum", "parts": ["scores"]}, (exact.FRONTS,)),
        Mutant("no half square", {"path": "left sums", "parts": ["paths"]},
               (exact.PIECES, exact.SQUARE, exact.MIDPOINT)),
        Mutant("level 1 from the origin", {"path": "from zero", "parts": ["paths"]},
               (exact.PIECES, exact.CHEN, exact.SQUARE, exact.MIDPOINT)),
        Mutant("areas without sign", {"path": "unsigned", "parts": ["paths"]},
               (exact.PIECES, exact.CHEN, exact.REVERSED)),
        Mutant("surprise of all directions", {"formula": "all units", "parts": ["code"]},
               (exact.SURPRISE,)),
        Mutant("a code that was not trained", {"train": False, "parts": ["code", "codes"]},
               (exact.SURPRISE, exact.MOVED, exact.ISOMETRY, PICTURES)),
        Mutant("uniform behaviours", {"uniform": True, "parts": ["chance"]}, (CHANCE,)),
        Mutant("the best paid stay in every search", {"rule": "reward", "parts": ["wide", "deep"]},
               (WIDE, TIMES, DISCS_BEST, DEEPER)),
        Mutant("no emitters", {"rule": "no emitters", "parts": ["deep"]}, (DEEPER,)),
        Mutant("the most novel stay where the best paid should",
               {"rule": "novelty", "parts": ["blind"]}, (BLIND,)),
        Mutant("the untrained projection trained", {"never": False, "parts": ["codes"]},
               (UNTRAINED,)),
        Mutant("the most surprising stay", {"rule": "surprise", "parts": ["codes"]}, (PLANE,)),
        Mutant("the best paid stay in STAX", {"rule": "reward", "parts": ["stax"]},
               (STAX_WIDE, STAX_BEST)),
        Mutant("turns that alternate", {"schedule": "in turns", "parts": ["turns"]}, (SHARE,)),
        Mutant("exploiting paid for using emitters up", {"schedule": "flipped",
                                                         "parts": ["turns"]}, (SHARE,)),
    ),
)  # fmt: skip
def run(
    *,
    parts: Sequence[str] = (*EXACT, *SEARCHES, "drawn", "rivals", "saturated"),
    seeds: int = 10,
    budget: int = 20_000,
    score: str = "as published",
    gain: str = "as published",
    front: str = "as published",
    path: str = "as published",
    formula: str = "as published",
    train: bool = True,
    never: bool = True,
    uniform: bool = False,
    rule: str = "as published",
    schedule: str = "bandit",
    seed: int = 0,
) -> Result:
    """seeds : runs of each search; budget : evaluations of each.

    parts : what is run; the others are broken by mutants.
    """
    get = cache(partial(_arm, seed, seeds))
    made = {
        "scores": lambda: exact.scores(seed, score, gain, front),
        "paths": lambda: exact.paths(seed, path),
        "code": lambda: exact.code(seed, formula, train),
        "chance": lambda: chance(get, budget, uniform),
        "blind": lambda: blind(get, seeds, budget, rule),
        "wide": lambda: wide(get, budget, rule),
        "deep": lambda: deep(get, seeds, budget, rule),
        "drawn": lambda: drawn(get, seeds, budget),
        "codes": lambda: codes(get, seeds, budget, rule, train, never),
        "stax": lambda: stax(get, seeds, budget, rule),
        "turns": lambda: turns(schedule),
        "saturated": lambda: saturated(get, budget),
        "rivals": lambda: rivals(get, seeds, budget),
    }
    return run_parts(made, parts, notes=(
        "Where the behaviours are a plane in the observations, surprise is the same for all of "
        "them: selecting by it half of the time is selecting at random, and costs STAX coverage. "
        "On pictures it is what TAXONS gains by.",
        "With surprise a run stays long in the discs: what selection at random leaves there is "
        "paid again and again, and becomes an emitter.",
    ))  # fmt: skip
