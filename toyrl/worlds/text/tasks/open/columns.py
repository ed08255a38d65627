"""What a user's data row asks of a text: its items, its criteria in words, its reference."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toyrl.graders.packed import listed
from toyrl.messages import shortened
from toyrl.worlds.text.tasks.base import GOLD, TaskError
from toyrl.worlds.text.tasks.open import ifeval
from toyrl.worlds.text.tasks.open.items import Item, of_instruction, of_line, of_mapping

IDS = ("instruction_id_list", "instruction_id")
CRITERIA = ("rubrics", "rubric", "checklist", "criteria", "constraints")
CRITERION = ("criterion", "description", "text", "question", "requirement", "title")
REFERENCES = ("reference", "reference_answer", "ideal_completion", *GOLD)
PROMPTS = ("prompt", "question", "instruction", "query", "problem")


@dataclass(frozen=True)
class Asks:
    """What one row asks.

    prompt : as text; items : what can be checked, None where some criterion is in words
    criteria : all of it in words; reference : a good text, "" for none
    unknown : ids of IFEval's kind that can't be checked
    """

    prompt: str
    items: tuple[Item, ...] | None
    criteria: tuple[str, ...]
    reference: str
    unknown: tuple[str, ...] = ()


def asks(row: Mapping[str, Any]) -> Asks:
    """What a row asks.

    Raises TaskError for a column that can't be read, and for a row that asks nothing.
    """
    prompt, reference = prompt_of(row), reference_of(row)
    instructions = instructions_of(row)
    if instructions is not None:
        unknown = tuple(n for n, _ in instructions if n not in ifeval.CHECKS)
        if unknown:
            return Asks(prompt, None, tuple(n for n, _ in instructions), reference, unknown)
        items = tuple(of_instruction(n, a) for n, a in instructions)
        return Asks(prompt, items, tuple(x.text for x in items), reference)
    given = criteria_of(row)
    if not given:
        msg = (
            "no column says what is asked of a text; give instruction_id_list with kwargs, or "
            f"{', '.join(CRITERIA)}"
        )
        raise TaskError(msg)
    found = [of_mapping(c) if isinstance(c, Mapping) else of_line(c) for c in given]
    known = tuple(x for x in found if x is not None)
    pairs = zip(given, found, strict=True)
    texts = tuple(x.text if x is not None else str(c) for c, x in pairs)
    return Asks(prompt, known if len(known) == len(found) else None, texts, reference)


def prompt_of(row: Mapping[str, Any]) -> str:
    """The prompt as text: of messages, what the user said last."""
    for name in PROMPTS:
        value = listed(row.get(name))
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, list):
            said = [m for m in value if isinstance(m, Mapping) and m.get("role") == "user"]
            if said and isinstance(said[-1].get("content"), str):
                return said[-1]["content"]
    return ""


def reference_of(row: Mapping[str, Any]) -> str:
    """A good text that comes with the row; "" for none. Lists of instructions are none."""
    ideal = row.get("ideal_completions_data")
    inner = ideal.get("ideal_completion") if isinstance(ideal, Mapping) else None
    for value in (inner, *(row.get(k) for k in REFERENCES)):
        if isinstance(value, str) and value.strip() and value.lstrip()[:1] not in "[{":
            return value.strip()
    return ""


def instructions_of(row: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]] | None:
    """(id, arguments) of IFEval's columns, or of a label that holds both; None without any.

    Raises TaskError where ids and arguments don't go together.
    """
    held: Any = row
    if not any(row.get(k) is not None for k in IDS):
        label = next((x for k in GOLD if (x := _record(row.get(k))) is not None), None)
        if label is None:
            return None
        held = label
    name = next(k for k in IDS if held.get(k) is not None)
    ids = listed(held[name])
    ids = [ids] if isinstance(ids, str) else ids
    if not isinstance(ids, list) or not ids or not all(isinstance(x, str) for x in ids):
        msg = f"{name}={shortened(held[name])} is no list of ids, such as 'punctuation:no_comma'"
        raise TaskError(msg)
    given = listed(held.get("kwargs"))
    given = [{}] * len(ids) if given is None else given
    given = [given] if isinstance(given, Mapping) else given
    fits = isinstance(given, list) and len(given) == len(ids)
    if not fits or not all(a is None or isinstance(a, Mapping) for a in given):
        msg = f"kwargs={shortened(held.get('kwargs'))} must be {len(ids)} mappings, one an id"
        raise TaskError(msg)
    return [
        (n, {k: v for k, v in (a or {}).items() if v is not None})
        for n, a in zip(ids, given, strict=True)
    ]


def _record(value: Any) -> Mapping[str, Any] | None:
    """A gold value that holds ids: a mapping, a list of one, or either as JSON."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, Mapping) and any(value.get(k) is not None for k in IDS):
        return value
    return None


def criteria_of(row: Mapping[str, Any]) -> list[str | Mapping[str, Any]]:
    """Criteria of a row: texts, or mappings {"type", "value"}; [] where it has none.

    Raises TaskError for a column that holds neither texts nor mappings with one.
    """
    there = [k for k in (*CRITERIA[-1:], *CRITERIA[:-1]) if row.get(k) is not None]
    if not there:
        return []
    name = there[0]
    value = listed(row[name])
    if isinstance(value, str):
        value = [line.strip() for line in value.splitlines() if line.strip()]
    if not isinstance(value, list) or not value:
        msg = f"{name}={shortened(row[name])} is no list of criteria"
        raise TaskError(msg)
    return [_criterion(name, c) for c in value]


def _criterion(name: str, given: Any) -> str | Mapping[str, Any]:
    if isinstance(given, Mapping) and "type" in given:
        return given
    text = given
    if isinstance(given, Mapping):
        text = next((given[k] for k in CRITERION if isinstance(given.get(k), str)), None)
    if not isinstance(text, str) or not text.strip():
        msg = (
            f"{name} holds {shortened(given)}, which is no criterion; give a text, or a mapping "
            f"with {', '.join(CRITERION[:3])} or with type and value"
        )
        raise TaskError(msg)
    return text.strip()
