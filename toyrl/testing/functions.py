"""A plain function of rollout columns as a shaper, so that the laws can be tried on it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.rollouts import FIELDS, Rollouts
from toyrl.shapers.base import Parts, Shaper

COLUMNS = ("correct", "length", "max_length", "truncated", "weight", "step")


@dataclass(frozen=True)
class FunctionReward(Shaper):
    """`function(**columns)`, called with (B, G) arrays, or row by row where that fails.

    NumPy only; the declared scope is the group, the widest that a reward of one prompt has.
    """

    function: Callable[..., Any]
    names: tuple[str, ...] = ()
    row_by_row: bool = False

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """The columns that the function's parameters name."""
        return tuple(n for n in self.names if n in FIELDS or n in ("correct", "length"))

    @property
    def scope(self) -> str:  # type: ignore[override]
        """Rollout where the function sees one row at a time."""
        return "rollout" if self.row_by_row else "group"

    def parts(self, r: Rollouts, memory: Mapping[str, Any]) -> Parts:
        columns = {n: self._column(r, n) for n in self.names}
        if not self.row_by_row:
            return {"reward": np.asarray(self.function(**columns), dtype=float)}
        out = np.empty(r.shape)
        for at in np.ndindex(r.shape):
            row = {k: v[at] if getattr(v, "ndim", 0) >= 2 else v for k, v in columns.items()}
            out[at] = self.function(**row)
        return {"reward": out}

    def _column(self, r: Rollouts, name: str) -> Any:
        if name == "truncated":
            return r.cut
        if name == "weight":
            return r.w
        return getattr(r, name) if name in COLUMNS else r.fields[name]


def is_text_reward(function: Callable[..., Any]) -> bool:
    """True for a TRL reward function: one with a parameter `completions`."""
    return "completions" in inspect.signature(function).parameters


def as_shaper(function: Callable[..., Any]) -> FunctionReward:
    """Wrap a function whose parameters are columns of `Rollouts`.

    Raises ValueError for a required parameter that names no column.
    """
    names = []
    for name, p in inspect.signature(function).parameters.items():
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            continue
        if name in COLUMNS or name in FIELDS:
            names.append(name)
        elif p.default is p.empty:
            msg = (
                f"parameter {name!r} is no column of rollouts; use correct, length, max_length, "
                f"truncated or a field ({', '.join(sorted(FIELDS))}), or give it a default"
            )
            raise ValueError(msg)
    wide = FunctionReward(function, tuple(names))
    return wide if _takes_arrays(wide) else FunctionReward(function, tuple(names), row_by_row=True)


def _takes_arrays(shaper: FunctionReward) -> bool:
    """Does the function answer (2, 3) arrays with one value per rollout, as it does for rows?"""
    shape = (2, 3)
    fields = {n: np.full(shape, 0.5) for n in shaper.names if n in FIELDS}
    r = Rollouts(
        correct=np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]),
        length=np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
        max_length=8.0,
        fields=fields,
    )
    try:
        answer = shaper.parts(r, {})["reward"]
    except Exception:  # `if correct:` on an array, math.exp of an array, ...
        return False
    return answer.shape == shape
