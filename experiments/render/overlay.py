"""Lines on a heat map, white with a dark edge, so that they are seen on every colour of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from toyrl.experiments.core import Curve

Point = tuple[float, float]
SAMPLE = 24.0
"""Pixels of a line's sample in the legend."""


def stroke(path: str, curve: Curve) -> str:
    """One path as SVG, twice: the dark edge and the white line on it."""
    dash = ' stroke-dasharray="6 4"' if curve.style == "dashed" else ""
    return "".join(
        f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dash}/>'
        for colour, width in (("#14171c", "4.2"), ("#fff", "2"))
    )


def within(curve: Curve, x: tuple[float, float], y: tuple[float, float]) -> Curve:
    """The curve with a gap wherever it leaves the ranges of both axes."""
    seen = [
        b if x[0] <= a <= x[1] and y[0] <= b <= y[1] else math.nan
        for a, b in zip(curve.x, curve.y, strict=True)
    ]
    return replace(curve, y=seen)


def lines_svg(curves: Sequence[Curve], segments: Callable[[Curve], list[list[Point]]]) -> str:
    """The curves' lines; `segments` gives runs of points in pixels."""
    return "".join(
        stroke("L".join(f"{x:.1f} {y:.1f}" for x, y in run), curve)
        for curve in curves
        for run in segments(curve)
        if len(run) > 1
    )


def legend_svg(
    curves: Sequence[Curve], y: float, width: float, char: float, text: Callable[..., str]
) -> tuple[str, int]:
    """A sample and the name of each curve that has one, and the rows that they take."""
    parts, x, row = [], 4.0, 0
    named = [c for c in curves if c.label]
    for curve in named:
        wide = SAMPLE + 18 + char * len(curve.label)
        if x > 4 and x + wide > width:
            x, row = 4.0, row + 1
        at = y + 17 * row
        parts.append(stroke(f"{x:.1f} {at - 4:.1f}h{SAMPLE:g}", curve))
        parts.append(text(x + SAMPLE + 6, at, curve.label, ""))
        x += wide
    return "".join(parts), row + 1 if named else 0
