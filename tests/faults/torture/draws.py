"""Stacks of odd rollouts with rewards, drawn by NumPy: thousands of cases in one array.

A stack has a leading axis of cases, so that each array library is called once for all of them.
Groups of 1x1, 1x2, 2x4 and 3x8; correctness 0 or 1, in parts, or equal; lengths of 0, 1, the limit
or any; rewards of every size, tied or not; weights of 1, or with absent rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toyrl.rollouts import FIELDS, Rollouts

SHAPES = ((1, 1), (1, 2), (2, 4), (3, 8))
LIMITS = (9.0, 512.0, 1e6)
TOKENS = (1.0, 4.0, 9.0)
"""Limits where fields have a number a token."""
SIZES = {"grid": 1.0, "one": 1.0, "tenth": 0.1, "tiny": 1e-8, "large": 1e6, "huge": 1e30}
"""Kinds of rewards and how large they are."""
GARBAGE = np.array([np.nan, np.inf, -np.inf, 1e308, -7.0, 0.0])


@dataclass(frozen=True)
class Stack:
    """Cases of one shape: rollouts (N, B, G), rewards likewise, the kind of each case's rewards."""

    rollouts: Rollouts
    reward: np.ndarray
    kinds: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.reward)

    def only(self, index: Any) -> Stack:
        """Some of the cases, by a slice or a mask."""
        rows = np.arange(len(self))[index]
        r = arrays_of(self.rollouts, lambda x: x[rows])
        return Stack(r, self.reward[rows], tuple(self.kinds[i] for i in rows))

    def narrowed(self, dtype: Any) -> Stack:
        """The same in another float dtype, without the cases whose squares it can't hold."""
        most = np.finfo(dtype).max ** 0.4
        fits = self.only(np.array([SIZES[kind] < most for kind in self.kinds]))
        return Stack(
            arrays_of(fits.rollouts, lambda x: x if x.dtype == bool else x.astype(dtype)),
            fits.reward.astype(dtype),
            fits.kinds,
        )

    def spoiled(self, rng: np.random.Generator) -> Stack:
        """Garbage in every array of the rows of weight 0; the others as they are."""
        gone = self.rollouts.w == 0

        def spoil(x: np.ndarray) -> np.ndarray:
            if x.dtype == bool:
                return x
            where = np.broadcast_to(gone.reshape(gone.shape + (1,) * (x.ndim - gone.ndim)), x.shape)
            with np.errstate(over="ignore"):
                return np.where(where, rng.choice(GARBAGE, x.shape).astype(x.dtype), x)

        r = arrays_of(self.rollouts, spoil)
        return Stack(replace(r, weight=self.rollouts.weight), spoil(self.reward), self.kinds)


def arrays_of(r: Rollouts, change: Any) -> Rollouts:
    """Rollouts with every array changed."""
    names = ("correct", "length", "truncated", "mask", "weight")
    own = {n: None if getattr(r, n) is None else change(getattr(r, n)) for n in names}
    return replace(r, **own, fields={k: change(v) for k, v in r.fields.items()})


def stacks(needs: tuple[str, ...], n: int, seed: int = 0) -> Iterator[Stack]:
    """Stacks of n cases together, of every shape and limit, with the fields named in `needs`."""
    wide = "mask" in needs or any("T" in FIELDS[x].axes for x in needs if x in FIELDS)
    kinds = [(s, m) for s in SHAPES for m in (TOKENS if wide else LIMITS)]
    for i, (shape, limit) in enumerate(kinds):
        count = n // len(kinds) + (i < n % len(kinds))
        if count:
            rng = np.random.default_rng([seed, i])
            yield _stack(rng, (count, *shape), limit, needs, wide=wide)


def _stack(
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    limit: float,
    needs: tuple[str, ...],
    *,
    wide: bool,
) -> Stack:
    correct = _mixed(rng, shape, [
        lambda s: rng.integers(0, 2, s) * 1.0,
        lambda s: rng.integers(0, 5, s) / 4.0,
        lambda s: np.broadcast_to(rng.integers(0, 2, (s[0], 1, 1)) * 1.0, s),
    ])  # fmt: skip
    length = _mixed(rng, shape, [
        lambda s: np.full(s, limit),
        lambda s: rng.integers(0, 2, s) * 1.0,
        lambda s: np.floor(rng.random(s) * (limit + 1)),
        lambda s: np.broadcast_to(np.floor(rng.random((s[0], 1, 1)) * (limit + 1)), s),
    ])  # fmt: skip
    truncated = (length == limit) & (rng.random(shape) < 0.3)
    weight = np.where(rng.random((shape[0], 1, 1)) < 0.5, 1.0, rng.random(shape) >= 0.3)
    extra = {n: _field(rng, n, shape, limit) for n in needs if n in FIELDS}
    mask = None
    if wide:
        mask = (np.arange(int(limit)) < length[..., None]).astype(float)
    reward, kinds = _rewards(rng, shape)
    r = Rollouts(
        correct=np.where(truncated, 0.0, correct),
        length=length,
        max_length=limit,
        truncated=truncated,
        weight=weight,
        mask=mask,
        fields=extra,
    )
    return Stack(r, reward, kinds)


def _mixed(rng: np.random.Generator, shape: tuple[int, ...], kinds: list[Any]) -> np.ndarray:
    """Each case of one of several kinds."""
    which = rng.integers(0, len(kinds), shape[0])
    return np.select([which[:, None, None] == i for i in range(len(kinds))],
                     [make(shape) for make in kinds])  # fmt: skip


def _field(rng: np.random.Generator, name: str, shape: tuple[int, ...], limit: float) -> np.ndarray:
    spec = FIELDS[name]
    low, high = max(spec.low, -4.0), min(spec.high, max(spec.low, -4.0) + 8.0)
    axes = tuple(int(limit) if a == "T" else 2 for a in spec.axes)
    return low + (high - low) * rng.integers(0, 9, (*shape, *axes)) / 8.0


def _rewards(
    rng: np.random.Generator, shape: tuple[int, ...]
) -> tuple[np.ndarray, tuple[str, ...]]:
    names = list(SIZES)
    which = rng.integers(0, len(names), shape[0])
    normal = rng.normal(size=shape)
    made = {
        "grid": rng.integers(-16, 17, shape) / 8.0,
        "one": rng.integers(0, 2, shape) * 1.0,
        "tenth": np.full(shape, 0.1),
        "tiny": normal * SIZES["tiny"],
        "large": normal * SIZES["large"],
        "huge": normal * SIZES["huge"],
    }
    picked = np.select([which[:, None, None] == i for i in range(len(names))],
                       [made[n] for n in names])  # fmt: skip
    return picked, tuple(names[i] for i in which)
