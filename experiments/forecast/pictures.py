"""A base's runs as they went, each with where the forecasters saw its end."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toyrl.experiments.forecast.board import Board, Line, Study
from toyrl.experiments.forecast.case import Case, Forecast

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMNS = 5
MARKS = "os^Dv<>Pp"
WIDTH, HEIGHT = 2.6, 1.9  # inches of a panel
POINTS = 100.0
FEW = 2
"""Sizes of forecasts, 0 among them, that someone has who knows but a sign."""


def of_board(board: Board, page: Path) -> dict[str, tuple[Path, str]]:
    """Base -> (file beside the page, SVG), for every base with runs that were looked at."""
    return {
        base: (place_of(base, page), svg(study, lines, base))
        for study, lines in board.studies
        for base in walked(study)
    }


def place_of(base: str, page: Path) -> Path:
    """The file beside the page that a base's picture lies in."""
    name = re.sub(r"[^a-z0-9]+", "-", base.partition(",")[0].lower()).strip("-")
    return page.with_name(f"{page.stem}-{name}.svg")


def walked(study: Study) -> list[str]:
    """The bases whose runs were looked at on their way."""
    return list(dict.fromkeys(case.family for case in study.cases if case.walks))


def marked(lines: Sequence[Line]) -> list[Line]:
    """The forecasters that are drawn: those that know more than a sign."""
    return [line for line in lines if len({abs(f.accuracy or 0.0) for _, f in line.rows}) > FEW]


def svg(study: Study, lines: Sequence[Line], base: str) -> str:
    """A base's runs, a panel a reward: change of accuracy over updates, a line a seed, forecasts
    at the end.

    Rewards are ordered by what came of them. Forecasters that know a sign or nothing aren't drawn.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    shown = marked(lines)
    cases = sorted(
        (i for i, c in enumerate(study.cases) if c.walks and c.family == base),
        key=lambda i: -(study.cases[i].outcome.base or 0.0),
    )
    rows = math.ceil(len(cases) / COLUMNS)
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": base, "font.size": 8}):
        figure = Figure((WIDTH * COLUMNS, HEIGHT * rows + 0.6), layout="constrained")
        panels: Any = figure.subplots(rows, COLUMNS, sharex=True, sharey=True, squeeze=False)
        for panel, i in zip(panels.flat, cases, strict=False):
            _panel(panel, study.cases[i], [(x.forecaster.name, x.rows[i][1]) for x in shown])
        for panel in panels.flat[len(cases) :]:
            panel.set_axis_off()
        figure.supxlabel("updates")
        figure.supylabel("accuracy against the base, points")
        handles, labels = panels.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _panel(axes: Axes, case: Case, ends: Sequence[tuple[str, Forecast]]) -> None:
    axes.axhline(0.0, color="0.6", linewidth=0.8)
    for k, walk in enumerate(case.walks):
        change = [POINTS * (a - walk.accuracy[0]) for a in walk.accuracy]
        axes.plot(
            walk.updates, change, color="0.15", linewidth=1.2, label="measured" if k == 0 else ""
        )
    last = max(walk.updates[-1] for walk in case.walks)
    step = 0.05 * last
    for k, (name, said) in enumerate(ends):
        axes.plot(
            [last + (k + 1) * step],
            [math.nan if said.accuracy is None else POINTS * said.accuracy],
            MARKS[k % len(MARKS)],
            color=f"C{k}",
            markersize=4,
            label=name,
        )
    length = "" if case.outcome.length is None else f", length x {case.outcome.length:.2f}"
    axes.set_title(f"{case.told.name.rpartition('/')[2]}{length}", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
