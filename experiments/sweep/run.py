"""From a plan to its answer: parts that are not there yet are trained, kept, and put together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toyrl.experiments.sweep import boundary
from toyrl.experiments.sweep.behaviours import Behaviours
from toyrl.experiments.sweep.cells import COLUMNS, Found
from toyrl.experiments.sweep.chains import Chains
from toyrl.experiments.sweep.engines import each
from toyrl.experiments.sweep.parameters import CHAIN
from toyrl.experiments.sweep.plan import Plan
from toyrl.experiments.sweep.result import Sweep
from toyrl.experiments.sweep.reward import Given, refuse_changed
from toyrl.experiments.sweep.store import Place, Store

Moved = Callable[[int, int, int], None]
"""(cells done, of how many, how many of them were there already)"""


@dataclass(frozen=True)
class Engine:
    """Where parts are trained (`engines.each`)."""

    name: str = "local"
    workers: int = 1
    address: str | None = None


@dataclass(frozen=True)
class Solver:
    """What a worker is given once: the reward under each limit, and what makes worlds."""

    model: Chains | Behaviours

    def __call__(self, cells: Sequence[Mapping[str, Any]]) -> Found:
        """What is found of the cells of a part."""
        return self.model.solve(cells)


def solver(plan: Plan, given: Given) -> Solver:
    """The solver of a plan; a reward of texts is graded here for each completion limit."""
    limits = {n: given.at_limit(n) for n in plan.limits()}
    kind = Chains if plan.worlds == CHAIN else Behaviours
    return Solver(kind(limits, plan.draws, plan.seed))


def run(
    plan: Plan,
    given: Given,
    folder: Path | None,
    engine: Engine | None = None,
    moved: Moved = lambda *_: None,
) -> Sweep:
    """Train what is missing, and the map.

    folder : where finished parts are kept; None: nowhere

    Raises UsageError for a folder of another plan or one in use, and where the user's file changes
    on the way; WriteError where a part can't be kept. What is finished stays.
    """
    start = time.perf_counter()
    grid = _Grid(plan)
    where = engine or Engine()
    work = solver(plan, given)
    if folder is None:
        _levels(plan, given, grid, work, where, None, moved)
    else:
        store = Store(folder, plan)
        with store.opened():
            _levels(plan, given, grid, work, where, store, moved)
    return Sweep(
        plan, grid.columns, grid.words, trained=int((grid.words != "").sum()),
        seconds=time.perf_counter() - start,
    )  # fmt: skip


class _Grid:
    """The map as it fills."""

    def __init__(self, plan: Plan) -> None:
        self.columns = {c: np.full(plan.shape, np.nan) for c in COLUMNS}
        self.words = np.full(plan.shape, "", dtype="<U6")

    def put(self, places: Sequence[Place], found: Found) -> None:
        at = tuple(np.array(places).T)
        for name, grid in self.columns.items():
            grid[at] = found.columns[name]
        self.words[at] = found.words


def _levels(
    plan: Plan,
    given: Given,
    grid: _Grid,
    work: Solver,
    engine: Engine,
    store: Store | None,
    moved: Moved,
) -> None:
    """All cells at once; or, refined, from a coarse grid to the cells along the boundary."""
    done = 0
    for level, step in enumerate(boundary.strides(plan) if plan.refine else [1]):
        places = boundary.wanted(plan, step, grid.words) if plan.refine else list(plan.places())
        chunks = [places[i : i + plan.part] for i in range(0, len(places), plan.part)]
        parts = {f"{level}-{k:06d}": chunk for k, chunk in enumerate(chunks)}
        total, kept = done + len(places), 0
        for name, chunk in list(parts.items()):
            there = None if store is None else store.read(name, chunk)
            if there is not None:
                grid.put(chunk, there)
                del parts[name]
                kept += len(chunk)
        done += kept
        moved(done, total, done)
        cells = {name: [plan.cell(p) for p in chunk] for name, chunk in parts.items()}
        before = done
        for name, found in each(
            work, cells, engine=engine.name, workers=engine.workers, address=engine.address
        ):
            refuse_changed(given.files)
            if store is not None:
                store.write(name, parts[name], found)
            grid.put(parts[name], found)
            done += len(parts[name])
            moved(done, total, before)
