"""Values in messages: what a user gave, told in a few characters whatever it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

SHOWN, PATH = 80, 250  # characters of a value, and of a path
BRACKETS = {list: "[]", tuple: "()", set: "{}", frozenset: "{}", dict: "{}"}
LONGEST_NUMBER = 4000  # bits; Python doesn't write much longer numbers out


def shortened(value: Any, limit: int = SHOWN, *, write: Callable[[Any], str] = repr) -> str:
    """The repr of a value, at most `limit` characters: what is longer ends in "...".

    write : how texts and numbers are written, such as `json.dumps`

    Only what is shown is looked at, so a value that holds itself, or one list a million times,
    costs nothing.
    """
    text = ""
    for piece in _pieces(value, limit, write):
        text += piece
        if len(text) > limit:
            return text[: limit - 3] + "..."
    return text


def quoted(text: str, limit: int = 50) -> str:
    """A text in quotes as its author wrote it, backslashes single, at most `limit` characters."""
    return shortened(text, limit, write=_in_quotes)


def _in_quotes(value: Any) -> str:
    return "'" + value.replace("\n", "\\n") + "'" if isinstance(value, str) else repr(value)


def both_ends(text: str, most: int = 60) -> str:
    """A text where both ends say something: its start, its end and how long it is."""
    if len(text) <= most:
        return repr(text)
    cut = f"{text[: most // 2]}...{text[-most // 2 :]}"
    return f"{cut!r} ({len(text):,} characters)"


def _pieces(value: Any, limit: int, write: Callable[[Any], str]) -> Iterator[str]:
    kind = type(value)
    if kind in (str, bytes):
        yield write(value[: limit + 1])
    elif kind is int and value.bit_length() > LONGEST_NUMBER:
        yield f"a whole number of {value.bit_length() * 0.30103:.0f} digits"
    elif kind in BRACKETS:
        left, right = BRACKETS[kind]
        yield left
        for number, item in enumerate(value):
            if number:
                yield ", "
            yield from _pieces(item, limit, write)
            if kind is dict:
                yield ": "
                yield from _pieces(value[item], limit, write)
        yield f",{right}" if kind is tuple and len(value) == 1 else right
    else:
        yield _own(value, write)


def _own(value: Any, write: Callable[[Any], str]) -> str:
    try:
        return " ".join(write(value).split())
    except Exception:  # a repr of the user's own
        return f"a {type(value).__name__}"
