"""Where a run is predicted to go: bands of accuracy and length against the gain in reward.

A toy world's clock is not a trainer's, but both pass through the same quantities: at the moment
when the mean reward has risen by z of its standard deviations at the start, accuracy has changed
by so much and length by such a factor. A band holds the quantiles of these over the worlds in
which training keeps accuracy; a live run outside of it is going somewhere none of them went.
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

SHRINK = 1e-9


@dataclass(frozen=True)
class Band:
    """Predicted ranges at each reward gain.

    reward : what it was computed for, as written
    gain (N,) : rise of the mean reward in standard deviations of the reward at the start, from 0
    accuracy (N, 2) : low and high change of accuracy since the start; NaN where too few worlds got
    length (N, 2) : low and high factor of the mean length since the start; NaN likewise
    level : share of the worlds inside, such as 0.9; worlds : how many there are
    """

    reward: str
    gain: np.ndarray
    accuracy: np.ndarray
    length: np.ndarray
    level: float
    worlds: int

    def at(self, gain: float) -> dict[str, tuple[float, float]]:
        """{"accuracy": (low, high), "length": (low, high)} at a gain; NaN beyond the band's end."""
        if not gain <= self.gain[-1]:
            nothing = (math.nan, math.nan)
            return {"accuracy": nothing, "length": nothing}
        z = max(float(gain), 0.0)

        def read(rows: np.ndarray) -> tuple[float, float]:
            return tuple(float(np.interp(z, self.gain, rows[:, i])) for i in (0, 1))  # pyright: ignore

        return {"accuracy": read(self.accuracy), "length": read(self.length)}

    def to_json(self) -> str:
        """One JSON object; NaN as null."""
        plain = {
            "schema": schemas.tag("band"),
            "reward": self.reward,
            "gain": self.gain.tolist(),
            "accuracy": _nulls(self.accuracy),
            "length": _nulls(self.length),
            "level": self.level,
            "worlds": self.worlds,
        }
        return json.dumps(plain, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, source: str = "this") -> Band:
        """Read what `to_json` wrote; ValueError for anything else, which names `source`."""
        try:
            data = json.loads(text)
            schemas.check(data, "band", source)
            return cls(
                data["reward"],
                np.array(data["gain"], dtype=float),
                _numbers(data["accuracy"]),
                _numbers(data["length"]),
                float(data["level"]),
                int(data["worlds"]),
            )
        except schemas.SchemaError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            msg = f"{source} is no band that `toyrl validate --band FILE` wrote: {error}"
            raise ValueError(msg) from error


def read_band(source: Band | str | Path | Mapping[str, Any]) -> Band:
    """A band from a file, its JSON as a mapping, or a Band.

    Raises ValueError for a path that is no file.
    """
    if isinstance(source, Band):
        return source
    if isinstance(source, Mapping):
        return Band.from_json(json.dumps(dict(source)))
    place = Path(source)
    if not place.is_file():
        msg = f"band={str(place)!r} is no file; write one with `toyrl validate REWARD --band FILE`"
        raise ValueError(msg)
    return Band.from_json(place.read_text(encoding="utf-8"), str(place))


def band_of(
    reward: str,
    gain: np.ndarray,
    accuracy: np.ndarray,
    length: np.ndarray,
    *,
    level: float = 0.9,
    points: int = 33,
    fewest: int = 8,
) -> Band:
    """The band over W runs with C checkpoints each; gain, accuracy, length (W, C), from 0, 0, 1.

    The band ends where fewer than `fewest` runs have come.
    """
    top = np.maximum.accumulate(gain, axis=1)
    reach = np.sort(top[:, -1])
    end = reach[-fewest] if len(reach) >= fewest else 0.0
    grid = np.linspace(0.0, max(float(end), SHRINK), points)
    tail = (1 - level) / 2

    def quantiles(values: np.ndarray) -> np.ndarray:
        rows = np.full((len(values), points), np.nan)
        for i, (z, v) in enumerate(zip(top, values, strict=True)):
            keep = np.concatenate([[True], np.diff(z) > 0])  # a run that stalls stays where it is
            here = grid <= z[-1]
            rows[i, here] = np.interp(grid[here], z[keep], v[keep])
        enough = (~np.isnan(rows)).sum(0) >= fewest
        out = np.full((points, 2), np.nan)
        out[enough] = np.nanquantile(rows[:, enough], [tail, 1 - tail], axis=0).T
        return out

    return Band(reward, grid, quantiles(accuracy), quantiles(length), level, len(gain))


def _nulls(x: np.ndarray) -> list[list[float | None]]:
    return [[None if math.isnan(v) else float(v) for v in row] for row in x]


def _numbers(rows: Any) -> np.ndarray:
    return np.array([[math.nan if v is None else v for v in row] for row in rows], dtype=float)
