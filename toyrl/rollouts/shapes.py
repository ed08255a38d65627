"""Shapes that go together: one check for shapers, estimators and objectives on every backend.

Tuples alone are compared, so it costs microseconds and works under tracing. Axes, last ones first:
G rollouts of a prompt, B prompts, anything before; T tokens after them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toyrl.rollouts.core import Rollouts
from toyrl.rollouts.fields import behind

Array = Any
WHOLE = "(..., prompts, group)"
WIDE = "(..., prompts, group, tokens)"
HINT = f"numbers of a rollout are {WHOLE}, numbers of its tokens {WIDE}"


def check_rollouts(r: Rollouts, *, by: Any) -> None:
    """ValueError unless `r` has prompts and a group, and mask and fields have its axes.

    by : who asks; its repr opens the message
    """
    shape, tokens = _shape(r.correct, "correct", by), None
    if len(shape) < 2:
        axes = "one axis" if shape else "no axis"
        msg = (
            f"{by!r}: the rollouts have shape {shape}, {axes}, but they are {WHOLE}; "
            "write one prompt's group of G as (1, G): x[None]"
        )
        raise ValueError(msg)
    if 0 in shape:
        what = "no rollouts in any group" if shape[-1] == 0 else "no prompts"
        msg = f"{by!r}: the rollouts have shape {shape}: {what}; leave such a batch out"
        raise ValueError(msg)
    if r.mask is not None:
        tokens = _wide("mask", r.mask, shape, None, by)
    for name, value in r.fields.items():
        found = _shape(value, name, by)
        if behind(name) == "T":
            tokens = _wide(f"fields[{name!r}]", value, shape, tokens, by)
        elif behind(name):
            if found[:-1] != shape or not found[-1]:
                _refuse(f"fields[{name!r}]", found, f"{shape} + (references,), 1 or more", by)
        elif found != shape:
            _refuse(f"fields[{name!r}]", found, str(shape), by)


def check_rewards(parts: Mapping[str, Array], r: Rollouts, *, by: Any) -> None:
    """`check_rollouts`, and every part is (..., B, G) or (..., B, G, T) of these rollouts.

    Raises ValueError for the first that isn't.
    """
    check_rollouts(r, by=by)
    for name, value in parts.items():
        _rollouts_or_tokens(f"part {name!r}", value, r, by)


def check_steps(
    advantages: Array | None, r: Rollouts, logp: Array, old_logp: Array | None, *, by: Any
) -> None:
    """`check_rollouts`, and what an objective reads has their axes (None: it isn't read).

    advantages : (..., B, G) or (..., B, G, T); logp, old_logp : (..., B, G, T).

    Raises ValueError for the first that isn't.
    """
    check_rollouts(r, by=by)
    if advantages is not None:
        _rollouts_or_tokens("advantages", advantages, r, by)
    tokens = None if r.mask is None else r.mask.shape[-1]
    for name, value in (("logp", logp), ("old_logp", old_logp)):
        if value is not None:
            tokens = _wide(name, value, tuple(r.shape), tokens, by)


def check_memory(memory: Mapping[str, Array], r: Rollouts, *, by: Any) -> None:
    """ValueError unless every number kept per prompt is (..., B, 1)."""
    want = (*r.shape[:-1], 1)
    for name, value in memory.items():
        found = _shape(value, name, by)
        if found != want:
            msg = f"{by!r}: memory[{name!r}] has shape {found}; one number a prompt is {want}"
            raise ValueError(msg)


def _rollouts_or_tokens(name: str, value: Array, r: Rollouts, by: Any) -> None:
    found = _shape(value, name, by)
    shape = tuple(r.shape)
    if found == shape:
        return
    if len(found) != len(shape) + 1:
        _refuse(name, found, str(shape), by)
    _wide(name, value, shape, None if r.mask is None else r.mask.shape[-1], by)


def _wide(name: str, value: Array, shape: tuple[int, ...], tokens: int | None, by: Any) -> int:
    """Tokens of a per-token array, which has `tokens` of them unless that is None."""
    found = _shape(value, name, by)
    if len(found) != len(shape) + 1 or found[:-1] != shape or tokens not in (None, found[-1]):
        last = "tokens" if tokens is None else str(tokens)
        _refuse(name, found, f"({', '.join(map(str, shape))}, {last})", by)
    return found[-1]


def _shape(value: Any, name: str, by: Any) -> tuple[int, ...]:
    found = getattr(value, "shape", None)
    if found is None:
        msg = f"{by!r}: {name} is a {type(value).__name__}; give an array of the rollouts' library"
        raise ValueError(msg)
    return tuple(found)


def _refuse(name: str, found: tuple[int, ...], want: str, by: Any) -> None:
    msg = f"{by!r}: {name} has shape {found}, not {want}; {HINT}"
    raise ValueError(msg)
