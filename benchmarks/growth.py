"""Does one process grow over many validations? `python benchmarks/growth.py [RUNS]`

A text reward, in its sandbox, and a catalogue reward in turn, each with a seed of its own, in one
world. Resident memory, descriptors, threads and child processes are printed after 5, 25 and 50
runs. The exit code is 1 where memory grew by more than `ALLOWED` after the first 5, which load and
compile, or where any of the others did. Some four CPU seconds a run.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import psutil

from toyrl.experiments.api import validate

REWARDS = (str(Path(__file__).parents[1] / "examples/rewards/correctness.py"), "outcome()")
SHOWN = (5, 25, 50)
ALLOWED = 10.0  # MB over all runs after the first 5


def state() -> tuple[float, int, int, int]:
    """Resident memory (MB), descriptors, threads, child processes of this process."""
    gc.collect()
    me = psutil.Process()
    children = len(me.children(recursive=True))
    return me.memory_info().rss / 1e6, me.num_fds(), me.num_threads(), children


def main(runs: int = SHOWN[-1]) -> int:
    """Run, print the states, and say whether anything grew."""
    print(f"{'runs':>6} {'memory (MB)':>12} {'descriptors':>12} {'threads':>8} {'children':>9}")
    states = []
    for run in range(1, runs + 1):
        report = validate(REWARDS[run % 2], worlds=1, seed=run)
        if report.error:
            print(report.error, file=sys.stderr)
            return 2
        if run in SHOWN or run == runs:
            states.append(state())
            memory, *others = states[-1]
            print("{:6} {:12.1f} {:12} {:8} {:9}".format(run, memory, *others), flush=True)
    (first, *few), (last, *many) = states[0], states[-1]
    return int(last - first > ALLOWED or many > few)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:2])))
