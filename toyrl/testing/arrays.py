"""Small surgery on NumPy rollouts and comparisons, used by the invariants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts

TOLERANCE = 1e6 * np.finfo(np.float64).eps
"""Relative to the largest value: room for another order of summation, divided by a small std."""


def take(r: Rollouts, rows: Sequence[int], *, weight: np.ndarray | None = None) -> Rollouts:
    """The chosen group positions, in order and with repetition; `weight` replaces the weights.

    weight : (..., B, len(rows)).
    """
    index = list(rows)

    def pick(value: np.ndarray | None) -> np.ndarray | None:
        return None if value is None else value[:, index]

    return replace(
        r,
        correct=pick(r.correct),
        length=pick(r.length),
        truncated=pick(r.truncated),
        mask=pick(r.mask),
        weight=pick(r.weight) if weight is None else weight,
        fields={k: pick(v) for k, v in r.fields.items()},
    )


def prompts(r: Rollouts, rows: Sequence[int]) -> Rollouts:
    """The chosen prompts, in order."""
    index = list(rows)

    def pick(value: np.ndarray | None) -> np.ndarray | None:
        return None if value is None else value[index]

    return replace(
        r,
        correct=pick(r.correct),
        length=pick(r.length),
        truncated=pick(r.truncated),
        mask=pick(r.mask),
        weight=pick(r.weight),
        fields={k: pick(v) for k, v in r.fields.items()},
    )


def padded(r: Rollouts, rows: Sequence[int], *, length: float) -> Rollouts:
    """Copies of `rows` added at the end with weight 0, correctness flipped and another length."""
    n = r.shape[-1]
    out = take(r, [*range(n), *rows], weight=np.concatenate([r.w, 0 * r.w[:, list(rows)]], axis=-1))
    correct, lengths = out.correct.copy(), out.length.copy()
    correct[:, n:], lengths[:, n:] = 1 - correct[:, n:], length
    return replace(out, correct=correct, length=lengths)


def repeated(r: Rollouts) -> tuple[Rollouts, list[list[int]]]:
    """Whole-number weights spelled out as repeated rows, and per prompt the row each came from.

    Prompts with fewer rows are filled up with rows of weight 0.
    """
    counts = r.w.astype(int)
    origin = [np.repeat(np.arange(r.shape[-1]), c).tolist() for c in counts]
    width = max(1, *(len(o) for o in origin))
    weight = np.array([[1.0] * len(o) + [0.0] * (width - len(o)) for o in origin])
    index = np.array([o + [0] * (width - len(o)) for o in origin], dtype=int)
    row = np.arange(r.shape[0])[:, None]

    def pick(value: np.ndarray | None) -> np.ndarray | None:
        return None if value is None else value[row, index]

    wide = replace(
        r,
        correct=pick(r.correct),
        length=pick(r.length),
        truncated=pick(r.truncated),
        mask=pick(r.mask),
        weight=weight,
        fields={k: pick(v) for k, v in r.fields.items()},
    )
    return wide, origin


def spoiled(r: Rollouts, at: tuple[int, int], name: str) -> Rollouts:
    """NaN in array `name` of one rollout (on its first token for per-token arrays)."""
    value = (r.fields[name] if name in r.fields else getattr(r, name)).copy()
    value[(*at, 0) if value.ndim > 2 else at] = np.nan
    return r.with_(**{name: value})


def without(r: Rollouts, at: tuple[int, int]) -> Rollouts:
    """One rollout's weight set to 0."""
    weight = r.w.copy()
    weight[at] = 0.0
    return replace(r, weight=weight)


def difference(a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference over the tolerance for values of this size; 0 if equal, inf at lone NaN.

    A value above 1 means "not the same".

    a, b : same shape.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape:
        return np.inf
    if not a.size:
        return 0.0
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if same.all():
        return 0.0
    if np.isnan(a[~same]).any() or np.isnan(b[~same]).any():
        return np.inf
    size = max(1.0, float(np.nanmax(np.abs(a))), float(np.nanmax(np.abs(b))))
    return float(np.max(np.abs(a[~same] - b[~same]))) / (TOLERANCE * size)


def part_difference(a: Parts, b: Parts) -> float:
    """`difference` over named parts; inf if the names differ.

    Each part: (..., B, G) or (..., B, G, T).
    """
    if set(a) != set(b):  # jit returns dictionaries with sorted keys
        return np.inf
    return max((difference(a[k], b[k]) for k in a), default=0.0)


def describe(r: Rollouts) -> str:
    """Rollouts as one short line for a counterexample."""
    shown = [f"correct={_short(r.correct)}", f"length={_short(r.length)}"]
    shown.append(f"max_length={float(r.max_length):g}")
    if r.truncated is not None and np.any(r.truncated):
        shown.append(f"truncated={np.asarray(r.truncated).astype(int).tolist()}")
    if r.weight is not None:
        shown.append(f"weight={_short(r.weight)}")
    if r.group_size is not None:
        shown.append(f"group_size={r.group_size}")
    shown += [f"{k}={_short(v)}" for k, v in r.fields.items()]
    return ", ".join(shown)


def _short(value: np.ndarray) -> str:
    return (
        str(np.round(np.asarray(value, dtype=float), 4).tolist())
        .replace(".0,", ",")
        .replace(".0]", "]")
    )
