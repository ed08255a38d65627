"""What a user's reward function returned, as floats.

Runs inside the sandboxed child: standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

# relative, because the child loads this folder without importing the library
from ..messages import shortened
from .signatures import Refusal

SCORES = ("score", "overall", "rewards", "scores", "reward")
"""Keys of a record that hold its score: verl, EasyR1, OpenRLHF and others."""

LARGEST = 3.4028234663852886e38
TOO_LARGE = (
    f"is beyond {LARGEST:.3g}, the largest number of float32, in which trainers hold rewards"
)


def batch_values(result: Any, n: int, notes: dict[str, None]) -> list[float | None]:
    """n floats or None out of a batch function's answer; records give their score.

    Raises Refusal for None, text, a set or a dict, and for another number of values.
    """
    if result is None:
        msg = f"returned None for {n} completions instead of a list; is a return missing?"
        raise Refusal(msg, "bad_value")
    if isinstance(result, Mapping):
        inside = next((k for k in ("rewards", "scores", "score") if k in result), None)
        if inside is None:
            msg = f"returned a dict with the keys {shortened(list(result))}, not a list"
            raise Refusal(msg, "bad_value")
        notes[f"returned a dict; its {inside!r} is used"] = None
        result = result[inside]
    if isinstance(result, (set, frozenset)):
        msg = "returned a set, which has no order; return a list"
        raise Refusal(msg, "bad_value")
    if isinstance(result, (str, bytes)):
        msg = f"returned the text {shortened(result)}, not a list of numbers"
        raise Refusal(msg, "bad_value")
    if not isinstance(result, (list, tuple)) and hasattr(result, "tolist"):
        notes[f"returned a {_type(result)}, not a list; converted"] = None
        result = result.tolist()
    if isinstance(result, (int, float)) or not hasattr(result, "__len__"):
        msg = f"returned {shortened(result)} for {n} completions; return a list of {n} numbers"
        raise Refusal(msg, "wrong_count")
    if len(result) != n:
        msg = f"returned {len(result)} values for {n} completions; return one for each"
        raise Refusal(msg, "wrong_count")
    return [number(_scored(v, i), i, notes, none=True) for i, v in enumerate(result)]


def single_value(
    result: Any, row: int, notes: dict[str, None], *, first: bool = False
) -> float | None:
    """One float out of a per-completion function's answer (verl dict: its "score").

    first : of a tuple the first item is the score, as verl takes it

    Raises Refusal for a dict without a score.
    """
    result = _scored(result, row)
    if first and isinstance(result, tuple) and len(result) > 1:
        notes["returned a tuple; its first item is the score, as verl takes it"] = None
        result = result[0]
    if isinstance(result, (list, tuple)) and len(result) == 1:
        notes["returned a list of one value; converted"] = None
        result = result[0]
    return number(result, row, notes, none=False)


def _scored(result: Any, row: int) -> Any:
    """The score of a record; anything else as it is."""
    if isinstance(result, Mapping):
        inside = next((k for k in SCORES if k in result), None)
        if inside is None:
            msg = f"returned a dict with the keys {', '.join(map(str, result))} and no 'score'"
            raise Refusal(msg, "bad_value", row)
        return result[inside]
    inner = getattr(result, "reward", None)  # rllm's RewardOutput
    return inner if isinstance(inner, (int, float)) else result


def number(value: Any, row: int, notes: dict[str, None], *, none: bool) -> float | None:
    """A finite float; NumPy scalars, one-element tensors and fractions are converted.

    Raises Refusal for None and for what is not finite.
    """
    if value is None:
        if none:
            return None
        msg = "returned None; is a return missing on some path?"
        raise Refusal(msg, "bad_value", row)
    if not isinstance(value, (int, float)):
        value = _convert(value, row, notes)
    try:
        out = float(value)
    except OverflowError:
        out = math.inf
    if not math.isfinite(out):
        msg = f"returned {out}; a reward must be finite (None marks an unscorable completion)"
        raise Refusal(msg, "bad_value", row)
    if abs(out) > LARGEST:
        msg = f"returned {out:.3g}, which {TOO_LARGE}; scale it down"
        raise Refusal(msg, "size", row)
    return out


def _convert(value: Any, row: int, notes: dict[str, None]) -> Any:
    kind = _type(value)
    scalar = not isinstance(value, (str, bytes, complex)) and not hasattr(value, "__len__")
    if scalar or hasattr(value, "item"):  # one-element arrays have a length
        value = _item(value)
    if isinstance(value, (int, float)):
        notes[f"returned {kind} values; converted to float"] = None
        return value
    msg = f"returned {shortened(value)} ({kind}), not a number"
    raise Refusal(msg, "bad_value", row)


def _item(value: Any) -> Any:
    try:
        got = value.item() if hasattr(value, "item") else float(value)
    except Exception:
        return value
    return got if isinstance(got, (int, float)) else value


def _type(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
