"""Horizontal bars with a label each: one value per name, and marks to hold them against."""

from __future__ import annotations

import math
from collections.abc import Sequence

from toyrl.experiments.core import Curve, Picture
from toyrl.experiments.render.svg.axes import Axis, extent
from toyrl.experiments.render.svg.colours import slots
from toyrl.experiments.render.text import number

ROW = 21.0
BAR = 13.0
LONGEST = 34  # characters of a label


def shown(label: str) -> str:
    """The label, cut to what fits beside the bars."""
    return label if len(label) <= LONGEST else label[: LONGEST - 3] + "..."


def range_of(picture: Picture) -> tuple[float, float]:
    """Values on the axis, 0 always among them."""
    values = [float(v) for c in picture.curves for v in c.x if math.isfinite(v)]
    return extent([0.0, *values])


def rows_svg(picture: Picture, axis: Axis, top: float) -> list[str]:
    """Bars of the first curve, marks of the others, row by row."""
    parts, zero = [], axis(0.0)
    for k, curve in zip(slots(picture.curves), picture.curves, strict=True):
        for value, row in zip(curve.x, curve.y, strict=True):
            if not (math.isfinite(value) and axis.shows(value)):
                continue
            x, y = axis(float(value)), top + ROW * (float(row) + 0.5)
            if curve is picture.curves[0]:
                left, width = min(x, zero), max(abs(x - zero), 0.8)
                parts.append(
                    f'<rect class="f{k}" x="{left:.1f}" y="{y - BAR / 2:.1f}" '
                    f'width="{width:.1f}" height="{BAR:g}"/>'
                )
            else:
                parts.append(
                    f'<path class="line s{k}" d="M{x:.1f} {y - ROW / 2 + 1:.1f}v{ROW - 2:.1f}"/>'
                )
    return parts


def sample(x: float, y: float, k: int, *, mark: bool) -> str:
    """A bar, or a mark across one, as the legend shows it."""
    if mark:
        return f'<path class="line s{k}" d="M{x:.1f} {y - 7:.1f}v14"/>'
    return f'<path class="f{k}" d="M{x - 8:.1f} {y - 5:.1f}h16v10h-16z"/>'


def described(picture: Picture) -> str:
    """The bars in words."""
    first: Curve | None = picture.curves[0] if picture.curves else None
    if first is None:
        return ""
    pairs = zip(first.y, first.x, strict=True)
    return ", ".join(f"{picture.labels[int(row)]} {number(float(v))}" for row, v in pairs)


def room_for(labels: Sequence[str], char: float) -> float:
    """Pixels for the labels on the left."""
    return 12 + char * max((len(shown(n)) for n in labels), default=1)
