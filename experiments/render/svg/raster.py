"""Pictures as PNG files, by matplotlib without a display."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from toyrl.experiments.core import Curve, Picture
from toyrl.experiments.render.svg.axes import edges, log_ticks, tick_label
from toyrl.experiments.render.svg.colours import slots
from toyrl.experiments.render.svg.matrix import cell_text, is_dark, names_fit, shown, span
from toyrl.experiments.render.text import visible
from toyrl.files import write_file

COLOURS = ("#1f68b0", "#b8540f", "#1d7f55", "#8a4bb8", "#c0354c", "#157f92", "#7a6414", "#5a6270")
MARKERS = "osD^v<>P"


def save_png(picture: Picture, path: Path, *, dpi: int = 150) -> None:
    """Draw the picture into a PNG file, light, 6.4 x 4.4 inches. WriteError where it can't be."""
    # The Figure class alone: pyplot would keep global state and choose a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(_plain(picture.title))
    axes.set_xlabel(_plain(picture.x_label))
    axes.set_ylabel(_plain(picture.y_label))
    if picture.log_x:
        axes.set_xscale("log")
    if picture.log_y:
        axes.set_yscale("log")
    if picture.grid is not None and picture.columns:
        _draw_matrix(picture, figure, axes)
    elif picture.labels:
        _draw_bars(picture, axes)
    elif picture.grid is not None:
        _draw_grid(picture, figure, axes)
    else:
        for k, curve in zip(slots(picture.curves), picture.curves, strict=True):
            _draw_curve(curve, k, axes)
        axes.grid(alpha=0.2)
        if any(c.label for c in picture.curves):
            axes.legend(fontsize="small", framealpha=0.7)
    _plain_ticks(axes)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    write_file(path, drawn.getvalue())


def _plain_ticks(axes: Any) -> None:
    """The same round numbers on log axes as in the SVG, in place of powers of ten."""
    for axis in (axes.xaxis, axes.yaxis):
        if axis.get_scale() == "log":
            low, high = sorted(axis.get_view_interval())
            at = log_ticks(low, high)
            axis.set_ticks(at, [tick_label(t) for t in at])
            axis.set_ticks([], minor=True)


def _draw_grid(picture: Picture, figure: Any, axes: Any) -> None:
    grid = np.ma.masked_invalid(np.asarray(picture.grid, dtype=float))
    x = edges(picture.grid_x, grid.shape[1], log=picture.log_x)
    y = edges(picture.grid_y, grid.shape[0], log=picture.log_y)
    mesh = axes.pcolormesh(x, y, grid, cmap="viridis")
    axes.set_facecolor("#e6e6e6")
    figure.colorbar(mesh, ax=axes, label=_plain(picture.grid_label))
    if picture.curves:
        _draw_over(picture.curves, axes)


def _draw_over(curves: Sequence[Curve], axes: Any) -> None:
    """Curves on a heat map, on a pale line each, with a legend below."""
    from matplotlib.patheffects import Normal, Stroke

    limits = axes.get_xlim(), axes.get_ylim()
    for k, curve in zip(slots(curves), curves, strict=True):
        _draw_curve(curve, k, axes)
        for drawn in axes.lines[-1:]:
            drawn.set_path_effects([Stroke(linewidth=4.5, foreground="white"), Normal()])
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])
    axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)


def _draw_matrix(picture: Picture, figure: Any, axes: Any) -> None:
    grid, ends = np.ma.masked_invalid(np.asarray(picture.grid, dtype=float)), span(picture)
    seen = axes.imshow(grid, cmap="viridis", vmin=ends[0], vmax=ends[1], aspect="auto")
    axes.set_facecolor("#e6e6e6")
    level = names_fit(picture.columns)
    slant = {} if level else {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(grid.shape[1]), [_plain(shown(n)) for n in picture.columns], **slant)
    axes.set_yticks(range(grid.shape[0]), [_plain(shown(n)) for n in picture.labels])
    axes.tick_params(labelsize="small")
    if grid.size <= 120:
        for (i, j), value in np.ndenumerate(np.asarray(picture.grid, dtype=float)):
            if np.isfinite(value):
                ink = "white" if is_dark(float(value), ends) else "#14171c"
                axes.text(j, i, cell_text(float(value)), ha="center", va="center", color=ink)
    figure.colorbar(seen, ax=axes, label=_plain(picture.grid_label))


def _draw_bars(picture: Picture, axes: Any) -> None:
    first, *marks = picture.curves
    place, *places = slots(picture.curves)
    axes.barh(first.y, first.x, color=COLOURS[place], label=_plain(first.label) or None)
    for k, curve in zip(places, marks, strict=True):
        axes.plot(curve.x, curve.y, "|", color=COLOURS[k], markersize=12, label=_plain(curve.label))
    axes.set_yticks(range(len(picture.labels)), [_plain(n) for n in picture.labels])
    axes.invert_yaxis()
    if any(c.label for c in picture.curves):
        axes.legend(fontsize="small", framealpha=0.7)


def _draw_curve(curve: Curve, k: int, axes: Any) -> None:
    colour = COLOURS[k % len(COLOURS)]
    x, y = np.asarray(curve.x, dtype=float), np.asarray(curve.y, dtype=float)
    # matplotlib leaves a label that begins with an underscore out of the legend.
    label = _plain(curve.label).lstrip("_") or None
    if curve.style == "points":
        axes.plot(x, y, MARKERS[k % len(MARKERS)], color=colour, label=label, markersize=5)
    else:
        line = "--" if curve.style == "dashed" else "-"
        axes.plot(x, y, line, color=colour, label=label)
    if curve.low is not None and curve.high is not None:
        low, high = np.asarray(curve.low, dtype=float), np.asarray(curve.high, dtype=float)
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)


def _plain(words: str) -> str:
    """Text without matplotlib's formula markup."""
    return visible(words).replace("$", r"\$")
