"""Heat maps whose rows and columns have names, with the number in each cell that has room."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

from toyrl.experiments.core import Picture
from toyrl.experiments.render.text import visible

ROW, LEAST = 26.0, 15.0  # height of a row: with numbers, and where there are many
LONGEST = 26  # characters of a name
TALL = 420.0  # pixels that the rows take at most, where they still can be read


def shown(name: str) -> str:
    """A name, cut to what fits beside the cells."""
    words = visible(str(name))
    return words if len(words) <= LONGEST else words[: LONGEST - 3] + "..."


def span(picture: Picture) -> tuple[float, float]:
    """Least and largest finite value; a symmetric range where both signs occur."""
    values = [float(v) for row in picture.grid for v in row if math.isfinite(v)] or [0.0]
    low, high = min(values), max(values)
    if low < 0 < high:
        high = max(-low, high)
        low = -high
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def cell_text(value: float) -> str:
    """A value in four characters or so."""
    text = f"{value:.2f}" if abs(value) >= 0.005 else "0"
    return (text[1:] if text.startswith("0.") else text.replace("-0.", "-.")).replace(
        "-", "\N{MINUS SIGN}"
    )


def is_dark(value: float, ends: tuple[float, float]) -> bool:
    """Whether the colour of a value asks for light text."""
    return (value - ends[0]) / (ends[1] - ends[0]) < 0.55


def matrix_svg(
    picture: Picture, head: float, width: float, font: float, ramp: Callable[[float], str]
) -> tuple[str, float]:
    """SVG of the cells with their names, and the height used; ramp : share in [0, 1] -> colour."""
    grid = [[float(v) + 0.0 for v in row] for row in picture.grid]
    rows, columns, ends = len(grid), len(grid[0]), span(picture)
    char = 0.56 * font
    left = 14 + char * max(len(shown(n)) for n in picture.labels)
    step = (width - left - 8) / columns
    height = max(LEAST, min(ROW, TALL / rows))
    names = [shown(n) for n in picture.columns]
    flat = char * max(map(len, names)) + 4 <= step
    if not flat:  # slanted names lean out to the right
        lean, room = 0.77 * char, step * columns
        step = min(step, *((room - lean * len(n)) / (j + 0.5) for j, n in enumerate(names)))
    above = 18.0 if flat else 12 + 0.62 * char * max(map(len, names))
    top = head + above + (18 if picture.grid_label else 0)
    parts = [_text(8, head + 12, picture.grid_label, "quiet")] if picture.grid_label else []
    for j, name in enumerate(names):
        x = left + step * (j + 0.5)
        parts.append(_text(x, top - 5, name, "", middle=True) if flat else _slanted(x, top, name))
    for i, (row, name) in enumerate(zip(grid, picture.labels, strict=True)):
        y = top + height * i
        parts.append(_text(left - 7, y + height / 2 + 4.5, shown(name), "", end=True))
        for j, value in enumerate(row):
            parts += _cell(value, left + step * j, y, (step, height), (ends, font), ramp)
    return "".join(parts), top + height * rows + 10


def _cell(
    value: float,
    x: float,
    y: float,
    size: tuple[float, float],
    scale: tuple[tuple[float, float], float],
    ramp: Callable[[float], str],
) -> list[str]:
    (ends, font), (step, height) = scale, size
    box = f'x="{x:.1f}" y="{y:.1f}" width="{step - 1:.1f}" height="{height - 1:.1f}"'
    if not math.isfinite(value):
        return [f'<rect class="missing" {box}/>']
    fill = ramp((value - ends[0]) / (ends[1] - ends[0]))
    out = [f'<rect fill="{fill}" {box}/>']
    if step >= 30 and height >= font + 3:
        ink = "#fff" if is_dark(value, ends) else "#14171c"
        where = f'x="{x + step / 2:.1f}" y="{y + height / 2 + 4.5:.1f}" text-anchor="middle"'
        out.append(f'<text {where} style="fill:{ink}">{cell_text(value)}</text>')
    return out


def _text(
    x: float, y: float, words: str, kind: str, *, middle: bool = False, end: bool = False
) -> str:
    anchor = ' text-anchor="middle"' if middle else ' text-anchor="end"' if end else ""
    classed = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{classed}{anchor}>{escape(visible(words))}</text>'


def _slanted(x: float, top: float, words: str) -> str:
    where = f'x="{x:.1f}" y="{top - 6:.1f}" transform="rotate(-40 {x:.1f} {top - 6:.1f})"'
    return f"<text {where}>{escape(words)}</text>"


def names_fit(names: Sequence[str]) -> bool:
    """Whether column names of a figure of 6.4 inches can stand level."""
    return sum(len(shown(n)) + 2 for n in names) < 60
