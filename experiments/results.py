"""What every answer of the Python functions can do: show itself, say if it is good, be saved."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toyrl.experiments.errors import UsageError

if TYPE_CHECKING:
    from toyrl.experiments.core import Table

LONGEST = 160  # characters of a line of a repr


class Answer(ABC):
    """Base of the objects that `toyrl.validate` and its sisters return.

    Subclasses define `exit_code`, `to_dict`, `lines` (of the repr) and `forms`, and `card` where a
    notebook shall show more than the repr.
    """

    exit_code: int

    @property
    def ok(self) -> bool:
        """True where the command line would end with exit code 0."""
        return self.exit_code == 0

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """JSON form, with the schema's name and version (`toyrl.schemas`)."""

    @abstractmethod
    def lines(self) -> list[str]:
        """The repr: the answer first, three lines at most."""

    @abstractmethod
    def forms(self) -> Mapping[str, Callable[[], str]]:
        """suffix -> the text of such a file, without .json."""

    def card(self) -> str:
        """HTML for a notebook, self-contained."""
        from markupsafe import escape

        return f"<pre>{escape(repr(self))}</pre>"

    def save(self, path: str | Path) -> Path:
        """Write a file of the kind that the suffix names; its path.

        Written under a temporary name and then renamed. Raises UsageError for a suffix that this
        answer has no form for and a place that can't be written, WriteError where writing fails.
        """
        from toyrl.experiments.commands.output import refuse_unwritable
        from toyrl.experiments.render.text import dumps
        from toyrl.files import write_file

        place = Path(path)
        forms = {**self.forms(), ".json": lambda: dumps(self.to_dict()) + "\n"}
        if place.suffix.lower() not in forms:
            msg = f"path={str(place)!r}: the suffix must be one of {', '.join(sorted(forms))}"
            raise UsageError(msg)
        refuse_unwritable("path", place)
        write_file(place, forms[place.suffix.lower()]())
        return place

    def __repr__(self) -> str:
        from toyrl.experiments.render.text import visible

        shown = [visible(" ".join(x.split()), limit=LONGEST) for x in self.lines()]
        return "\n  ".join(shown)

    def _repr_html_(self) -> str:
        return self.card()


def tables(*found: Table) -> dict[str, Callable[[], str]]:
    """Forms .csv and .md of the first table."""
    from toyrl.experiments.render.folder import csv_table, markdown_table

    return {".csv": lambda: csv_table(found[0]), ".md": lambda: markdown_table(found[0])}
