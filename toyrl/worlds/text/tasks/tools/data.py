"""A user's rows of tool calls as problems, in the shapes of the public data sets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from toyrl.worlds.text.tasks.base import GOLD, Asked, Made, TaskError
from toyrl.worlds.text.tasks.tools import messages, texts
from toyrl.worlds.text.tasks.tools.calls import Gold, gold_of
from toyrl.worlds.text.tasks.tools.schemas import Tool, schemas_of, tools_of
from toyrl.worlds.text.tasks.tools.variants import Facts

WORK = ("The request names what is wanted.", "One tool is enough for it.")
KEYS = ("expected", "expected_calls", "expected_call", "answers", "tool_calls", "tool_call", *GOLD)
"""Columns that may hold the gold calls, those that say nothing else first."""
QUESTIONS = ("query", "question", "prompt", "instruction", "messages", "conversations")


@dataclass(frozen=True)
class _Read:
    """A row with its gold calls, the tools that it offers, and their schemas as text."""

    row: Mapping[str, Any]
    gold: Gold
    tools: tuple[Tool, ...]
    schemas: str


def of_rows(rows: Sequence[Mapping[str, Any]]) -> Made:
    """Tool calls asked for by a user's rows; each row is handed to the reward as it is.

    Rows that ask for no call are passed over.

    Raises TaskError with the row whose calls or schemas can't be read.
    """
    read = []
    for i, row in enumerate(rows):
        try:
            gold, tools = calls_of(row), tools_of(row)
        except TaskError as error:
            msg = f"data row {i}: {error}"
            raise TaskError(msg) from error
        if gold.calls:
            schemas = json.dumps(schemas_of(row)[1], ensure_ascii=False, default=str)
            read.append(_Read(row, gold, tools, schemas))
    if not read:
        msg = f"none of {len(rows)} data rows asks for a call"
        raise TaskError(msg)
    known, pool = _seen(read), _pool(read)
    return with_forms([asked(x, known, pool) for x in read])


def with_forms(problems: Sequence[Asked]) -> Made:
    """The task of these problems, as text and as messages."""
    task = Made("tools", texts.LAYOUTS, tuple(problems), texts.right, texts.wrong, texts.holds)
    return Made(**{**vars(task), "forms": (messages.made(task),)})


def asked(
    read: _Read, known: Sequence[Tool], pool: Mapping[tuple[str, str], tuple[Any, ...]]
) -> Asked:
    """The problem of a row. known : tools that stand in where it offers none"""
    tools = read.tools or tuple(known)
    facts = Facts(read.gold.calls, tools, pool, read.schemas, read.gold.key, read.gold.many)
    question = question_of(read.row)
    prompt = read.row.get("prompt")
    if not isinstance(prompt, str):
        offered = f"\nTools:\n{read.schemas}" if read.tools else ""
        prompt = f"{question}{offered}\nAnswer with the calls as JSON."
    return Asked(prompt, dict(read.row), WORK, {"tools": facts})


def check_row(row: Mapping[str, Any]) -> None:
    """TaskError for schemas that can't be read, where a row has any."""
    tools_of(row)


# -- gold ------------------------------------------------------------------------------------------
def calls_of(row: Mapping[str, Any]) -> Gold:
    """The calls that a row asks for. Raises TaskError where no column holds some, or where they
    can't be read."""
    carried = row.get("reward_model")
    inside = carried.get("ground_truth") if isinstance(carried, Mapping) else None
    told = {k: row[k] for k in KEYS if row.get(k) is not None}
    told |= {"reward_model": inside} if inside is not None else {}
    errors = []
    for name, value in told.items():
        try:
            return gold_of(value)
        except TaskError as error:
            errors.append(f"{name}: {error}")
    last = _last_calls(row.get("messages"))
    if last is not None:
        return gold_of(last)
    if errors:
        raise TaskError(errors[0])
    msg = f"no column holds the right calls ({', '.join(KEYS[:8])}, ...)"
    raise TaskError(msg)


def _last_calls(said: Any) -> Any:
    """The tool calls of the last of a row's messages that has some."""
    many = said if isinstance(said, list) else []
    found = [m["tool_calls"] for m in many if isinstance(m, Mapping) and m.get("tool_calls")]
    return found[-1] if found else None


def question_of(row: Mapping[str, Any]) -> str:
    """What a row asks: text, or what the user says in messages or in turns of them."""
    for name in QUESTIONS:
        said = _said(row.get(name))
        if said:
            return said
    return ""


def _said(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        spoken = value.get("role", value.get("from")) in ("user", "human")
        content = value.get("content", value.get("value"))
        return content if spoken and isinstance(content, str) else ""
    return "\n".join(x for x in map(_said, value) if x) if isinstance(value, list) else ""


# -- over all rows ---------------------------------------------------------------------------------
def _pool(read: Sequence[_Read]) -> dict[tuple[str, str], tuple[Any, ...]]:
    """(tool, argument) -> values that gold calls give it."""
    out: dict[tuple[str, str], list[Any]] = {}
    for x in read:
        for e in x.gold.calls:
            for argument, value in e.usual[1].items():
                seen = out.setdefault((e.name, argument), [])
                if value not in seen:
                    seen.append(value)
    return {k: tuple(v) for k, v in out.items()}


def _seen(read: Sequence[_Read]) -> list[Tool]:
    """Tools that gold calls name, for rows whose schemas stand in their prompt alone."""
    out: dict[str, dict[str, Any]] = {}
    for x in read:
        for e in x.gold.calls:
            out.setdefault(e.name, {}).update({k: {} for k in e.values})
    return [Tool(name, properties) for name, properties in out.items()]
