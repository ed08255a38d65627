"""Maps of a sweep: the first two axes as a plane, the boundary drawn, published settings marked."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from toyrl.experiments.core import Curve, Picture
from toyrl.experiments.sweep import boundary

if TYPE_CHECKING:
    from toyrl.experiments.sweep.result import Sweep

SHOWN = (
    ("accuracy", "accuracy", "accuracy at the end"),
    ("p_loss_5", "forecast", "chance of ending 5 points below the base"),
    ("length", "length", "mean length at the end (tokens)"),
)


def pictures(found: Sweep) -> tuple[Picture, ...]:
    """One map for each of `SHOWN`; curves where there is one axis of several values.

    Of more than two axes the others stand at their middle.
    """
    wide = [i for i, a in enumerate(found.plan.axes) if len(a.values) > 1] or [0]
    axis = boundary.strength(found.plan)
    if axis is not None and axis in wide:  # strength to the right
        wide = [axis, *(i for i in wide if i != axis)]
    if len(wide) == 1:
        return tuple(_curve(found, wide[0], *s) for s in SHOWN)
    return tuple(_map(found, wide[0], wide[1], *s) for s in SHOWN)


def _middle(found: Sweep, free: tuple[int, ...]) -> tuple[Any, ...]:
    """The plane through the grid: all of the free axes, the others at their middle."""
    return tuple(slice(None) if i in free else n // 2 for i, n in enumerate(found.plan.shape))


def _curve(found: Sweep, i: int, column: str, name: str, label: str) -> Picture:
    axis = found.plan.axes[i]
    y = found.columns[column][_middle(found, (i,))]
    x, ticks = _numbers(axis)
    lines = [Curve(label, x, y.tolist())]
    if column in ("accuracy", "length"):
        base = found.columns[f"base_{column}"][_middle(found, (i,))]
        lines.append(Curve("base", x, base.tolist(), style="dashed"))
    if column == "accuracy":
        alone = found.columns["alone_accuracy"][_middle(found, (i,))]
        lines.append(Curve("correctness alone", x, alone.tolist(), style="dashed"))
    return Picture(f"sweep-{name}", _title(found), axis.label + ticks, label, curves=tuple(lines),
                   log_x=axis.log, caption=found.sentence)  # fmt: skip


def _map(found: Sweep, i: int, j: int, column: str, name: str, label: str) -> Picture:
    a, b = found.plan.axes[i], found.plan.axes[j]
    plane = _middle(found, (i, j))
    grid = found.whole[1][column][plane]
    grid = grid.T if i < j else grid  # rows are b's values
    (x, of_x), (y, of_y) = _numbers(a), _numbers(b)
    return Picture(
        f"sweep-{name}", _title(found), a.label + of_x, b.label + of_y,
        curves=(*_boundaries(found, i, j, x, y), *_marks(found, a, b, x, y)),
        grid=grid.tolist(), grid_x=x, grid_y=y, grid_label=label, log_x=a.log, log_y=b.log,
        caption=found.sentence,
    )  # fmt: skip


def _title(found: Sweep) -> str:
    name = found.plan.reward
    return name if len(name) <= 56 else f"{name[:53]}..."


def _numbers(axis: Any) -> tuple[list[float], str]:
    """Places of the values on an axis; words stand at 0, 1, 2, named in the label."""
    if axis.numeric:
        return [float(v) for v in axis.values], ""
    return [float(k) for k in range(len(axis.values))], ": " + ", ".join(
        f"{k} {v}" for k, v in enumerate(axis.values)
    )


def _boundaries(found: Sweep, i: int, j: int, x: list[float], y: list[float]) -> list[Curve]:
    """Lines between the last good value and the next, and the last not lost and the next."""
    if boundary.strength(found.plan) != i:
        return []
    others = [k for k in range(len(found.plan.axes)) if k != i]
    middle = {k: found.plan.shape[k] // 2 for k in others}
    order = np.sort(x)
    log = found.plan.axes[i].log
    lines: dict[str, list[tuple[float, float]]] = {
        "good to the left": [],
        "collapse to the right": [],
    }
    for edge in found.edges:
        at = dict(zip(others, edge.at, strict=True))
        if any(at[k] != middle[k] for k in others if k != j):
            continue
        row = y[at[j]]
        safe = -math.inf if edge.safe is None else edge.safe
        lines["good to the left"].append((_between(order, safe, log), row))
        lost = (
            math.inf
            if edge.lost is None
            else float(order[max(np.searchsorted(order, edge.lost) - 1, 0)])
        )
        if edge.lost is not None and edge.lost == order[0]:
            lost = -math.inf
        lines["collapse to the right"].append((_between(order, lost, log), row))
    out = []
    for name, points in lines.items():
        points = sorted(points, key=lambda p: p[1])
        xs, ys = [p[0] for p in points], [p[1] if math.isfinite(p[0]) else math.nan for p in points]
        if any(math.isfinite(v) for v in ys):
            style = "line" if name.startswith("good") else "dashed"
            out.append(Curve(name, [v if math.isfinite(v) else xs[0] for v in xs], ys, style=style))
    return out


def _between(order: np.ndarray, last: float, log: bool) -> float:
    """Half way from a value to the next one of the grid; infinite where nothing turns on it."""
    if last == -math.inf or last >= order[-1]:
        return math.inf
    k = int(np.searchsorted(order, last))
    low, high = float(order[k]), float(order[k + 1])
    return math.sqrt(low * high) if log else (low + high) / 2


def _marks(found: Sweep, a: Any, b: Any, x: list[float], y: list[float]) -> list[Curve]:
    """Published settings that lie on the plane; what they don't say is as in all cells."""
    out = []
    base = found.plan.base
    for name, values in found.published:
        at = []
        for axis in (a, b):
            value = values.get(axis.name, base.get(axis.name))
            if isinstance(value, str):
                value = float(axis.values.index(value)) if value in axis.values else None
            at.append(value)
        if all(isinstance(v, (int, float)) for v in at) and all(
            min(line) <= v <= max(line) for v, line in zip(at, (x, y), strict=True)
        ):
            out.append(Curve(name, [float(at[0])], [float(at[1])], style="points"))
    return out
