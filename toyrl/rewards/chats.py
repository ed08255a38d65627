"""Completions that are more than text: chat messages with tool calls, written as one JSON list.

    [{"role": "assistant", "content": "...", "tool_calls": [{"type": "function", "function": ...}]}]

Read by the library and by the sandboxed child, so it imports the standard library only.
"""

from __future__ import annotations

import json
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
