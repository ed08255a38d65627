"""CPU seconds of `validate` by section, child processes included: cold, in a fresh process, warm.

    python benchmarks/validate_sections.py [--reward SPEC ...] [--repeats 1] [--quick]

cold  : fresh process, empty folders for compiled code and for runs that are kept
fresh : fresh process, with what the cold one left there
warm  : the same reward again in that process

Sections as in the report; "import" is loading the command's modules, "rest" what lies between
sections and the end of the child processes. Median over the repeats. A machine that is shared does
less in a second, so all is told as multiples of a fixed NumPy loop too, timed in the same process.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
REWARDS = ("crf()", "examples/rewards/correct_minus_length.py")
STATES = ("cold", "fresh", "warm")
LOOP = "NumPy loop"


def cpu() -> float:
    """User and system seconds of this process and its children, living ones too."""
    import psutil

    used = sum(sum(resource.getrusage(who)[:2]) for who in (0, resource.RUSAGE_CHILDREN))
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.Error:
            continue
        used += times.user + times.system
    return used


def loop() -> float:
    """CPU seconds of the fixed NumPy loop: products, sorting and elementwise work."""
    import numpy as np

    start, a = time.process_time(), np.random.default_rng(0).random((300, 300))
    for _ in range(150):
        a = np.sort(a @ a / 300.0, axis=1)
        a /= a.max()
    return time.process_time() - start


def child(spec: str, quick: bool) -> None:
    """Two runs in this process, as JSON: CPU seconds by section, import first."""
    start = time.process_time()
    sys.path.insert(0, str(ROOT))
    from toyrl.experiments.api import validate
    from toyrl.experiments.validate.listening import Listener

    imported = time.process_time() - start

    class Clock(Listener):
        def __init__(self) -> None:
            super().__init__()
            self.seconds: dict[str, float] = {}
            self.last = cpu()

        def ended(self, section: Any) -> None:
            now = cpu()
            if section.ran:
                self.seconds[f"{section.number} {section.title}"] = now - self.last
            self.last = now

    runs = []
    for _ in range(2):
        clock, begun = Clock(), cpu()
        report = validate(spec, progress=clock, quick=quick)
        total = cpu() - begun
        rest = total - sum(clock.seconds.values())
        runs.append({**clock.seconds, "rest": rest, "total": total, "verdict": report.verdict})
    print(json.dumps({"import": imported, "loop": loop(), "runs": runs}))


def started(spec: str, folder: Path, quick: bool) -> dict:
    """A fresh process whose compiled code and kept runs go to this folder."""
    caches = {
        "NUMBA_CACHE_DIR": str(folder / "numba"),
        "JAX_COMPILATION_CACHE_DIR": str(folder / "jax"),
        "TOYRL_CACHE": str(folder / "toyrl"),
    }
    done = subprocess.run(
        [sys.executable, __file__, "--child", spec, *(["--quick"] if quick else [])],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **caches},
        check=True,
    )
    return json.loads(done.stdout.strip().rpartition("\n")[2])


def measure(spec: str, repeats: int, quick: bool) -> tuple[str, dict[str, dict[str, float]]]:
    """The verdict and section -> state -> median seconds; `LOOP` in the process of that state."""
    seen: dict[str, dict[str, list[float]]] = {}
    verdict = ""

    def note(state: str, run: dict, imported: float, looped: float) -> None:
        nonlocal verdict
        for name, value in {"import": imported, **run, LOOP: looped}.items():
            if name == "verdict":
                verdict = value
            else:
                seen.setdefault(name, {}).setdefault(state, []).append(value)

    for _ in range(repeats):
        with tempfile.TemporaryDirectory(prefix="toyrl-cold-") as folder:
            cold = started(spec, Path(folder), quick)
            fresh = started(spec, Path(folder), quick)
        note("cold", cold["runs"][0], cold["import"], cold["loop"])
        note("fresh", fresh["runs"][0], fresh["import"], fresh["loop"])
        note("warm", fresh["runs"][1], 0.0, fresh["loop"])
    medians = {
        name: {state: statistics.median(values) for state, values in states.items()}
        for name, states in seen.items()
    }
    return verdict, medians


def main() -> None:
    """Print a table per reward."""
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--reward", action="append", help="specification; may be given several times")
    p.add_argument("--repeats", type=int, default=1)
    p.add_argument("--quick", action="store_true", help="as `toyrl validate --quick`")
    p.add_argument("--child", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.child:
        child(a.child, a.quick)
        return
    for spec in a.reward or REWARDS:
        verdict, medians = measure(spec, a.repeats, a.quick)
        loops = medians[LOOP]
        print(f"{spec} ({verdict}), CPU seconds and multiples of the NumPy loop")
        print(f"  {'section':14}" + "".join(f"{state:>16}" for state in STATES))
        for name, states in medians.items():
            cells = (f"{states[s]:9.2f}{states[s] / loops[s]:6.1f}x" for s in STATES if s in states)
            print(f"  {name:14}" + "".join(cells))
        print()


if __name__ == "__main__":
    main()
