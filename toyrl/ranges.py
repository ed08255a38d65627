"""The numbers and words that an argument may be, said once beside its field.

    eps: Annotated[float, NOT_NEGATIVE] = 0.0
    alpha: Annotated[Any, FINITE] = 1.0             # Any: a schedule will do as well

`check_fields` compares an object's fields with what is said there: shapers, estimators, objectives,
schedules, worlds and settings when they are built, expressions when they are read. `checked` does
so for the arguments of a function. What is no number yet (a traced array) or no plain one (an array
of JAX or torch) is let through. A range's text is what the catalogue, the help of the commands and
the documentation show.
"""

from __future__ import annotations

import functools
import inspect
import math
import numbers
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar, get_args

from toyrl.messages import shortened

F = TypeVar("F", bound=Callable[..., Any])
FEW = 8
"""Entries of an array up to which one look at each is faster than array calls."""


@dataclass(frozen=True)
class Range:
    """An interval of numbers, words, None, or True and False.

    interval : as in mathematics, "[0, 1)", "(0, inf]" (inf is allowed), "(-inf, inf)"; "" for
        words alone
    whole : whole numbers only
    words : texts that are allowed too
    none : None is allowed too
    flag : True and False, and nothing else
    many : a tuple (or list) of such values instead of one, not empty
    hint : what to do instead, at the end of a message
    """

    interval: str = ""
    whole: bool = False
    words: tuple[str, ...] = ()
    none: bool = False
    flag: bool = False
    many: bool = False
    hint: str = ""

    @property
    def or_none(self) -> Range:
        """The same, and None."""
        return replace(self, none=True)

    @property
    def each(self) -> Range:
        """A tuple of such values."""
        return replace(self, many=True)

    @property
    def one(self) -> Range:
        """What a tuple's entries may be."""
        return replace(self, many=False, none=False)

    def so(self, hint: str) -> Range:
        """The same with a way out for the message."""
        return replace(self, hint=hint)

    @property
    def ends(self) -> tuple[float, float, bool, bool]:
        """(low, high, whether low is allowed, whether high is), of a range of numbers."""
        return _ends(self.interval)

    def allows(self, value: Any) -> bool:
        """True for a value that lies in the range, and for arrays that can't be looked at."""
        if self.many and value is not None:
            return (
                isinstance(value, (tuple, list))
                and bool(value)
                and all(map(self.one.allows, value))
            )
        if type(value) is float and self.interval:  # nearly all of them
            return self._holds(value)
        if value is None:
            return self.none
        if isinstance(value, str):
            return value in self.words
        if isinstance(value, bool):
            return self.flag
        if isinstance(value, numbers.Real):
            return bool(self.interval) and self._holds(_float(value))
        return hasattr(value, "dtype") and self._allows_array(value)

    def _allows_array(self, value: Any) -> bool:
        kind = getattr(value.dtype, "kind", "f")  # torch's dtypes have none
        if type(value).__module__ != "numpy" or kind not in "iuf":
            return kind not in "OUSM"
        if value.size <= FEW:
            return all(self._holds(float(x)) for x in value.reshape(-1))
        import numpy as np

        x = value.astype(float)
        low, high, left, right = _ends(self.interval)
        inside = ((low <= x) if left else (low < x)) & ((x <= high) if right else (x < high))
        if self.whole:
            inside &= ~np.isfinite(x) | (np.floor(x) == x)
        return bool(inside.all())

    def _holds(self, x: float) -> bool:
        low, high, left, right = _ends(self.interval)
        inside = (low < x or (left and low == x)) and (x < high or (right and high == x))
        return inside and not (self.whole and math.isfinite(x) and x % 1)

    def refusal(self, name: str, value: Any) -> str:
        """One sentence: the field, what was given, what is allowed, and a way out."""
        return f"{name}={shortened(value)} is not {self}" + (f"; {self.hint}" if self.hint else "")

    def __str__(self) -> str:
        """What is allowed, as in "a finite number >= 0"."""
        if self.many:
            return f"a tuple, each entry {self.one}" + " or None" * self.none
        if self.flag:
            return "True or False"
        said = [_said(self.interval, self.whole)] if self.interval else []
        said += self.words if self.interval else [f"one of {', '.join(self.words)}"]
        return " or ".join(said + ["None"] * self.none)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of more than 308 digits
        return math.inf


@lru_cache(maxsize=256)
def _ends(interval: str) -> tuple[float, float, bool, bool]:
    low, _, high = interval[1:-1].partition(",")
    return float(low), float(high), interval[0] == "[", interval[-1] == "]"


def _said(interval: str, whole: bool) -> str:
    low, high, left, right = _ends(interval)
    bounded = right or math.isfinite(high)
    kind = "whole number" if whole else "number" if bounded else "finite number"
    if math.isinf(low) and math.isinf(high):
        return f"a {kind}"
    if math.isfinite(high):
        return f"a {kind} in {interval}"
    return f"a {kind} {'>=' if left else '>'} {low:g}{' (inf allowed)' if right else ''}"


def one_of(*words: str) -> Range:
    """These texts alone."""
    return Range(words=words)


FINITE = Range("(-inf, inf)")
"""Any number but inf and NaN."""
POSITIVE = Range("(0, inf)")
"""A finite number above 0."""
NOT_NEGATIVE = Range("[0, inf)")
"""A finite number, 0 or above."""
POSITIVE_OR_INF = Range("(0, inf]")
"""A number above 0; inf switches off or removes a bound."""
NOT_NEGATIVE_OR_INF = Range("[0, inf]")
"""0 or above; inf removes a bound."""
COUNT = Range("[1, inf)", whole=True)
"""A whole number, 1 or above."""
SHARE = Range("[0, 1]")
"""A number in [0, 1]."""
PART = Range("(0, 1]")
"""A number in (0, 1]."""
DDOF = SHARE.so("1 for a sample's, 0 for the population's standard deviation")
"""Delta degrees of freedom of a standard deviation."""
FLAG = Range(flag=True)
"""True or False."""


@lru_cache(maxsize=1024)
def declared(thing: Any) -> dict[str, tuple[Range, bool]]:
    """name -> (range, whether a schedule may stand there) of a class's or function's annotations.

    A subclass that gives a field another default keeps its range.
    """
    out: dict[str, tuple[Range, bool]] = {}
    for base in reversed(thing.__mro__) if isinstance(thing, type) else (thing,):
        place = vars(sys.modules.get(base.__module__, math))
        for name, said in inspect.get_annotations(base).items():
            if isinstance(said, str) and not said.startswith("Annotated["):
                continue
            hint = eval(said, dict(place)) if isinstance(said, str) else said
            found = [x for x in getattr(hint, "__metadata__", ()) if isinstance(x, Range)]
            if found:
                out[name] = (found[0], get_args(hint)[0] is Any)
    return out


def said(thing: Any) -> dict[str, Range]:
    """name -> range, of a class's, an object's or a function's annotations."""
    return {name: allowed for name, (allowed, _) in declared(_owner(thing)).items()}


def _owner(thing: Any) -> Any:
    """Where the ranges are said: a class, a function, or an object's class."""
    return thing if isinstance(thing, type) or inspect.isfunction(thing) else type(thing)


def fault(thing: Any, name: str, value: Any) -> str | None:
    """Why `value` can't be that field of the class (or of the object's class), or None.

    thing : a function with annotated parameters too
    """
    found = declared(_owner(thing)).get(name)
    if found is None:
        return None
    allowed, scheduled = found
    plain = type(value) is float or hasattr(value, "dtype") or isinstance(value, type)
    if not plain and callable(value):
        if not scheduled:
            return f"{name}={shortened(value)} is not {allowed}; a schedule isn't read here"
        ends = getattr(value, "ends", ())
        bad = next((end for end in ends if not allowed.allows(end)), None)
        return None if bad is None else f"{allowed.refusal(name, bad)} (of {shortened(value)})"
    return None if allowed.allows(value) else allowed.refusal(name, value)


def faults(thing: Any) -> list[str]:
    """A sentence for each field of an object that is out of its range."""
    cls = type(thing)
    return [said for name in declared(cls) if (said := fault(cls, name, getattr(thing, name)))]


def check_fields(thing: Any) -> None:
    """Refuse an object with a field out of its range.

    Raises ValueError that names the field, what was given and what is allowed.
    """
    found = faults(thing)
    if found:
        raise ValueError(found[0])


def checked(function: F) -> F:
    """A function that refuses arguments out of the ranges of its annotations.

    The function raises ValueError that names itself, the argument and what is allowed.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def inner(*args: Any, **named: Any) -> Any:
        for name, value in signature.bind(*args, **named).arguments.items():
            said = fault(function, name, value)
            if said:
                msg = f"{function.__name__}: {said}"
                raise ValueError(msg)
        return function(*args, **named)

    return inner  # pyright: ignore[reportReturnType]


def told(thing: Any) -> dict[str, str]:
    """name -> what is allowed there, of a class's, an object's or a function's annotations."""
    return {
        name: str(allowed) + (", or a schedule" if scheduled else "")
        for name, (allowed, scheduled) in declared(_owner(thing)).items()
    }
