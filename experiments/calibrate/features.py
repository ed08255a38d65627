"""What training can move everywhere at once, as a log shows it: a number a rollout and feature."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from toyrl.experiments.errors import UsageError
from toyrl.messages import shortened
from toyrl.rollouts.logs import Log
from toyrl.rollouts.texts import text_fields

REFLECTION = re.compile(
    r"\b(?:wait|hmm|alternatively|therefore|let me (?:re|double-)?(?:check|verify))\b",
    re.IGNORECASE,
)
"""Stock phrases of reflection, counted where the log has no column `phrases`."""
COLUMNS = ("format", "mode")
"""Fields that a log may have as columns."""
FREE = ("answered", "format")
"""What an answer needs to be right; all else is moved among right and wrong rollouts alike."""
SAYS = {
    "length": "log length",
    "answered": "an answer is marked",
    "phrases": "log of 1 + stock phrases of reflection",
    "format": "the column format",
    "mode": "the column mode",
}


def features_of(log: Log, own: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Name -> (B, G), anything on rollouts that aren't there.

    own : names of columns with a number in every row, or of logged rewards

    Whether an answer is marked is unknown (NaN) of rollouts that ran into the limit: what cut them
    was their length.

    Raises UsageError for a column that isn't there or holds no numbers.
    """
    r = log.rollouts
    there = r.w > 0

    def table(flat: np.ndarray) -> np.ndarray:
        out = np.zeros(r.shape)
        out[there] = flat
        return out

    out = {"length": np.where(there, np.log(np.maximum(r.length, 1.0)), 0.0)}
    ended = there & ~np.asarray(r.cut)
    out["answered"] = np.where(ended, np.asarray(r.fields["answered"], dtype=float), np.nan)
    out["phrases"] = table(_phrases(log))
    for name in COLUMNS:
        if all(name in row.columns for row in log.rows):
            out[name] = table(_numbers(log, name))
    for name in own:
        if name in log.paid:
            out[name] = np.where(there, log.paid[name], 0.0)
        elif name not in out:
            out[name] = table(_numbers(log, name))
    return out


def _phrases(log: Log) -> np.ndarray:
    if all("phrases" in row.columns for row in log.rows):
        return np.log1p(np.maximum(_numbers(log, "phrases"), 0.0))
    return np.log1p([len(REFLECTION.findall(row.completion)) for row in log.rows])


def _numbers(log: Log, name: str) -> np.ndarray:
    if not all(name in row.columns for row in log.rows):
        known = [k for k in log.rows[0].columns if all(k in row.columns for row in log.rows)]
        listed = ", ".join([*known, *log.paid]) or "none"
        msg = f"features={shortened(name)} is no column of every row; there are {listed}"
        raise UsageError(msg)
    try:
        return text_fields(log.rows, (name,))[name]
    except ValueError as error:
        msg = (
            f"features={shortened(name)}: {str(error).replace('the reward reads', 'a feature is')}"
        )
        raise UsageError(msg) from error
