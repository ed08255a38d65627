"""What unit tests of programs cost, side by side and against an interpreter for each.

    python benchmarks/graders_code.py [--programs 64 --workers 4]

Wall seconds of one run in which all ways give the same: `code_tests` with one worker and with
several, and the usual way, `python -I -S -c` on program and tests, one by one. That way keeps no
test out of a program's reach. Half of the programs wait a little, as those that hang do, for
workers save the waiting whatever the number of cores; the others are pure work.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from toyrl.graders.base import TextRow
from toyrl.graders.code import unit_tests as code_tests
from toyrl.graders.code.programs import CodeTests
from toyrl.rewards.sandbox.programs import own

WAITS = 0.05
"""Seconds that a waiting program waits."""


def rows(count: int, wait: float) -> list[TextRow]:
    """Programs that differ, every third of them wrong."""
    out = []
    for i in range(count):
        body = f"    time.sleep({wait})\n" if wait else ""
        code = f"import time\n\n\ndef f(x):\n{body}    return x + {i + (i % 3 == 0)}"
        tests = [f"assert f({x}) == {x + i}" for x in (1, 2, 3)][: 1 if wait else 3]
        out.append(TextRow("", f"```python\n{code}\n```", {"tests": tests}))
    return out


def apart(texts: Sequence[TextRow]) -> list[float]:
    """An interpreter for each program and its tests."""
    found = []
    for row in texts:
        source = "\n".join([row.completion[10:-4], *row.columns["tests"]])
        done = subprocess.run([sys.executable, "-I", "-S", "-c", source], capture_output=True,
                              timeout=60, check=False)  # fmt: skip
        found.append(float(done.returncode == 0))
    return found


def times(count: int, workers: int, wait: float) -> dict[str, float]:
    """Way -> seconds, after asserting that all of them give the same."""
    texts = rows(count, wait)
    one = CodeTests(paid="all", workers=1, seconds=60.0)
    ways = {
        f"{workers} workers": replace(one, workers=workers).grade,
        "one worker": one.grade,
        "an interpreter each": apart,
    }
    found, answers = {}, []
    for name, way in ways.items():
        code_tests._KEPT.clear()
        start = time.perf_counter()
        answers.append(way(texts))
        found[name] = time.perf_counter() - start
    assert answers[0] == answers[1] == answers[2]
    assert answers[0] == [float(i % 3 != 0) for i in range(count)]
    return found


def main() -> None:
    """Print the tables."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--programs", type=int, default=64)
    ask.add_argument("--workers", type=int, default=4)
    given = ask.parse_args()
    own().test("", [])  # the interpreter that forks is there
    for what, wait in (("work alone", 0.0), (f"wait {WAITS:g} s", WAITS)):
        found = times(given.programs, given.workers, wait)
        least = found[f"{given.workers} workers"]
        print(f"{given.programs} programs that {what}")
        for name, seconds in found.items():
            print(f"    {name:<20} {1000 * seconds / given.programs:8.1f} ms a program   "
                  f"{seconds / least:5.2f} x {given.workers} workers")  # fmt: skip


if __name__ == "__main__":
    main()
