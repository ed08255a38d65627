"""One row of a log: which keys it may use, what is refused, and why."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toyrl.graders.base import TextRow

KEYS: dict[str, tuple[str, ...]] = {
    "completion": ("completion", "response", "output", "generation"),
    "correct": ("correct", "is_correct", "acc", "accuracy", "success", "passed"),
    "prompt_id": ("prompt_id", "group_id", "problem_id", "question_id", "uid"),
    "prompt": ("prompt", "question", "problem", "query", "input"),
    "length": (
        *("length", "num_tokens", "n_tokens", "tokens", "completion_tokens"),
        *("completion_length", "response_length", "num_completion_tokens"),
    ),
    "truncated": ("truncated", "clipped", "is_truncated", "finish_reason"),
    "reward": ("reward", "score"),
    "difficulty": ("difficulty", "operands", "level"),
}


class LogError(ValueError):
    """A log can't be used; the message lists the bad rows by line.

    bad : (line number, reason) of every bad row
    """

    def __init__(self, message: str, bad: Sequence[tuple[int, str]] = ()) -> None:
        super().__init__(message)
        self.bad = tuple(bad)


@dataclass(frozen=True)
class Record:
    """One usable row of a log; line counts from 1."""

    line: int
    group: str
    row: TextRow
    correct: float
    length: float | None
    truncated: bool
    reward: float
    difficulty: float


# -- one row ---------------------------------------------------------------------------------------
def _key(row: Mapping[str, Any], name: str, own: str | None = None) -> str | None:
    """The row's own key for a standard name; keys that hold null count as absent."""
    return next((k for k in ((own,) if own else KEYS[name]) if row.get(k) is not None), None)


def text_of(value: Any) -> str | None:
    """Plain text of a string or of chat messages; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(m, dict) for m in value):
        return "\n".join(m["content"] for m in value if isinstance(m.get("content"), str))
    return None


def real(value: Any, name: str, low: float, high: float) -> float:
    """A finite number in [low, high]; the reason as ValueError otherwise."""
    if not isinstance(value, (bool, int, float)):
        msg = f"{name}={_short(value)} is not a number"
        raise ValueError(msg)
    number = float(value) if abs(value) < 1e300 else math.inf
    if not (math.isfinite(number) and low <= number <= high):
        allowed = f"in [{low:g}, {high:g}]" if math.isfinite(high) else f"finite and >= {low:g}"
        allowed = allowed if math.isfinite(low) else "finite"
        msg = f"{name}={_short(value)} is not {allowed}"
        raise ValueError(msg)
    return number


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."


def record_of(line: int, row: Mapping[str, Any], own_correct: str | None) -> Record:
    """A checked record, or ValueError with the reason."""
    used = {name: _key(row, name) for name in KEYS}
    used["correct"] = _key(row, "correct", own_correct)
    for name in ("completion", "correct"):
        if used[name] is None:
            listed = (name == "correct" and own_correct) or ", ".join(KEYS[name])
            msg = f"no {name} (looked for {listed})"
            raise ValueError(msg)
    completion = text_of(row[str(used["completion"])])
    if completion is None:
        msg = f"{used['completion']}={_short(row[str(used['completion'])])} is no text"
        raise ValueError(msg)
    if used["prompt"] is None and used["prompt_id"] is None:
        msg = "neither prompt nor prompt_id: which rollouts belong together?"
        raise ValueError(msg)
    prompt = text_of(row[used["prompt"]]) if used["prompt"] else ""
    if prompt is None:
        msg = f"{used['prompt']}={_short(row[str(used['prompt'])])} is no text"
        raise ValueError(msg)
    numbers = {
        name: real(row[key], str(key), low, high) if (key := used[name]) else math.nan
        for name, low, high in (
            ("correct", 0.0, 1.0),
            ("length", 0.0, math.inf),
            ("reward", -math.inf, math.inf),
        )
    }
    level = row[used["difficulty"]] if used["difficulty"] else None
    standard = {k for n, k in used.items() if k and n != "difficulty"}
    columns = {k: v for k, v in row.items() if k not in standard}
    length = None if math.isnan(numbers["length"]) else numbers["length"]
    cut = _cut(row, used["truncated"])
    group = row[used["prompt_id"]] if used["prompt_id"] else prompt
    return Record(
        line=line,
        group=group if isinstance(group, str) else json.dumps(group, sort_keys=True),
        row=TextRow(prompt, completion, columns, int(length or 0), cut),
        correct=numbers["correct"],
        length=length,
        truncated=cut,
        reward=numbers["reward"],
        difficulty=float(level) if isinstance(level, (int, float)) else math.nan,
    )


def _cut(row: Mapping[str, Any], key: str | None) -> bool:
    if key is None:
        return False
    value = row[key]
    if key == "finish_reason":
        return value == "length"
    if not isinstance(value, (bool, int, float)) or value not in (0, 1):
        msg = f"{key}={_short(value)} is not true/false or 0/1"
        raise ValueError(msg)
    return bool(value)
