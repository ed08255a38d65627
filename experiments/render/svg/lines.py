"""The pieces of a picture in SVG: axes, legend, curves with markers and bands, text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from toyrl.experiments.core import Curve, Picture
from toyrl.experiments.render.svg import bars
from toyrl.experiments.render.svg.axes import Axis, tick_label
from toyrl.experiments.render.svg.colours import LIGHT, slots
from toyrl.experiments.render.text import visible

WIDTH, PLOT_HEIGHT = 480.0, 240.0
FONT = 13.0
CHAR = 0.56 * FONT  # mean width of a character in a sans-serif font
MOST_POINTS = 600  # per curve; more can't be told apart at this width
MARKERS = 6  # per line, about


@dataclass(frozen=True)
class Frame:
    """The plot's rectangle with its two axes."""

    x: Axis
    y: Axis

    @property
    def box(self) -> tuple[float, float, float, float]:
        """left, top, right, bottom in pixels."""
        return self.x.start, self.y.stop, self.x.stop, self.y.start


def left_edge(low: float, high: float, log: bool) -> float:
    """Room for the y axis's tick labels."""
    labels = [tick_label(t) for t in Axis(low, high, 0, 1, log).ticks]
    return 14 + CHAR * max(map(len, labels), default=1)


def axes_svg(picture: Picture, frame: Frame, label_y: float) -> str:
    left, top, right, bottom = frame.box
    parts = [
        text_svg(4, label_y, picture.y_label, "quiet"),
        text_svg(right, bottom + 35, picture.x_label, "quiet", anchor="end"),
    ]
    for value in frame.y.ticks:
        y = frame.y(value)
        parts.append(
            f'<line class="grid" x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(text_svg(left - 6, y + 4, tick_label(value), "", anchor="end"))
    parts += x_ticks(frame, bottom)
    parts.append(f'<path class="axis" d="M{left:.1f} {top:.1f}V{bottom:.1f}H{right:.1f}"/>')
    return "".join(parts)


def x_ticks(frame: Frame, bottom: float) -> list[str]:
    parts, free = [], -math.inf
    for value in frame.x.ticks:
        x, label = frame.x(value), tick_label(value)
        half = CHAR * len(label) / 2
        x_text = min(max(x, half), WIDTH - half)
        parts.append(f'<path class="axis" d="M{x:.1f} {bottom:.1f}v5"/>')
        if x_text - half >= free:
            parts.append(text_svg(x_text, bottom + 18, label, "", anchor="middle"))
            free = x_text + half + CHAR
    return parts


def legend_svg(
    curves: Sequence[Curve], y: float, *, skip: str, bars_of: bool = False
) -> tuple[str, int]:
    """Sample and name of each curve above the plot, and the rows that they take.

    A single curve named like the axis needs none. bars_of : samples are a bar and its marks
    """
    named = [(k, c) for k, c in zip(slots(curves), curves, strict=True) if c.label]
    if not named or (len(named) == 1 and named[0][1].label == skip):
        return "", 0
    parts, x, row = [], 4.0, 0
    for k, curve in named:
        room = int((WIDTH - 36) / CHAR)
        label = curve.label if len(curve.label) <= room else curve.label[: room - 3] + "..."
        width = 30 + CHAR * len(label) + 12
        if x > 4 and x + width > WIDTH:
            x, row = 4.0, row + 1
        y_row = y + 12 + 17 * row
        if bars_of:
            parts.append(bars.sample(x + 12, y_row - 4, k, mark=curve is not curves[0]))
        elif curve.style == "points" or curve is not curves[0]:
            parts.append(_marker(x + 12, y_row - 4, k))
        if curve.style != "points" and not bars_of:
            parts.append(
                f'<path class="line s{k % len(LIGHT)}" {_dash(curve)}'
                f'd="M{x:.1f} {y_row - 4:.1f}h24"/>'
            )
        parts.append(text_svg(x + 30, y_row, label, ""))
        x += width
    return "".join(parts), row + 1


def _dash(curve: Curve) -> str:
    return 'stroke-dasharray="5 4" ' if curve.style == "dashed" else ""


def _marker(x: float, y: float, k: int) -> str:
    """Disc, square, diamond or triangle by series."""
    kind = f'class="f{k % len(LIGHT)}"'
    shapes = (
        f'<circle {kind} cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>',
        f'<rect {kind} x="{x - 3.2:.1f}" y="{y - 3.2:.1f}" width="6.4" height="6.4"/>',
        f'<path {kind} d="M{x:.1f} {y - 4.6:.1f}l4.6 4.6-4.6 4.6-4.6-4.6z"/>',
        f'<path {kind} d="M{x:.1f} {y - 4.4:.1f}l4.4 7.6h-8.8z"/>',
    )
    return shapes[k % len(shapes)]


def curve_svg(curve: Curve, k: int, frame: Frame, *, marked: bool) -> str:
    """marked : with markers along the line; the first curve goes without, which is a mark too"""
    runs = segments(curve, frame)
    if curve.style == "points":
        return "".join(_marker(x, y, k) for run in runs for x, y in run)
    parts = []
    for run in runs:
        if len(run) == 1:
            parts.append(_marker(*run[0], k))
            continue
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in run)
        parts.append(f'<path class="line s{k % len(LIGHT)}" {_dash(curve)}d="M{path}"/>')
        if marked:
            stride = math.ceil(len(run) / MARKERS)
            parts += [_marker(x, y, k) for x, y in run[stride // 2 :: stride]]
    return "".join(parts)


def segments(curve: Curve, frame: Frame) -> list[list[tuple[float, float]]]:
    """Runs of drawable points in pixels; a value that can't be drawn interrupts the line."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in _thinned(list(zip(curve.x, curve.y, strict=True))):
        if frame.x.shows(x) and frame.y.shows(y):
            runs[-1].append((frame.x(x), frame.y(y)))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most about `MOST_POINTS` points: the lowest and the highest of each stretch."""
    if len(points) <= MOST_POINTS:
        return points
    size = math.ceil(2 * len(points) / MOST_POINTS)
    kept = []
    for start in range(0, len(points), size):
        stretch = range(start, min(start + size, len(points)))
        pair = {min(stretch, key=lambda i: points[i][1]), max(stretch, key=lambda i: points[i][1])}
        kept += [points[i] for i in sorted(pair)]
    return [points[0], *kept, points[-1]]


def band_svg(curve: Curve, k: int, frame: Frame) -> str:
    low_line, high_line = curve.low, curve.high
    if low_line is None or high_line is None:
        return ""
    rows = [
        (x, low, high)
        for x, low, high in zip(curve.x, low_line, high_line, strict=True)
        if frame.x.shows(x) and frame.y.shows(low) and frame.y.shows(high)
    ]
    upper = [(frame.x(x), frame.y(high)) for x, _, high in rows]
    lower = [(frame.x(x), frame.y(low)) for x, low, _ in reversed(rows)]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in upper + lower)
    return f'<path class="band f{k % len(LIGHT)}" d="M{path}Z"/>' if rows else ""


def text_svg(x: float, y: float, words: str, kind: str, *, anchor: str = "") -> str:
    anchored = f' text-anchor="{anchor}"' if anchor else ""
    classed = f" class={quoteattr(kind)}" if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{classed}{anchored}>{safe(words)}</text>'


def safe(words: str) -> str:
    return escape(visible(str(words)))
