"""All tasks in a few characters, and reading a completion by its prompt, whichever task it is."""

from __future__ import annotations

from typing import Any

from toyrl.messages import shortened
from toyrl.worlds.text import brackets, edits, shorthand
from toyrl.worlds.text.script import Read, Script, parse
from toyrl.worlds.traces import script as traces

SCRIPTS = {made.SCRIPT.name: made.SCRIPT for made in (shorthand, brackets, edits, traces)}


def script_of(asked: str) -> tuple[Script, Any]:
    """(the task, the problem) of a prompt; ValueError for one of none."""
    for script in SCRIPTS.values():
        try:
            return script, script.problem_of(asked)
        except ValueError:
            continue
    msg = f"{shortened(asked)} is no prompt of {', '.join(SCRIPTS)}"
    raise ValueError(msg)


def read(asked: str, completion: str) -> tuple[Read, int]:
    """(what the completion says, the problem's number of steps); ValueError as `script_of`."""
    script, problem = script_of(asked)
    return parse(script, completion, problem), problem.difficulty
