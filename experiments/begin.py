"""What hears of a command that does one piece after another."""

from __future__ import annotations

from collections.abc import Callable

Begin = Callable[[int, int, str], None]
"""Called with (done, total, name) before each piece."""


def nothing(_done: int, _total: int, _name: str) -> None:
    """Hears nothing."""
