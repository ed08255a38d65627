"""Searches of the redundant space: arms, seeds, coverage and the best reward in each disc."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from toyrl.dynamics.population import search
from toyrl.dynamics.population.descriptors import Given, LinearCode
from toyrl.dynamics.population.grid import Grid
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.shared import shared
from toyrl.worlds.search.redundant import Redundant

GRID = Grid((20, 20))
UNITS, CHEAP = 15, 2  # of work an evaluation beside its random numbers; CHEAP without distances
SATURATED = 0.95
RANDOM, FITNESS, NOVELTY, SERENE = "random", "fitness", "novelty", "SERENE"
BANDIT = "SERENE by the bandit"
# Settings, what is observed, units of the linear code (0: none) and whether it is trained.
ARMS: dict[str, tuple[search.Search, str, int, bool]] = {
    RANDOM: (search.RANDOM, "behaviour", 0, True),
    FITNESS: (search.FITNESS, "behaviour", 0, True),
    NOVELTY: (search.NOVELTY, "behaviour", 0, True),
    SERENE: (search.SERENE, "behaviour", 0, True),
    BANDIT: (replace(search.SERENE, schedule="confidence"), "behaviour", 0, True),
    "plane": (search.NOVELTY, "lifted", 2, True),
    "plane untrained": (search.NOVELTY, "lifted", 2, False),
    "pictures": (search.TAXONS, "picture", 10, True),
    "pictures by novelty": (search.NOVELTY, "picture", 10, True),
    "pictures untrained": (search.NOVELTY, "picture", 10, False),
    "STAX": (replace(search.STAX, select="novelty"), "lifted", 2, True),
    "STAX with surprise": (search.STAX, "lifted", 2, True),
    "STAX of pictures": (search.STAX, "picture", 10, True),
}
BROKEN = {
    "novelty": {"select": "novelty"},
    "as published": {},
    "reward": {"select": "reward"},
    "surprise": {"select": "surprise"},
    "no emitters": {"schedule": "explore"},
}


def run(name: str, seed: int, number: int, budget: int, rule: str, train: bool) -> Any:
    """What a seed of an arm found, with settings broken by `rule`."""
    plan, observed, units, learn = ARMS[name]
    plan = replace(plan, **BROKEN[rule])
    code = LinearCode(units, 1000 + number, learn and train) if units else Given()
    found = plan.run(Redundant(observed), draws(seed, 1, number), budget, code)
    spend(budget * (CHEAP if plan.select in ("random", "reward") else UNITS))
    return found


@shared
def arm(name: str, seed: int, seeds: int, budget: int, rule: str = "as published",
        train: bool = True) -> tuple[np.ndarray, ...]:  # fmt: skip
    """(coverage (seeds, 41) as it grows, best reward (seeds, 2), shares (seeds, 2), ...).

    Both of the first `budget` evaluations. BANDIT goes on for as many again, for its shares.
    The last two are behaviours of the first seed, (n, 2): stored in its archive, and paid.

    Shares are of turns spent on exploiting, from the first reward until both discs are saturated
    and from then on; NaN where that doesn't come to pass.
    """
    world, grows, best, shares, first = Redundant(), [], [], [], ()
    for number in range(seeds):
        longer = 2 if name == BANDIT else 1
        found = run(name, seed, number, longer * budget, rule, train)
        at = np.linspace(0, min(budget, len(found.reward)) - 1, 41).astype(int)
        grows.append(GRID.growth(found.behaviour)[at])
        paid = world.rewards(found.behaviour)
        best.append(paid[:budget].max(0))
        shares.append(exploit_shares(found, paid))
        first = first or behaviours(found)
    return np.array(grows), np.array(best), np.array(shares), *first


def exploit_shares(found: Any, paid: np.ndarray) -> list[float]:
    """Share of exploiting turns before and after both discs are saturated."""
    full = np.flatnonzero((np.maximum.accumulate(paid) >= SATURATED).all(1))
    first = np.flatnonzero(paid.max(1) > 0)
    if not len(full):
        return [np.nan, np.nan]
    at = np.array([spent for spent, _ in found.turns])
    exploits = np.array([turn == "exploit" for _, turn in found.turns])
    early, late = (at > first[0]) & (at <= full[0]), at > full[0]
    return [exploits[x].mean() if x.any() else np.nan for x in (early, late)]


def behaviours(found: Any) -> tuple[np.ndarray, np.ndarray]:
    """Those in the archive (n, 2), and those that were paid (n, 2)."""
    kept = np.zeros((0, 2))
    if found.archive is not None:
        kept = Redundant().behaviour(found.archive.genome)
    return kept, found.behaviour[found.reward > 0]
