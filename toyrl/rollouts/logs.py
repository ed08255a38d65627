"""Logs of real rollouts, read into `Rollouts` with the texts beside them; and value checks.

A row is a rollout. Files are read as `toyrl.rollouts.log_files` says: JSON lines, a JSON array,
CSV, parquet, each packed with gzip or not, or a folder of them. Of a row are read:

| key           | also read as                                        | needed                   |
|---------------|-----------------------------------------------------|--------------------------|
| completion    | response, output, generation, text, ...             | yes                      |
| correct       | is_correct, acc, accuracy, success, passed, ...     | yes: 0..1 or true/false  |
| prompt_id     | group_id, problem_id, question_id, uid, example_id  | it or prompt             |
| prompt        | question, problem, query, input                     | it or prompt_id          |
| length        | num_tokens, n_tokens, tokens, completion_tokens, ...| else estimated, and said |
| truncated     | clipped, is_truncated, finish_reason == "length"    | no                       |
| reward        | score; columns with "reward" in their names         | no                       |
| advantage     | advantages                                          | no                       |
| difficulty    | operands, level                                     | no                       |

All of them stand in `toyrl.rollouts.log_columns.KEYS`; `columns` names others. Every other key is a
data column (answer, solution, ground_truth, gts, ...) and reaches the reward. Prompts and
completions may be lists of chat messages, or stand together under `messages`. Rows of one prompt
need not be neighbours; without a prompt_id, the same prompt at another `step` is another group.

| written by             | columns                                        | what says right        |
|------------------------|------------------------------------------------|------------------------|
| TRL, log_completions   | step, prompt, completion, reward functions     | accuracy_reward, named |
| verl, rollout_data_dir | input, output, gts, score, step                | acc, named             |
| OpenRLHF               | query, prompt, label, reward; input, output    | named                  |
| verifiers              | example_id, prompt, completion, answer, reward | a metric, named        |
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from toyrl.graders.base import TextRow
from toyrl.rollouts import Rollouts
from toyrl.rollouts.log_columns import KEYS, Columns, LogError, columns_of, usual
from toyrl.rollouts.log_files import BadRow, Rows, read_rows
from toyrl.rollouts.log_rows import Record, RowError, real, record_of
from toyrl.rollouts.ragged import check_values, from_lists, padded, positive
from toyrl.rollouts.texts import flat_rollouts, ran_out, text_fields

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
SHOWN = 10  # causes listed in an error
NO_LIMIT = "no row is marked truncated"
CHARACTERS_PER_TOKEN = 4  # English text; only for logs without any length


@dataclass(frozen=True)
class Log:
    """A log as arrays and texts.

    rollouts : (B, G), prompts in order of first appearance, short groups padded with weight 0
    rows, lines : texts and line numbers, in the order of `rollouts`' places with weight > 0
    prompts, prompt_ids : B texts (first seen) and group keys
    reward, difficulty : (B, G) and (B,) float, NaN where the log has none
    notes : what was estimated, assumed or left out
    paid : column of a logged reward -> (B, G), NaN where it has none
    advantage : (B, G) as logged, NaN where the log has none
    estimated : lengths are estimated from the characters
    longest : tokens of the longest row; marked : some rows are marked truncated
    """

    rollouts: Rollouts
    rows: list[TextRow]
    prompts: list[str]
    prompt_ids: list[str]
    reward: np.ndarray
    difficulty: np.ndarray
    lines: list[int]
    notes: tuple[str, ...] = ()
    paid: Mapping[str, np.ndarray] = field(default_factory=dict)
    advantage: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    estimated: bool = False
    longest: float = 0.0
    marked: bool = False


# -- reading -------------------------------------------------------------------------------------
def read_log(
    path: Any,
    *,
    skip_bad: bool = False,
    max_length: float | None = None,
    run_limit: float | None = None,
    columns: Mapping[str, str] | str | None = None,
) -> Log:
    """Read a log: JSONL, a JSON array, CSV, parquet, `.gz` of these, or a folder.

    skip_bad : leave bad rows out, with a note, instead of refusing the log
    max_length : the completion limit in tokens, which no row may exceed (None: `run_limit`, the
        longest truncated row, or the longest row)
    run_limit : limit of the planned run: the log's limit too, unless a row is longer or marked
        truncated below it; rows of that length are truncated where the log marks none
    columns : standard name -> column where it has none of the usual names, {"correct": "score"} or
        "correct=score,completion=output"; "correct=score>0.5" sets a bound

    Raises LogError, which groups bad rows by cause with the first line of each (all of them in
    `bad`), and names the columns there are where one is missing.
    """
    return _assemble(read_rows(path), skip_bad, max_length, run_limit, columns)


def read_columns(
    path: Any, *, skip_bad: bool = False, columns: Mapping[str, str] | str | None = None
) -> tuple[list[dict[str, Any]], str]:
    """Rows of a data set (objects with a prompt, gold answer, other columns), and a note.

    Files as for `read_log`; what `columns` names is moved to its standard name. Columns that some
    rows lack are None there, as a data set's loader does it; the note names rows left out, or is
    "". Raises LogError as `read_log`.
    """
    from toyrl.rollouts.log_columns import asked_columns

    rows = read_rows(path)
    if rows.bad and (not skip_bad or not rows.found):
        raise LogError(_bad_text(rows.name, rows.bad, len(rows.found)), rows.bad)
    if not rows.found:
        msg = f"{rows.name} holds no rows; write one JSON object a line"
        raise LogError(msg)
    moved = {column: name for name, column in asked_columns(columns).items()}
    found = [{moved.get(k, k): v for k, v in row.items()} for _, row in rows.found]
    names = dict.fromkeys(k for row in found for k in row)
    bad = rows.bad
    note = f"{rows.name}: {len(bad)} bad rows were left out; first: {bad[0].reason}" if bad else ""
    return [{n: row.get(n) for n in names} for row in found], note


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
    asked = {"correct": f"{correct}>0.5"}
    return read_log(path, skip_bad=skip_bad, max_length=max_length, columns=asked)


# -- many rows -------------------------------------------------------------------------------------
def _assemble(
    rows: Rows,
    skip_bad: bool,
    max_length: float | None,
    run_limit: float | None,
    asked: Mapping[str, str] | str | None,
) -> Log:
    for name, value in (("max_length", max_length), ("run_limit", run_limit)):
        if value is not None:
            positive(name, value)
    found = [(line, usual(row)) for line, row in rows.found]
    columns = columns_of((row for _, row in found), asked, rows.name) if found else Columns()
    bad, records = list(rows.bad), []
    for line, row in found:
        try:
            record = record_of(line, row, columns)
            if max_length is not None and record.length is not None:
                real(record.length, "length", 0.0, max_length)
            records.append(record)
        except RowError as error:
            bad.append(BadRow(line, str(error), error.cause))
    records, notes = _with_lengths(records, bad)
    records, apart = _apart(records)
    notes += apart
    bad.sort()
    if bad and (not skip_bad or not records):
        raise LogError(_bad_text(rows.name, bad, len(records)), bad)
    notes = [*columns.notes, *notes]
    if bad:
        notes.append(f"{len(bad)} bad rows were left out: {'; '.join(_causes(bad))}")
    if not records:
        msg = f"{rows.name} holds no rollouts; write one JSON object a line"
        raise LogError(msg)
    return _log(records, max_length, run_limit, notes)


def _causes(bad: Sequence[BadRow]) -> list[str]:
    """A line for each cause, the most frequent first: how many rows, and the first of them."""
    by: dict[str, list[BadRow]] = {}
    for row in bad:
        by.setdefault(row.cause, []).append(row)
    return [
        f"line {rows[0].line}: {rows[0].reason}"
        if len(rows) == 1
        else f"{len(rows)} rows, first line {rows[0].line}: {rows[0].reason}"
        for rows in sorted(by.values(), key=lambda rows: -len(rows))
    ]


def _bad_text(name: str, bad: Sequence[BadRow], good: int) -> str:
    causes = _causes(bad)
    shown = "\n".join(f"  {cause}" for cause in causes[:SHOWN])
    more = f"\n  ... and {len(causes) - SHOWN} more causes" if len(causes) > SHOWN else ""
    end = "fix them or skip them (--skip-bad-rows)" if good else "no row is usable"
    return f"{name}: {len(bad)} of {len(bad) + good} rows can't be used; {end}\n{shown}{more}"


def _with_lengths(records: list[Record], bad: list[BadRow]) -> tuple[list[Record], list[str]]:
    """Lengths for a log that has none at all; where some rows lack one, those are bad."""
    known = [r for r in records if r.length is not None]
    if known or not records:
        why = "no length, though other rows have one"
        bad += [BadRow(r.line, why, why) for r in records if r.length is None]
        return known, []
    out = []
    for r in records:
        tokens = max(1, math.ceil(len(r.row.completion) / CHARACTERS_PER_TOKEN))
        out.append(replace(r, length=float(tokens), row=replace(r.row, tokens=tokens)))
    return out, [f"the log has no lengths: estimated as characters / {CHARACTERS_PER_TOKEN}"]


def _apart(records: list[Record]) -> tuple[list[Record], list[str]]:
    """Ids 1 and "1" of one log as two groups, the text in its quotes, and what is said of it."""
    typed = {r.group for r in records if r.typed}
    both = typed & {r.group for r in records if not r.typed}
    if not both:
        return records, []
    kept = [
        replace(r, group=json.dumps(r.group)) if r.group in both and not r.typed else r
        for r in records
    ]
    first = min(both)
    told = f"{len(both)} prompt ids stand there as a number and as a text ({first} and"
    return kept, [f'{told} "{first}"); they are taken as different prompts']


def _log(
    records: list[Record], max_length: float | None, run_limit: float | None, notes: list[str]
) -> Log:
    estimated = any("estimated" in note for note in notes)
    limit, told = _limit(records, max_length, run_limit, estimated)
    marked = any(r.truncated for r in records)
    if not marked and not estimated:
        records = [_cut_at(r, limit) for r in records] if run_limit == limit else records
    groups: dict[str, list[Record]] = {}
    for r in records:
        groups.setdefault(r.group, []).append(r)

    def table(pick: Callable[[Record], float]) -> np.ndarray:
        return padded([[pick(r) for r in g] for g in groups.values()], math.nan)[0]

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
    levels = [[r.difficulty for r in g if not math.isnan(r.difficulty)] for g in groups.values()]
    return Log(
        rollouts=rollouts,
        rows=rows,
        prompts=[g[0].row.prompt for g in groups.values()],
        prompt_ids=list(groups),
        reward=table(lambda r: r.reward),
        difficulty=np.array([np.mean(d) if d else math.nan for d in levels], dtype=float),
        lines=[r.line for r in in_order],
        notes=(*notes, *told, *_remarks(groups, records)),
        paid={k: table(lambda r, k=k: r.paid[k]) for k in records[0].paid},
        advantage=table(lambda r: r.advantage),
        estimated=estimated,
        longest=max(float(r.length or 0.0) for r in records),
        marked=marked,
    )


def _limit(
    records: Sequence[Record],
    max_length: float | None,
    run_limit: float | None,
    estimated: bool,
) -> tuple[float, list[str]]:
    """The limit that the log was written under, and what must be said of it."""
    if max_length is not None:
        return float(max_length), []
    longest = max(float(r.length or 0.0) for r in records)
    cut = any(r.truncated for r in records)
    if run_limit is not None:
        if longest > run_limit:
            how = " (estimated)" * estimated
            return longest, [
                f"the longest row has {longest:g} tokens{how}, more than the limit of "
                f"{run_limit:g} that is planned: the log was written under another limit"
            ]
        if not cut:
            return float(run_limit), []
        if longest < run_limit:
            return longest, [
                f"rows are marked truncated and none is longer than {longest:g} tokens, below the "
                f"limit of {run_limit:g} that is planned: the log was written under another limit"
            ]
    if cut:
        return max(longest, 1.0), []
    text = f"{NO_LIMIT}: the longest row, {longest:g} tokens, is taken as the limit"
    return max(longest, 1.0), [text]


def _cut_at(record: Record, limit: float) -> Record:
    """The record, truncated if it is as long as the limit."""
    cut = bool(ran_out(float(record.length or 0.0), limit=limit))
    return replace(record, truncated=cut, row=replace(record.row, truncated=cut))


def _remarks(groups: Mapping[str, list[Record]], records: Sequence[Record]) -> list[str]:
    out = []
    if not any(r.length for r in records):
        out.append("every row has length 0: nothing is known of lengths")
    if single := sum(len(g) == 1 for g in groups.values()):
        out.append(f"{single} of {len(groups)} prompts have one rollout only: no group signal")
    if mixed := sum(len({r.row.prompt for r in g}) > 1 for g in groups.values()):
        out.append(f"{mixed} prompt ids stand over more than one prompt text")
    if both := sum(r.truncated and r.correct > 0.5 for r in records):
        out.append(f"{both} rollouts are marked both truncated and correct; taken as logged")
    return out
