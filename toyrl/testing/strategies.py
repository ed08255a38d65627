"""Hypothesis strategies for rollouts: small, shrinkable, and ugly on purpose.

Numbers are drawn as flat lists of small whole numbers and put on grids of 1/8 (exact in binary),
so that sums are exact, ties are common and the same on every backend, and examples shrink to
readable ones. `floats=True` draws 32-bit floats for the fields instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from toyrl.ranges import Range
from toyrl.rollouts import FIELDS, FieldSpec, Rollouts

Draw = Callable[[st.SearchStrategy], Any]
WEIGHTS = ("none", "padding", "multiplicity", "probability")
GRID = 8


def whole(draw: Draw, shape: Sequence[int], low: int, high: int) -> np.ndarray:
    """An array of whole numbers in [low, high], at most 256 of them, as float64.

    One draw of bytes instead of one per entry: ten times faster, and it shrinks entry by entry.

    The array has any shape asked for, as `shape`.
    """
    n = math.prod(shape)
    flat = np.frombuffer(draw(st.binary(min_size=n, max_size=n)), dtype=np.uint8)
    return (low + flat % (high - low + 1)).astype(np.float64).reshape(tuple(shape))


def reach(spec: FieldSpec) -> tuple[float, float]:
    """Lowest and highest value drawn of a field: its range, 4 units out where it has no end."""
    low, high = spec.low, spec.high
    if not math.isfinite(low):
        low = (high if math.isfinite(high) else 0.0) - 4.0
    if not math.isfinite(high):
        high = low + (4.0 if math.isfinite(spec.low) else 8.0)
    return low, high


def field_values(draw: Draw, spec: FieldSpec, shape: Sequence[int], *, floats: bool) -> np.ndarray:
    """Values of a registered field within its range; unbounded ends reach 4 units out.

    The array has the shape of `shape`.
    """
    low, high = reach(spec)
    if floats:
        n = math.prod(shape)
        one = st.floats(low, high, width=32, allow_subnormal=False)
        flat = draw(st.lists(one, min_size=n, max_size=n))
        return np.asarray(flat, dtype=np.float64).reshape(tuple(shape))
    return low + (high - low) / GRID * whole(draw, shape, 0, GRID)


@st.composite
def rollouts(
    draw: Draw,
    *,
    prompts: tuple[int, int] = (1, 3),
    group: tuple[int, int] = (1, 4),
    tokens: tuple[int, int] = (1, 3),
    max_length: int = 8,
    needs: Sequence[str] = (),
    graded: bool = False,
    weights: str | None = None,
    truncated: bool = True,
    floats: bool = False,
) -> Rollouts:
    """Rollouts (B, G) with every array named in `needs`.

    prompts, group, tokens : smallest and largest B, G and T
    needs : fields by name; with a per-token field (or "mask") T tokens are drawn, `max_length`
        is T, and the mask covers the first `length` tokens
    graded : correctness in quarters instead of {0, 1}
    weights : one of `WEIGHTS` (None: any of them); "padding" 0 or 1, "multiplicity" 0..3,
        "probability" sums to 1 per prompt with `group_size=inf`
    truncated : rollouts at `max_length` may be truncated, and are then wrong
    """
    shape = (draw(st.integers(*prompts)), draw(st.integers(*group)))
    specs = [FIELDS[n] for n in needs if n in FIELDS]
    wide = "mask" in needs or any("T" in s.axes for s in specs)
    limit = draw(st.integers(*tokens)) if wide else max_length
    correct = whole(draw, shape, 0, 4) / 4 if graded else whole(draw, shape, 0, 1)
    length = whole(draw, shape, 0, limit)
    cut = None
    if truncated and draw(st.booleans()):
        cut = (length == limit) & (whole(draw, shape, 0, 1) > 0)
        correct = np.where(cut, 0.0, correct)
    extra = {
        s.name: field_values(draw, s, (*shape, *(_axis(a, limit) for a in s.axes)), floats=floats)
        for s in specs
    }
    mask = (np.arange(limit) < length[..., None]).astype(float) if wide else None
    kind = draw(st.sampled_from(WEIGHTS)) if weights is None else weights
    weight, size = _weights(draw, kind, shape)
    return Rollouts(
        correct=correct,
        length=length,
        max_length=float(limit),
        truncated=cut,
        weight=weight,
        group_size=size,
        mask=mask,
        fields=extra,
    )


def _axis(letter: str, tokens: int) -> int:
    return tokens if letter == "T" else 2


def _weights(draw: Draw, kind: str, shape: tuple[int, int]) -> tuple[np.ndarray | None, Any]:
    if kind == "none":
        return None, None
    if kind == "padding":
        return whole(draw, shape, 0, 1), None
    if kind == "multiplicity":
        return whole(draw, shape, 0, 3), None
    if kind == "probability":
        raw = whole(draw, shape, 0, 4)
        raw[..., 0] += raw.sum(-1) == 0
        return raw / raw.sum(-1, keepdims=True), math.inf
    msg = f"weights={kind!r} is not one of {', '.join(WEIGHTS)}"
    raise ValueError(msg)


def rewards(shape: tuple[int, ...]) -> st.SearchStrategy[np.ndarray]:
    """Rewards on a grid of 1/8 in [-2, 2], ties common.

    Arrays of any shape asked for.
    """
    n = math.prod(shape)
    flat = st.lists(st.integers(-2 * GRID, 2 * GRID), min_size=n, max_size=n)
    return flat.map(lambda v: np.asarray(v, dtype=np.float64).reshape(shape) / GRID)


def inside(allowed: Range) -> st.SearchStrategy[Any]:
    """Values of a range: its ends where they belong to it, numbers between, words, None."""
    if allowed.many:
        some = st.lists(inside(allowed.one), min_size=1, max_size=3).map(tuple)
        return st.one_of(some, st.none()) if allowed.none else some
    if allowed.flag:
        return st.booleans()
    options: list[st.SearchStrategy[Any]] = [st.sampled_from(allowed.words)] * bool(allowed.words)
    if allowed.none:
        options.append(st.none())
    if allowed.interval:
        low, high, left, right = allowed.ends
        bounds = (max(low, -1e6), min(high, 1e6))
        if allowed.whole:
            least, most = math.ceil(bounds[0]), math.floor(bounds[1])
            options.append(st.integers(least + (least == low and not left), most))
            options += [st.just(high)] * (right and math.isinf(high))
        else:
            least = low == bounds[0] and not left
            most = high == bounds[1] and not right
            options.append(st.floats(*bounds, exclude_min=least, exclude_max=most))
            options += [st.just(x) for x, there in ((low, left), (high, right)) if there]
    return st.one_of(options)


def outside(allowed: Range) -> st.SearchStrategy[Any]:
    """Values that a range refuses: beyond each end, NaN, other words, other kinds."""
    if allowed.many:
        bad = outside(allowed.one)
        good = inside(allowed.one)
        return st.one_of(st.tuples(good, bad), st.tuples(bad), st.sampled_from([(), 0.5, "x", {}]))
    odd = [math.nan, math.inf, -math.inf, "nonsense", (1.0, 2.0), None, True, 10**400, 1e-3 + 7]
    if allowed.interval:
        low, high, _, _ = allowed.ends
        odd += [low, high, low - 1, high + 1, math.nextafter(low, -math.inf)]
        odd += [math.nextafter(high, math.inf), *([low + 0.5] * allowed.whole)]
    return st.sampled_from([x for x in odd if not allowed.allows(x)])


SNIPPETS = (
    "",
    "4",
    "The answer is 4.",
    r"so \boxed{4}",
    r"\boxed{5}",
    "<think>2 + 2 = 4</think><answer>4</answer>",
    "<think>\nstep 1\n</think>\n4",
    "#### 4",
    "Ж∑☃ 4",
)


def completions(*, min_size: int = 1, max_size: int = 5) -> st.SearchStrategy[list[str]]:
    """Texts in the common answer dialects, with fillers and arbitrary text between."""
    filler = st.sampled_from(("", "so ", "wait, ", "x " * 20))
    anything = st.text(max_size=12)
    one = st.tuples(filler, st.sampled_from(SNIPPETS), anything).map("".join)
    return st.lists(one, min_size=min_size, max_size=max_size)
