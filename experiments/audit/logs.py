"""A judge whose scores stand in a log: compared within prompts, nothing is asked.

Texts differ there in more than one thing, so that a liking is what goes together with a property
among equally right texts of a prompt, not what an edit does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toyrl.experiments.audit.answers import score_of
from toyrl.experiments.audit.items import TRUTH, Asked
from toyrl.experiments.audit.measures import SLICES, Compared
from toyrl.experiments.audit.read import Flat
from toyrl.experiments.errors import UsageError
from toyrl.graders.answers import is_answered
from toyrl.messages import shortened
from toyrl.worlds.text.prose import PHRASES

Array = np.ndarray
LOGS = (".jsonl", ".json", ".csv", ".parquet", ".gz")
LONGER = 1.1
"""Factor from which a text counts as longer than another."""
MOST = 64
"""Rollouts of a prompt that are compared: the first ones."""
REFLECTS = re.compile(
    "|".join([re.escape(p.rstrip(".")) for p in PHRASES] + [r"\b[Ww]ait\b", r"double-check"])
)
SAME = Asked("truth", "R", "W")


@dataclass(frozen=True)
class Logged:
    """A log's texts and one column of scores.

    compared : (B,) verdicts by prompt; flat : texts; stretch : mean log factor of the longer texts
    wins : (B, G, G) 1, 1/2 or 0 where the first of two texts scores higher, as high, lower; each
        pair once, NaN elsewhere
    unread : scores that can't be read; rows : of the log
    """

    compared: Compared
    flat: Flat
    stretch: float
    wins: Array
    unread: int
    rows: int
    example: str = ""


def is_log(given: Any) -> bool:
    """Whether a judge is named that is a log."""
    return isinstance(given, (str, Path)) and str(given).lower().endswith(LOGS)


def read_scores(
    path: Any, column: str | None, *, columns: Any = None, skip_bad: bool = False
) -> tuple[str, Logged]:
    """A log's column of scores, compared within prompts.

    column : its name; None: the log's reward, where it has one alone

    Raises UsageError for a log that can't be read or has no such column.
    """
    from toyrl.rollouts.logs import LogError, read_log

    try:
        log = read_log(path, columns=columns, skip_bad=skip_bad)
    except LogError as error:
        msg = f"judge: {error}"
        raise UsageError(msg) from error
    here = log.rollouts.w > 0
    found = {k: list(v[here]) for k, v in log.paid.items() if np.isfinite(v).any()}
    names = dict.fromkeys(k for row in log.rows for k in row.columns)
    if column is None:
        if len(found) != 1:
            said = ", ".join([*found, *names]) or "none"
            msg = f"score is missing; name the column with the judge's scores: {said}"
            raise UsageError(msg)
        column = next(iter(found))
    raw = found.get(column) or [row.columns.get(column) for row in log.rows]
    if column not in found and column not in names:
        there = ", ".join([*found, *names]) or "none"
        msg = f"score={shortened(column)} is no column of {path}; there are {there}"
        raise UsageError(msg)
    scores = [score_of(v) for v in raw]
    lost = [v for v, s in zip(raw, scores, strict=True) if s is None]
    flat = Flat(
        prompt=np.nonzero(here)[0],
        right=log.rollouts.correct[here] > 0.5,
        tokens=np.maximum(log.rollouts.length[here], 1.0),
        marked=np.array([is_answered(row) > 0 for row in log.rows], dtype=bool),
        cut=np.asarray(log.rollouts.cut)[here].astype(bool),
        score=np.array([np.nan if s is None else s for s in scores], dtype=float),
    )
    style = np.array([len(REFLECTS.findall(row.completion)) for row in log.rows], dtype=float)
    compared, stretch, wins = _compared(flat, style, here.shape[0])
    lost_text = repr(lost[0])[:80] if lost else ""
    return column, Logged(compared, flat, stretch, wins, len(lost), len(raw), lost_text)


def _compared(x: Flat, style: Array, prompts: int) -> tuple[Compared, float, Array]:
    """Verdicts on all pairs within prompts, and the mean log factor of longer texts."""
    order = np.argsort(x.prompt, kind="stable")
    count = np.bincount(x.prompt, minlength=prompts)
    place = np.arange(len(order)) - np.repeat(np.cumsum(count) - count, count)
    kept = place < MOST
    width = int(min(count.max(initial=0), MOST))

    def grid(values: Array, nothing: float) -> Array:
        out = np.full((prompts, width), nothing)
        out[x.prompt[order][kept], place[kept]] = values[order][kept]
        return out

    score, right = grid(x.score, np.nan), grid(x.right, -1.0)
    tokens, marked = grid(x.tokens, np.nan), grid(x.plain, -1.0)
    cut, phrases = grid(x.cut, -1.0), grid(style, np.nan)
    gap = score[:, :, None] - score[:, None, :]
    wins = np.where(np.isfinite(gap), (np.sign(gap) + 1) / 2, np.nan)
    ratio = np.log(tokens[:, :, None] / tokens[:, None, :])
    apart = (right[:, :, None] == 1) & (right[:, None, :] == 0)
    alike = (right[:, :, None] == right[:, None, :]) & (right[:, :, None] >= 0)
    edge = np.log(LONGER)
    plain = (marked[:, :, None] == 1) & (marked[:, None, :] == 1)
    both = alike & plain
    wanted: dict[Asked, Array] = {
        SAME: apart,
        Asked("length", "long", "short"): both & (ratio > edge),
        Asked("format", "marked", "bare"): (
            alike
            & (right[:, :, None] == 0)
            & (marked[:, :, None] == 1)
            & (marked[:, None, :] == 0)
            & (cut[:, None, :] == 0)
        ),
        Asked("style", "phrases", "none"): both & (phrases[:, :, None] > phrases[:, None, :]),
    }
    slices = {
        SLICES[TRUTH[0]]: apart & plain & (abs(ratio) <= edge),
        SLICES[TRUTH[4]]: apart & plain & (ratio < -edge),
        SLICES[TRUTH[5]]: apart & plain & (ratio > edge),
        SLICES[TRUTH[7]]: apart & (marked[:, None, :] == 0) & (cut[:, None, :] == 0),
        SLICES[TRUTH[8]]: apart & (cut[:, None, :] == 1),
    }
    prefer = _means(wins, wanted)
    gaps, by_slice = _means(gap, wanted), _means(wins, slices)
    found = Compared(prompts, prefer, gap=gaps, slices=by_slice)
    longer = wanted[Asked("length", "long", "short")] & np.isfinite(gap)
    stretch = float(ratio[longer].mean()) if longer.any() else float("nan")
    once = np.where(np.triu(np.ones((width, width)), 1) > 0, wins, np.nan)
    return found, stretch, once


def _means(values: Array, wanted: Mapping[Any, Array]) -> dict[Any, Array]:
    """(B,) means over a prompt's pairs, by kind; NaN where it has none."""
    out = {}
    for name, here in wanted.items():
        here = here & np.isfinite(values)
        n = here.sum((1, 2))
        total = np.where(here, values, 0.0).sum((1, 2))
        if n.any():
            out[name] = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    return out
