"""Pictures as SVG text: curves with bands, or a heat map, on labelled axes.

Colours are CSS variables, so that a page shows the same picture light or dark; text takes the
page's colour. Curves differ by marker too, not by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from toyrl.experiments.core import Picture
from toyrl.experiments.render.svg import bars
from toyrl.experiments.render.svg.axes import Axis, extent
from toyrl.experiments.render.svg.colours import DARK, LIGHT, slots
from toyrl.experiments.render.svg.heat import heat_map, ramp
from toyrl.experiments.render.svg.lines import (
    CHAR,
    FONT,
    PLOT_HEIGHT,
    WIDTH,
    Frame,
    axes_svg,
    band_svg,
    curve_svg,
    left_edge,
    legend_svg,
    safe,
    segments,
    text_svg,
    x_ticks,
)
from toyrl.experiments.render.svg.matrix import matrix_svg
from toyrl.experiments.render.text import number


def _variables(colours: Sequence[str]) -> str:
    return "".join(f"--series-{k}:{c};" for k, c in enumerate(colours))


CSS = (
    ".picture{" + _variables(LIGHT) + "color:#20242b;--paper:#fff;"
    "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif}"
    "@media (prefers-color-scheme:dark){.picture{"
    + _variables(DARK)
    + "color:#e4e7ec;--paper:#171a20}}"
    f".picture text{{fill:currentColor;font-size:{FONT:g}px}}"
    ".picture .quiet{opacity:.75}.picture .title{font-size:14px;font-weight:600}"
    ".picture .grid{stroke:currentColor;opacity:.13}"
    ".picture .axis{stroke:currentColor;opacity:.5;fill:none}"
    ".picture .line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}"
    ".picture .missing{fill:currentColor;opacity:.1}"
    + "".join(
        f".picture .s{k}{{stroke:var(--series-{k})}}.picture .f{k}{{fill:var(--series-{k})}}"
        for k in range(len(LIGHT))
    )
    + ".picture .band{opacity:.18;stroke:none}"
)


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
        body, bottom = heat_map(picture, head, name) if heat else _curves(picture, head)
    title = text_svg(WIDTH / 2, 17, picture.title, "title", anchor="middle") if standalone else ""
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
        f'<title id="{name}-title">{safe(picture.title)}</title>'
        f'<desc id="{name}-desc">{safe(describe(picture))}</desc>'
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
    legend, rows = legend_svg(curves, head + 20, skip=picture.y_label)
    top = head + 28 + 17 * rows
    frame = Frame(
        Axis(
            *extent(xs, log=picture.log_x, margin=0.0 if len(set(xs)) > 1 else 0.5),
            left_edge(y_low, y_high, picture.log_y),
            WIDTH - 14,
            picture.log_x,
        ),
        Axis(y_low, y_high, top + PLOT_HEIGHT, top, picture.log_y),
    )
    parts = [axes_svg(picture, frame, head + 12), legend]
    placed = list(zip(slots(curves), curves, strict=True))
    parts += [band_svg(c, k, frame) for k, c in placed]
    parts += [curve_svg(c, k, frame, marked=c is not curves[0]) for k, c in placed]
    if not any(segments(c, frame) for c in curves):
        parts.append(
            text_svg(
                WIDTH / 2, top + PLOT_HEIGHT / 2, "no values to draw", "quiet", anchor="middle"
            )
        )
    return "".join(parts), top + PLOT_HEIGHT + 42


def _bars(picture: Picture, head: float) -> tuple[str, float]:
    """SVG of horizontal bars, and the height used."""
    legend, rows = legend_svg(picture.curves, head, skip=picture.x_label, bars_of=True)
    top = head + 8 + 17 * rows
    bottom = top + bars.ROW * len(picture.labels)
    left = bars.room_for(picture.labels, CHAR)
    axis = Axis(*bars.range_of(picture), left, WIDTH - 14)
    frame = Frame(axis, Axis(0.0, 1.0, bottom, top))
    parts = [legend, *x_ticks(frame, bottom)]
    for row, label in enumerate(picture.labels):
        y = top + bars.ROW * (row + 0.5) + 4
        parts.append(text_svg(left - 6, y, bars.shown(label), "", anchor="end"))
    parts += bars.rows_svg(picture, axis, top)
    zero = axis(0.0)
    parts.append(f'<path class="axis" d="M{zero:.1f} {top:.1f}V{bottom:.1f}"/>')
    parts.append(f'<path class="axis" d="M{left:.1f} {bottom:.1f}H{WIDTH - 14:.1f}"/>')
    parts.append(text_svg(WIDTH - 14, bottom + 35, picture.x_label, "quiet", anchor="end"))
    return "".join(parts), bottom + 42
