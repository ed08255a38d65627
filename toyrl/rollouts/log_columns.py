"""Which column of a log says what: by the names that trainers give them, or as the user says."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from toyrl.messages import shortened

KEYS: dict[str, tuple[str, ...]] = {
    "completion": (
        *("completion", "response", "output", "generation", "generated_text"),
        *("model_output", "model_response", "text"),
    ),
    "correct": (
        *("correct", "is_correct", "acc", "accuracy", "success", "passed"),
        *("correctness", "solved", "accuracy_reward"),
    ),
    "prompt_id": ("prompt_id", "group_id", "problem_id", "question_id", "uid", "example_id"),
    "prompt": ("prompt", "question", "problem", "query", "input"),
    "length": (
        *("length", "num_tokens", "n_tokens", "tokens", "completion_tokens"),
        *("completion_length", "response_length", "num_completion_tokens"),
    ),
    "truncated": ("truncated", "clipped", "is_truncated", "finish_reason", "stop_reason"),
    "reward": ("reward", "score"),
    "advantage": ("advantage", "advantages"),
    "difficulty": ("difficulty", "operands", "level"),
}
"""Standard name -> the keys that it is read from, the first one that holds something."""

CHAT = ("messages", "conversation", "conversations")
STEP = ("step", "global_step")
NEEDED = ("completion", "correct", "prompt")
SAYS_RIGHT = re.compile(r"(?:^|[_/ .])(?:acc|accuracy|correct|correctness)(?:[_/ .]|$)", re.I)
PAYS = re.compile(r"(?:^|[_/ .])rewards?(?:[_/ .]|$)", re.I)
ABOVE = re.compile(r"(?P<column>.+?)\s*>\s*(?P<bound>[-+]?[\d.]+(?:e[-+]?\d+)?)", re.I)
_GOLD = re.compile(r"answer|solution|truth|target|label|gold|gts?$", re.I)


class LogError(ValueError):
    """A log can't be used; the message groups the bad rows by cause.

    bad : (line number, reason) of every bad row
    """

    def __init__(self, message: str, bad: Sequence[tuple[Any, ...]] = ()) -> None:
        super().__init__(message)
        self.bad = tuple((line, reason) for line, reason, *_ in bad)


@dataclass(frozen=True)
class Columns:
    """The keys of one log.

    own : standard name -> column, where the user says so or where it was found for the whole log
    above : a rollout is right where `correct` is above this; None: the column holds 0..1
    rewards : columns of logged rewards, a trainer's reward functions among them
    notes : what was found and taken
    """

    own: Mapping[str, str] = field(default_factory=dict)
    above: float | None = None
    rewards: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def key(self, row: Mapping[str, Any], name: str) -> str | None:
        """The row's key for a standard name; keys that hold null count as absent."""
        keys = (self.own[name],) if name in self.own else KEYS[name]
        return next((k for k in keys if row.get(k) is not None), None)


def asked_columns(columns: Mapping[str, str] | str | None) -> dict[str, str]:
    """{"correct": "score"}, from a mapping or from "correct=score,completion=output".

    Raises LogError for a name that is none of `KEYS`, with near ones, and for a text of another
    form.
    """
    if columns is None:
        return {}
    if isinstance(columns, str):
        parts = [part.partition("=") for part in columns.split(",") if part.strip()]
        for name, equals, column in parts:
            if not (name.strip() and equals and column.strip()):
                said = f"columns={shortened(columns)} is not of the form"
                msg = f"{said} correct=score,completion=output"
                raise LogError(msg)
        columns = {name.strip(): column.strip() for name, _, column in parts}
    for name, column in columns.items():
        if name not in KEYS:
            near = difflib.get_close_matches(str(name), KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(KEYS)}"
            msg = f"columns: {name}={column}: {name!r} is nothing that a log says; {hint}"
            raise LogError(msg)
    return {str(name): str(column) for name, column in columns.items()}


def columns_of(
    rows: Iterable[Mapping[str, Any]],
    asked: Mapping[str, str] | str | None,
    file: str,
    *,
    needed: Sequence[str] = NEEDED,
) -> Columns:
    """The columns of a log's rows, looked for once for all of them.

    needed : those of `NEEDED` that some row must have

    Raises LogError that names the columns there are, where the rows don't say what a rollout wrote
    or whether it was right, or where a column asked for isn't there.
    """
    rows = list(rows)
    named = dict.fromkeys(chain.from_iterable(dict.fromkeys(map(tuple, rows))))
    there = [k for k in named if any(row.get(k) is not None for row in rows)]
    own, above = _own(asked_columns(asked), there, file)
    found = Columns(own)
    lacks = [n for n in needed if not any(_has(found, row, n) for row in rows)]
    notes: list[str] = []
    if "correct" in lacks and (guess := _guess(rows, there)):
        own["correct"] = guess
        lacks.remove("correct")
        notes.append(f"{shortened(guess)} is taken as what says whether a rollout was right")
    if lacks and rows:
        raise LogError(_lacking(file, len(rows), lacks, there, own))
    if "correct" in own and above is None:
        above, said = _two_values(rows, own["correct"], file)
        notes += said
    paid = own.get("reward") or next((k for k in KEYS["reward"] if k in there), None)
    rewards = [k for k in there if k == paid or (PAYS.search(k) and _numbers(rows, k))]
    return Columns(own, above, tuple(rewards), tuple(notes))


def _own(
    asked: Mapping[str, str], there: Sequence[str], file: str
) -> tuple[dict[str, str], float | None]:
    """Columns that the user named, and the bound of `correct=score>0.5`."""
    own, above = dict(asked), None
    for name, column in asked.items():
        if column not in there and name == "correct" and (cut := ABOVE.fullmatch(column)):
            own[name], above = cut["column"], float(cut["bound"])
        if own[name] not in there:
            near = difflib.get_close_matches(own[name], there, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            said = f"{file} has no column {shortened(own[name])} for {name}{hint}"
            msg = f"{said}; it has {_listed(there)}"
            raise LogError(msg)
    return own, above


def _has(columns: Columns, row: Mapping[str, Any], name: str) -> bool:
    names = ("prompt", "prompt_id") if name == "prompt" else (name,)
    return any(columns.key(row, n) is not None for n in names)


NAME = 40  # characters of a column's name in a message


def _listed(names: Sequence[str], most: int = 30) -> str:
    shown = [shortened(name, NAME, write=str) for name in names[:most]]
    return ", ".join(shown) + (", ..." if len(names) > most else "")


SAYS = {
    "completion": "holds a completion",
    "correct": "says whether it was right",
    "prompt": "names its prompt (prompt or prompt_id)",
}


def _lacking(
    file: str, n: int, lacks: Sequence[str], there: Sequence[str], own: Mapping[str, str]
) -> str:
    said = " or ".join(SAYS[name] for name in lacks)
    looked = "; ".join(f"{name}: {', '.join(KEYS[name])}" for name in lacks)
    free = [c for c in there if c not in own.values()] or list(there) or ["COLUMN"]
    likely = {name: shortened(_likely(name, free), NAME, write=str) for name in lacks}
    example = ",".join(f"{name}={column}" for name, column in likely.items())
    return (
        f"{file}: none of the {n} rows {said} (looked for {looked}); its columns are "
        f"{_listed(there)}. Name the right one: --columns {example}"
    )


def _likely(name: str, there: Sequence[str]) -> str:
    """A column to show in an example."""
    if name == "correct":
        paid = [c for c in there if c in KEYS["reward"] or PAYS.search(c)]
        return paid[0] if paid else "COLUMN"
    return "COLUMN"


def _guess(rows: Sequence[Mapping[str, Any]], there: Sequence[str]) -> str | None:
    """The only column that is called like correctness and holds 0..1, or two numbers."""
    named = [k for k in there if SAYS_RIGHT.search(k) and _numbers(rows, k)]
    named = [k for k in named if PAYS.search(k) or not _GOLD.search(k)]
    usable = []
    for k in named:
        values = {v for row in rows if (v := number(row.get(k))) is not None}
        if len(values) == 2 or all(0 <= v <= 1 for v in values):
            usable.append(k)
    return usable[0] if len(usable) == 1 else None


def _numbers(rows: Sequence[Mapping[str, Any]], key: str) -> bool:
    """All values of the column that are there are numbers."""
    values = [row[key] for row in rows if row.get(key) is not None]
    return bool(values) and all(number(v) is not None for v in values)


def _two_values(
    rows: Sequence[Mapping[str, Any]], key: str, file: str
) -> tuple[float | None, list[str]]:
    """(bound, note) of a column of two numbers that are not both in 0..1, such as -1 and 1."""
    values = sorted({v for row in rows if (v := number(row.get(key))) is not None})
    if not values or (values[0] >= 0 and values[-1] <= 1):
        return None, []
    if len(values) == 2:
        return sum(values) / 2, [f"{key}={values[1]:g} is taken as right, {values[0]:g} as wrong"]
    msg = (
        f"{file}: {shortened(key)} holds {len(values)} numbers from {values[0]:g} to "
        f"{values[-1]:g}, which don't say what is right; give a bound: --columns "
        f"'correct={key}>{_middle(values):g}'"
    )
    raise LogError(msg)


def _middle(values: Sequence[float]) -> float:
    return (values[0] + values[-1]) / 2


def number(value: Any) -> float | None:
    """A number, true or false, or text that says one ("True", "0.5"); None for anything else."""
    if isinstance(value, str):
        text = value.strip().lower()
        if text in ("true", "false"):
            return float(text == "true")
        try:
            return float(text)
        except ValueError:
            return None
    if isinstance(value, (bool, int, float)):
        return float(value) if abs(value) < 1e300 or value != value else float("inf")
    return None


# -- rows as they are logged -----------------------------------------------------------------------
def usual(row: dict[str, Any]) -> dict[str, Any]:
    """The row with `prompt` and `completion` where chat messages or a whole text hold both.

    Chat: what follows the last message of a user or system is the completion. `query` beside
    `prompt` (OpenRLHF's reward server) is the prompt with the completion behind it.
    """

    def lacks(name: str) -> bool:
        return all(row.get(k) is None for k in KEYS[name])

    wrote = not lacks("completion")
    for key in CHAT:
        turns = row.get(key)
        if not (isinstance(turns, list) and turns and all(isinstance(m, dict) for m in turns)):
            continue
        asks = [i for i, m in enumerate(turns) if m.get("role") in ("user", "system")]
        split = asks[-1] + 1 if asks else 0
        made = {} if wrote else {"completion": turns[split:] or None}
        made |= {"prompt": turns[:split] or None} if lacks("prompt") else {}
        return {**{k: v for k, v in row.items() if k != key}, **made} if made else row
    prompt, query = row.get("prompt"), row.get("query")
    if wrote or not (isinstance(prompt, str) and isinstance(query, str)):
        return row
    if not prompt or not query.startswith(prompt):
        return row
    rest = {k: v for k, v in row.items() if k != "query"}
    return {**rest, "completion": query[len(prompt) :]}
