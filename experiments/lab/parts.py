"""An experiment's parts, and the result that they make together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import TypeVar

from toyrl.experiments.core import Check, Picture, Result, Table
from toyrl.experiments.lab.mutants import pick

Item = Check | Picture | Table
Items = Iterable[Item]
Part = Callable[[], Items]
Kind = TypeVar("Kind", Check, Picture, Table)


def gather(found: Items, notes: Sequence[str] = ()) -> Result:
    """Checks, pictures and tables as they come, each kind in its order."""
    items = tuple(found)

    def of(kind: type[Kind]) -> tuple[Kind, ...]:
        return tuple(x for x in items if isinstance(x, kind))

    return Result(of(Check), of(Picture), of(Table), tuple(notes))


def run_parts(parts: Mapping[str, Part], chosen: Sequence[str], notes: Sequence[str] = ()
              ) -> Result:  # fmt: skip
    """What the chosen parts find, in the order in which they are chosen.

    Raises ValueError for a name that is not one of the parts.
    """
    return gather(chain.from_iterable(pick(parts, name)() for name in chosen), notes)
