"""A program is paid for the unit tests of its row that hold.

    reward = parse_grader("code_tests(paid='all', seconds=6, workers=8)")
    reward(prompts, completions, tests=[["assert double(2) == 4"], ...])

The program is the last fenced block of a text (` ```python `, ` ```py ` or bare), else what stands
in <answer> tags, else the whole text. It runs in a process of its own within limits, its tests in
another (`toyrl.rewards.sandbox.programs`); programs of one call run side by side.

What is paid, the share of tests that hold or all of them, is as public rewards for code do: PRIME's
(paper 53) pays the share, most others all or nothing. How programs are held apart from tests is
toyrl's own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, ClassVar

from toyrl.graders.base import TextRow
from toyrl.graders.code.unit_tests import SOURCES, Suite, TestsUnread, held, suite_of
from toyrl.graders.parts import Graded, TaskReward
from toyrl.ranges import COUNT, POSITIVE, one_of
from toyrl.registry import entry
from toyrl.rewards.sandbox.programs import Limits, Outcome, own

FENCE = re.compile(r"```[ \t]*(?:python3?|py)?[ \t]*\r?\n(.*?)```", re.DOTALL | re.IGNORECASE)
ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
MIB = 2**20


def code_of(text: str) -> str:
    """The program in a text: its last block, else the last <answer>, else all of it."""
    found = FENCE.findall(text) or ANSWER.findall(text) or [text]
    return found[-1].strip("\r\n")


@entry(
    "code_tests",
    kind="grader",
    cards=("53",),
    section="outcome reward on coding problems, and as public rewards for code do",
    provenance="second-hand",
    formula="share of tests that hold; or 1 where all do",
)
@dataclass(frozen=True)
class CodeTests(TaskReward):
    """Pays a Python program for the unit tests that hold, run within limits and out of its reach.

    Columns, one of: `tests` or `test_list` (assert lines, after `test_setup_code`), `test` or
    `test_code` (a text of tests, or HumanEval's check with `entry_point`), `input_output` and
    `verification_info` (JSON), `inputs` and `outputs`. Tests can't be read: NaN, with the reason.

    paid : "share" of the tests that hold, or "all": 1 where every one does, else 0
    seconds : for all tests of a program; memory : MiB of a process
    workers : programs that run at once
    isolate : "allowed": by namespaces where the system has them, beside what Python refuses;
        "must": a RewardError where it doesn't; "no": never

    Raises ValueError for a field out of its range.
    """

    paid: Annotated[str, one_of("share", "all")] = "share"
    seconds: Annotated[float, POSITIVE] = 4.0
    memory: Annotated[int, COUNT] = 1024
    workers: Annotated[int, COUNT] = 4
    isolate: Annotated[str, one_of("allowed", "must", "no")] = "allowed"

    parts: ClassVar[tuple[str, ...]] = ("tests",)
    facts: ClassVar[tuple[str, ...]] = ("held", "tests_run")
    any_of: ClassVar[tuple[str, ...]] = SOURCES
    of_task: ClassVar[str] = "code"

    def graded(self, row: TextRow, step: float = 0.0) -> Graded:
        """One text's part; NaN where the row's tests can't be read or run."""
        del step
        try:
            suite = suite_of(row.columns)
        except TestsUnread as error:
            return Graded({"tests": math.nan}, dict.fromkeys(self.facts, math.nan), str(error))
        return self._paid(suite, self.outcome(row.completion, suite))

    def outcome(self, text: str, suite: Suite) -> Outcome:
        """Which tests hold of the program in a text."""
        limits = Limits(self.seconds, self.memory * MIB)
        return held(own(self.isolate), code_of(text), suite, limits)

    def _paid(self, suite: Suite, found: Outcome) -> Graded:
        holds = sum(found.passed)
        facts = {"held": float(holds), "tests_run": float(suite.count)}
        if found.fault:
            return Graded({"tests": math.nan}, facts, found.problem)
        share = holds / suite.count
        paid = share if self.paid == "share" else float(holds == suite.count)
        return Graded({"tests": paid}, facts, found.problem)

    def grade_parts(self, rows: Sequence[TextRow], step: float = 0.0) -> list[Graded]:
        """Each row's part, in order; `workers` programs run at once.

        Raises RewardError (isolation) where isolation is a must and the system doesn't allow it.
        """
        if self.workers == 1 or len(rows) < 2:
            return [self.graded(row, step) for row in rows]
        with ThreadPoolExecutor(min(self.workers, len(rows))) as pool:
            return list(pool.map(lambda row: self.graded(row, step), rows))
