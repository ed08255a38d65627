"""Whole runs of `validate` on the zoo, scored against what each reward is expected to be.

    python benchmarks/hacks.py --whole [--only TEXT] [--worlds 16] [--workers 1] [--out FILE]

A sound reward is judged rightly where the exit code is 0, a flawed one where the answer is anything
but SAFE with exit code 0. The first reason is right where it is one of the findings that the
flaw names (`reward_zoo/expected.py`, and the docstrings of `reward_zoo/written`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.experiments.validate.reward_zoo import FLAWED, SOUND
from tests.experiments.validate.reward_zoo.expected import CORRECTED, EXPECTED
from tests.experiments.validate.reward_zoo.written import (
    SAFE,
    WRITTEN_FLAWED,
    WRITTEN_SOUND,
    Written,
    log_file,
)
from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.api import failed, judged
from toyrl.experiments.validate.findings import Report
from toyrl.experiments.validate.settings import Settings

WORLDS = 16
COLLAPSE, REACHABLE = (
    "Accuracy collapses in ",
    (
        "The policy that this reward prefers",
        "An exploit is reachable",
    ),
)


@dataclass(frozen=True)
class Outcome:
    """What a whole run said: word, exit code, the first reason and which finding that is.

    right : the verdict; named, corrected : also the first reason, as first expected and with what
        was missing there
    """

    name: str
    sound: bool
    word: str
    exit_code: int
    first: str
    reason: str
    right: bool
    named: bool
    corrected: bool
    seconds: float


def cases(only: str = "") -> list[Written]:
    """All rewards of the zoo, sound ones first."""
    made = "tests.experiments.validate.reward_zoo:make(name={!r})"
    written = [*WRITTEN_SOUND.values(), *WRITTEN_FLAWED.values()]
    out = [Written(n, (made.format(n),), "", (SAFE,)) for n in SOUND]
    out += [c for c in written if c.sound]
    for name, member in FLAWED.items():
        flaw = member.flaw.name
        spec = (made.format(name),)
        out.append(Written(name, spec, "", EXPECTED[flaw], CORRECTED.get(flaw, ())))
    out += [c for c in written if not c.sound]
    return [c for c in out if only in c.name]


def first_finding(report: Report) -> str:
    """Name of the finding that the first reason is; "" where it is none."""
    reason = report.reasons[0] if report.reasons else ""
    if reason.startswith(COLLAPSE):
        return "collapse"
    if reason.startswith(REACHABLE):
        return "hacks/price"
    if reason.startswith("The term ") and "never varied" in reason:
        return "terms/silent"
    if report.error:
        return "contract/usable"
    starts = [f for f in report.findings if f.message and reason.startswith(f.message)]
    return max(starts, key=lambda f: len(f.message)).name if starts else ""


def scored(case: Written, report: Report) -> Outcome:
    """A report against what is expected."""
    first = first_finding(report)
    passed = report.exit_code == 0
    right = passed if case.sound else not (passed and report.verdict == "SAFE")
    known = case.sound or any(fnmatch(first, p) for p in case.expected)
    mended = known or any(fnmatch(first, p) for p in case.corrected)
    reason = report.reasons[0] if report.reasons else ""
    return Outcome(
        name=case.name,
        sound=case.sound,
        word=report.verdict,
        exit_code=report.exit_code,
        first=first,
        reason=reason,
        right=right,
        named=right and known,
        corrected=right and mended,
        seconds=report.seconds,
    )


def run(case: Written, worlds: int = WORLDS) -> Outcome:
    """`validate` on one reward of the zoo, with so many worlds."""
    start = time.perf_counter()
    with TemporaryDirectory() as folder:
        log = log_file(case.rollouts, Path(folder)) if case.rollouts else None
        try:
            report, _ = judged(list(case.specs), Settings(rollouts=log), n_worlds=worlds)
        except UsageError as error:
            spent = time.perf_counter() - start
            report = replace(failed(case.name, str(error), Settings()), seconds=spent)
            return replace(scored(case, report), word="refused", first="refused", named=False)
    return scored(case, report)


def measure(
    found: Sequence[Written], worlds: int = WORLDS, workers: int = 1, tell=print
) -> list[Outcome]:
    """Outcomes in order, each told as it comes."""
    work = partial(run, worlds=worlds)
    if workers == 1:
        return [_told(work(c), tell) for c in found]
    with ProcessPoolExecutor(workers) as pool:
        return [_told(x, tell) for x in pool.map(work, found)]


def _told(x: Outcome, tell) -> Outcome:
    state = "ok" if x.corrected else "other reason" if x.right else "WRONG"
    tell(f"{x.name:40} {x.word:13} {x.exit_code} {state:13} {x.first or '-':28} {x.reason[:70]}")
    return x


def summary(outcomes: Sequence[Outcome]) -> str:
    """The score in three lines."""
    sound = [x for x in outcomes if x.sound]
    flawed = [x for x in outcomes if not x.sound]
    failing = sum(x.exit_code != 0 for x in flawed)
    seconds = sum(x.seconds for x in outcomes)
    return (
        f"sound: {sum(x.right for x in sound)} of {len(sound)} right\n"
        f"flawed: {sum(x.right for x in flawed)} of {len(flawed)} right ({failing} by exit code), "
        f"first reason as first expected in {sum(x.named for x in flawed)}, with corrections "
        f"in {sum(x.corrected for x in flawed)}\n"
        f"{seconds:.0f} seconds"
    )


def save(outcomes: Sequence[Outcome], file: Path) -> None:
    """One outcome a line, as JSON."""
    file.write_text("".join(json.dumps(asdict(x)) + "\n" for x in outcomes), encoding="utf-8")
