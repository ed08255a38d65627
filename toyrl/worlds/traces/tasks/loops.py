"""Simulation, iteration and greedy choice: one pass over the input. Source: paper 26's classes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from toyrl.worlds.traces import addition
from toyrl.worlds.traces.machine import run_tm
from toyrl.worlds.traces.states import Trace
from toyrl.worlds.traces.tasks.core import RANGES, Pen, Task, digits

INCREMENT = {
    "right,0": ("right", "0", 1),
    "right,1": ("right", "1", 1),
    "right,_": ("carry", "_", -1),
    "carry,1": ("carry", "0", -1),
    "carry,0": ("end", "1", 0),
    "carry,_": ("end", "1", 0),
}
"""Adds 1 to a binary number, most significant digit first; of an empty tape it makes 1."""
COINS = (25, 10, 5, 1)


def _two(n: int, rng: random.Random) -> dict[str, Any]:
    return {"a": digits(n, rng), "b": digits(n, rng)}


def _add(given: Mapping[str, Any]) -> Trace:
    return addition.trace(given["a"], given["b"])


def _bits(n: int, rng: random.Random) -> dict[str, Any]:
    return {"x": digits(n, rng, 1)}


def _increment(given: Mapping[str, Any]) -> Trace:
    run, pen = run_tm(INCREMENT, [str(b) for b in given["x"]], "right", "end"), Pen()
    for row in run.trace:
        pen.write("step", (row.q, row.a), (row.b, row.move, row.to))
    return pen.done("".join(run.tape))


def _parity(given: Mapping[str, Any]) -> Trace:
    pen, odd = Pen(), 0
    for bit in given["x"]:
        pen.write("xor", (odd, bit), (odd ^ bit,))
        odd ^= bit
    return pen.done(odd)


def _numbers(n: int, rng: random.Random) -> dict[str, Any]:
    return {"x": digits(n, rng)}


def _remainder(given: Mapping[str, Any]) -> Trace:
    pen, r = Pen(), 0
    for d in given["x"]:
        new = (10 * r + d) % 7
        pen.write("mod7", (r, d), (new,))
        r = new
    return pen.done(r)


def _many(n: int, rng: random.Random) -> dict[str, Any]:
    return {"x": digits(n, rng, 99)}


def _maximum(given: Mapping[str, Any]) -> Trace:
    """The largest number; "-" stands for none yet."""
    pen = Pen()
    best: Any = "-"
    for x in given["x"]:
        new = x if best == "-" else max(best, x)
        pen.write("max", (best, x), (new,))
        best = new
    return pen.done("none" if best == "-" else best)


def _amount(n: int, rng: random.Random) -> dict[str, Any]:
    return {"amount": rng.randint(12 * n, 12 * n + 24)}


def _change(given: Mapping[str, Any]) -> Trace:
    pen, left, paid = Pen(), int(given["amount"]), []
    while left > 0:
        coin = next(c for c in COINS if c <= left)
        pen.write("pay", (left,), (coin, left - coin))
        left -= coin
        paid.append(coin)
    return pen.done(paid)


def _spans(n: int, rng: random.Random) -> dict[str, Any]:
    starts = digits(n, rng, 20)
    return {"spans": [[s, s + rng.randint(1, 6)] for s in starts]}


def _intervals(given: Mapping[str, Any]) -> Trace:
    """The most intervals that don't overlap: by their ends, equal ones by their starts.

    "-" is the end of none yet."""
    pen, count = Pen(), 0
    end: Any = "-"
    for low, high in sorted(given["spans"], key=lambda s: (s[1], s[0])):
        take = end == "-" or low >= end
        pen.write("fits", (end, low, high), ("take" if take else "leave", high if take else end))
        end, count = (high, count + 1) if take else (end, count)
    return pen.done(count)


LOOPS = (
    Task("addition", "simulation", _two, _add, RANGES),
    Task("increment", "simulation", _bits, _increment, RANGES),
    Task("parity", "iteration", _bits, _parity, RANGES),
    Task("remainder", "iteration", _numbers, _remainder, RANGES),
    Task("maximum", "iteration", _many, _maximum, RANGES),
    Task("change", "greedy", _amount, _change, RANGES),
    Task("intervals", "greedy", _spans, _intervals, RANGES),
)
