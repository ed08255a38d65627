"""Completions that are more than text: chat messages with tool calls, written as one JSON list.

    [{"role": "assistant", "content": "...", "tool_calls": [{"type": "function", "function": ...}]}]

Read by the library and by the sandboxed child, so it imports the standard library only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any


def messages_of(text: str) -> list[dict[str, Any]]:
    """The messages that a completion's text writes out, made anew at every call.

    Text that is no list of messages with a role each is what one assistant message says.
    """
    found = written_messages(text)
    return [{"role": "assistant", "content": text}] if found is None else found


def written_messages(text: str) -> list[dict[str, Any]] | None:
    """The messages of a text that is a JSON list of some; None for any other text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    listed = isinstance(found, list) and bool(found)
    return found if listed and all(isinstance(m, dict) and "role" in m for m in found) else None


def calls_are_sound(messages: Iterable[Mapping[str, Any]]) -> bool:
    """Whether every tool call has the form in which servers hand one over: a `function` with a
    `name`. What its arguments are is the model's to say."""
    return all(
        isinstance(call, Mapping)
        and isinstance(call.get("function"), Mapping)
        and isinstance(call["function"].get("name"), str)
        for m in messages
        if m.get("tool_calls") is not None
        for call in (m["tool_calls"] if isinstance(m["tool_calls"], list) else (None,))
    )
