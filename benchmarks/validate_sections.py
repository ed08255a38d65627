"""Seconds of `validate` by section: cold, in a fresh process, and warm.

    python benchmarks/validate_sections.py [--reward SPEC ...] [--repeats 1]

cold  : fresh process, empty folders for the compiled code of numba and JAX
fresh : fresh process, with the compiled code that the cold one left
warm  : the same reward again in that process

Sections as in the report, timed by `validate` itself; "import" is loading the command's modules and
"rest" what lies between sections. Median over the repeats.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
REWARDS = ("laser(target=0.5)", "examples/rewards/correct_minus_length.py")
STATES = ("cold", "fresh", "warm")


def child(spec: str) -> None:
    """Two runs in this process, as JSON: seconds by section, import first."""
    start = time.perf_counter()
    sys.path.insert(0, str(ROOT))
    from toyrl.experiments.api import validate

    imported = time.perf_counter() - start
    runs = []
    for _ in range(2):
        report = validate(spec)
        sections = {f"{s.number} {s.title}": s.seconds for s in report.sections}
        rest = report.seconds - sum(sections.values())
        runs.append({**sections, "rest": rest, "total": report.seconds, "verdict": report.verdict})
    print(json.dumps({"import": imported, "runs": runs}))


def started(spec: str, folder: Path) -> dict:
    """A fresh process whose compiled code goes to this folder."""
    caches = {
        "NUMBA_CACHE_DIR": str(folder / "numba"),
        "JAX_COMPILATION_CACHE_DIR": str(folder / "jax"),
    }
    done = subprocess.run(
        [sys.executable, __file__, "--child", spec],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **caches},
        check=True,
    )
    return json.loads(done.stdout.strip().rpartition("\n")[2])


def measure(spec: str, repeats: int) -> tuple[str, dict[str, dict[str, float]]]:
    """The verdict and section -> state -> median seconds."""
    seen: dict[str, dict[str, list[float]]] = {}
    verdict = ""

    def note(state: str, run: dict, imported: float) -> None:
        nonlocal verdict
        for name, value in {"import": imported, **run}.items():
            if name == "verdict":
                verdict = value
            else:
                seen.setdefault(name, {}).setdefault(state, []).append(value)

    for _ in range(repeats):
        with tempfile.TemporaryDirectory(prefix="toyrl-cold-") as folder:
            cold = started(spec, Path(folder))
            fresh = started(spec, Path(folder))
        note("cold", cold["runs"][0], cold["import"])
        note("fresh", fresh["runs"][0], fresh["import"])
        note("warm", fresh["runs"][1], 0.0)
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
    p.add_argument("--child", help=argparse.SUPPRESS)
    a = p.parse_args()
    if a.child:
        child(a.child)
        return
    for spec in a.reward or REWARDS:
        verdict, medians = measure(spec, a.repeats)
        print(f"{spec} ({verdict}), seconds")
        print(f"  {'section':14}" + "".join(f"{state:>9}" for state in STATES))
        for name, states in medians.items():
            print(f"  {name:14}" + "".join(f"{states.get(s, 0.0):9.2f}" for s in STATES))
        print()


if __name__ == "__main__":
    main()
