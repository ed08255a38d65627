"""Worlds that look like a log, in a file: `toyrl calibrate LOG` writes it, `validate --worlds`
reads it.

The file holds the numbers of each world and its weight, what they were conditioned on, and how far
they show it. The worlds themselves are fitted again by whoever reads it, to the same numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toyrl import schemas
from toyrl.worlds.behaviour import prior
from toyrl.worlds.behaviour.worlds import Worlds, fitted
from toyrl.worlds.logged.base import Array
from toyrl.worlds.logged.conditioning import Conditioned

DIGITS = 10


@dataclass(frozen=True)
class Read:
    """A file's worlds.

    worlds : W of them, fitted; weights : (W,), sum to 1
    source : the log's name, sha256, rows and prompts
    accuracy, length, limit : what they were fitted to, lengths in tokens
    missed, open : statistics that they don't show, numbers that the log doesn't tell
    """

    worlds: Worlds
    weights: Array
    source: Mapping[str, Any]
    accuracy: float
    length: float
    limit: float
    missed: tuple[str, ...]
    open: tuple[str, ...]

    def equal(self, n: int) -> Array:
        """(n,) places of worlds, each as often as it weighs, for who takes plain means."""
        at = (np.arange(n) + 0.5) / n
        return np.minimum(np.searchsorted(np.cumsum(self.weights), at), len(self.weights) - 1)


def as_dict(found: Conditioned, source: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON document; source : log (its name), sha256, rows, prompts."""
    n = len(found.numbers["kind"])
    told = found.told

    def three(x: tuple[float, float, float]) -> list[float | None]:
        return [_plain(v) for v in x]

    return {
        "schema": schemas.tag("worlds"),
        "source": dict(source),
        "told": {"accuracy": told.accuracy, "length": told.length, "limit": told.limit},
        "statistics": {
            name: {
                "value": _plain(value),
                "error": _plain(error),
                "prior": three(found.before[name]) if name in found.before else None,
                "worlds": three(found.after[name]) if name in found.after else None,
                "tail": _plain(found.tail[name]) if name in found.tail else None,
            }
            for name, (value, error) in told.statistics.items()
        },
        "bandwidth": _plain(found.bandwidth),
        "nearest": _plain(found.nearest),
        "missed": list(found.missed),
        "not_identified": list(found.open),
        "at_range_end": list(found.edge),
        "kinds": [prior.KINDS[k] for k in found.numbers["kind"]],
        "weights": [1 / n] * n,
        "numbers": {row.name: [_plain(x) for x in found.numbers[row.name]] for row in prior.RANGES},
        "seed": found.seed,
    }


def worlds_of(path: str | Path) -> Read:
    """The worlds of a file that `toyrl calibrate` wrote.

    Raises SchemaError, which names the file, for one that is no such file, or that says numbers
    that no world has.
    """
    name = Path(path).name
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{name} can't be read: {error.strerror or error}"
        raise schemas.SchemaError(msg) from error
    except ValueError as error:
        msg = f"{name} holds no JSON ({error}); worlds are written by toyrl calibrate LOG"
        raise schemas.SchemaError(msg) from error
    schemas.check(data, "worlds", name)
    return _read(data, name)


def _read(data: Mapping[str, Any], name: str) -> Read:
    try:
        accuracy, length, limit = (float(data["told"][k]) for k in ("accuracy", "length", "limit"))
        weights = np.array(data["weights"], dtype=float)
        numbers = {r.name: np.array(data["numbers"][r.name], dtype=float) for r in prior.RANGES}
        numbers["kind"] = np.array([prior.KINDS.index(k) for k in data["kinds"]])
        seed = int(data["seed"])
        source = dict(data["source"])
        missed, unknown = (tuple(map(str, data[k])) for k in ("missed", "not_identified"))
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{name} lacks what its schema has, or holds something else there: {error}; write it "
        raise schemas.SchemaError(msg + "again with toyrl calibrate LOG") from error
    sizes = {len(x) for x in numbers.values()} | {len(weights)}
    every = np.concatenate([weights, *(numbers[r.name] for r in prior.RANGES)])
    if len(sizes) != 1 or sizes == {0} or not np.isfinite(every).all() or not _weights(weights):
        msg = f"{name}: numbers and weights must be finite, as many of each, weights not below 0 "
        msg += "nor all 0; "
        raise schemas.SchemaError(msg + "write it again with toyrl calibrate LOG")
    for r in prior.RANGES:
        _refuse_outside(name, r, numbers)
    try:
        worlds = fitted(numbers, accuracy=accuracy, length=length, limit=limit, seed=seed)
    except ValueError as error:
        msg = f"{name}: {error}"
        raise schemas.SchemaError(msg) from error
    shares = weights / weights.sum()
    return Read(worlds, shares, source, accuracy, length, limit, missed, unknown)


def _weights(x: Array) -> bool:
    return bool(x.min() >= 0 and x.sum() > 0)


def _refuse_outside(name: str, row: prior.Range, numbers: Mapping[str, Array]) -> None:
    ends = np.array([getattr(row, k) for k in prior.KINDS])[numbers["kind"]]
    x, room = numbers[row.name], 1e-6 * np.abs(ends).max()
    bad = np.flatnonzero((x < ends[:, 0] - room) | (x > ends[:, 1] + room))
    if len(bad):
        i = bad[0]
        msg = (
            f"{name}: {row.name}[{i}] is {x[i]:g}, and such a base has {ends[i, 0]:g} to "
            f"{ends[i, 1]:g}; write it again with toyrl calibrate LOG"
        )
        raise schemas.SchemaError(msg)


def _plain(x: Any) -> float | None:
    value = float(x)
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
