"""Pictures as SVG text: curves with bands, or a heat map, on labelled axes.

Colours are CSS variables, so that a page shows the same picture light or dark; text takes the
page's colour. Curves differ by marker too, not by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from toyrl.experiments.core import Curve, Picture
from toyrl.experiments.render import bars
from toyrl.experiments.render.axes import Axis, edges, extent, tick_label
from toyrl.experiments.render.colours import slots
from toyrl.experiments.render.matrix import matrix_svg
from toyrl.experiments.render.text import number, visible

WIDTH, PLOT_HEIGHT = 480.0, 240.0
FONT = 13.0
CHAR = 0.56 * FONT  # mean width of a character in a sans-serif font
MOST_POINTS = 600  # per curve; more can't be told apart at this width
MARKERS = 6  # per line, about
RAMP = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))  # viridis

# fmt: off
_LIGHT = ("#1f68b0", "#b8540f", "#1d7f55", "#8a4bb8", "#c0354c", "#157f92", "#7a6414", "#5a6270")
_DARK = ("#6cb0f5", "#f0995a", "#5fcb98", "#c59bf0", "#f58596", "#5cc6d8", "#d6bb58", "#aab2bf")
# fmt: on


def _variables(colours: Sequence[str]) -> str:
    return "".join(f"--series-{k}:{c};" for k, c in enumerate(colours))


CSS = (
    ".picture{" + _variables(_LIGHT) + "color:#20242b;--paper:#fff;"
    "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif}"
    "@media (prefers-color-scheme:dark){.picture{"
    + _variables(_DARK)
    + "color:#e4e7ec;--paper:#171a20}}"
    f".picture text{{fill:currentColor;font-size:{FONT:g}px}}"
    ".picture .quiet{opacity:.75}.picture .title{font-size:14px;font-weight:600}"
    ".picture .grid{stroke:currentColor;opacity:.13}"
    ".picture .axis{stroke:currentColor;opacity:.5;fill:none}"
    ".picture .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
    ".picture .missing{fill:currentColor;opacity:.1}"
    + "".join(
        f".picture .s{k}{{stroke:var(--series-{k})}}.picture .f{k}{{fill:var(--series-{k})}}"
        for k in range(len(_LIGHT))
    )
    + ".picture .band{opacity:.18;stroke:none}"
)


@dataclass(frozen=True)
class Frame:
    """The plot's rectangle with its two axes."""

    x: Axis
    y: Axis

    @property
    def box(self) -> tuple[float, float, float, float]:
        """left, top, right, bottom in pixels."""
        return self.x.start, self.y.stop, self.x.stop, self.y.start


def svg(picture: Picture, *, name: str = "picture", standalone: bool = False) -> str:
    """The picture as an `<svg>` element.

    name : prefix of the element ids; unique within a page
    standalone : a file of its own, with namespace, style and visible title
    """
    head = 26.0 if standalone else 4.0
    heat = picture.grid is not None
    if heat and picture.columns:
        body, bottom = matrix_svg(picture, head, WIDTH, FONT, ramp)
    elif picture.labels:
        body, bottom = _bars(picture, head)
    else:
        body, bottom = _heat_map(picture, head, name) if heat else _curves(picture, head)
    title = _text(WIDTH / 2, 17, picture.title, "title", anchor="middle") if standalone else ""
    namespace = ' xmlns="http://www.w3.org/2000/svg"' if standalone else ""
    style = f"<style>{CSS}</style>" if standalone else ""
    paper = (
        f'<rect width="{WIDTH:g}" height="{bottom:g}" style="fill:var(--paper)"/>'
        if standalone
        else ""
    )
    return (
        f'<svg{namespace} class="picture" viewBox="0 0 {WIDTH:g} {bottom:g}" role="img" '
        f'aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{_safe(picture.title)}</title>'
        f'<desc id="{name}-desc">{_safe(describe(picture))}</desc>'
        f"{style}{paper}{title}{body}</svg>"
    )


def describe(picture: Picture) -> str:
    """The picture in words, for who can't see it."""
    if picture.grid is not None:
        values = [v for row in picture.grid for v in row if math.isfinite(v)]
        span = f"from {number(min(values))} to {number(max(values))}" if values else "no values"
        over = f"{picture.x_label} and {picture.y_label}"
        if picture.columns:
            over = f"{', '.join(picture.labels)} and {', '.join(picture.columns)}"
        return (
            f"Heat map of {picture.grid_label or 'a value'} over {over}: {span}. {picture.caption}"
        ).strip()
    if picture.labels:
        return f"{picture.x_label}: {bars.described(picture)}. {picture.caption}".strip()
    parts = [f"{picture.y_label} over {picture.x_label}."]
    for curve in picture.curves:
        drawn = [(x, y) for x, y in zip(curve.x, curve.y, strict=True) if math.isfinite(y)]
        if drawn:
            (x0, y0), (x1, y1) = drawn[0], drawn[-1]
            parts.append(
                f"{curve.label}: {number(y0)} at {number(x0)}, {number(y1)} at {number(x1)}."
            )
    return " ".join([*parts, picture.caption]).strip()


def _curves(picture: Picture, head: float) -> tuple[str, float]:
    """SVG of a picture of curves, and the height used."""
    curves = picture.curves
    xs = [float(v) for c in curves for v in c.x]
    ys = [
        float(v) for c in curves for line in (c.y, c.low, c.high) if line is not None for v in line
    ]
    y_low, y_high = extent(ys, log=picture.log_y)
    legend, rows = _legend(curves, head + 20, skip=picture.y_label)
    top = head + 28 + 17 * rows
    frame = Frame(
        Axis(
            *extent(xs, log=picture.log_x, margin=0.0 if len(set(xs)) > 1 else 0.5),
            _left(y_low, y_high, picture.log_y),
            WIDTH - 14,
            picture.log_x,
        ),
        Axis(y_low, y_high, top + PLOT_HEIGHT, top, picture.log_y),
    )
    parts = [_axes(picture, frame, head + 12), legend]
    placed = list(zip(slots(curves), curves, strict=True))
    parts += [_band(c, k, frame) for k, c in placed]
    parts += [_curve(c, k, frame, marked=c is not curves[0]) for k, c in placed]
    if not any(_segments(c, frame) for c in curves):
        parts.append(
            _text(WIDTH / 2, top + PLOT_HEIGHT / 2, "no values to draw", "quiet", anchor="middle")
        )
    return "".join(parts), top + PLOT_HEIGHT + 42


def _bars(picture: Picture, head: float) -> tuple[str, float]:
    """SVG of horizontal bars, and the height used."""
    legend, rows = _legend(picture.curves, head, skip=picture.x_label, bars_of=True)
    top = head + 8 + 17 * rows
    bottom = top + bars.ROW * len(picture.labels)
    left = bars.room_for(picture.labels, CHAR)
    axis = Axis(*bars.range_of(picture), left, WIDTH - 14)
    frame = Frame(axis, Axis(0.0, 1.0, bottom, top))
    parts = [legend, *_x_ticks(frame, bottom)]
    for row, label in enumerate(picture.labels):
        y = top + bars.ROW * (row + 0.5) + 4
        parts.append(_text(left - 6, y, bars.shown(label), "", anchor="end"))
    parts += bars.rows_svg(picture, axis, top)
    zero = axis(0.0)
    parts.append(f'<path class="axis" d="M{zero:.1f} {top:.1f}V{bottom:.1f}"/>')
    parts.append(f'<path class="axis" d="M{left:.1f} {bottom:.1f}H{WIDTH - 14:.1f}"/>')
    parts.append(_text(WIDTH - 14, bottom + 35, picture.x_label, "quiet", anchor="end"))
    return "".join(parts), bottom + 42


def _left(low: float, high: float, log: bool) -> float:
    """Room for the y axis's tick labels."""
    labels = [tick_label(t) for t in Axis(low, high, 0, 1, log).ticks]
    return 14 + CHAR * max(map(len, labels), default=1)


def _axes(picture: Picture, frame: Frame, label_y: float) -> str:
    left, top, right, bottom = frame.box
    parts = [
        _text(4, label_y, picture.y_label, "quiet"),
        _text(right, bottom + 35, picture.x_label, "quiet", anchor="end"),
    ]
    for value in frame.y.ticks:
        y = frame.y(value)
        parts.append(
            f'<line class="grid" x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(_text(left - 6, y + 4, tick_label(value), "", anchor="end"))
    parts += _x_ticks(frame, bottom)
    parts.append(f'<path class="axis" d="M{left:.1f} {top:.1f}V{bottom:.1f}H{right:.1f}"/>')
    return "".join(parts)


def _x_ticks(frame: Frame, bottom: float) -> list[str]:
    parts, free = [], -math.inf
    for value in frame.x.ticks:
        x, label = frame.x(value), tick_label(value)
        half = CHAR * len(label) / 2
        x_text = min(max(x, half), WIDTH - half)
        parts.append(f'<path class="axis" d="M{x:.1f} {bottom:.1f}v5"/>')
        if x_text - half >= free:
            parts.append(_text(x_text, bottom + 18, label, "", anchor="middle"))
            free = x_text + half + CHAR
    return parts


def _legend(
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
                f'<path class="line s{k % len(_LIGHT)}" {_dash(curve)}'
                f'd="M{x:.1f} {y_row - 4:.1f}h24"/>'
            )
        parts.append(_text(x + 30, y_row, label, ""))
        x += width
    return "".join(parts), row + 1


def _dash(curve: Curve) -> str:
    return 'stroke-dasharray="5 4" ' if curve.style == "dashed" else ""


def _marker(x: float, y: float, k: int) -> str:
    """Disc, square, diamond or triangle by series."""
    kind = f'class="f{k % len(_LIGHT)}"'
    shapes = (
        f'<circle {kind} cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>',
        f'<rect {kind} x="{x - 3.2:.1f}" y="{y - 3.2:.1f}" width="6.4" height="6.4"/>',
        f'<path {kind} d="M{x:.1f} {y - 4.6:.1f}l4.6 4.6-4.6 4.6-4.6-4.6z"/>',
        f'<path {kind} d="M{x:.1f} {y - 4.4:.1f}l4.4 7.6h-8.8z"/>',
    )
    return shapes[k % len(shapes)]


def _curve(curve: Curve, k: int, frame: Frame, *, marked: bool) -> str:
    """marked : with markers along the line; the first curve goes without, which is a mark too"""
    runs = _segments(curve, frame)
    if curve.style == "points":
        return "".join(_marker(x, y, k) for run in runs for x, y in run)
    parts = []
    for run in runs:
        if len(run) == 1:
            parts.append(_marker(*run[0], k))
            continue
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in run)
        parts.append(f'<path class="line s{k % len(_LIGHT)}" {_dash(curve)}d="M{path}"/>')
        if marked:
            stride = math.ceil(len(run) / MARKERS)
            parts += [_marker(x, y, k) for x, y in run[stride // 2 :: stride]]
    return "".join(parts)


def _segments(curve: Curve, frame: Frame) -> list[list[tuple[float, float]]]:
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


def _band(curve: Curve, k: int, frame: Frame) -> str:
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
    return f'<path class="band f{k % len(_LIGHT)}" d="M{path}Z"/>' if rows else ""


def _heat_map(picture: Picture, head: float, name: str) -> tuple[str, float]:
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
    legend, rows = _legend(picture.curves, label_y + 2, skip="")
    top = label_y + 12 + 17 * rows
    bar = Axis(low, high, top + PLOT_HEIGHT, top)
    room = 26 + CHAR * max(len(tick_label(t)) for t in bar.ticks)
    frame = Frame(
        Axis(
            min(x_edges),
            max(x_edges),
            _left(y_low, y_high, picture.log_y),
            WIDTH - room - 10,
            picture.log_x,
        ),
        Axis(y_low, y_high, top + PLOT_HEIGHT, top, picture.log_y),
    )
    cells = "".join(_cells(grid, x_edges, y_edges, frame, (low, high)))
    return (
        cells
        + legend
        + _over_map(picture.curves, frame)
        + _axes(picture, frame, label_y)
        + _colour_bar(bar, room, name)
        + _text(WIDTH - 4, head + 12, picture.grid_label, "quiet", anchor="end"),
        top + PLOT_HEIGHT + 42,
    )


def _over_map(curves: Sequence[Curve], frame: Frame) -> str:
    """Curves on a heat map, on a pale line each, so that they are seen on any colour."""
    parts = []
    for k, curve in zip(slots(curves), curves, strict=True):
        halo = "".join(
            '<path d="M' + "L".join(f"{x:.1f} {y:.1f}" for x, y in run) + '" fill="none" '
            'stroke="#fff" stroke-width="5" stroke-opacity=".8"/>'
            for run in _segments(curve, frame)
            if len(run) > 1 and curve.style != "points"
        )
        marks = "".join(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" fill="#fff"/>'
            for run in _segments(curve, frame)
            for x, y in run
            if curve.style == "points"
        )
        parts.append(halo + marks + _curve(curve, k, frame, marked=curve is not curves[0]))
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
    parts += [_text(x + 17, bar(t) + 4, tick_label(t), "") for t in bar.ticks]
    return "".join(parts)


def _text(x: float, y: float, words: str, kind: str, *, anchor: str = "") -> str:
    anchored = f' text-anchor="{anchor}"' if anchor else ""
    classed = f" class={quoteattr(kind)}" if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{classed}{anchored}>{_safe(words)}</text>'


def _safe(words: str) -> str:
    return escape(visible(str(words)))
