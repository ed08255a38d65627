"""Runs the example notebooks and writes what their cells show into them.

    python -m docs.generate.notebooks

A cell is plain Python whose last expression is shown, so no Jupyter is needed to run one; what it
shows is kept as Jupyter keeps it, and any of its readers opens the file.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
from pathlib import Path
from typing import Any

from docs.generate.modules import ROOT

FOLDER = ROOT / "examples" / "notebooks"


def notebooks() -> list[Path]:
    """The example notebooks, by name."""
    return sorted(FOLDER.glob("*.ipynb"))


def run(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook (format 4) with its code cells run one after another, in one namespace.

    Raises what a cell raises.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    cells, count = [], 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            outputs = _outputs("".join(cell["source"]), names, count)
            cell = {**cell, "execution_count": count, "outputs": outputs}
        cells.append(cell)
    return {**notebook, "cells": cells}


def _outputs(source: str, names: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """What a cell prints, and the value of its last expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, f"<cell {count}>", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"<cell {count}>", "eval"), names)
    out: list[dict[str, Any]] = []
    if printed.getvalue():
        text = printed.getvalue().splitlines(keepends=True)
        out.append({"output_type": "stream", "name": "stdout", "text": text})
    if value is not None:
        data = {"text/plain": repr(value).splitlines(keepends=True)}
        if hasattr(value, "_repr_html_"):
            data = {"text/html": value._repr_html_().splitlines(keepends=True), **data}
        said = {"output_type": "execute_result", "execution_count": count}
        out.append({**said, "data": data, "metadata": {}})
    return out


def write(path: Path) -> None:
    """Run a notebook and write it again."""
    made = run(json.loads(path.read_text(encoding="utf-8")))
    path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for place in notebooks():
        write(place)
