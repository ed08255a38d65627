"""Logs of real rollouts, read into `Rollouts` with the texts beside them; and value checks.

A log has one JSON object a line, a line a rollout:

| key           | also read as                                        | needed                   |
|---------------|-----------------------------------------------------|--------------------------|
| completion    | response, output, generation                        | yes                      |
| correct       | is_correct, acc, accuracy, success, passed          | yes: 0..1 or true/false  |
| prompt_id     | group_id, problem_id, question_id, uid              | it or prompt             |
| prompt        | question, problem, query, input                     | it or prompt_id          |
| length        | num_tokens, n_tokens, tokens, completion_tokens, ...| else estimated, and said |
| truncated     | clipped, is_truncated, finish_reason == "length"    | no                       |
| reward        | score                                               | no                       |
| difficulty    | operands, level                                     | no                       |

Every other key is a data column (answer, solution, ground_truth, ...) and reaches the reward.
Prompts and completions may be lists of chat messages. Rows of one prompt need not be neighbours.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from toyrl.graders.base import TextRow
from toyrl.rollouts import Rollouts
from toyrl.rollouts.log_rows import KEYS, LogError, Record, real, record_of, text_of
from toyrl.rollouts.ragged import check_values, from_lists, padded, positive
from toyrl.rollouts.texts import flat_rollouts, text_fields

__all__ = [
    "KEYS",
    "Log",
    "LogError",
    "Record",
    "check_values",
    "from_lists",
    "read_columns",
    "read_log",
    "read_trl_log",
]
SHOWN = 10  # bad rows listed in an error
CHARACTERS_PER_TOKEN = 4  # English text; only for logs without any length


@dataclass(frozen=True)
class Log:
    """A log as arrays and texts.

    rollouts : (B, G), prompts in order of first appearance, short groups padded with weight 0
    rows, lines : texts and line numbers, in the order of `rollouts`' places with weight > 0
    prompts, prompt_ids : B texts (first seen) and group keys
    reward, difficulty : (B, G) and (B,) float, NaN where the log has none
    notes : what was estimated, assumed or left out
    """

    rollouts: Rollouts
    rows: list[TextRow]
    prompts: list[str]
    prompt_ids: list[str]
    reward: np.ndarray
    difficulty: np.ndarray
    lines: list[int]
    notes: tuple[str, ...] = ()


# -- reading -------------------------------------------------------------------------------------
def read_log(
    path: Any,
    *,
    skip_bad: bool = False,
    max_length: float | None = None,
    correct: str | None = None,
) -> Log:
    """Read a JSONL log.

    skip_bad : leave bad rows out, with a note, instead of refusing the log
    max_length : the completion limit in tokens (None: the longest truncated row, else the longest)
    correct : the key that says whether a rollout is right, if it is none of the usual ones

    Raises LogError, which names every bad line with its reason (ten in the text, all in `bad`).
    """
    place = Path(path)
    return _assemble(*_lines(place), place.name, skip_bad, max_length, correct)


def _lines(place: Path) -> tuple[list[tuple[int, Any]], list[tuple[int, str]]]:
    """(line, object) of every readable line, and (line, reason) of the others."""
    if not place.is_file():
        msg = f"{place} is {'a folder' if place.is_dir() else 'no file'}; give a JSONL log"
        raise LogError(msg)
    found: list[tuple[int, Any]] = []
    bad: list[tuple[int, str]] = []
    with place.open("rb") as source:
        for number, raw in enumerate(source, start=1):
            if raw.strip():
                _decode(number, raw, found, bad)
    return found, bad


def _decode(
    number: int, raw: bytes, found: list[tuple[int, Any]], bad: list[tuple[int, str]]
) -> None:
    try:
        value = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        bad.append((number, f"not UTF-8 (byte {error.start + 1} of the line)"))
    except json.JSONDecodeError as error:
        bad.append((number, f"not JSON: {error.msg}, column {error.colno}"))
    except (ValueError, RecursionError) as error:  # a number of too many digits, deep nesting
        bad.append((number, f"not JSON: {error}"))
    else:
        if isinstance(value, dict):
            found.append((number, value))
        else:
            bad.append((number, f"a {type(value).__name__}, not an object on one line"))


def read_columns(path: Any, *, skip_bad: bool = False) -> tuple[list[dict[str, Any]], str]:
    """Rows of a JSONL data set (objects with a prompt, gold answer, other columns), and a note.

    Columns that some rows lack are None there, as a data set's loader does it; the note names
    rows left out, or is "". Raises LogError as `read_log`.
    """
    place = Path(path)
    found, bad = _lines(place)
    if bad and (not skip_bad or not found):
        raise LogError(_bad_text(place.name, bad, len(found)), bad)
    if not found:
        msg = f"{place.name} holds no rows; write one JSON object a line"
        raise LogError(msg)
    names = dict.fromkeys(k for _, row in found for k in row)
    note = f"{place.name}: {len(bad)} bad rows were left out; first: {bad[0][1]}" if bad else ""
    return [{n: row.get(n) for n in names} for _, row in found], note


def read_trl_log(
    path: Any,
    *,
    correct: str = "accuracy_reward",
    skip_bad: bool = False,
    max_length: float | None = None,
) -> Log:
    """Read what TRL writes with `log_completions=True`: a parquet file, a folder of them, or JSONL.

    correct : the reward function's column that holds correctness (above 0.5 counts as right)

    TRL writes no lengths; they are estimated from the text unless a `length` column was logged.

    Raises LogError where nothing was logged or the column is missing; the message lists the
    columns.
    """
    place = Path(path)
    files = sorted(place.glob("*.parquet")) if place.is_dir() else [place]
    if not files:
        msg = f"{place} holds no parquet file; TRL writes them to output_dir/completions"
        raise LogError(msg)
    if place.suffix in (".jsonl", ".json"):
        found, bad = _lines(place)
    else:
        found, bad = _parquet(files), []
    for _, row in found:
        if "step" in row:  # the same prompt at another step is another group
            row["prompt_id"] = f"{row['step']}:{text_of(row.get('prompt'))}"
        value = row.get(correct)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value == value:
            row[correct] = float(value > 0.5)
    if found and not any(correct in row for _, row in found):
        names = ", ".join(found[0][1])
        msg = f"{place.name} has no column {correct!r} for correctness; correct= one of: {names}"
        raise LogError(msg)
    return _assemble(found, bad, place.name, skip_bad, max_length, correct)


def _parquet(files: Sequence[Path]) -> list[tuple[int, Any]]:
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        msg = "reading parquet needs pyarrow: pip install pyarrow, or give the log as JSONL"
        raise LogError(msg) from error
    rows: list[Any] = []
    for file in files:
        try:
            rows += pq.read_table(file).to_pylist()
        except (OSError, ValueError) as error:
            msg = f"{file} is no readable parquet file: {error}"
            raise LogError(msg) from error
    return list(enumerate(rows, start=1))


# -- many rows -------------------------------------------------------------------------------------
def _assemble(
    found: Iterable[tuple[int, Any]],
    bad: list[tuple[int, str]],
    name: str,
    skip_bad: bool,
    max_length: float | None,
    own_correct: str | None,
) -> Log:
    if max_length is not None:
        positive("max_length", max_length)
    records = []
    for line, row in found:
        try:
            record = record_of(line, row, own_correct)
            if max_length is not None and record.length is not None:
                real(record.length, "length", 0.0, max_length)
            records.append(record)
        except ValueError as error:
            bad.append((line, str(error)))
    records, notes = _with_lengths(records, bad)
    bad.sort()
    if bad and (not skip_bad or not records):
        raise LogError(_bad_text(name, bad, len(records)), bad)
    if bad:
        lines = ", ".join(str(n) for n, _ in bad[:SHOWN]) + (", ..." if len(bad) > SHOWN else "")
        notes.append(f"{len(bad)} bad rows were left out (lines {lines}); first: {bad[0][1]}")
    if not records:
        msg = f"{name} holds no rollouts; write one JSON object a line"
        raise LogError(msg)
    return _log(records, max_length, notes)


def _bad_text(name: str, bad: Sequence[tuple[int, str]], good: int) -> str:
    shown = "\n".join(f"  line {n}: {reason}" for n, reason in bad[:SHOWN])
    more = f"\n  ... and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
    end = "fix them or skip them (--skip-bad-rows)" if good else "no row is usable"
    return f"{name}: {len(bad)} of {len(bad) + good} rows can't be used; {end}\n{shown}{more}"


def _with_lengths(
    records: list[Record], bad: list[tuple[int, str]]
) -> tuple[list[Record], list[str]]:
    """Lengths for a log that has none at all; where some rows lack one, those are bad."""
    known = [r for r in records if r.length is not None]
    if known or not records:
        why = "no length, though other rows have one"
        bad += [(r.line, why) for r in records if r.length is None]
        return known, []
    out = []
    for r in records:
        tokens = max(1, math.ceil(len(r.row.completion) / CHARACTERS_PER_TOKEN))
        out.append(replace(r, length=float(tokens), row=replace(r.row, tokens=tokens)))
    return out, [f"the log has no lengths: estimated as characters / {CHARACTERS_PER_TOKEN}"]


def _log(records: list[Record], max_length: float | None, notes: list[str]) -> Log:
    groups: dict[str, list[Record]] = {}
    for r in records:
        groups.setdefault(r.group, []).append(r)
    limit, told = _limit(records, max_length)
    notes = [*notes, *told, *_remarks(groups, records)]

    def table(pick: Callable[[Record], float]) -> list[list[float]]:
        return [[pick(r) for r in g] for g in groups.values()]

    in_order = [r for g in groups.values() for r in g]
    rows = [r.row for r in in_order]
    rollouts, _ = flat_rollouts(
        [r.group for r in in_order],
        correct=np.array([r.correct for r in in_order]),
        length=np.array([float(r.length or 0.0) for r in in_order]),
        truncated=np.array([r.truncated for r in in_order]),
        max_length=limit,
        fields=text_fields(rows, ("answered",)),
    )
    check_values(rollouts)
    reward, _ = padded(table(lambda r: r.reward), math.nan)
    levels = [[r.difficulty for r in g if not math.isnan(r.difficulty)] for g in groups.values()]
    return Log(
        rollouts=rollouts,
        rows=rows,
        prompts=[g[0].row.prompt for g in groups.values()],
        prompt_ids=list(groups),
        reward=reward,
        difficulty=np.array([np.mean(d) if d else math.nan for d in levels], dtype=float),
        lines=[r.line for r in in_order],
        notes=tuple(notes),
    )


def _limit(records: Sequence[Record], max_length: float | None) -> tuple[float, list[str]]:
    if max_length is not None:
        return float(max_length), []
    longest = max(float(r.length or 0.0) for r in records)
    if any(r.truncated for r in records):
        return longest, []
    text = f"no row is marked truncated: the longest row, {longest:g} tokens, is taken as the limit"
    return max(longest, 1.0), [text]


def _remarks(groups: Mapping[str, list[Record]], records: Sequence[Record]) -> list[str]:
    out = []
    if single := sum(len(g) == 1 for g in groups.values()):
        out.append(f"{single} of {len(groups)} prompts have one rollout only: no group signal")
    if mixed := sum(len({r.row.prompt for r in g}) > 1 for g in groups.values()):
        out.append(f"{mixed} prompt ids stand over more than one prompt text")
    if both := sum(r.truncated and r.correct > 0.5 for r in records):
        out.append(f"{both} rollouts are marked both truncated and correct; taken as logged")
    return out
