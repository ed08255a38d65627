"""Text that came from elsewhere, made safe to show; JSON that every parser reads."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping
from typing import Any

import numpy as np


def visible(text: str, *, limit: int | None = None) -> str:
    """Text with every invisible or steering character spelled out, such as U+200B.

    Completions that exploit a reward often do so by characters one can't see; escape sequences
    could steer a terminal, and direction marks reorder a line. Newline and tab stay.
    limit : longest result in characters; what is cut is counted
    """
    left_out = 0
    if limit is not None and len(text) > limit:
        left_out, text = len(text) - limit, text[:limit]
    shown = "".join(c if c in "\n\t" or c.isprintable() else _spell(c) for c in text)
    return f"{shown} ... ({left_out} more characters)" if left_out else shown


def _spell(char: str) -> str:
    # Separators other than the space (such as U+00A0) print like one: isprintable() is False.
    if unicodedata.category(char) == "Zs":
        return " "
    return f"<U+{ord(char):04X}>"


def evidence(value: Any, *, limit: int | None = None) -> str:
    """A counterexample as text: strings as they are, anything else as indented JSON."""
    text = value if isinstance(value, str) else dumps(value, indent=2, ensure_ascii=False)
    return visible(text, limit=limit)


def plain(value: Any) -> Any:
    """`value` in JSON's own types; not-finite numbers and foreign objects become text."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        # A lone surrogate can't be written as UTF-8.
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return plain(str(value))


def dumps(value: Any, *, indent: int | None = 2, ensure_ascii: bool = True) -> str:
    """Strict JSON: no NaN, no lone surrogates, nothing left unserialised."""
    return json.dumps(plain(value), indent=indent, allow_nan=False, ensure_ascii=ensure_ascii)


def number(value: Any, *, digits: int = 4) -> str:
    """A number for a reader: `digits` significant digits, thousands as 12,345; else text."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{int(value):,}"
    if isinstance(value, float | np.floating):
        if not math.isfinite(value):
            return str(float(value))
        if value == 0 or 1e-4 <= abs(value) < 1e6:
            text = f"{value:,.{max(0, digits - 1 - _exponent(float(value)))}f}"
            return text.rstrip("0").rstrip(".") if "." in text else text
        return f"{value:.{digits - 1}e}"
    if value is None:
        return ""
    return visible(str(value))


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value))) if value else 0
