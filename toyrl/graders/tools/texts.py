"""Tool calls in texts: where they stand, how they are read, how calls in messages are written.

    <think>
    which tool, and why
    </think>
    <tool_call>
    {"name": "weather", "parameters": {"city": "Paris"}}
    {"name": "time", "parameters": {}}
    </tool_call>
    <response>
    what the user is told
    </response>

A call is an object with `name` and `parameters`, one call a line; the gold text says which blocks a
text must have.

Source: paper 21, code verl/utils/reward_score/rlla.py; mending of broken JSON and calls in messages
are ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from toyrl.extras import needed_by
from toyrl.messages import shortened

OPEN, CLOSE = "<tool_call>", "</tool_call>"
RESPONSE = "<response>"
MENDED = 10_000
"""Characters of the longest block that is mended: a hostile one takes a second."""
_THINK = r"<think>.*?</think>"
_CALL = r"\n<tool_call>\n.*?\n</tool_call>"
_SAY = r"\n<response>.*?</response>"
_LAYOUTS = {
    (call, say): re.compile(_THINK + _CALL * call + _SAY * say, re.DOTALL)
    for call in (False, True)
    for say in (False, True)
}


# -- writing ---------------------------------------------------------------------------------------
def tool_text(calls: Sequence[Mapping[str, Any]], thought: str = "", response: str | None = None
              ) -> str:  # fmt: skip
    """A text in the layout above: a thought, calls (empty: no block), a response (None: none)."""
    blocks = [f"<think>{thought}</think>"]
    if calls:
        blocks.append(written_calls(calls))
    if response is not None:
        blocks.append(f"<response>{response}</response>")
    return "\n".join(blocks)


def written_calls(calls: Sequence[Any]) -> str:
    """The block of tool calls, one a line, of calls as messages or data sets hold them.

    calls : objects with `name` and `parameters` (or `arguments`), or messages' `tool_calls`, which
        hold them under `function`; arguments, and calls, may be JSON as text. Since a model wrote
        them, nothing is refused: what is broken stays broken, a name that is missing is null
    """
    return "\n".join([OPEN, *map(_line, calls), CLOSE])


def _line(call: Any) -> str:
    call = _read(call)
    inner = _get(call, "function")
    own = call if inner is None else inner
    given = _get(own, "parameters")
    given = _read(_get(own, "arguments") if given is None else given)
    said = {"name": _get(own, "name"), "parameters": {} if given is None else given}
    try:
        if isinstance(given, str):
            return (
                f'{{"name": {json.dumps(said["name"])}, "parameters": {" ".join(given.split())}}}'
            )
        return json.dumps(said, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):
        return "a call that JSON can't hold"


def _read(value: Any) -> Any:
    """JSON as text as what it says; other things, and broken JSON, as they are."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value


def _get(thing: Any, name: str) -> Any:
    """A field of a mapping, or of an object as clients of chat servers return it."""
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)


def gold_text(value: Any) -> str:
    """A row's gold as text: text as it is, calls written as a block, messages with both.

    Raises ValueError for anything else.
    """
    if isinstance(value, str):
        return value
    many = [value] if isinstance(value, Mapping) else value
    if isinstance(many, Sequence) and all(isinstance(x, Mapping) for x in many):
        if not any("content" in x or "tool_calls" in x for x in many):
            return written_calls(many) if many else ""
        from toyrl.serving import text_of

        return text_of(many)
    msg = f"the ground truth {shortened(value)} is neither text nor tool calls nor messages"
    raise ValueError(msg)


# -- reading ---------------------------------------------------------------------------------------
def layout_holds(text: str, *, call: bool, response: bool) -> bool:
    """True for a thought, then each block that is asked for, exactly once, and nothing else.

    call, response : which blocks the gold text has. Tags of the thought are not counted, and what
    stands in a block doesn't matter.
    """
    need = [OPEN, CLOSE] * call + [RESPONSE, "</response>"] * response
    if not all(text.count(tag) == 1 for tag in need):
        return False
    return _LAYOUTS[call, response].fullmatch(text) is not None


def call_block(text: str) -> str | None:
    """What stands in the first block of tool calls; None where a tag is missing."""
    if OPEN not in text or CLOSE not in text:
        return None
    return text.split(OPEN, 2)[1].split(CLOSE, 1)[0].strip()


def read_calls(block: str, *, parsing: str = "strict") -> list[Any]:
    """The JSON value of every line of a block, nothing being asked of its form.

    parsing : "strict": as released, a line that is no JSON raises. "repair": calls may stand over
        several lines or in a list, `arguments` and `function` are read as `parameters` and the call
        itself, and broken JSON of at most `MENDED` characters is mended by json_repair

    Raises ValueError for what is no JSON, RecursionError for JSON nested too deeply, MissingExtra
    without json_repair.
    """
    try:
        found = [json.loads(line) for line in block.split("\n")]
        if parsing == "strict" or all(map(_is_call, found)):
            return found
    except (ValueError, RecursionError):
        if parsing == "strict":
            raise
        found = []
    return _mended(block, found)


def _mended(block: str, found: list[Any]) -> list[Any]:
    """Calls of a block that doesn't read as one call a line."""
    plain = [_plain(x) for x in _flat(found)]
    if plain and all(map(_is_call, plain)):
        return plain
    if len(block) > MENDED:
        msg = f"a block of {len(block)} characters is broken, and too long to be mended"
        raise ValueError(msg)
    with needed_by("the reward tool_calls with parsing='repair'"):
        import json_repair

    # In brackets: two calls of the same form would otherwise be taken for one, corrected.
    mended = [_plain(x) for x in _flat([json_repair.loads(f"[{block}]")])]
    if not (mended and all(map(_is_call, mended))):
        msg = "no call could be read"
        raise ValueError(msg)
    return mended


def _flat(found: Any) -> list[Any]:
    return [y for x in found for y in (_flat(x) if isinstance(x, list) else [x])]


def _plain(call: Any) -> Any:
    """A call under the two usual names of its fields."""
    own = call.get("function", call) if isinstance(call, dict) else call
    if not isinstance(own, dict) or "name" not in own:
        return call
    given = _read(own.get("parameters", own.get("arguments")))
    return call if given is None else {"name": own["name"], "parameters": given}


def _is_call(found: Any) -> bool:
    return isinstance(found, dict) and "name" in found and isinstance(found.get("parameters"), dict)


def thinking_words(text: str) -> int | None:
    """Words between the last <think> and the next </think>; None where a tag is missing."""
    if "<think>" not in text or "</think>" not in text:
        return None
    return len(text.rsplit("<think>", 1)[1].split("</think>", 1)[0].split())
