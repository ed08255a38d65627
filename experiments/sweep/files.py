"""What a sweep leaves in its folder beside its parts."""

from __future__ import annotations

from pathlib import Path

from toyrl.experiments.render import columnar
from toyrl.experiments.render.svg.raster import save_png
from toyrl.experiments.render.text import dumps
from toyrl.experiments.sweep.result import Sweep
from toyrl.files import write_file

CSV, PARQUET, RESULT, PAGE = "cells.csv", "cells.parquet", "result.json", "map.html"


def write_all(found: Sweep, folder: Path) -> list[Path]:
    """Cells as CSV and, where pyarrow is there, parquet; the answer; pictures and page.

    Raises WriteError where one can't be written.
    """
    forms = found.forms()
    files: dict[str, str | bytes] = {
        CSV: forms[".csv"](),
        RESULT: dumps(found.to_dict()) + "\n",
        PAGE: forms[".html"](),
    }
    packed = parquet(found)
    if packed is not None:
        files[PARQUET] = packed
    from toyrl.experiments.render.svg.pictures import svg

    drawn = found.pictures()
    for p in drawn:
        files[f"{p.name}.svg"] = svg(p, standalone=True)
    for name, content in files.items():
        write_file(folder / name, content)
    for p in drawn:
        save_png(p, folder / f"{p.name}.png")
    return [folder / name for name in files]


def parquet(found: Sweep) -> bytes | None:
    """The cells as a parquet file; None without pyarrow (extra `sweep`)."""
    rows = list(found.rows())
    return columnar.parquet({h: [row[k] for row in rows] for k, h in enumerate(found.heads)})
