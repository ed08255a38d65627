"""A plain function of rollout columns as a shaper, so that the laws can be tried on it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.rollouts import FIELDS, Rollouts
from toyrl.shapers.base import Parts, Shaper

COLUMNS = ("correct", "length", "max_length", "truncated", "step")
HANDED = ("completions", "completion_ids")  # what marks TRL's signature


@dataclass(frozen=True)
class FunctionReward(Shaper):
    """`function(**columns)` on NumPy, for one prompt at a time.

    It gets one array (n,) per column with the rollouts that are present, a rollout of weight n as
    n rows, and answers n rewards; or it is called rollout by rollout with plain numbers. Its scope
    is then "group" or "rollout".
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
        out = np.zeros(r.shape)
        for b in range(r.shape[0]):
            counts = np.where(r.w[b] > 0, np.maximum(np.floor(r.w[b]), 1), 0).astype(int)
            rows = np.repeat(np.arange(r.shape[1]), counts)
            if rows.size:
                out[b, rows] = self._answer(columns, b, rows)
        return {"reward": out}

    def _answer(self, columns: Mapping[str, Any], b: int, rows: np.ndarray) -> np.ndarray:
        def at(value: Any, index: Any) -> Any:
            if getattr(value, "ndim", 0) < 2:
                return value
            found = value[b, index]
            return found.item() if found.ndim == 0 else found

        if not self.row_by_row:
            with np.errstate(divide="ignore", invalid="ignore"):
                found = self.function(**{k: at(v, rows) for k, v in columns.items()})
            values = np.asarray(found, dtype=float)
            if values.shape != rows.shape:
                msg = f"the function returns shape {values.shape} for {rows.size} rollouts"
                raise ValueError(msg)
            return values
        singles = [{k: at(v, i) for k, v in columns.items()} for i in rows]
        return np.asarray([self.function(**single) for single in singles], dtype=float)

    def _column(self, r: Rollouts, name: str) -> Any:
        if name == "truncated":
            return r.cut
        return getattr(r, name) if name in COLUMNS else r.fields[name]


def is_text_reward(function: Callable[..., Any]) -> bool:
    """True for a TRL reward function: it asks for `completions` or `completion_ids`."""
    return any(name in inspect.signature(function).parameters for name in HANDED)


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
    """Does the function answer three rollouts with three rewards?"""
    fields = {n: np.full((1, 3), 0.5) for n in shaper.names if n in FIELDS}
    r = Rollouts(
        correct=np.array([[1.0, 0.0, 1.0]]),
        length=np.array([[1.0, 2.0, 3.0]]),
        max_length=8.0,
        fields=fields,
    )
    try:
        shaper.parts(r, {})
    except Exception:  # `if correct:` on an array, math.exp of an array, ...
        return False
    return True
