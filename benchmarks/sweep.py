"""A phase diagram in batches against one compiled call a cell, its growth, memory, and engines.

    python benchmarks/sweep.py [--side 64] [--updates 500] [--peer 64] [--many 10000] [--ray]

The diagram is weight x share of easy prompts of the additive length penalty in chain worlds. The
peer trains the same cells by the same compiled loop, one call each, from base policies that were
fitted already; both must agree. `--many` cells go to two workers, one of which is killed in the
middle, and each has to be there once. Prints seconds; the bounds are asserted.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from toyrl.experiments.sweep import run
from toyrl.experiments.sweep.axes import axes_of
from toyrl.experiments.sweep.cells import estimator_of, objective_of
from toyrl.experiments.sweep.chains import Chains
from toyrl.experiments.sweep.plan import Plan
from toyrl.experiments.sweep.reward import Given, given
from toyrl.experiments.sweep.store import Store
from toyrl.experiments.validate.collapse.train_worlds import Runner

REWARD = "outcome() - 0.5*linear_length()"
FASTER = 5.0
"""Times that a batch has to be faster than a call a cell."""
AGREE = 1e-4
"""Of accuracies: bases that were fitted in another batch differ by rounding, which training may
grow near the boundary."""
MEGABYTES = 300.0
"""Most memory that sixteen times as many cells may add."""


def plan_of(x: int, y: int, updates: int) -> Plan:
    """The diagram with x weights and y shares of easy prompts."""
    axes = axes_of([f"weight=0:8:{x}", f"rho=0.02:0.98:{y}"], {})
    return Plan(REWARD, (REWARD,), axes, "chain", 1, {"updates": updates}, "dr_grpo")


def ours(plan: Plan, own: Given, engine: run.Engine | None = None) -> tuple[float, run.Sweep]:
    """Seconds, and the diagram."""
    start = time.perf_counter()
    found = run.run(plan, own, None, engine)
    return time.perf_counter() - start, found


def peer(plan: Plan, own: Given, places: list[tuple[int, ...]]) -> tuple[float, np.ndarray]:
    """Seconds and accuracies of some cells, a call of the compiled trainer each."""
    model = Chains({own.limit: own})
    cells = [plan.cell(p) for p in places]
    base, row = model.bases(cells, own.limit)
    runner = Runner(own.law, estimator_of(cells[0]), objective_of(cells[0]), 8)
    worlds = [base.take(np.array([r])) for r in row]
    table, right = own.law.table(), runner.correct
    out = []
    start = time.perf_counter()
    for cell, w in zip(cells, worlds, strict=True):
        reward = own.mixed(table[w.batch.difficulties - 1], right, cell["weight"])
        made = runner.ends(w, reward)
        out.append(float((made.accuracy * w.batch.shares).sum()))
    return time.perf_counter() - start, np.array(out)


def killed(cells: int, updates: int, own: Given, engine: str) -> tuple[float, int, int]:
    """Seconds, cells there, and parts, of two workers one of which is killed in the middle."""
    import psutil

    plan = plan_of(cells // 100, 100, updates)
    state = {"killed": False}

    def moved(done: int, total: int, _before: int) -> None:
        if not state["killed"] and done > total // 3:
            state["killed"] = True
            threading.Thread(target=_kill_one, args=(psutil.Process(), engine)).start()

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run.run(plan, own, Path(folder) / "o", run.Engine(engine, 2), moved)
        seconds = time.perf_counter() - start
        there = Store(Path(folder) / "o", plan).finished()
        assert state["killed"]
        assert sorted(there) == sorted(plan.places())
        assert set(there.values()) == {1}
        return seconds, len(there), len(list((Path(folder) / "o" / "parts").iterdir()))


def _kill_one(own: object, engine: str) -> None:
    """End one of this process's workers, as a full memory would."""
    for child in own.children(recursive=True):  # type: ignore[attr-defined]
        line = " ".join(child.cmdline())
        busy = line.startswith("ray::") and "IDLE" not in line
        if busy if engine == "ray" else "spawn_main" in line:
            os.kill(child.pid, signal.SIGKILL)
            return


def peak() -> float:
    """Megabytes that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(arguments: list[str] | None = None) -> float:
    """Print all; how many times faster a batch is than a call a cell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--updates", type=int, default=500)
    parser.add_argument("--peer", type=int, default=64)
    parser.add_argument("--many", type=int, default=0)
    parser.add_argument("--ray", action="store_true")
    told = parser.parse_args(arguments)
    own = given((REWARD,), 512)
    ours(plan_of(8, 8, 10), own)  # compiles
    small, grown = max(told.side // 4, 4), []
    for side in (small, 2 * small, told.side):
        seconds, found = ours(plan_of(side, side, told.updates), own)
        grown.append((side * side, seconds, peak()))
        print(f"{side:4d} x {side:<4d} {seconds:8.2f} s  {1e3 * seconds / side**2:7.2f} ms a cell"
              f"  {peak():6.0f} MB at most")  # fmt: skip
    assert grown[-1][2] - grown[0][2] < MEGABYTES
    plan = found.plan
    places = list(plan.places())[:: max(1, plan.size // told.peer)][: told.peer]
    took, accuracy = peer(plan, own, places)
    np.testing.assert_allclose(accuracy, [found.columns["accuracy"][p] for p in places], atol=AGREE)
    ratio = (took / len(places)) / (seconds / plan.size)
    print(f"a call a cell: {1e3 * took / len(places):.2f} ms a cell, {ratio:.1f} times as long")
    for engine in ("local", "ray") if told.ray else ("local",):
        if told.many:
            s, there, parts = killed(told.many, told.updates, own, engine)
            print(f"{engine}, 2 workers, one killed: {there:,} cells once each in {s:.1f} s, "
                  f"{parts} parts")  # fmt: skip
    if told.ray:
        middle = plan_of(2 * small, 2 * small, told.updates)
        one, _ = ours(middle, own)
        there, _ = ours(middle, own, run.Engine("ray", 2))
        print(f"Ray: {there - one:+.1f} s over this process for {4 * small * small:,} cells")
    return ratio


if __name__ == "__main__":
    faster = main()
    assert faster > FASTER, f"a batch is {faster:.1f} times as fast, not {FASTER:g}"
