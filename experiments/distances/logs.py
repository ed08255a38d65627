"""Distances between the reward columns of a log of rollouts, within prompts.

A trainer that compares the rollouts of a prompt sees a reward less its mean there. Two columns are
as far apart as their centred values: rho is pooled over all prompts, d = sqrt(2 (1 - rho)) in
[0, 2]. Averaging distances over prompts instead is biased upward in small groups. Bands come from
drawing prompts again with replacement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.experiments.errors import UsageError
from toyrl.messages import shortened
from toyrl.rollouts.log_columns import KEYS, STEP, LogError
from toyrl.rollouts.logs import read_columns

DRAWS = 2000
LEVEL = 0.95
FLAT = 1e-12  # of a column's squared size: a spread below is rounding


@dataclass(frozen=True, eq=False)
class LogDistances:
    """Pooled distances between columns.

    columns : k names
    distance, low, high : (k, k) with the ends of a band of `LEVEL`; 1 from a column that is
        constant within every prompt, and NaN bands there
    prompts, rows : that were compared
    notes : what was left out
    """

    columns: tuple[str, ...]
    distance: np.ndarray
    low: np.ndarray
    high: np.ndarray
    prompts: int
    rows: int
    notes: tuple[str, ...]


def of_log(path: Any, columns: Sequence[str] | str | None = None, *, seed: int = 0) -> LogDistances:
    """Distances between columns of a log.

    path : JSONL, a JSON array, CSV, parquet, .gz of these, or a folder
    columns : names, or one text with commas; None: every column of numbers that varies within
        prompts

    Raises UsageError for a log that can't be read, a column that is missing or no number, fewer
    than two columns, and no prompt with two rollouts.
    """
    try:
        rows, note = read_columns(path, skip_bad=True)
    except LogError as error:
        raise UsageError(str(error)) from error
    notes = [note] if note else []
    group = _groups(rows)
    names = [c.strip() for c in columns.split(",")] if isinstance(columns, str) else columns
    chosen = [c for c in names if c] if names is not None else _varying(rows, group)
    if len(set(chosen)) < 2:
        msg = f"columns={shortened(', '.join(chosen))}: a distance needs two different columns"
        raise UsageError(msg)
    values = np.array([_column(rows, c) for c in chosen])
    grams, kept = _grams(values, group)
    if not len(grams):
        msg = "no prompt of the log has two rollouts with numbers in all of these columns"
        raise UsageError(msg)
    if kept < len(rows):
        notes.append(
            f"{len(rows) - kept} of {len(rows)} rows were left out: a column has no number there, "
            "or the prompt has no other rollout"
        )
    distance = distances(grams.sum(0))
    flat = [c for c, x in zip(chosen, grams.sum(0).diagonal(), strict=True) if x == 0]
    if flat:
        notes.append(f"constant within every prompt, so at distance 1: {', '.join(flat)}")
    low, high = _bands(grams, seed)
    return LogDistances(tuple(chosen), distance, low, high, len(grams), kept, tuple(notes))


def distances(gram: np.ndarray) -> np.ndarray:
    """(..., k, k) distances sqrt(2 (1 - rho)) from sums of products (..., k, k) of centred columns.

    A column whose own sum is 0 is at 1 from the others, as a reward that orders nothing is.
    """
    size = np.sqrt(np.maximum(np.diagonal(gram, axis1=-2, axis2=-1), 0.0))
    both = size[..., :, None] * size[..., None, :]
    rho = np.where(both > 0, gram / np.where(both > 0, both, 1.0), 0.5)
    out = np.sqrt(np.maximum(2 * (1 - np.clip(rho, -1, 1)), 0.0))
    k = gram.shape[-1]
    out[..., np.arange(k), np.arange(k)] = 0.0
    return out


def _bands(grams: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(k, k) ends of a percentile band over prompts."""
    n, k = len(grams), grams.shape[-1]
    rng = np.random.default_rng([seed, 27])
    times = rng.multinomial(n, np.full(n, 1 / n), size=DRAWS).astype(float)
    drawn = (times @ grams.reshape(n, -1)).reshape(DRAWS, k, k)
    ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(distances(drawn), ends, axis=0)
    known = grams.sum(0).diagonal() > 0
    both = known[:, None] & known
    return np.where(both, low, np.nan), np.where(both, high, np.nan)


def _grams(values: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, int]:
    """(B, k, k) sums of products of columns (k, N) centred within each prompt, and the rows used.

    Columns are scaled to one size first, so that rounding is told from a spread.
    """
    ok = np.isfinite(values).all(0)
    values, group = values[:, ok], group[ok]
    scale = np.abs(values).max(1, initial=0.0)
    values = values / np.where(scale > 0, scale, 1.0)[:, None]
    _, place, count = np.unique(group, return_inverse=True, return_counts=True)
    several = count[place] > 1
    values, place = values[:, several], place[several]
    _, place, count = np.unique(place, return_inverse=True, return_counts=True)
    if not len(count):
        return np.zeros((0, len(values), len(values))), 0
    mean = np.array([np.bincount(place, x) for x in values]) / count
    centred = values - mean[:, place]
    products = centred[:, None] * centred[None]
    grams = np.array([[np.bincount(place, p) for p in row] for row in products])
    grams = np.moveaxis(grams, -1, 0)
    alive = grams.sum(0).diagonal() > FLAT * values.shape[1]
    return grams * (alive[:, None] & alive), values.shape[1]


def _groups(rows: Sequence[Any]) -> np.ndarray:
    """(N,) number of the prompt of each row: its id, else its text with the step."""
    keys = [*KEYS["prompt_id"]]
    names = next(([k] for k in keys if any(r.get(k) is not None for r in rows)), None)
    if names is None:
        text = next((k for k in KEYS["prompt"] if any(r.get(k) is not None for r in rows)), None)
        if text is None:
            msg = (
                f"the log names no prompt: give a column {KEYS['prompt_id'][0]} or "
                f"{KEYS['prompt'][0]}"
            )
            raise UsageError(msg)
        names = [text, *STEP]
    seen: dict[str, int] = {}
    return np.array([seen.setdefault(repr([r.get(n) for n in names]), len(seen)) for r in rows])


def _column(rows: Sequence[Any], name: str) -> np.ndarray:
    """(N,) numbers of a column, NaN where it has none."""
    if not any(name in r for r in rows):
        import difflib

        known = list(dict.fromkeys(k for r in rows[:100] for k in r))
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        msg = f"columns={shortened(name)}: no such column; {hint}there are {', '.join(known)}"
        raise UsageError(msg)
    found = np.array([_number(r.get(name)) for r in rows])
    if not np.isfinite(found).any():
        msg = f"columns={shortened(name)} holds no number"
        raise UsageError(msg)
    return found


def _number(value: Any) -> float:
    if isinstance(value, bool | int | float):
        return float(value)
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _varying(rows: Sequence[Any], group: np.ndarray) -> list[str]:
    """Columns of numbers that differ within some prompt."""
    skipped = {*KEYS["prompt_id"], *KEYS["advantage"], *STEP}
    names = [k for k in dict.fromkeys(k for r in rows for k in r) if k not in skipped]
    found = []
    for name in names:
        x = np.array([_number(r.get(name)) for r in rows])
        told = np.array([r.get(name) is not None for r in rows])
        if not told.any() or not np.isfinite(x[told]).all():
            continue
        grams, _ = _grams(x[None], group)
        if len(grams) and grams.sum() > 0:
            found.append(name)
    return found
