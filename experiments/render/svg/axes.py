"""Ranges, ticks and mappings of a plot's axes, in plain numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """A map from data to pixels: `low` lies at `start`, `high` at `stop`."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Pixel of a data value (finite; above 0 on a log axis)."""
        low, high = (
            (math.log10(self.low), math.log10(self.high)) if self.log else (self.low, self.high)
        )
        at = math.log10(value) if self.log else value
        return self.start + (at - low) / (high - low) * (self.stop - self.start)

    def shows(self, value: float | None) -> bool:
        """Whether the value can be drawn."""
        return value is not None and drawable(value, log=self.log)

    @property
    def ticks(self) -> list[float]:
        """Round numbers within the range, about five."""
        return log_ticks(self.low, self.high) if self.log else ticks(self.low, self.high)


LARGEST = 1e150  # beyond it, margins, ratios and steps would overflow
NARROWEST = 1e-9  # ranges below this share of their values count as one value


def drawable(value: float, *, log: bool = False) -> bool:
    """Whether a value has a place on an axis."""
    return abs(value) <= LARGEST and (value > 1 / LARGEST or not log)


def extent(
    values: Iterable[float], *, log: bool = False, margin: float = 0.04
) -> tuple[float, float]:
    """A range that holds all drawable values with a margin; (0, 1) or (0.1, 1) without any."""
    good = [float(v) for v in values if drawable(v, log=log)]
    if not good:
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = min(good), max(good)
    if log:
        factor = 1.25 if high <= low * (1 + NARROWEST) else (high / low) ** margin
        return low / factor, high * factor
    if high - low <= max(NARROWEST * max(abs(low), abs(high)), 1 / LARGEST):
        pad = max(abs(low), abs(high)) / 2
        pad = pad if pad > 1 / LARGEST else 0.5
        return low - pad, high + pad
    pad = (high - low) * margin
    # A quantity that is never negative keeps 0 as its edge.
    return (0.0 if 0 <= low < pad else low - pad), high + pad


def ticks(low: float, high: float, *, about: int = 5) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten within [low, high]."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((m * power for m in (1, 2, 5, 10)), key=lambda s: abs(math.log(s / rough)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten within the range; with 2 and 5 between them if the range is short."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    stride = max(1, math.ceil((last - first) / 6))
    multiples = (1, 2, 5) if math.log10(high / low) <= 2.2 else (1,)
    marks = [m * 10.0**k for k in range(first, last + 1, stride) for m in multiples]
    inside = [m for m in marks if low * (1 - 1e-9) <= m <= high * (1 + 1e-9)]
    return inside or ticks(low, high)


def tick_label(value: float) -> str:
    """Short text of a tick: 0.25, 4,000, 1e-6."""
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        text = f"{value:,.6f}".rstrip("0").rstrip(".")
        return text.replace("-", "\N{MINUS SIGN}")
    mantissa, exponent = f"{value:.2e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}".replace("-", "\N{MINUS SIGN}")


def edges(centres: Sequence[float], cells: int, *, log: bool = False) -> list[float]:
    """`cells` + 1 cell borders; takes borders or cell centres."""
    values = [float(v) for v in centres]
    if len(values) == cells + 1:
        return values
    if len(values) != cells:
        msg = f"a grid with {cells} cells along an axis has {len(values)} coordinates there"
        raise ValueError(msg)
    if cells == 1:
        return [values[0] / 2, values[0] * 1.5] if log else [values[0] - 0.5, values[0] + 0.5]
    if log:
        return [10.0**v for v in edges([math.log10(v) for v in values], cells)]
    inner = [(a + b) / 2 for a, b in itertools.pairwise(values)]
    return [2 * values[0] - inner[0], *inner, 2 * values[-1] - inner[-1]]
