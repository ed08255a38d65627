"""A plain function of rollout columns as a shaper: `lambda correct, length: correct - length/512`.

Its parameters name what it reads: correct, length, max_length, truncated, step or a registered
field. Laws are tried on it (`toyrl.testing`) and it is judged like a shaper (`toyrl.validate`).
"""

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
    n rows, and answers n rewards; or it is called rollout by rollout with plain numbers.

    pointwise : a rollout's value was found not to depend on the other rows of a call; all rows are
        then answered at once. Scope "rollout" if so or row by row, else "group".
    """

    function: Callable[..., Any]
    names: tuple[str, ...] = ()
    row_by_row: bool = False
    pointwise: bool = False

    @property
    def needs(self) -> tuple[str, ...]:  # type: ignore[override]
        """The columns that the function's parameters name."""
        return tuple(n for n in self.names if n in FIELDS or n in ("correct", "length"))

    @property
    def scope(self) -> str:  # type: ignore[override]
        """Rollout where no row's value depends on its neighbours."""
        return "rollout" if self.row_by_row or self.pointwise else "group"

    def parts(self, r: Rollouts, memory: Mapping[str, Any]) -> Parts:
        weight = _numpy(r.w).astype(float)
        columns = {n: _numpy(self._column(r, n)) for n in self.names}
        rows = {k: v for k, v in columns.items() if np.ndim(v)}
        shared = {k: v for k, v in columns.items() if not np.ndim(v)}
        rows = {k: np.broadcast_to(v, r.shape).reshape(-1, r.shape[-1]) for k, v in rows.items()}
        out = np.zeros((weight.size // max(r.shape[-1], 1), r.shape[-1]))
        weight = weight.reshape(out.shape)
        if self.pointwise:
            present = weight > 0
            if present.any():
                out[present] = self._answer({k: v[present] for k, v in rows.items()} | shared)
            return {"reward": _like(out.reshape(r.shape), r.correct)}
        for b in range(len(out)):
            times = np.where(weight[b] > 0, np.maximum(np.floor(weight[b]), 1), 0).astype(int)
            index = np.repeat(np.arange(r.shape[-1]), times)
            if index.size:
                out[b, index] = self._answer({k: v[b, index] for k, v in rows.items()} | shared)
        return {"reward": _like(out.reshape(r.shape), r.correct)}

    def _answer(self, columns: Mapping[str, Any]) -> np.ndarray:
        """One reward per row of the columns, which are arrays (n,), or numbers for all rows."""
        n = next((len(v) for v in columns.values() if np.ndim(v)), 1)
        if not self.row_by_row:
            with np.errstate(divide="ignore", invalid="ignore"):
                found = self.function(**columns)
            values = np.asarray(found, dtype=float)
            if values.shape != (n,):
                msg = f"the function returns shape {values.shape} for {n} rollouts"
                raise ValueError(msg)
            return values
        singles = [
            {k: v[i].item() if np.ndim(v) else v for k, v in columns.items()} for i in range(n)
        ]
        return np.asarray([self.function(**single) for single in singles], dtype=float)

    def _column(self, r: Rollouts, name: str) -> Any:
        if name == "truncated":
            return r.cut
        return getattr(r, name) if name in COLUMNS else r.fields[name]

    def __repr__(self) -> str:
        return getattr(self.function, "__name__", type(self.function).__name__)


def _numpy(value: Any) -> Any:
    """An array of any library as NumPy; numbers as they are."""
    if not hasattr(value, "shape"):
        return value
    return value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)


def _like(value: np.ndarray, other: Any) -> Any:
    """`value` in the library, dtype and place of `other`."""
    if isinstance(other, np.ndarray):
        return value
    from array_api_compat import array_namespace, device

    return array_namespace(other).asarray(value, dtype=other.dtype, device=device(other))


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


def reads_columns(function: Callable[..., Any]) -> bool:
    """True if every parameter without a default is a column, and at least one parameter is one.

    A parameter that only text rewards have (completions, text, ...) makes it a text reward.
    """
    from toyrl.rewards.signatures import TEXT, TEXTS

    try:
        declared = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    named = [p for p in declared if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    known = [p for p in named if p.name in COLUMNS or p.name in FIELDS]
    needed = [p for p in named if p.default is p.empty]
    texts = {*HANDED, *TEXT, *TEXTS, "prompts", "solution_str", "solution_strs", "queries"}
    return bool(known) and all(p in known for p in needed) and not texts & {p.name for p in named}


def judged_shaper(function: Callable[..., Any]) -> FunctionReward:
    """`as_shaper`, and of scope "rollout" where no value of a probe depends on its neighbours.

    Raises ValueError for a required parameter that names no column, and for a function that
    raises or answers with another number of rewards on the probe.
    """
    wide = as_shaper(function)
    try:
        together = _values(wide, PROBE)
        if wide.row_by_row:
            return wide
        alone = [_values(wide, PROBE[[i]])[0] for i in range(len(PROBE))]
        turned = _values(wide, PROBE[::-1])[::-1]
    except Exception as error:
        msg = f"raised {type(error).__name__}: {error} on rollouts of one prompt, given as arrays"
        raise ValueError(msg) from error
    pointwise = np.allclose(together, alone, equal_nan=True) and np.allclose(
        together, turned, equal_nan=True
    )
    return FunctionReward(function, wide.names, pointwise=pointwise)


PROBE = np.array([[1.0, 40.0], [0.0, 40.0], [1.0, 90.0], [0.0, 300.0], [1.0, 512.0], [0.0, 512.0]])
"""(6, 2) right or wrong and length of the probe's rollouts; the limit is 512."""


def _values(shaper: FunctionReward, rows: np.ndarray) -> np.ndarray:
    fields = {n: np.full((1, len(rows)), 0.5) for n in shaper.names if n in FIELDS}
    r = Rollouts(
        correct=rows[None, :, 0],
        length=rows[None, :, 1],
        max_length=512.0,
        truncated=rows[None, :, 1] >= 512.0,
        fields=fields,
    )
    parts = shaper.parts(r, {})
    assert isinstance(parts, dict)
    return np.asarray(parts["reward"], dtype=float)[0]


def _takes_arrays(shaper: FunctionReward) -> bool:
    """Does the function answer three rollouts with three rewards?"""
    try:
        _values(shaper, np.array([[1.0, 1.0], [0.0, 2.0], [1.0, 3.0]]))
    except Exception:  # `if correct:` on an array, math.exp of an array, ...
        return False
    return True
