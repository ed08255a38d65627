"""Addition digit by digit: its states, its wrong variants, and what each format costs in tokens.

Digits stand with the least significant first, in any base from 2 on. A state knows
(a_i, b_i, carry) and finds (digit, carry); the last carry is appended to the result.

Source: paper 26, section 3; rows as specified for this project, formats after its ablations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.messages import shortened
from toyrl.worlds.traces.states import State, Trace, tokens, words

FORMATS = ("tail", "no_fetcher", "block", "answer", "index_hint", "reversed")


@dataclass(frozen=True)
class Addition:
    """atomic_states : rows (i, a_i, b_i, carry_in, digit, carry_out); result : digits with the last
    carry, least significant first; n_atomic : number of rows"""

    atomic_states: tuple[tuple[int, int, int, int, int, int], ...]
    result: tuple[int, ...]
    n_atomic: int


def addition(a: Sequence[int], b: Sequence[int], base: int = 10) -> Addition:
    """Add two digit lists, least significant first; the shorter one is padded with 0.

    No digits at all: no state, and the result (0,).

    Raises ValueError for a base below 2 and for digits outside 0..base-1.
    """
    _check(a, b, base)
    rows, carry = [], 0
    for i in range(max(len(a), len(b))):
        x, y = (int(v[i]) if i < len(v) else 0 for v in (a, b))
        out, digit = divmod(x + y + carry, base)
        rows.append((i, x, y, carry, digit, out))
        carry = out
    return Addition(tuple(rows), (*(row[4] for row in rows), carry), len(rows))


def _check(a: Sequence[int], b: Sequence[int], base: int) -> None:
    if base < 2:
        msg = f"base={shortened(base)} must be at least 2"
        raise ValueError(msg)
    for name, digits in (("a", a), ("b", b)):
        bad = [d for d in digits if not 0 <= d < base]
        if bad:
            msg = (
                f"{name} has the digit {shortened(bad[0])}; digits of base {base} are 0..{base - 1}"
            )
            raise ValueError(msg)


def carries(a: Any, b: Any, base: int) -> np.ndarray:
    """(N, L + 1) the carry into each place of N additions, 0 first; a, b : (N, L) digits."""
    a, b = np.asarray(a), np.asarray(b)
    out = np.zeros((len(a), a.shape[1] + 1), dtype=np.int64)
    for i in range(a.shape[1]):
        out[:, i + 1] = (a[:, i] + b[:, i] + out[:, i]) >= base
    return out


def drawn(rng: Any, n: int, length: int, base: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """(n, length) digits of both operands, uniform; rng : `numpy.random.Generator`."""
    both = rng.integers(base, size=(2, n, length))
    return both[0], both[1]


def answer(result: Sequence[int]) -> str:
    """The result as a number is written, the most significant digit first.

    Digits of bases above 10 stand apart by full stops.
    """
    kept = [*result]
    while len(kept) > 1 and kept[-1] == 0:
        kept.pop()
    return ("." if max(kept) > 9 else "").join(map(str, reversed(kept)))


def trace(a: Sequence[int], b: Sequence[int], base: int = 10) -> Trace:
    """The full form: one state a digit, then one that appends the last carry."""
    found = addition(a, b, base)
    states = [
        State("add", words(x, y, c), words(d, to)) for _, x, y, c, d, to in found.atomic_states
    ]
    states.append(State("carry", words(found.result[-1]), words(found.result[-1])))
    return Trace(tuple(states), answer(found.result))


def text(form: str, a: Sequence[int], b: Sequence[int], base: int = 10, *, block: int = 2) -> str:
    """The completion in one of `FORMATS`; block : digits a state of "block".

    tail        the full form
    no_fetcher  states without operands: the place alone says where they stand
    block       `block` digits a state, the same states in base base^block
    answer      the answer alone
    index_hint  the operands, digits and result with a letter before each place
    reversed    the result with the least significant digit first

    Raises ValueError for another format.
    """
    if form not in FORMATS:
        msg = f"form={shortened(form)} is not one of {', '.join(FORMATS)}"
        raise ValueError(msg)
    found = addition(a, b, base)
    end = f"#### {answer(found.result)}"
    if form == "tail":
        return trace(a, b, base).text
    if form == "no_fetcher":
        return "\n".join([*(f"#{i} | add -> {d} {c} | goto #{i + 1}" for i, _, _, _, d, c in
                            found.atomic_states), end])  # fmt: skip
    if form == "block":
        wide = trace(blocks(a, base, block), blocks(b, base, block), base**block)
        return "\n".join((*wide.lines, end))
    if form == "answer":
        return end
    if form == "reversed":
        return "#### " + " ".join(map(str, found.result))
    hint = [chr(ord("a") + i % 26) for i in range(len(found.result))]
    rows = zip(hint, found.atomic_states, strict=False)
    said = [f"{h} {row[1]} {h} {row[2]} {h} {row[4]}" for h, row in rows]
    return "\n".join([" ".join([*said, f"{hint[-1]} {found.result[-1]}"]), end])


def blocks(digits: Sequence[int], base: int, size: int) -> list[int]:
    """The digits of base^size: `size` digits of the base in each, the last one padded with 0."""
    return [
        sum(int(d) * base**k for k, d in enumerate(digits[i : i + size]))
        for i in range(0, len(digits), size)
    ]


def cost(form: str, length: int, base: int = 10, *, block: int = 2) -> int:
    """Tokens of a completion in that format for operands of 5s of that length, none merged."""
    digits = [min(5, base - 1)] * length
    return tokens(text(form, digits, digits, base, block=block))
