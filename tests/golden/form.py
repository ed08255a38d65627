"""The form of the golden record: plain JSON with rows of numbers on one line, and differences."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

RTOL, ATOL = 1e-9, 1e-12
WIDTH = 200  # of an object on one line


def plain(value: Any) -> Any:
    """JSON-able: arrays as lists, tuples as lists, numbers that JSON lacks as text."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "dtype"):
        return plain(np.asarray(value).tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value


def text(value: Any, margin: str = "") -> str:
    """JSON text; what holds no list or object stays on one line, an object if it is short."""
    deeper = margin + " "
    flat = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if isinstance(value, dict) and (_nested(value.values()) or len(flat) > WIDTH):
        rows = [f"{deeper}{json.dumps(k)}: {text(v, deeper)}" for k, v in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{margin}}}"
    if isinstance(value, list) and _nested(value):
        rows = [deeper + text(v, deeper) for v in value]
        return "[\n" + ",\n".join(rows) + f"\n{margin}]"
    return flat


def _nested(values: Iterable[Any]) -> bool:
    return any(isinstance(v, (dict, list)) for v in values)


def attempt(work: Any) -> Any:
    """What `work()` answers, or the type and text of its refusal."""
    try:
        return plain(work())
    except Exception as error:
        words = error.args[0] if len(error.args) == 1 else str(error)
        return {"refused": type(error).__name__, "words": str(words)}


def differences(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """One line for each place where two records differ beyond rounding."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(k for k in new if k not in old)]:
            where = f"{path}/{key}"
            if key not in new:
                yield f"{where}: gone"
            elif key not in old:
                yield f"{where}: new"
            else:
                yield from differences(old[key], new[key], where)
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"{path}: {len(old)} items before, {len(new)} now"
        for i, (a, b) in enumerate(zip(old, new, strict=False)):
            yield from differences(a, b, f"{path}[{i}]")
    elif not _same(old, new):
        yield f"{path}: {old!r} before, {new!r} now"


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, bool) or isinstance(new, bool) or not (_number(old) and _number(new)):
        return type(old) is type(new) and old == new
    return abs(old - new) <= ATOL + RTOL * abs(old)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float))
