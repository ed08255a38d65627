"""Rollouts out of outcome classes: weighted by probability, or drawn into groups.

A class is a kind of rollout: right or wrong, how long, cut off or not, and the fields that a reward
reads. Whoever has tables of classes gets `Rollouts` here:

    class_rollouts   every class once, weight = probability: the population of each prompt
    drawn_rollouts   groups of class indices: a finite multiset, one row a rollout
    picked           some of the rollouts that there are, by index
    joined           batches one behind the other

An answer is known to be there unless the rollout was truncated: the field `answered` is filled in
where the tables have none.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from toyrl.dtypes import array_namespace
from toyrl.rollouts.core import Rollouts
from toyrl.rollouts.fields import behind

Array = Any


def class_rollouts(
    probability: Array | None,
    *,
    correct: Array,
    length: Array,
    max_length: float,
    truncated: Array | None = None,
    fields: Mapping[str, Array] | None = None,
    shares: Array | None = None,
    group_size: float | None = math.inf,
    step: Any = 0,
) -> Rollouts:
    """Every class once: (..., B, K) rollouts of the backend and dtype of the probabilities.

    probability : (..., B, K) chance of each class within its prompt, or None: weight 1 each, in the
        shape of `correct`
    correct, length (tokens), truncated, fields : (K,) or anything that broadcasts to (..., B, K);
        a per-token field has T behind that
    shares : (..., B) share of each prompt in the mix; weights are share x probability, so that
        statistics pooled over prompts see the mix and those within a prompt are not affected
    group_size : inf, the population limit, unless told; None: the sum of the weights

    Per-token fields bring a `mask` with them: 1 on the first `length` tokens.
    """
    like = correct if probability is None else probability
    xp = array_namespace(like)

    def wide(x: Any, more: tuple[int, ...] = ()) -> Array:
        x = x if hasattr(x, "dtype") else np.asarray(x)
        kind = None if "bool" in str(x.dtype) else like.dtype
        return xp.broadcast_to(xp.asarray(x, dtype=kind), (*like.shape, *more))

    def field(name: str, value: Any) -> Array:
        return wide(value, value.shape[-1:] if behind(name) else ())

    weight = probability
    if probability is not None and shares is not None:
        weight = probability * xp.asarray(np.asarray(shares)[..., None], dtype=like.dtype)
    own = {name: field(name, value) for name, value in (fields or {}).items()}
    return Rollouts(
        correct=wide(correct),
        length=wide(length),
        truncated=None if truncated is None else wide(truncated),
        max_length=max_length,
        weight=weight,
        group_size=group_size,
        mask=token_mask(own, wide(length)),
        step=step,
        fields=with_answered(own, None if truncated is None else wide(truncated), like),
    )


def drawn_rollouts(
    index: Array,
    *,
    correct: Array,
    length: Array,
    max_length: float,
    truncated: Array | None = None,
    fields: Mapping[str, Array] | None = None,
    prompt: Array | None = None,
    weight: Array | None = None,
    group_size: float | None = None,
    step: Any = 0,
) -> Rollouts:
    """Groups of drawn classes, as sampled rollouts: index (..., B, G) whole numbers in 0..K-1.

    correct, length, truncated : (K,); fields : (K,), or (P, K) read in row `prompt`; per token with
        T behind
    prompt : (..., B, G) or what broadcasts to it, rows of the fields' tables (None: one row)
    weight, group_size : of the drawn rollouts (None: weight 1 each, groups of their sum)
    """
    own = {}
    for name, value in (fields or {}).items():
        rows = value.ndim - len(behind(name)) > 1
        own[name] = value[prompt, index] if rows else value[index]
    long, cut = length[index], None if truncated is None else truncated[index]
    return Rollouts(
        correct=correct[index],
        length=long,
        truncated=cut,
        max_length=max_length,
        weight=weight,
        group_size=group_size,
        mask=token_mask(own, long),
        step=step,
        fields=with_answered(own, cut, correct[index]),
    )


def picked(r: Rollouts, where: Any, **changes: Any) -> Rollouts:
    """The rollouts of r at an index of its leading axes, e.g. (prompt, place); NumPy or JAX.

    changes : attributes that are not picked but given, as in `dataclasses.replace`
    """

    def pick(x: Any) -> Any:
        return None if x is None else x[where]

    own: dict[str, Any] = {
        name: pick(getattr(r, name))
        for name in ("correct", "length", "truncated", "weight", "mask")
        if name not in changes
    }
    if "fields" not in changes:
        own["fields"] = {name: pick(value) for name, value in r.fields.items()}
    return replace(r, **own, **changes)


def joined(each: Sequence[Rollouts], **changes: Any) -> Rollouts:
    """Batches one behind the other, along the prompt axis (-2); NumPy or JAX.

    changes : attributes of the whole, as in `dataclasses.replace`. Arrays that the first batch
    lacks are left out.
    """
    first = each[0]
    xp = first.xp

    def join(values: list[Array], axis: int) -> Array:
        return xp.concat(values, axis=axis)

    own: dict[str, Any] = {
        name: join([getattr(r, name) for r in each], -2 if name != "mask" else -3)
        for name in ("correct", "length", "truncated", "weight", "mask")
        if getattr(first, name) is not None
    }
    fields = {
        name: join([r.fields[name] for r in each], -3 if behind(name) else -2)
        for name in first.fields
    }
    return replace(first, **own, fields=fields, **changes)


def with_answered(
    fields: Mapping[str, Array], truncated: Array | None, like: Array
) -> dict[str, Array]:
    """The fields with `answered`: as given, else 1 unless truncated.

    truncated, like : (...,) of one shape; `answered` is (...,) in the dtype of `like`.
    """
    if "answered" in fields:
        return dict(fields)
    xp = array_namespace(like)
    one = xp.ones_like(like)
    return {
        **fields,
        "answered": one if truncated is None else xp.where(truncated, xp.zeros_like(one), one),
    }


def token_mask(fields: Mapping[str, Array], length: Array) -> Array | None:
    """(..., T), 1 on the first `length` tokens, if a field is per token; else None."""
    width = next((v.shape[-1] for n, v in fields.items() if behind(n) == "T"), None)
    if width is None:
        return None
    xp = array_namespace(length)
    inside = xp.arange(width) < length[..., None]
    return xp.astype(inside, length.dtype)
