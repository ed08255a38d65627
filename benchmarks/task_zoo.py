"""How many flawed rewards of tasks are found, and how many sound ones are blamed.

    python benchmarks/task_zoo.py [--only choice]

Every reward of `tests/experiments/validate/task_zoo` goes through `toyrl.validate(..., quick=True)`
without being told its task: contract and hacks, no training. A line each, then for each task how
many flawed ones were found (UNSAFE, RISKY or INCONCLUSIVE), how many were warned of alone
(training, which is not run here, decides about those), how many for an expected reason, and how
many sound ones were blamed or not judged. Seconds are of this process: the reward's own go beside.
"""

from __future__ import annotations

import argparse
import sys
import time
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
            return self.report.verdict == "SAFE SO FAR" and not self.blamed
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


def scored(case: Case) -> Scored:
    """What `validate` says of one reward, quickly."""
    start = time.process_time()
    report = validate(case.spec, quick=True)
    return Scored(case, report, time.process_time() - start)


def main() -> None:
    """Print the lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=TASKS)
    asked = parser.parse_args().only
    for task in [asked] if asked else TASKS:
        done = [scored(c) for c in cases(task)]
        for s in done:
            kind, fine = ("sound" if s.case.sound else "flawed"), ("ok" if s.right else "MISSED")
            print(f"{fine:7}{task:8}{kind:7}{s.case.name:24}{s.report.verdict:14}{s.first}")
        sound, flawed = ([s for s in done if s.case.sound is k] for k in (True, False))
        print(
            f"{task}: of {len(flawed)} flawed {sum(s.found for s in flawed)} found and "
            f"{sum(s.right and not s.found for s in flawed)} warned of "
            f"({sum(s.named for s in flawed)} for an expected reason); of {len(sound)} sound "
            f"{sum(s.blamed for s in sound)} blamed, "
            f"{sum(not s.right and not s.blamed for s in sound)} not judged; "
            f"{sum(s.seconds for s in done) / len(done):.1f} CPU s each\n"
        )


if __name__ == "__main__":
    main()
