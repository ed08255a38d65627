"""Evaluations a second of population search, and of its kernels against plain NumPy.

    python benchmarks/population.py [--budget 20000] [--reference 2000] [--repeats 3]

Each search runs on the redundant space with the settings of paper 24's experiment, MAP-Elites by
`ribs` beside them (extra `search`) with batches of the same size. Novelty by the compiled kernel
and by sorting all distances must agree to 1e-9 before they are timed. Searches are timed by CPU
seconds, once each; the kernels' times are medians of runs that take turns.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.mdp import in_turns
from benchmarks.timing import show
from toyrl.dynamics.population import search
from toyrl.dynamics.population.descriptors import LinearCode
from toyrl.dynamics.population.neighbours import novelty
from toyrl.extras import MissingExtra
from toyrl.theory.population.neighbours import novelty_score
from toyrl.worlds.search.maze import Maze
from toyrl.worlds.search.redundant import Redundant

TOLERANCE = 1e-9
RUNS: dict[str, tuple[search.Search, Any, Callable[[], Any]]] = {
    "random genomes": (search.RANDOM, Redundant(), lambda: None),
    "novelty search": (search.NOVELTY, Redundant(), lambda: None),
    "SERENE": (search.SERENE, Redundant(), lambda: None),
    "TAXONS, pictures": (search.TAXONS, Redundant("picture"), lambda: LinearCode(10)),
    "STAX, pictures": (search.STAX, Redundant("picture"), lambda: LinearCode(10)),
    "novelty search, sparse maze": (search.NOVELTY, Maze("sparse"), lambda: None),
}


def rate(name: str, budget: int) -> float:
    """Evaluations a CPU second of a search."""
    plan, world, code = RUNS[name]
    plan.run(world, np.random.default_rng(0), 100, code())  # compiles
    begun = time.process_time()
    plan.run(world, np.random.default_rng(0), budget, code())
    return budget / max(time.process_time() - begun, 1e-9)


def ribs_rate(budget: int) -> float:
    """The same of MAP-Elites by ribs.

    Raises MissingExtra without ribs.
    """
    from toyrl.dynamics.population.map_elites import map_elites

    map_elites(Redundant(), 100)
    begun = time.process_time()
    map_elites(Redundant(), budget)
    return budget / max(time.process_time() - begun, 1e-9)


def kernel_times(reference: int, repeats: int) -> dict[str, float]:
    """Milliseconds for the novelty of 75 points, ours and by sorting.

    Raises AssertionError where both differ by more than 1e-9.
    """
    x = np.random.default_rng(0).random((reference, 2))
    worst = float(np.abs(novelty(x[:75], x) - novelty_score(x[:75], x)).max())
    assert worst <= TOLERANCE, f"novelty: {worst:.2g} apart, allowed {TOLERANCE:g}"
    return in_turns({"ours": lambda: novelty(x[:75], x),
                     "sorting": lambda: novelty_score(x[:75], x)}, repeats)  # fmt: skip


def main() -> None:
    """Print evaluations a second, and the kernel's ratio."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, value in (("budget", 20_000), ("reference", 2000), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    told = parser.parse_args()
    for name in RUNS:
        print(f"{name}: {rate(name, told.budget):,.0f} evaluations a CPU second")
    try:
        print(f"MAP-Elites by ribs: {ribs_rate(told.budget):,.0f} evaluations a CPU second")
    except MissingExtra as error:
        print(f"MAP-Elites by ribs: {error}")
    show(f"novelty of 75 points among {told.reference}",
         kernel_times(told.reference, told.repeats))  # fmt: skip


if __name__ == "__main__":
    main()
