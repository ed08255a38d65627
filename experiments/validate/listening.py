"""What hears a run of `validate` while it goes: sections that begin, move on and end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from toyrl.experiments.validate.findings import Section


class Listener:
    """Hears a run; called with (section number, message) when a piece of work begins.

    begins : is called so; the other events go nowhere but in subclasses
    """

    def __init__(self, begins: Callable[[int, str], Any] | None = None) -> None:
        self.begins, self.number = begins, 0

    def __call__(self, number: int, message: str) -> None:
        """A piece of work of a section begins."""
        self.number = number
        if self.begins is not None:
            self.begins(number, message)

    def moved(self, done: float, total: float, unit: str) -> None:
        """So much of the piece of work is done, in `unit`, such as "worlds" or "texts"."""

    def note(self, message: str) -> None:
        """Something worth knowing while the run goes on."""
        if self.begins is not None:
            self.begins(self.number, message)

    def ended(self, section: Section) -> None:
        """A section is complete."""

    def judging(self, reward: str) -> None:
        """The reward with this name is looked at from now on."""


def heard(progress: Callable[[int, str], Any] | None) -> Listener:
    """A plain function (section number, message) as a listener; None: nobody listens."""
    return progress if isinstance(progress, Listener) else Listener(progress)
