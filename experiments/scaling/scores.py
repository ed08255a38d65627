"""The scores of a log as tables: gold, proxies and answers of each prompt's samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from toyrl.experiments.errors import UsageError
from toyrl.graders.answers import answer_key, marked_answer
from toyrl.messages import shortened
from toyrl.rollouts.log_columns import KEYS, Columns, LogError, columns_of, number, usual
from toyrl.rollouts.log_files import Rows, read_rows
from toyrl.rollouts.log_rows import group_of, text_of

ANSWERS = (
    *("extracted_answer", "predicted_answer", "model_answer", "parsed_answer", "prediction"),
    *("pred", "answer"),
)
"""Columns that may hold what a sample answered; one that is the same all over a prompt is gold."""
MOST = 1024  # samples of a subset that are looked at
KEPT = 0.9  # share of the prompts that must have as many samples as the largest k


@dataclass(frozen=True)
class Scores:
    """A log's numbers by prompt.

    prompts : how many; gold (R,), proxies column -> (R,), answer (R,) names or -1 (None: none),
    length (R,) tokens or None : of the rows that are used
    pools : (prompts (P,), rows (P, n)) for each number of samples n there is
    samples : the largest k: every prompt that is used has as many
    """

    name: str
    gold: np.ndarray
    gold_column: str
    proxies: Mapping[str, np.ndarray]
    answer: np.ndarray | None
    length: np.ndarray | None
    pools: Sequence[tuple[np.ndarray, np.ndarray]]
    samples: int
    notes: Sequence[str] = field(default_factory=tuple)

    @property
    def prompts(self) -> int:
        """Prompts that are used."""
        return sum(len(p) for p, _ in self.pools)

    @property
    def rows(self) -> int:
        """Rows that are used."""
        return sum(index.size for _, index in self.pools)

    @property
    def binary(self) -> bool:
        """Gold says right or wrong."""
        return bool(np.isin(self.gold, (0.0, 1.0)).all())


def read_scores(
    path: Any,
    *,
    gold: str | None = None,
    proxies: Sequence[str] = (),
    answer: str | None = None,
    columns: Mapping[str, str] | str | None = None,
    samples: int | None = None,
    skip_bad: bool = False,
) -> Scores:
    """Read a log's scores.

    gold : column of the truth, None: the one that says right or wrong; proxies : columns of scores,
        none: all logged rewards; answer : column of what a sample answered, None: found by name, or
        read off the completion
    samples : largest k, None: as many as 90 % of the prompts have; columns, skip_bad : as for
        `read_log`

    Raises UsageError for a file or column that can't be used.
    """
    rows = read_rows_or_say(path)
    records = _usual([row for _, row in rows.found])
    found, truth, chosen = _columns(rows.name, records, gold, proxies, answer, columns)
    values = {c: _numbers(records, c) for c in dict.fromkeys((truth, *chosen))}
    bad = ~np.all([np.isfinite(v) for v in values.values()], axis=0)
    notes = [*found.notes, *_left_out(rows, bad, values, skip_bad)]
    good = np.flatnonzero(~bad)
    used = {n: found.key(records[0], n) for n in KEYS} if records else {}
    groups = _groups(records, good, used)
    pools, most, told = _pools(groups, samples, rows.name)
    right = values[truth]
    if gold is None and found.above is not None:
        right = np.where(np.isfinite(right), right > found.above, np.nan).astype(float)
    names, said = answers_said(records, pools, answer)
    length = found.key(records[0], "length") if records else None
    tokens = None if length is None else _numbers(records, length)
    if tokens is not None and not np.isfinite(tokens[good]).all():
        tokens = None
    return Scores(
        rows.name, right, truth, {c: values[c] for c in chosen}, names, tokens, pools, most,
        (*notes, *told, *said),
    )  # fmt: skip


def _columns(
    name: str,
    records: Sequence[Mapping[str, Any]],
    gold: str | None,
    proxies: Sequence[str],
    answer: str | None,
    columns: Mapping[str, str] | str | None,
) -> tuple[Columns, str, list[str]]:
    """The log's columns, that of the truth, and those of the scores."""
    try:
        found = columns_of(
            records, columns, name, needed=("prompt",) if gold else ("correct", "prompt")
        )
    except LogError as error:
        raise UsageError(str(error)) from error
    truth = gold or next((k for r in records if (k := found.key(r, "correct"))), "")
    chosen = list(proxies) or [c for c in found.rewards if c != truth]
    for column in (truth, *chosen, *([answer] if answer else [])):
        _known(column, records, name)
    return found, truth, chosen


def scores_of(
    name: str,
    gold: np.ndarray,
    proxies: Mapping[str, np.ndarray],
    *,
    used: np.ndarray,
    completions: Sequence[str],
    length: np.ndarray | None = None,
) -> Scores | None:
    """Scores of rollouts in memory; None where prompts have less than two that are used.

    gold, proxies, used, length : (B, G); completions : texts of all places, row by row
    """
    good = used & np.isfinite(gold) & np.all([np.isfinite(v) for v in proxies.values()], axis=0)
    flat = np.arange(good.size).reshape(good.shape)
    groups = [row[keep].tolist() for row, keep in zip(flat, good, strict=True) if keep.any()]
    if not groups or max(map(len, groups)) < 2:
        return None
    pools, most, notes = _pools(groups, None, name)
    if most < 2:
        return None
    rows = [{"completion": text} for text in completions]
    answer, said = answers_said(rows, pools, None)
    return Scores(
        name, gold.ravel(), "correct", {k: v.ravel() for k, v in proxies.items()}, answer,
        None if length is None else length.ravel(), pools, most, (*notes, *said),
    )  # fmt: skip


def read_rows_or_say(path: Any) -> Rows:
    """The rows of a file; UsageError where there are none."""
    try:
        rows = read_rows(path)
    except LogError as error:
        raise UsageError(str(error)) from error
    if not rows.found:
        msg = f"{rows.name} holds no rows that can be read; write one JSON object a line"
        raise UsageError(msg)
    return rows


def _usual(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    first = records[0]
    return records if usual(first) is first else [usual(r) for r in records]


def _known(column: str, records: Sequence[Mapping[str, Any]], name: str) -> None:
    if not any(r.get(column) is not None for r in records):
        there = list(dict.fromkeys(k for r in records[:1000] for k in r))
        msg = f"{name} has no column {shortened(column)}; it has {', '.join(there[:30])}"
        raise UsageError(msg)


def _numbers(records: Sequence[Mapping[str, Any]], column: str) -> np.ndarray:
    """(R,) numbers, NaN where a row holds none."""
    listed = [r.get(column) for r in records]
    try:
        return np.array(listed, dtype=float)  # text of numbers too; None is NaN
    except (TypeError, ValueError):
        read = (None if v is None else number(v) for v in listed)
        return np.array([np.nan if v is None else v for v in read], dtype=float)


def _left_out(
    rows: Rows, bad: np.ndarray, values: Mapping[str, np.ndarray], skip_bad: bool
) -> list[str]:
    """What is said of rows that can't be used; UsageError unless they are to be skipped."""
    total = len(rows.found) + len(rows.bad)
    said = []
    if rows.bad:
        said.append(f"line {rows.bad[0].line}: {rows.bad[0].reason}")
    if bad.any():
        lacking = [c for c, v in values.items() if not np.isfinite(v).all()]
        line = rows.found[int(np.argmax(bad))][0]
        said.append(f"line {line}: no finite number in {' or '.join(lacking)}")
    if not said:
        return []
    count = f"{len(rows.bad) + int(bad.sum())} of {total} rows can't be used"
    if not skip_bad or bad.all():
        end = "no row is usable" if bad.all() else "mend them or skip them (--skip-bad-rows)"
        msg = f"{rows.name}: {count}; {end}; first, {'; '.join(said)}"
        raise UsageError(msg)
    return [f"{count} and were left out; first, {'; '.join(said)}"]


def _groups(
    records: Sequence[Mapping[str, Any]], good: np.ndarray, used: Mapping[str, str | None]
) -> list[list[int]]:
    """Rows of each prompt, in order of first appearance."""
    out: dict[Any, list[int]] = {}
    by_id, prompt = used.get("prompt_id"), used.get("prompt")
    for i in good.tolist():
        row = records[i]
        key: Any = row.get(by_id) if by_id else None
        if type(key) not in (int, str):  # an object, or no id: as a log's reader names it
            here: dict[str, str | None] = {n: _there(row, n) for n in ("prompt_id", "prompt")}
            asks = text_of(row[here["prompt"]]) if here["prompt"] else ""
            if not any(here.values()) or asks is None:
                msg = f"row {i + 1} has no {by_id or prompt or 'prompt'}: which samples belong "
                msg += "together?"
                raise UsageError(msg)
            key = ("", group_of(row, here, asks))
        out.setdefault(key, []).append(i)
    return list(out.values())


def _there(row: Mapping[str, Any], name: str) -> str | None:
    return next((k for k in KEYS[name] if row.get(k) is not None), None)


def _pools(
    groups: Sequence[Sequence[int]], samples: int | None, name: str
) -> tuple[list[tuple[np.ndarray, np.ndarray]], int, list[str]]:
    """Prompts of one size together, the largest k, and what is said of others."""
    sizes = np.array([len(g) for g in groups])
    if samples is None:
        samples = int(np.sort(sizes)[int((1 - KEPT) * len(sizes))])
    most = min(int(samples), MOST)
    if not (sizes >= most).any() or most < 1:
        msg = f"samples={samples}: no prompt of {name} has so many; the most is {sizes.max()}"
        raise UsageError(msg)
    notes = [f"k up to {MOST} is looked at"] if samples > MOST else []
    if few := int((sizes < most).sum()):
        notes.append(f"{few} of {len(sizes)} prompts have fewer than {most} samples: left out")
    if most == 1:
        notes.append("one sample a prompt: nothing can be selected")
    pools, place = [], 0
    for n in sorted({int(s) for s in sizes if s >= most}):
        mine = [g for g in groups if len(g) == n]
        pools.append((np.arange(place, place + len(mine)), np.array(mine)))
        place += len(mine)
    return pools, most, notes


def answers_said(
    records: Sequence[Mapping[str, Any]],
    pools: Sequence[tuple[np.ndarray, np.ndarray]],
    asked: str | None,
    *,
    mark: str | None = None,
) -> tuple[np.ndarray | None, list[str]]:
    """(R,) number of what each row answers, -1: nothing, and where it was found.

    pools : as in `Scores`; asked : the column, None: found by name, or read off the completion
    mark : the dialect that is read alone in completions
    """
    names = [asked] if asked else [n for n in ANSWERS if records[0].get(n) is not None]
    for name in names:
        found = _named(records, lambda r, n=name: None if r.get(n) is None else str(r[n]))
        if asked or any((found[rows] != found[rows[:, :1]]).any() for _, rows in pools):
            return found, [f"answers are those of the column {name}"]
    wrote = next((k for k in KEYS["completion"] if records[0].get(k) is not None), None)
    if wrote is None:
        return None, ["no votes: no column of answers (--answer) and no completions"]
    found = _named(records, lambda r: marked_answer(text_of(r.get(wrote)) or "", mark))
    if (found < 0).all():
        return None, ["no votes: no completion marks its answer; name a column with --answer"]
    used = np.concatenate([rows.ravel() for _, rows in pools])
    share = float((found[used] >= 0).mean())
    told = "" if share == 1 else f"; {share:.0%} of them mark one, the others vote for nothing"
    return found, [f"answers are read off the completions{told}"]


def _named(
    records: Sequence[Mapping[str, Any]], read: Callable[[Mapping[str, Any]], str | None]
) -> np.ndarray:
    codes: dict[Any, int] = {}
    known: dict[str, int] = {}
    out = np.empty(len(records), dtype=np.int64)
    for i, row in enumerate(records):
        text = read(row)
        if text is None:
            out[i] = -1
            continue
        code = known.get(text)
        if code is None:
            code = known[text] = codes.setdefault(answer_key(text), len(codes))
        out[i] = code
    return out
