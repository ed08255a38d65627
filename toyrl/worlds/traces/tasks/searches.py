"""Enumeration and backtracking: every candidate that is looked at is a state.

Source: classes of paper 26 from memory, unverified; the programs are ours.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from toyrl.worlds.traces.states import Trace
from toyrl.worlds.traces.tasks.core import RANGES, Pen, Task, digits

BOARDS = {"S": (4, 4), "M": (5, 5), "L": (6, 6)}


def _number(n: int, rng: random.Random) -> dict[str, Any]:
    return {"n": rng.randint(2, max(3, n * n))}


def _divisor(given: Mapping[str, Any]) -> Trace:
    """The least divisor from 2 on by trial; n itself where it is a prime."""
    pen, n, d = Pen(), int(given["n"]), 2
    while d * d <= n:
        pen.write("divides", (n, d), (n % d,))
        if n % d == 0:
            return pen.done(d)
        d += 1
    return pen.done(n)


def _sums(n: int, rng: random.Random) -> dict[str, Any]:
    return {"x": digits(n, rng), "sum": rng.randint(5, 13)}


def _pairs(given: Mapping[str, Any]) -> Trace:
    """Pairs of places whose numbers have the sum, counted."""
    pen, x, count = Pen(), given["x"], 0
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            new = count + (x[i] + x[j] == given["sum"])
            pen.write("pair", (x[i], x[j], given["sum"], count), (new,))
            count = new
    return pen.done(count)


def _weights(n: int, rng: random.Random) -> dict[str, Any]:
    x = [rng.randint(1, 9) for _ in range(n)]
    return {"x": x, "sum": sum(rng.sample(x, (n + 1) // 2))}


def _subset(given: Mapping[str, Any]) -> Trace:
    """The first subset of that sum, each number taken before it is left; by depth."""
    pen, x = Pen(), given["x"]
    todo: list[tuple[int, int, tuple[int, ...]]] = [(0, int(given["sum"]), ())]
    while todo:
        i, left, taken = todo.pop()
        if left == 0:
            pen.write("visit", (left, "-"), ("found",))
            return pen.done(taken)
        if i == len(x):
            pen.write("visit", (left, "-"), ("back",))
            continue
        fits = x[i] <= left
        pen.write("visit", (left, x[i]), ("take", left - x[i]) if fits else ("leave", left))
        todo.append((i + 1, left, taken))
        if fits:
            todo.append((i + 1, left - x[i], (*taken, x[i])))
    return pen.done("none")


def _board(n: int, rng: random.Random) -> dict[str, Any]:
    return {"n": n, "blocked": [rng.randrange(n), rng.randrange(n)]}


def _queens(given: Mapping[str, Any]) -> Trace:
    """The first way to place n queens, column by column, rows in order, one square blocked."""
    pen, n, (hole, where) = Pen(), int(given["n"]), given["blocked"]
    placed: list[int] = []
    row = 0
    while len(placed) < n:
        if row == n:
            if not placed:
                return pen.done("none")
            pen.write("back", (placed,), (placed[:-1], placed[-1] + 1))
            row = placed.pop() + 1
            continue
        column = len(placed)
        free = (column, row) != (hole, where) and all(
            row != r and abs(row - r) != column - c for c, r in enumerate(placed)
        )
        blocked = where if column == hole else "-"
        pen.write("place", (placed, row, blocked), ("yes" if free else "no",))
        placed, row = ([*placed, row], 0) if free else (placed, row + 1)
    return pen.done(placed)


SEARCHES = (
    Task("divisor", "enumeration", _number, _divisor, RANGES),
    Task("pairs", "enumeration", _sums, _pairs, RANGES),
    Task("subset", "backtracking", _weights, _subset, RANGES),
    Task("queens", "backtracking", _board, _queens, BOARDS),
)
