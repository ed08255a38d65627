"""Dynamic programming: one cell a state, which first fetches the cells it depends on.

Source: paper 26's class; knapsack in the paper's order (the two cells of the row above).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

from toyrl.worlds.traces.states import Trace
from toyrl.worlds.traces.tasks.core import RANGES, Pen, Task


def _things(n: int, rng: random.Random) -> dict[str, Any]:
    items = [[rng.randint(1, 4), rng.randint(1, 9)] for _ in range(n)]
    return {"room": n, "items": items}


def _knapsack(given: Mapping[str, Any]) -> Trace:
    """items : [weight, value]; the cell (i, w) is the most value of the first i in room w."""
    pen, row = Pen(), [0] * (int(given["room"]) + 1)
    for weight, value in given["items"]:
        new = []
        for w, above in enumerate(row):
            left: Any = row[w - weight] if w >= weight else "-"
            new.append(above if left == "-" else max(above, left + value))
            pen.write("cell", (above, left, value), (new[-1],))
        row = new
    return pen.done(row[-1])


def _texts(n: int, rng: random.Random) -> dict[str, Any]:
    return {k: "".join(rng.choice("abc") for _ in range(n)) for k in ("a", "b")}


Cell = Callable[[int, int, int, bool], int]


def _grid(op: str, given: Mapping[str, Any], edge: bool, cell: Cell) -> Trace:
    """Cells row by row from (diagonal, above, left, letters); edge : the border counts letters."""
    pen, a, b = Pen(), given["a"], given["b"]
    row = [j * edge for j in range(len(b) + 1)]
    for i, x in enumerate(a):
        new = [(i + 1) * edge]
        for j, y in enumerate(b):
            fetch = (row[j], row[j + 1], new[j])
            new.append(cell(*fetch, x == y))
            pen.write(op, (*fetch, x, y), (new[-1],))
        row = new
    return pen.done(row[-1])


def _edits(given: Mapping[str, Any]) -> Trace:
    return _grid("edit", given, True, lambda d, u, s, same: min(d + (not same), u + 1, s + 1))


def _subsequence(given: Mapping[str, Any]) -> Trace:
    return _grid("common", given, False, lambda d, u, s, same: d + 1 if same else max(u, s))


TABLES = (
    Task("knapsack", "dynamic programming", _things, _knapsack, RANGES),
    Task("edits", "dynamic programming", _texts, _edits, RANGES),
    Task("subsequence", "dynamic programming", _texts, _subsequence, RANGES),
)
