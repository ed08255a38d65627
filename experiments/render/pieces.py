"""Progress of a command that does one piece after another: experiments, settings, runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.text import Text

from toyrl.experiments.render.left import Left
from toyrl.experiments.render.text import visible


class Pieces:
    """Called with (done, total, name) as each piece begins; use it in a `with`.

    On a terminal a line that is wiped when the work ends; elsewhere a line as the first piece
    begins and then one now and then.

    out : where it goes, standard error; at_once : False of work that mostly takes seconds, which
        gets no line as it begins
    """

    def __init__(self, out: Console, *, quiet: bool = False, at_once: bool = True) -> None:
        self.out, self.quiet, self.at_once, self.left = out, quiet, at_once, Left()
        self.status: Status | None = None

    def __enter__(self) -> Pieces:
        if not self.quiet and self.out.is_terminal:
            self.status = status = Status("", console=self.out)
            status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.status is not None:
            self.status.stop()
            self.status = None

    def __call__(self, done: int, total: int, name: str) -> None:
        if self.quiet:
            return
        words = Text(visible(f"{self.left.words(done, total, 'done')}: {name}"))
        if self.status is not None:
            self.status.update(words)
        elif total > 1 and ((self.at_once and done == 0) or self.left.due()):
            self.out.print(words, soft_wrap=True)

    def above(self, write: Callable[[], Any]) -> None:
        """Write lines with the status out of the way."""
        if self.status is not None:
            self.status.stop()
        write()
        if self.status is not None:
            self.status.start()
