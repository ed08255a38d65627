"""Heat maps as SVG: cells of colour, a colour bar, curves over them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from toyrl.experiments.core import Curve, Picture
from toyrl.experiments.render.svg.axes import Axis, edges, tick_label
from toyrl.experiments.render.svg.colours import slots
from toyrl.experiments.render.svg.lines import (
    CHAR,
    PLOT_HEIGHT,
    WIDTH,
    Frame,
    axes_svg,
    curve_svg,
    left_edge,
    legend_svg,
    segments,
    text_svg,
)

RAMP = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))  # viridis


def heat_map(picture: Picture, head: float, name: str) -> tuple[str, float]:
    """SVG of a heat map with its colour bar, and the height used."""
    grid = [[float(v) for v in row] for row in picture.grid]
    x_edges = edges(picture.grid_x, len(grid[0]), log=picture.log_x)
    y_edges = edges(picture.grid_y, len(grid), log=picture.log_y)
    y_low, y_high = min(y_edges), max(y_edges)
    values = [v for row in grid for v in row if math.isfinite(v)] or [0.0]
    low, high = min(values), max(values)
    if low == high:
        low, high = low - 0.5, high + 0.5
    # The two headings share a row unless they are too long for that.
    crowded = CHAR * (len(picture.y_label) + len(picture.grid_label) + 3) > WIDTH
    label_y = head + (28 if crowded else 12)
    legend, rows = legend_svg(picture.curves, label_y + 2, skip="")
    top = label_y + 12 + 17 * rows
    bar = Axis(low, high, top + PLOT_HEIGHT, top)
    room = 26 + CHAR * max(len(tick_label(t)) for t in bar.ticks)
    frame = Frame(
        Axis(
            min(x_edges),
            max(x_edges),
            left_edge(y_low, y_high, picture.log_y),
            WIDTH - room - 10,
            picture.log_x,
        ),
        Axis(y_low, y_high, top + PLOT_HEIGHT, top, picture.log_y),
    )
    cells = "".join(_cells(grid, x_edges, y_edges, frame, (low, high)))
    ends = (min(x_edges), max(x_edges)), (y_low, y_high)
    return (
        cells
        + legend
        + _over_map([c.within(*ends) for c in picture.curves], frame)
        + axes_svg(picture, frame, label_y)
        + _colour_bar(bar, room, name)
        + text_svg(WIDTH - 4, head + 12, picture.grid_label, "quiet", anchor="end"),
        top + PLOT_HEIGHT + 42,
    )


def _over_map(curves: Sequence[Curve], frame: Frame) -> str:
    """Curves on a heat map, on a pale line each, so that they are seen on any colour."""
    parts = []
    for k, curve in zip(slots(curves), curves, strict=True):
        halo = "".join(
            '<path d="M' + "L".join(f"{x:.1f} {y:.1f}" for x, y in run) + '" fill="none" '
            'stroke="#fff" stroke-width="5" stroke-opacity=".8"/>'
            for run in segments(curve, frame)
            if len(run) > 1 and curve.style != "points"
        )
        marks = "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" fill="#fff"/>'
            for run in segments(curve, frame)
            for x, y in run
            if curve.style == "points"
        )
        parts.append(halo + marks + curve_svg(curve, k, frame, marked=curve is not curves[0]))
    return "".join(parts)


def _cells(
    grid: Sequence[Sequence[float]],
    x_edges: Sequence[float],
    y_edges: Sequence[float],
    frame: Frame,
    span: tuple[float, float],
) -> Iterator[str]:
    for row, y0, y1 in zip(grid, y_edges, y_edges[1:], strict=False):
        bottom, top = sorted((frame.y(y0), frame.y(y1)), reverse=True)
        for value, x0, x1 in zip(row, x_edges, x_edges[1:], strict=False):
            left, right = sorted((frame.x(x0), frame.x(x1)))
            fill = (
                f'fill="{ramp((value - span[0]) / (span[1] - span[0]))}"'
                if math.isfinite(value)
                else 'class="missing"'
            )
            # Half a pixel of overlap closes the seams that antialiasing leaves.
            yield (
                f'<rect {fill} x="{left:.1f}" y="{top:.1f}" width="{right - left + 0.5:.1f}" '
                f'height="{bottom - top + 0.5:.1f}"/>'
            )


def ramp(share: float) -> str:
    """Colour of a share in [0, 1], as #rrggbb."""
    at = min(max(share, 0.0), 1.0) * (len(RAMP) - 1)
    k = min(int(at), len(RAMP) - 2)
    mixed = (a + (b - a) * (at - k) for a, b in zip(RAMP[k], RAMP[k + 1], strict=True))
    return "#" + "".join(f"{round(c):02x}" for c in mixed)


def _colour_bar(bar: Axis, room: float, name: str) -> str:
    x = WIDTH - room
    stops = "".join(f'<stop offset="{k / 4:g}" stop-color="{ramp(k / 4)}"/>' for k in range(5))
    parts = [
        f'<linearGradient id="{name}-ramp" x1="0" y1="1" x2="0" y2="0">{stops}'
        f'</linearGradient><rect fill="url(#{name}-ramp)" x="{x:.1f}" y="{bar.stop:.1f}" '
        f'width="12" height="{PLOT_HEIGHT:g}"/>',
    ]
    parts += [text_svg(x + 17, bar(t) + 4, tick_label(t), "") for t in bar.ticks]
    return "".join(parts)
