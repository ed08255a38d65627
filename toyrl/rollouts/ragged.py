"""`Rollouts` from ragged lists, and the checks of their values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toyrl.messages import shortened
from toyrl.rollouts import FIELDS, Rollouts


def padded(table: Sequence[Sequence[float]], fill: float) -> tuple[np.ndarray, np.ndarray]:
    """(B, G) values and weights of ragged lists."""
    width = max(len(g) for g in table)
    values, weight = np.full((len(table), width), fill), np.zeros((len(table), width))
    for i, group in enumerate(table):
        values[i, : len(group)] = group
        weight[i, : len(group)] = 1.0
    return values, weight


def from_lists(
    correct: Sequence[Sequence[float]],
    length: Sequence[Sequence[float]],
    *,
    max_length: float,
    truncated: Sequence[Sequence[float]] | None = None,
    fields: Mapping[str, Sequence[Sequence[float]]] | None = None,
) -> Rollouts:
    """`Rollouts` from one list per prompt; shorter groups are padded with rows of weight 0.

    Raises ValueError that names the argument, prompt and place of what doesn't fit.

    KeyError for a field that is not registered.
    """
    if not len(correct) or not any(len(g) for g in correct):
        msg = "correct is empty; give one list of 0/1 per prompt"
        raise ValueError(msg)
    given: dict[str, Sequence[Sequence[float]]] = {"correct": correct, "length": length}
    if truncated is not None:
        given["truncated"] = truncated
    for name in fields or {}:
        if name not in FIELDS:
            msg = f"field {name!r} is not registered; known: {', '.join(sorted(FIELDS))}"
            raise KeyError(msg)
        if FIELDS[name].axes:
            axis = FIELDS[name].axes
            what = "token" if axis == "T" else "reference"
            msg = (
                f"field {name!r} is per {what}; build Rollouts with a (B, G, {axis}) array instead"
            )
            raise ValueError(msg)
    given |= dict(fields or {})
    sizes = [len(g) for g in correct]
    for name, table in given.items():
        got = [len(g) for g in table]
        if got != sizes:
            where = next((i for i, (a, b) in enumerate(zip(got, sizes, strict=False)) if a != b), 0)
            msg = (
                f"{name} has {len(got)} prompts with {got[where : where + 1] or [0]} rollouts at "
                f"prompt {where}, but correct has {len(sizes)} with {sizes[where : where + 1]}"
            )
            raise ValueError(msg)
    arrays = {name: padded(table, 0.0)[0] for name, table in given.items()}
    rollouts = Rollouts(
        correct=arrays.pop("correct"),
        length=arrays.pop("length"),
        max_length=max_length,
        truncated=arrays.pop("truncated") > 0.5 if truncated is not None else None,
        weight=padded(correct, 0.0)[1],
        fields=arrays,
    )
    check_values(rollouts)
    return rollouts


def check_values(r: Rollouts) -> None:
    """Check the values of host arrays; ValueError names the array, place, value and range.

    Rows of weight 0 may hold anything; optional fields may be NaN (unscorable).

    Raises KeyError for a field that is not registered.
    """
    positive("max_length", r.max_length)
    if r.group_size is not None and not float(r.group_size) >= 1:
        msg = f"group_size={r.group_size} is below 1; use None (sum of weights), a size or inf"
        raise ValueError(msg)
    weight = np.asarray(r.w, dtype=float)
    _inside("weight", weight, np.ones(weight.shape, bool), 0.0, math.inf)
    present = weight > 0
    _inside("correct", r.correct, present, 0.0, 1.0)
    _inside("length", r.length, present, 0.0, float(r.max_length))
    if r.mask is not None:
        _inside("mask", r.mask, present, 0.0, 1.0)
    for name, value in r.fields.items():
        spec = FIELDS.get(name)
        if spec is None:
            msg = f"field {name!r} is not registered; call toyrl.rollouts.register_field first"
            raise KeyError(msg)
        axes = len(r.shape) + len(spec.axes)
        if np.ndim(value) != axes or np.shape(value)[: len(r.shape)] != tuple(r.shape):
            want = f"{tuple(r.shape)}{f' + ({spec.axes},)' if spec.axes else ''}"
            msg = f"field {name!r} has shape {np.shape(value)}; it is {want}"
            raise ValueError(msg)
        _inside(name, value, present, spec.low, spec.high, nan=True)


def _inside(
    name: str, value: Any, present: np.ndarray, low: float, high: float, *, nan: bool = False
) -> None:
    array = np.asarray(value, dtype=float)
    here = (
        present if array.ndim == present.ndim else np.broadcast_to(present[..., None], array.shape)
    )
    with np.errstate(invalid="ignore"):
        good = np.isfinite(array) & (array >= low) & (array <= high)
    if nan:
        good |= np.isnan(array)
    wrong = np.argwhere(here & ~good)
    if len(wrong):
        place = tuple(int(i) for i in wrong[0])
        msg = (
            f"{name}{list(place)} = {array[place]} is not in [{low:g}, {high:g}]"
            f" ({len(wrong)} such values); correct it or give the row weight 0"
        )
        raise ValueError(msg)


def positive(name: str, value: Any) -> None:
    """Refuse a completion limit that is no finite number above 0.

    Raises ValueError that names the argument.
    """
    if not (isinstance(value, (int, float, np.number)) and math.isfinite(value) and value > 0):
        msg = f"{name}={shortened(value)} is not a finite number of tokens above 0"
        raise ValueError(msg)
