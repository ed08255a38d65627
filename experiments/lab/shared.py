"""Parts of an experiment that a smoke run and its mutants have in common, computed once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np

from toyrl.experiments.core.work import counted, spend

P = ParamSpec("P")
T = TypeVar("T")
MOST = 32
"""Answers that each function keeps, the last that were asked for."""


def shared(part: Callable[P, T]) -> Callable[P, T]:
    """A pure function whose last answers are kept: a mutant breaks what comes after it.

    Its arguments are numbers, names and sequences of them, seeds included. Its work counts each
    time it is asked for, so that what a run costs doesn't depend on what ran before it. Arrays of
    the answer are read-only from then on.

    Raises TypeError for an argument that can't be compared by value.
    """
    return sharing(MOST)(part)


def sharing(most: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """`shared` with another number of answers that are kept, for runs of which there are many."""

    def decorated(part: Callable[P, T]) -> Callable[P, T]:
        return _kept(part, most)

    return decorated


def _kept(part: Callable[P, T], most: int) -> Callable[P, T]:
    kept: OrderedDict[Hashable, tuple[T, float]] = OrderedDict()

    @wraps(part)
    def asked(*args: P.args, **kwargs: P.kwargs) -> T:
        key = _value((args, sorted(kwargs.items())))
        if key in kept:
            kept.move_to_end(key)
            answer, units = kept[key]
            spend(units)
            return answer
        with counted() as tally:
            answer = part(*args, **kwargs)
        _freeze(answer)
        kept[key] = answer, tally.units
        if len(kept) > most:
            kept.popitem(last=False)
        return answer

    return asked


def _value(x: Any) -> Hashable:
    if isinstance(x, (list, tuple)):
        return tuple(_value(y) for y in x)
    if x is None or isinstance(x, (str, bool, int, float)):
        return type(x), x
    msg = f"{x!r} is no number, name or sequence of them; `shared` compares arguments by value"
    raise TypeError(msg)


def _freeze(x: Any) -> None:
    if isinstance(x, np.ndarray):
        x.flags.writeable = False
    elif isinstance(x, (list, tuple)):
        for y in x:
            _freeze(y)
