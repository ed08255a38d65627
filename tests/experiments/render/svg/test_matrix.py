"""Heat maps with named rows and columns."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from toyrl.experiments.core import Picture
from toyrl.experiments.render.svg import matrix
from toyrl.experiments.render.svg.pictures import describe, svg
from toyrl.experiments.render.svg.raster import save_png

WIDE = "outcome() - 0.5*linear_length() + more"


def picture(rows=3, columns=2, names=("left", "right"), grid=None):
    values = np.arange(rows * columns).reshape(rows, columns) / 3 if grid is None else grid
    return Picture("m", "Title", "", "", grid=np.asarray(values).tolist(), grid_label="<d>",
                   labels=[f"row {i}" for i in range(rows)], columns=names)  # fmt: skip


def texts(shown: str) -> list[str]:
    root = ElementTree.fromstring(shown)
    return [t.text or "" for t in root.iter() if t.tag.endswith("text")]


def test_names_and_numbers_stand_in_it():
    found = texts(svg(picture(), standalone=True))
    assert {"row 0", "row 2", "left", "right", "<d>", ".33", "1.67", "0"} <= set(found)
    assert describe(picture()).startswith("Heat map of <d> over row 0, row 1, row 2 and left, ri")


def test_long_names_are_cut_slanted_and_stay_inside():
    shown = svg(picture(names=(WIDE,) * 4, grid=[[0.0, 1.0, 2.0, 3.0]] * 3))
    assert "rotate(-40" in shown
    assert matrix.shown(WIDE).endswith("...")
    assert len(matrix.shown(WIDE)) == matrix.LONGEST
    root = ElementTree.fromstring(shown)
    width = float(root.attrib["viewBox"].split()[2])
    for box in (r for r in root.iter() if r.tag.endswith("rect")):
        assert float(box.attrib["x"]) + float(box.attrib["width"]) <= width
    for t in (t for t in root.iter() if "transform" in t.attrib):
        assert float(t.attrib["x"]) + 0.77 * 0.56 * 13 * len(t.text or "") <= width + 1


def test_missing_cells_and_both_signs():
    shown = svg(picture(grid=[[np.nan, -1.0], [0.5, 0.0], [0.25, 0.1]]))
    assert shown.count('class="missing"') == 1
    assert matrix.span(picture(grid=[[-1.0, 0.5]] * 3)) == (-1.0, 1.0)
    assert matrix.span(picture(grid=[[2.0, 2.0]] * 3)) == (1.5, 2.5)
    assert svg(picture(grid=[[np.nan, np.nan]] * 3)).count("missing") >= 6


def test_many_rows_leave_out_the_numbers():
    found = texts(svg(picture(rows=40)))
    assert ".33" not in found
    assert "row 39" in found


@pytest.mark.parametrize("rows", [3, 40])
def test_a_png_is_drawn(tmp_path, rows):
    path = tmp_path / "m.png"
    save_png(picture(rows=rows, names=(WIDE, "right")), path)
    assert path.read_bytes()[:4] == b"\x89PNG"
