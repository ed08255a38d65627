"""Plain data as JSON and back, by its exact kind: what crosses between a program and its tests.

    encode((1, {2.0})) -> {"t": [1, {"s": [2.0]}]}

An object's own methods are never asked: a class derived from a plain one is sent as the plain value
that it holds, so one that calls itself equal to everything is an ordinary number on the other side.
What is no plain data goes through `other`. Runs inside the sandboxed child: standard library only.
"""

from __future__ import annotations

import collections
import decimal
import fractions
import types
from collections.abc import Callable
from itertools import islice
from typing import Any

LARGEST = 100_000
"""Items of an iterator that are taken; one that goes on is sent as so many."""
BITS = 8_000
"""Whole numbers above this size are sent in base 16: Python bounds the digits in base 10."""
KEYS = type({}.keys())
VALUES = (type({}.values()), type({}.items()), zip, map, filter, reversed, enumerate,
          types.GeneratorType)  # fmt: skip
SEQUENCES = {list: "l", tuple: "t", set: "s", frozenset: "f", collections.deque: "q"}
WRITTEN = {decimal.Decimal: "D", fractions.Fraction: "F"}
READ: dict[str, Callable[[Any], Any]] = {
    "l": list, "t": tuple, "s": set, "f": frozenset, "q": collections.deque, "g": iter,
    "k": lambda x: dict.fromkeys(x).keys(),
}  # fmt: skip
Other = Callable[[Any], Any]


def encode(value: Any, other: Other) -> Any:
    """The value as JSON.

    other : gives the JSON of what is no plain data, or raises
    """
    kind = type(value)
    if value is None or kind is bool or kind is str or kind is float:
        return value
    if kind is int:
        return value if value.bit_length() <= BITS else {"x": hex(value)}
    if kind in SEQUENCES:
        return {SEQUENCES[kind]: [encode(x, other) for x in value]}
    if kind is dict:
        return {"d": [[encode(k, other), encode(v, other)] for k, v in value.items()]}
    return _rare(value, kind, other)


def _rare(value: Any, kind: type, other: Other) -> Any:
    if kind is complex:
        return {"c": [value.real, value.imag]}
    if kind in (bytes, bytearray):
        return {"b": [value.hex(), kind is bytearray]}
    if kind is range:
        return {"r": [value.start, value.stop, value.step]}
    if kind in WRITTEN:
        return {WRITTEN[kind]: str(value)}
    if kind is KEYS:
        return {"k": [encode(x, other) for x in value]}
    if kind in VALUES or kind.__name__.endswith("_iterator"):
        return {"g": [encode(x, other) for x in islice(value, LARGEST)]}
    if kind.__module__ == "numpy" and getattr(value, "shape", None) == ():
        return encode(value.tolist(), other)
    for plain, read in DERIVED.items():
        if plain in kind.__mro__:
            return encode(read(value), other)
    return other(value)


def _items(plain: type) -> Callable[[Any], Any]:
    """The items by the plain class's own iteration, whatever the derived one says."""
    return lambda value: plain(list(plain.__iter__(value)))


DERIVED: dict[type, Callable[[Any], Any]] = {
    str: lambda x: "".join(str.__iter__(x)),
    int: lambda x: int.__add__(x, 0),
    float: lambda x: float.__add__(x, 0.0),
    list: _items(list),
    tuple: _items(tuple),
    set: _items(set),
    frozenset: _items(frozenset),
    dict: lambda x: {k: dict.__getitem__(x, k) for k in dict.__iter__(x)},
}
"""A plain class -> the plain value that an object of a class derived from it holds."""


def decode(data: Any, handle: Callable[[Any], Any]) -> Any:
    """The value of its JSON.

    handle : gives what stands for an object that stayed behind

    Raises ValueError for what is no such JSON.
    """
    if not isinstance(data, dict):
        if isinstance(data, list):
            msg = "a list without its kind"
            raise ValueError(msg)
        return data
    if len(data) != 1:
        msg = "a value of no one kind"
        raise ValueError(msg)
    ((kind, held),) = data.items()
    if kind == "h":
        return handle(held)
    if kind in READ:
        return READ[kind]([decode(x, handle) for x in held])
    if kind == "d":
        return {decode(k, handle): decode(v, handle) for k, v in held}
    return _read(kind, held)


def _read(kind: str, held: Any) -> Any:
    if kind == "x":
        return int(held, 16)
    if kind == "c":
        return complex(*held)
    if kind == "b":
        return bytearray.fromhex(held[0]) if held[1] else bytes.fromhex(held[0])
    if kind == "r":
        return range(*held)
    for plain, letter in WRITTEN.items():
        if letter == kind:
            return plain(held)
    msg = f"no kind {kind!r}"
    raise ValueError(msg)


def restored(given: Any, after: Any) -> None:
    """Change a list, dict or set in place to what it became on the other side."""
    if type(given) is not type(after):
        return
    if isinstance(given, list | bytearray):
        given[:] = after
    elif isinstance(given, dict | set):
        given.clear()
        given.update(after)
