"""How many flawed rewards of tasks are found, and how many sound ones are blamed.

    python benchmarks/task_zoo.py [--only choice] [--whole] [--rewards 1]

Every reward of `tests/experiments/validate/task_zoo` goes through `toyrl.validate(..., quick=True)`
without being told its task: contract and hacks, no training; with `--whole` all sections. A line
each, then for each task how many flawed ones were found (UNSAFE, RISKY or INCONCLUSIVE), how many
were warned of alone (training, which a quick run leaves out, decides about those), how many for an
expected reason, and how many sound ones were blamed or not judged. Seconds are CPU seconds of this
process, all its threads: the reward's own, in a process of its own, go beside. The first reward
loads and compiles what the others find there.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.experiments.validate.task_zoo import TASKS, Case, cases  # noqa: E402
from toyrl.experiments.api import validate  # noqa: E402
from toyrl.experiments.validate.findings import Report  # noqa: E402


@dataclass(frozen=True)
class Scored:
    """One reward: what was said of it. named : for an expected reason, and its task was found"""

    case: Case
    report: Report
    seconds: float

    @property
    def first(self) -> str:
        """The finding that the first reason tells, or ""."""
        reason = self.report.reasons[0] if self.report.reasons else ""
        found = [f for f in self.report.findings if f.status in ("fail", "warn")]
        return next((f.name for f in found if reason.startswith(f.message)), "")

    @property
    def blamed(self) -> bool:
        """Something speaks against it."""
        return self.report.verdict in ("UNSAFE", "RISKY") or any(
            f.status == "fail" for f in self.report.findings
        )

    @property
    def right(self) -> bool:
        """A sound one that isn't blamed and could be judged; a flawed one that isn't SAFE."""
        if self.case.sound:
            return self.report.verdict in ("SAFE", "SAFE SO FAR") and not self.blamed
        return self.found or self.warned

    @property
    def found(self) -> bool:
        """Its verdict speaks against it."""
        return self.blamed or self.report.verdict == "INCONCLUSIVE"

    @property
    def warned(self) -> bool:
        """A warning of an expected kind."""
        names = [f.name for f in self.report.findings if f.status == "warn"]
        return any(fnmatchcase(n, p) for n in names for p in self.case.expected)

    @property
    def named(self) -> bool:
        """A flawed one, found for an expected reason."""
        seen = [self.first] if self.first else [
            f.name for f in self.report.findings if f.status in ("fail", "warn")
        ]  # fmt: skip
        return self.right and any(fnmatchcase(n, p) for n in seen for p in self.case.expected)


def scored(case: Case, *, quick: bool) -> Scored:
    """What `validate` says of one reward."""
    start = time.process_time()
    report = validate(case.spec, quick=quick)
    return Scored(case, report, time.process_time() - start)


def chosen(every: Sequence[Case], n: int | None) -> list[Case]:
    """The first n sound ones and the first n flawed ones; None: all."""
    return [c for kind in (True, False) for c in [c for c in every if c.sound is kind][:n]]


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=TASKS)
    parser.add_argument("--whole", action="store_true", help="all sections, training too")
    parser.add_argument("--rewards", type=int, help="of each task the first so many of each kind")
    asked = parser.parse_args()
    for task in [asked.only] if asked.only else TASKS:
        done = []
        for case in chosen(cases(task), asked.rewards):
            s = scored(case, quick=not asked.whole)
            done.append(s)
            kind, fine = ("sound" if s.case.sound else "flawed"), ("ok" if s.right else "MISSED")
            print(
                f"{fine:7}{task:12}{kind:7}{s.case.name:24}{s.report.verdict:14}{s.seconds:5.1f} s "
                f"{s.first}",
                flush=True,
            )
        sound, flawed = ([s for s in done if s.case.sound is k] for k in (True, False))
        print(
            f"{task}: of {len(flawed)} flawed {sum(s.found for s in flawed)} found and "
            f"{sum(s.right and not s.found for s in flawed)} warned of "
            f"({sum(s.named for s in flawed)} for an expected reason); of {len(sound)} sound "
            f"{sum(s.blamed for s in sound)} blamed, "
            f"{sum(not s.right and not s.blamed for s in sound)} not judged; "
            f"{sum(s.seconds for s in done) / len(done):.1f} CPU s each, "
            f"{max(s.seconds for s in done):.1f} at most\n"
        )


if __name__ == "__main__":
    main()
