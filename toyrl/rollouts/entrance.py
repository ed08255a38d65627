"""What every shaper, estimator and objective is given: shapes, kinds and absences settled.

One way in for all of them, so that no class has to remember it:

    shapes      checked (`toyrl.rollouts.shapes`); a batch without prompts or rollouts is refused
    kinds       real numbers of one library; halves become float32, whole numbers floats
    absences    rows of weight 0 and tokens of mask 0 hold 0 in every array, whatever stood there

A sum that multiplies by the weight would keep their NaN (0 * NaN), and so would a gradient. On the
way out absent rows and tokens are 0 again, and the dtype is that of what was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from toyrl.dtypes import as_floats, check_array, common_half, half, lowered, raised
from toyrl.rollouts.core import Rollouts
from toyrl.rollouts.fields import behind
from toyrl.rollouts.shapes import check_rewards, check_rollouts, check_steps

Array = Any


def entered(r: Rollouts, *, by: Any) -> Rollouts:
    """`r` after the checks, wide enough and without anything in absent rows and tokens.

    by : who asks; its repr opens messages

    Raises ValueError for wrong shapes.
    """
    check_rollouts(r, by=by)
    return emptied(widened(r))


def entered_rewards(
    parts: Mapping[str, Array], r: Rollouts, *, by: Any
) -> tuple[dict[str, Array], Rollouts, Any]:
    """(parts, rollouts, the half dtype to give back or None) as an estimator may read them.

    parts : (..., B, G) or (..., B, G, T) each

    Raises ValueError for wrong shapes, TypeError for what is no array of the rollouts' library.
    """
    check_rewards(parts, r, by=by)
    for name, value in parts.items():
        _check(f"part {name!r}", value, r, by)
    narrow = common_half(r.correct, *parts.values())
    r = widened(r)
    whole = _whole(r)
    read = {
        k: _present(raised(as_floats(v, r.correct), r.correct), r, whole=whole)
        for k, v in parts.items()
    }
    return read, emptied(r, whole=whole), narrow


def entered_steps(
    advantages: Array | None, r: Rollouts, logp: Array, old_logp: Array | None, *, by: Any
) -> tuple[Array | None, Rollouts, Array, Array | None, Any]:
    """(advantages, rollouts, logp, old logp, the half dtype to give back or None).

    advantages : (..., B, G) or (..., B, G, T); logp, old_logp : (..., B, G, T).

    Raises ValueError for wrong shapes, TypeError for what is no array of the rollouts' library.
    """
    check_steps(advantages, r, logp, old_logp, by=by)
    given = {"advantages": advantages, "logp": logp, "old_logp": old_logp}
    for name, value in given.items():
        _check(name, value, r, by)
    narrow = common_half(r.correct, *given.values())
    r = widened(r)
    whole = _whole(r)
    read = [
        v if v is None else _present(raised(as_floats(v, r.correct), r.correct), r, whole=whole)
        for v in given.values()
    ]
    return read[0], emptied(r, whole=whole), read[1], read[2], narrow


def left(out: Array, r: Rollouts, narrow: Any = None) -> Array:
    """An answer on its way out: 0 for absent rows and tokens of `r`, in the half dtype given.

    out : (..., B, G) or (..., B, G, T), and so is the answer
    """
    return lowered(_present(out, r), narrow)


def widened(r: Rollouts) -> Rollouts:
    """`r` with its half floats as float32, or as `correct` where that is wider."""
    like = raised(r.correct)
    own = {
        name: raised(value, like)
        for name in ("correct", "length", "weight", "mask", "max_length", "group_size", "step")
        if _is_half(value := getattr(r, name))
    }
    extra = {name: raised(value, like) for name, value in r.fields.items() if _is_half(value)}
    if extra:
        own["fields"] = {**r.fields, **extra}
    return r.with_(**own) if own else r


def emptied(r: Rollouts, *, whole: bool | None = None) -> Rollouts:
    """`r` with 0 in all arrays of rows of weight 0 and of tokens of mask 0; twice is once.

    whole : whether all rows and tokens take part, where that is known
    """
    if r.weight is None and r.mask is None:
        return r
    whole = _whole(r) if whole is None else whole
    here = _here(r)
    own: dict[str, Any] = {}
    if r.weight is not None:
        for name in ("correct", "length", "truncated", "weight"):
            value = getattr(r, name)
            own[name] = None if value is None else _kept(value, r, here, whole=whole)
    if r.mask is not None:
        own["mask"] = _kept(r.mask, r, here, whole=whole)
    own["fields"] = {
        name: _kept(value, r, here, tokens=behind(name) == "T", whole=whole)
        for name, value in r.fields.items()
    }
    return r.with_(**own)


def _whole(r: Rollouts) -> bool:
    """Whether all rows and tokens take part, of NumPy arrays (others can't be asked)."""
    return all(
        x is None or (type(x) is np.ndarray and x.flags.c_contiguous and bool((x > 0).all()))
        for x in (r.weight, r.mask)
    )


def _present(value: Array, r: Rollouts, *, tokens: bool = True, whole: bool = False) -> Array:
    """`value` where its row takes part, and its token is of the mask; 0 elsewhere."""
    return _kept(value, r, _here(r), tokens=tokens, whole=whole)


def _here(r: Rollouts) -> tuple[Array | None, Array | None]:
    """(rows that take part (..., B, G), tokens of the mask (..., B, G, T)); None: all do."""
    rows = None if r.weight is None else r.weight > 0
    return rows, None if r.mask is None else r.mask > 0


def _kept(
    value: Array,
    r: Rollouts,
    here: tuple[Array | None, Array | None],
    *,
    tokens: bool = True,
    whole: bool = False,
) -> Array:
    """`value` where it is `here`, as `_here` has it; 0 elsewhere.

    tokens : a last axis of its own is that of the tokens
    whole : all rows and tokens take part; what is laid out in order is taken as it is then
    """
    n, (rows, on) = len(r.shape), here
    plain = type(value) is np.ndarray
    if whole and plain and value.flags.c_contiguous and value.shape[:n] == r.shape:
        return value
    if len(value.shape) > n:
        rows = None if rows is None else rows[..., None]
        if tokens and on is not None and on.shape[-1] == value.shape[-1]:
            rows = on if rows is None else rows & on
    if rows is None:
        return value
    if plain and type(rows) is np.ndarray:
        return np.where(rows, value, value.dtype.type(0))
    return r.xp.where(rows, value, r.xp.zeros_like(value))


def _check(name: str, value: Any, r: Rollouts, by: Any) -> None:
    try:
        check_array(name, value, r.correct, like_name="the rollouts' correct")
    except TypeError as error:
        msg = f"{by!r}: {error}"
        raise TypeError(msg) from None


def _is_half(value: Any) -> bool:
    dtype = getattr(value, "dtype", None)
    return dtype is not None and half(dtype)
