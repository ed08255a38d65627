"""One row of a log: what is refused, and why."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from toyrl.graders.base import TextRow
from toyrl.messages import shortened
from toyrl.rewards.chats import written_messages
from toyrl.rollouts.log_columns import KEYS, STEP, Columns, LogError, number

LONGEST = 1e9
"""Tokens that a rollout may have."""
__all__ = ["KEYS", "LogError", "Record", "RowError", "real", "record_of", "text_of"]


class RowError(ValueError):
    """A row can't be used; `cause` is the kind of fault, without the row's own value."""

    def __init__(self, reason: str, cause: str) -> None:
        super().__init__(reason)
        self.cause = cause


@dataclass(frozen=True)
class Record:
    """One usable row of a log; line counts from 1.

    group : the id of its prompt as text, `typed` where the log has a number (or an object) for it
    paid : column of a logged reward -> its value here, NaN where it has none
    """

    line: int
    group: str
    row: TextRow
    correct: float
    length: float | None
    truncated: bool
    reward: float
    difficulty: float
    advantage: float = math.nan
    paid: Mapping[str, float] = field(default_factory=dict)
    typed: bool = False


def text_of(value: Any) -> str | None:
    """Plain text of a string or of chat messages; None for anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(m, dict) for m in value):
        return "\n".join(text for m in value if (text := _content(m.get("content"))) is not None)
    return None


def _content(value: Any) -> str | None:
    """A message's text, also where it is a list of typed parts."""
    if isinstance(value, list):
        parts = [p["text"] for p in value if isinstance(p, dict) and isinstance(p.get("text"), str)]
        return "\n".join(parts) if parts else None
    return value if isinstance(value, str) else None


def real(value: Any, name: str, low: float, high: float) -> float:
    """A finite number in [low, high], also one written as text; RowError otherwise."""
    found = number(value)
    if found is None:
        msg = f"{name}={_told(value)} is not a number"
        raise RowError(msg, f"{name} is not a number")
    if not (math.isfinite(found) and low <= found <= high):
        allowed = f"in [{low:g}, {high:g}]" if math.isfinite(high) else f"finite and >= {low:g}"
        allowed = allowed if math.isfinite(low) else "finite"
        msg = f"{name}={_told(value)} is not {allowed}"
        raise RowError(msg, f"{name} is not {allowed}")
    return found


def _told(value: Any) -> str:
    """The value as a log writes it."""
    return shortened(value, write=partial(json.dumps, default=str))


def _completion(row: Mapping[str, Any], key: str) -> tuple[str, bool]:
    """The completion, and whether it writes out chat messages, as such with tool calls do: a call
    is no text."""
    value = row[key]
    if isinstance(value, list) and any(isinstance(m, dict) and m.get("tool_calls") for m in value):
        whole = json.dumps(value, ensure_ascii=False, default=str)
        if written_messages(whole) is not None:
            return whole, True
    return _text(row, key), False


def _text(row: Mapping[str, Any], key: str) -> str:
    found = text_of(row[key])
    if found is None:
        msg = f"{key}={_told(row[key])} is no text"
        raise RowError(msg, f"{key} is no text")
    return found


def record_of(line: int, row: Mapping[str, Any], columns: Columns) -> Record:
    """A checked record, or RowError with the reason."""
    used = {name: columns.key(row, name) for name in KEYS}
    for name in ("completion", "correct"):
        if used[name] is None:
            listed = columns.own.get(name) or ", ".join(KEYS[name])
            msg = f"no {name} (looked for {listed})"
            raise RowError(msg, msg)
    completion, messages = _completion(row, str(used["completion"]))
    if used["prompt"] is None and used["prompt_id"] is None:
        msg = "neither prompt nor prompt_id: which rollouts belong together?"
        raise RowError(msg, msg)
    prompt = _text(row, used["prompt"]) if used["prompt"] else ""
    spans = {"length": (0.0, LONGEST), "reward": (-math.inf, math.inf)}
    spans["correct"] = (0.0, 1.0) if columns.above is None else (-math.inf, math.inf)
    numbers = {
        name: real(row[key], str(key), *span) if (key := used[name]) else math.nan
        for name, span in spans.items()
    }
    correct = numbers["correct"]
    length = None if math.isnan(numbers["length"]) else numbers["length"]
    cut = _cut(row, used["truncated"])
    return Record(
        line=line,
        group=group_of(row, used, prompt),
        row=TextRow(
            prompt, completion, _data(row, used, columns), int(length or 0), cut, messages=messages
        ),
        correct=correct if columns.above is None else float(correct > columns.above),
        length=length,
        truncated=cut,
        reward=numbers["reward"],
        difficulty=_or_nan(row, used["difficulty"]),
        advantage=_or_nan(row, used["advantage"]),
        paid={name: _or_nan(row, name) for name in columns.rewards},
        typed=bool(used["prompt_id"]) and not isinstance(row[str(used["prompt_id"])], str),
    )


def _data(
    row: Mapping[str, Any], used: Mapping[str, str | None], columns: Columns
) -> dict[str, Any]:
    """What is neither text nor measured: the data set's own columns."""
    mine = {k for n, k in used.items() if k and n != "difficulty"} | {*columns.rewards}
    return {k: v for k, v in row.items() if k not in mine}


def group_of(row: Mapping[str, Any], used: Mapping[str, str | None], prompt: str) -> str:
    """The group's key; without one, the prompt at its step: another step is another group."""
    if used["prompt_id"]:
        group = row[used["prompt_id"]]
        return group if isinstance(group, str) else json.dumps(group, sort_keys=True, default=str)
    step = next((row[k] for k in STEP if row.get(k) is not None), None)
    return prompt if step is None else f"{step}:{prompt}"


def _or_nan(row: Mapping[str, Any], key: str | None) -> float:
    """The column's number, NaN where it holds none; RowError for one that isn't finite."""
    found = None if key is None else number(row[key]) if key in row else None
    if found is not None and math.isinf(found):
        msg = f"{key}={_told(row[str(key)])} is not finite"
        raise RowError(msg, f"{key} is not finite")
    return math.nan if found is None else found


def _cut(row: Mapping[str, Any], key: str | None) -> bool:
    if key is None:
        return False
    value = row[key]
    if key in ("finish_reason", "stop_reason"):
        return value in ("length", "max_tokens")
    found = number(value)
    if found not in (0.0, 1.0):
        msg = f"{key}={_told(value)} is not true/false or 0/1"
        raise RowError(msg, f"{key} is not true/false or 0/1")
    return bool(found)
