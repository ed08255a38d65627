"""Shrink a text while a property holds: drop lines, then words, in halving chunks."""

from __future__ import annotations

from collections.abc import Callable


def shrink(text: str, holds: Callable[[str], bool], *, budget: int = 60) -> str:
    """The smallest text found for which `holds`; at most `budget` calls of it.

    `text` itself comes back where the property doesn't hold for it.
    """
    left = budget

    def asks(candidate: str) -> bool:
        nonlocal left
        left -= 1
        return holds(candidate)

    if not asks(text):
        return text
    for cut, join in ((lambda t: t.split("\n"), "\n"), (lambda t: t.split(" "), " ")):
        parts = cut(text)
        size = max(1, len(parts) // 2)
        while left > 0:
            at, removed = 0, False
            while at < len(parts) and left > 0 and len(parts) > 1:
                rest = parts[:at] + parts[at + size :]
                if rest and asks(join.join(rest)):
                    parts, removed = rest, True
                else:
                    at += size
            if size == 1 and not removed:
                break
            size = max(1, size // 2)
        text = join.join(parts)
    return text
