"""Calling a user's reward function in its own form.

Runs inside the sandboxed child: standard library only. Rows are dicts with the keys of
`toyrl.graders.base.TextRow`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

# relative, because the child loads this folder without importing the library
from . import inputs, managers, records
from .chats import messages_of
from .returned import batch_values, single_value
from .signatures import (
    GOLD,
    GOLD_SYNONYMS,
    PROMPT,
    TEXT,
    Refusal,
    Signature,
    text_parameter,
)
from .standins import Parser, ignore, state, token_ids

RECORD_FORMS = ("easyr1", "easyr1_batch", "rllm", "verl_manager", "record")
MAPPED_FORMS = ("openrlhf", "easyr1", "easyr1_batch")  # a setting names the gold column
BORROWS = "is given your column"
TUPLES = ("verl", "rllm", "record")  # forms whose tuples hold the score first
Row = Mapping[str, Any]


class UserRaised(Exception):
    """The user's code raised; `__cause__` is what it raised."""


# -- one row's or one batch's values -----------------------------------------------------------
def gold_of(row: Row, name: str) -> tuple[bool, Any]:
    """(found, value): the column of that name, or the row's first gold column.

    verl's data sets hold ground_truth inside reward_model.
    """
    columns = row["columns"]
    inside = columns.get("reward_model")
    carried = isinstance(inside, Mapping) and "ground_truth" in inside
    if carried and name not in columns and name.startswith("ground_truth"):
        return True, inside["ground_truth"]
    source = gold_source(columns, name)
    return (False, None) if source is None else (True, columns[source])


def gold_source(columns: Mapping[str, Any], name: str) -> str | None:
    """The column that holds the gold answer for a parameter: its own, or the first synonym."""
    names = (name, name.removesuffix("s"), *GOLD, *GOLD_SYNONYMS)
    return next((n for n in names if n in columns), None)


def own_name(signature: Signature, name: str) -> str:
    """The data column that goes by a parameter: TRL's own name, the singular in other batches."""
    return name.removesuffix("s") if signature.batch and signature.form != "trl" else name


def borrowed(signature: Signature, row: Row) -> dict[str, str]:
    """Gold names that the function asks for and the user's data lacks -> the column given instead.

    Only where the function couldn't be called otherwise: a required parameter, or the only names
    that its code looks up.
    """
    columns = row["columns"]
    if row.get("written") or signature.form in MAPPED_FORMS:
        return {}
    asked = [n for n in signature.gold if n in signature.required]
    asked += ["ground_truth"] if signature.form in RECORD_FORMS else []
    if not any(n in columns for n in (*signature.named, *asked)):
        others = [n for n in signature.named if n not in signature.required]
        asked += [n for n in others if signature.extra or n in signature.gold]
    return {
        n: source
        for n in asked
        if n not in columns
        and own_name(signature, n) not in columns
        and not (n.startswith("ground_truth") and "reward_model" in columns)
        and (source := gold_source(columns, n)) is not None
    }


def _record(row: Row) -> dict[str, Any]:
    """EasyR1's record of a row."""
    return {
        "response": row["completion"],
        "response_length": row["tokens"],
        "ground_truth": gold_of(row, "ground_truth")[1],
    }


def _fields(row: Row) -> dict[str, Any]:
    """Fields of a record by any usual name."""
    gold = gold_of(row, "answer")[1]
    carried = {"answer": gold, "ground_truth": gold, **row["columns"]}
    return {
        **row["columns"],
        **dict.fromkeys(TEXT, row["completion"]),
        **dict.fromkeys(PROMPT, row["prompt"]),
        **{n: gold_of(row, n)[1] for n in GOLD_SYNONYMS},
        **dict.fromkeys(records.CARRIERS, carried),
        "data_source": row["columns"].get("data_source", "openai/gsm8k"),
    }


def _filled(record: type, row: Row) -> Any:
    """The record of a row; a Refusal names what nothing fills."""
    try:
        return records.filled(record, _fields(row))
    except TypeError as error:
        have = ", ".join(row["columns"]) or "none"
        msg = (
            f"its {record.__name__} can't be filled from a row ({error}); give it a default, "
            f"or a column of its name in --data (columns: {have})"
        )
        raise Refusal(msg, "missing_column") from None


def _verl_row(row: Row) -> dict[str, Any]:
    """The columns of verl's data that a manager reads."""
    carried = row["columns"].get("reward_model")
    kept = carried if isinstance(carried, Mapping) else {"style": "rule"}
    return {
        **row["columns"],
        "data_source": row["columns"].get("data_source", "openai/gsm8k"),
        "reward_model": {**kept, "ground_truth": gold_of(row, "ground_truth")[1]},
        "extra_info": _extra_info(row),
    }


def _task_info(row: Row) -> dict[str, Any]:
    """rllm's task of a row: the data row, and its gold answer as ground_truth."""
    known = {"problem": row["prompt"], "question": row["prompt"], "data_source": "openai/gsm8k"}
    return {**known, "ground_truth": gold_of(row, "ground_truth")[1], **row["columns"]}


def _completion(row: Row, chat: bool) -> Any:
    text = row["completion"]
    if row.get("messages"):
        return messages_of(text)
    return [{"role": "assistant", "content": text}] if chat else text


def _prompt(row: Row, chat: bool) -> Any:
    chat = chat or bool(row.get("messages"))
    return [{"role": "user", "content": row["prompt"]}] if chat else row["prompt"]


def _ids(row: Row) -> list[int]:
    return token_ids(row["completion"], inputs.countable(row["tokens"]), row["truncated"])


def _state_of(row: Row, chat: bool) -> dict[str, Any]:
    columns = row["columns"]
    return {
        "prompt": _prompt(row, chat),
        "completion": _completion(row, chat),
        "answer": gold_of(row, "answer")[1],
        "task": columns.get("task", "default"),
        "info": columns.get("info", {}),
        "turn": 1,
        "usage": {"input_tokens": 0, "output_tokens": row["tokens"]},
        "is_truncated": row["truncated"],
        "responses": [],
        "timing": {},
    }


def _extra_info(row: Row) -> dict[str, Any]:
    known = {"index": 0, "split": "train", "question": row["prompt"], "num_turns": 2}
    info = row["columns"].get("extra_info")
    return {**known, "rollout_reward_scores": {}, **(info if isinstance(info, dict) else {})}


PER_ROW: dict[str, Callable[[Row, bool], Any]] = {
    "completion_ids": lambda r, _: _ids(r),
    "prompt_ids": lambda r, _: token_ids(r["prompt"], 0, True),
    "state": _state_of,
    "task": lambda r, _: r["columns"].get("task", "default"),
    "info": lambda r, _: r["columns"].get("info", {}),
    "data_source": lambda r, _: r["columns"].get("data_source", "openai/gsm8k"),
    "extra_info": lambda r, _: _extra_info(r),
    "solution_str": lambda r, _: r["completion"],
    "reward_input": lambda r, _: _record(r),
    "task_info": lambda r, _: _task_info(r),
    "action": lambda r, _: r["completion"],
    "queries": lambda r, _: r["prompt"] + r["completion"],  # OpenRLHF: the whole text
    "completion": _completion,
    "prompt": _prompt,
}
SHARED: dict[str, Callable[[], Any]] = {
    "trainer_state": state,
    "log_extra": lambda: ignore,
    "log_metric": lambda: ignore,
    "environments": lambda: None,
    "parser": Parser,
}


def value_for(signature: Signature, name: str, row: Row, chat: bool) -> tuple[bool, Any]:
    """(found, value) of one parameter for one row; `name` in the singular for batch forms."""
    if name in row["columns"] and name not in ("prompt", "completion"):
        return True, row["columns"][name]
    if name == "solution_str" and signature.after:
        return True, f"{row['prompt']}\n{signature.after}\n{row['completion']}"
    if name in PER_ROW:
        return True, PER_ROW[name](row, chat)
    if name in signature.gold:
        return gold_of(row, name)
    if name in PROMPT:
        return True, _prompt(row, chat)
    return False, None


def arguments(
    signature: Signature, rows: Sequence[Row], chat: bool
) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments of one call: lists for batch forms, else of the one row.

    Raises Refusal(missing_column) that names every required column the rows don't have.
    """
    listed = signature.batch or signature.form == "openrlhf"
    text = text_parameter(signature)
    values: dict[str, Any] = {}
    missing = []
    for name in signature.parameters:
        if name in SHARED:
            values[name] = SHARED[name]()
            continue
        if _left_out(signature, name, rows[0]):
            continue
        found = [_one(signature, name, text, row, chat, listed) for row in rows]
        if all(ok for ok, _ in found):
            got = [v for _, v in found]
            values[name] = got if listed else got[0]
        elif name in signature.required:
            missing.append(name)
    if missing:
        _refuse_columns(signature, missing, rows[0])
    if signature.extra:
        for name, got in _kwargs(signature, rows, chat).items():
            if name not in signature.parameters:  # those are served, or keep their default
                values[name] = got if listed or name in SHARED else got[0]
    positional = [values.pop(n) for n in signature.positional if n in values]
    return positional, values


def _left_out(signature: Signature, name: str, row: Row) -> bool:
    """A gold parameter with a default, which the user's data doesn't fill."""
    own = name in row["columns"] or row.get("written") or name in borrowed(signature, row)
    return name in signature.gold and name not in signature.required and not own


def _one(
    signature: Signature, name: str, text: str | None, row: Row, chat: bool, listed: bool
) -> tuple[bool, Any]:
    if name == text:
        return True, _completion(row, chat)
    if name == "completions" and not listed:  # AReaL: one completion under a plural name
        return True, _completion(row, chat)
    exact = value_for(signature, name, row, chat)
    if exact[0] or not listed:
        return exact
    return value_for(signature, name.removesuffix("s"), row, chat)


def _kwargs(signature: Signature, rows: Sequence[Row], chat: bool) -> dict[str, Any]:
    """What **kwargs receives: every data column, the gold under each usual name, TRL's extras."""
    if signature.form in ("verl", "verl_batch"):
        return {}  # only reward_kwargs of the configuration go there
    names = dict.fromkeys(n for row in rows for n in row["columns"])
    names.pop("prompt", None)
    names.pop("completion", None)
    out = {n: [row["columns"].get(n) for row in rows] for n in names}
    usual = GOLD if rows[0].get("written") else borrowed(signature, rows[0])
    for name in usual:
        found = [gold_of(row, name) for row in rows]
        if name not in out and all(ok for ok, _ in found):
            out[name] = [v for _, v in found]
    if signature.form == "trl":
        out["prompts"] = [_prompt(row, chat) for row in rows]
        out["completions"] = [_completion(row, chat) for row in rows]
        out["completion_ids"] = [_ids(row) for row in rows]
        out |= {n: SHARED[n]() for n in ("trainer_state", "log_extra", "log_metric")}
    if signature.form in ("plain", "verifiers"):
        out["prompt"] = [_prompt(row, chat) for row in rows]
    return out


def _refuse_columns(signature: Signature, missing: list[str], row: Row) -> None:
    have = ", ".join(row["columns"]) or "none"
    one = len(missing) == 1
    msg = (
        f"{signature.name} asks for the column{'' if one else 's'} {', '.join(missing)}, which the "
        f"rows don't have (columns: {have}); give rows that hold {'it' if one else 'them'}"
    )
    raise Refusal(msg, "missing_column", columns=missing)


# -- the call ----------------------------------------------------------------------------------
def call(
    function: Callable[..., Any],
    signature: Signature,
    rows: Sequence[Row],
    chat: bool,
    *,
    tick: Callable[[int], None],
    wait: Callable[[Any], Any],
) -> tuple[list[float | None], list[str]]:
    """One float (or None: unscorable) per row, and notes about conversions.

    tick(i) is called before row i of a per-row form; wait(awaitables) runs them together.
    """
    notes: dict[str, None] = {}
    for name, source in borrowed(signature, rows[0]).items():
        notes[f"{BORROWS} {source!r} as {name!r}"] = None
    if signature.after:
        told = f"reads behind {signature.after!r}; is given the prompt before it, as some trainers"
        notes[f"{told} do"] = None
    if signature.form == managers.FORM:
        tick(-1)
        values = _guard(lambda: managers.call(function, rows, _verl_row, wait))
        return list(values), list(notes)
    record = records.record_class(function, TEXT) if signature.form == records.FORM else None
    if signature.batch:
        positional, keywords = arguments(signature, rows, chat)
        tick(-1)
        result = _run(function, positional, keywords, wait)
        if len(rows) <= inputs.LOOKED_AT:
            places, fresh = arguments(signature, rows, chat)
            given = {**dict(zip(signature.positional, positional, strict=False)), **keywords}
            fresh |= dict(zip(signature.positional, places, strict=False))
            notes.update(dict.fromkeys(inputs.changed(given, fresh)))
        return batch_values(result, len(rows), notes), list(notes)
    pending = []
    for i, row in enumerate(rows):
        if record is not None:
            positional, keywords = [_filled(record, row)], {}
        else:
            positional, keywords = arguments(signature, [row], chat)
        tick(i)
        pending.append(_run(function, positional, keywords, None, row=i))
    if any(hasattr(p, "__await__") for p in pending):
        tick(-1)  # from here on they run together
        pending = _guard(lambda: wait(pending))
    first = signature.form in TUPLES
    return [single_value(v, i, notes, first=first) for i, v in enumerate(pending)], list(notes)


def _run(
    function: Callable[..., Any],
    positional: list[Any],
    keywords: dict[str, Any],
    wait: Callable[[Any], Any] | None,
    row: int | None = None,
) -> Any:
    def work() -> Any:
        result = function(*positional, **keywords)
        if wait is not None and hasattr(result, "__await__"):
            result = wait([result])[0]
        if hasattr(result, "__next__"):
            result = list(result)
        return result

    return _guard(work, row)


def _guard(work: Callable[[], Any], row: int | None = None) -> Any:
    try:
        return work()
    except SystemExit:
        raise
    except BaseException as error:
        raise UserRaised(row) from error
