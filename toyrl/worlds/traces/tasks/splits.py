"""Recursion, and divide and conquer, unrolled in the order of their calls. Source: paper 26's
classes; divide and conquer from memory, unverified."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from toyrl.worlds.traces.states import Trace
from toyrl.worlds.traces.tasks.core import RANGES, SMALL, Pen, Task, digits


def _two(n: int, rng: random.Random) -> dict[str, Any]:
    return {"a": rng.randint(1, 2**n), "b": rng.randint(1, 2**n)}


def _gcd(given: Mapping[str, Any]) -> Trace:
    pen, a, b = Pen(), int(given["a"]), int(given["b"])
    while b:
        pen.write("mod", (a, b), (b, a % b))
        a, b = b, a % b
    return pen.done(a)


def _tower(n: int, rng: random.Random) -> dict[str, Any]:
    return {"disks": n, "pegs": rng.sample("ABC", 3)}


def _hanoi(given: Mapping[str, Any]) -> Trace:
    """Calls (disks, from, over, to), each either a move or three things to do."""
    pen, moves = Pen(), []
    todo: list[Any] = [(int(given["disks"]), *given["pegs"])] if given["disks"] else []
    while todo:
        call = todo.pop()
        if call[0] == 1:
            pen.write("call", call, ((call[1], call[3]),))
            moves.append(call[1] + call[3])
            continue
        n, a, b, c = call
        parts = [(n - 1, a, c, b), (1, a, b, c), (n - 1, b, a, c)]
        pen.write("call", call, tuple(parts))
        todo += reversed(parts)
    return pen.done(moves)


def _sorted(n: int, rng: random.Random) -> dict[str, Any]:
    x = sorted(rng.sample(range(100), n))
    return {"x": x, "find": rng.choice(x) if rng.random() < 0.7 else rng.randint(0, 99)}


def _search(given: Mapping[str, Any]) -> Trace:
    """Binary search: the middle of [low, high), and which half goes on; the answer is a place."""
    pen, x, wanted = Pen(), given["x"], given["find"]
    low, high = 0, len(x)
    while low < high:
        middle = (low + high) // 2
        there, bounds = x[middle], (low, high)
        pen.write("halve", bounds, (middle,))
        if there == wanted:
            pen.write("compare", (*bounds, middle, there, wanted), ("found",))
            return pen.done(middle)
        low, high = (middle + 1, high) if there < wanted else (low, middle)
        pen.write("compare", (*bounds, middle, there, wanted), (low, high))
    return pen.done("none")


def _many(n: int, rng: random.Random) -> dict[str, Any]:
    return {"x": digits(n, rng, 20)}


def _merge(given: Mapping[str, Any]) -> Trace:
    """Merge sort from below: of two heads the smaller one is taken, of equal ones the left one."""
    pen, runs = Pen(), [[v] for v in given["x"]]
    while len(runs) > 1:
        merged = []
        for i in range(0, len(runs) - 1, 2):
            left, right, out = list(runs[i]), list(runs[i + 1]), []
            while left or right:
                heads = (left[0] if left else "-", right[0] if right else "-")
                first = bool(left) and (not right or left[0] <= right[0])
                out.append((left if first else right).pop(0))
                pen.write("take", heads, ("left" if first else "right", out[-1]))
            merged.append(out)
        runs = merged + runs[len(runs) - len(runs) % 2 :]
    return pen.done(runs[0] if runs else [])


SPLITS = (
    Task("gcd", "recursion", _two, _gcd, RANGES),
    Task("hanoi", "recursion", _tower, _hanoi, SMALL),
    Task("search", "divide and conquer", _sorted, _search, RANGES),
    Task("merge", "divide and conquer", _many, _merge, RANGES),
)
