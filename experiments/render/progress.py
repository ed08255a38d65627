"""How a run of `validate` shows itself while it goes: a bar, and each section when it ends.

The bar is on standard error, on a terminal only; elsewhere there is a line now and then with share
and time left, and one for each section when it ends. Findings go where the report goes.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from rich import progress as rich_progress
from rich.console import Console
from rich.text import Text

from toyrl.experiments.render.left import Left
from toyrl.experiments.render.terminal import findings_table, told
from toyrl.experiments.render.text import visible
from toyrl.experiments.validate.findings import SECTIONS, Section
from toyrl.experiments.validate.listening import Listener

NAME = 32  # characters of the reward's name beside the bar


class Progress(Listener):
    """Shows a run on a console; use it in a `with`.

    out : where the bar and the times of sections go
    findings : where each section's findings go when it ends; None: nowhere
    verbose : findings that passed and notes too
    shown : numbers of the sections whose findings were written
    """

    def __init__(
        self,
        out: Console,
        *,
        quiet: bool = False,
        findings: Console | None = None,
        verbose: bool = False,
    ) -> None:
        super().__init__()
        self.out, self.quiet, self.findings, self.verbose = out, quiet, findings, verbose
        self.left, self.message, self.headed = Left(), "", False
        self.start = self.begun = time.perf_counter()
        self.section: int | None = None
        self.reward = ""
        self.shown: set[int] = set()
        self.bar: rich_progress.Progress | None = None
        self.task: Any = None

    def __enter__(self) -> Progress:
        if not self.quiet and self.out.is_terminal:
            self.bar = bar = bar_of(self.out)
            self._describe("starting")
            bar.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
        self._finish(cut=kind is not None)

    def __call__(self, number: int, message: str) -> None:
        if self.quiet:
            return
        if number != self.section:
            self._above(self._finish)
            self.section, self.begun = number, time.perf_counter()
        self.message = f"{number} {SECTIONS.get(number, '')}: {message}"
        self.left.begin()
        self._describe(self.message)

    def judging(self, reward: str) -> None:
        name = visible(reward).replace("\n", " ")
        self.reward = name if len(name) <= NAME else f"{name[: NAME - 3]}..."

    def moved(self, done: float, total: float, unit: str) -> None:
        if self.bar is not None:
            words = f"{min(done, total):,.0f} of {total:,.0f} {unit}"
            self.bar.update(self.task, completed=min(done, total), total=total, amount=words)
        elif not self.quiet and self.left.due():
            share = self.left.words(min(done, total), total, unit)
            name = f"{self.reward}: " if self.reward else ""
            self.out.print(Text(f"{name}{visible(self.message)}: {share}"), soft_wrap=True)

    def note(self, message: str) -> None:
        if not self.quiet:
            self._above(lambda: self.out.print(Text(f"toyrl: {visible(message)}"), soft_wrap=True))

    def ended(self, section: Section) -> None:
        if self.quiet or self.findings is None:
            return
        out: Console = self.findings
        if told(section, verbose=self.verbose):
            table = findings_table([section], out, header=not self.headed, verbose=self.verbose)
            self.headed = True
            self._above(lambda: out.print(table))
        self.shown.add(section.number)

    def _describe(self, message: str) -> None:
        if self.bar is None:
            return
        if self.task is not None:
            self.bar.remove_task(self.task)
        self.task = self.bar.add_task(visible(message), total=None, reward=self.reward, amount="")

    def _above(self, write: Any) -> None:
        """Write lines with the bar out of the way."""
        if self.bar is not None:
            self.bar.stop()
        write()
        if self.bar is not None:
            self.bar.start()

    def _finish(self, *, cut: bool = False) -> None:
        if self.section is None or self.quiet:
            return
        now = time.perf_counter()
        name = SECTIONS.get(self.section, "")
        words = f"{now - self.start:6.1f} s  {self.section} {name:<12} {now - self.begun:5.1f} s"
        self.out.print(Text(f"{words}, not finished" if cut else words))
        self.section = None


def bar_of(out: Console) -> rich_progress.Progress:
    """The bar with the reward's name, the piece of work, what is done, and the time left."""
    plain = partial(rich_progress.TextColumn, markup=False)
    return rich_progress.Progress(
        rich_progress.SpinnerColumn(),
        plain("{task.fields[reward]}"),
        plain("{task.description}"),
        rich_progress.BarColumn(bar_width=16),
        plain("{task.fields[amount]}"),
        rich_progress.TimeRemainingColumn(compact=True),
        console=out,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        refresh_per_second=4,
    )
