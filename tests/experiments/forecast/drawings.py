"""Read a picture of the board back: its panels' titles, lines and marks are the runs' numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import numpy as np

from toyrl.experiments.forecast import pictures
from toyrl.experiments.forecast.board import Line, Study

G, PATH, TEXT, USE = (
    f"{{http://www.w3.org/2000/svg}}{name}" for name in ("g", "path", "text", "use")
)
MEASURED, ZERO = "#262626", "#999999"
PIXEL = 1e-4  # coordinates are written to the sixth place


@dataclass(frozen=True)
class Panel:
    """A panel as drawn, in points of the page.

    zero : height of the line of no change; ways : (n, 2) a line a seed; marks : (m, 2)
    """

    title: str
    zero: float
    ways: list[np.ndarray]
    marks: np.ndarray


def panels(root: ET.Element) -> list[Panel]:
    """The panels that have a title, in the order they are drawn in."""
    groups = [g for g in root.iter(G) if g.get("id", "").startswith("axes_")]
    return [_panel(g) for g in groups if g.find(f".//{TEXT}[@transform]") is not None]


def _panel(group: ET.Element) -> Panel:
    ways, marks, zero = [], [], np.nan
    for line in group:
        if not line.get("id", "").startswith("line2d"):
            continue
        path = line.find(PATH)
        if path is None:
            # A forecaster that expects nothing has an empty group.
            marks += [[float(u.get("x", "")), float(u.get("y", ""))] for u in line.iter(USE)]
        elif ZERO in path.get("style", ""):
            zero = _points(path)[0, 1]
        elif MEASURED in path.get("style", ""):
            ways.append(_points(path))
    titles = [t.text or "" for g in group for t in g.findall(TEXT)]
    return Panel(titles[-1], zero, ways, np.array(marks))


def _points(path: ET.Element) -> np.ndarray:
    return np.array(re.findall(r"[ML] (\S+) (\S+)", path.get("d", "")), dtype=float)


def assert_shows(text: str, study: Study, lines: Sequence[Line], base: str) -> None:
    """Every run of the base has its panel, in the order of what came of them; one scale for all."""
    root = ET.fromstring(text)
    shown = pictures.marked(lines)
    (legend,) = (g for g in root.iter(G) if g.get("id") == "legend_1")
    names = [t.text for t in legend.iter(TEXT)]
    assert names == ["measured", *(line.forecaster.name for line in shown)]
    runs = [i for i, c in enumerate(study.cases) if c.walks and c.family == base]
    runs.sort(key=lambda i: -(study.cases[i].outcome.base or 0.0))
    found, drawn = panels(root), []
    assert len(found) == len(runs)
    for panel, i in zip(found, runs, strict=True):
        case = study.cases[i]
        name = case.told.name.rpartition("/")[2]
        assert panel.title == f"{name}, length x {case.outcome.length:.2f}"
        assert len(panel.ways) == len(case.walks)
        for way, walk in zip(panel.ways, case.walks, strict=True):
            change = 100 * (np.array(walk.accuracy) - walk.accuracy[0])
            drawn.append((way, panel, np.column_stack([walk.updates, change])))
        last = max(walk.updates[-1] for walk in case.walks)
        ends = [
            (last * (1 + 0.05 * (k + 1)), 100 * said)
            for k, line in enumerate(shown)
            if (said := line.rows[i][1].accuracy) is not None
        ]
        drawn.append((panel.marks, panel, np.array(ends)))
    _one_scale(drawn)


def _one_scale(drawn: Sequence[tuple[np.ndarray, Panel, np.ndarray]]) -> None:
    """Points of the page are updates and changes times one number a direction."""
    at = np.concatenate([p - (panel.ways[0][0, 0], panel.zero) for p, panel, _ in drawn])
    said = np.concatenate([numbers for _, _, numbers in drawn])
    scale = (at * said).sum(0) / (said**2).sum(0)
    assert scale[0] > 0 > scale[1]  # a page's heights grow downwards
    np.testing.assert_allclose(at, said * scale, rtol=0, atol=PIXEL)
