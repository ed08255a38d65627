"""Recursions along the tokens of a rollout, and what stands at its next token."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

Array = Any


def backward(a: Array, b: Array) -> Array:
    """x_t = a_t x_{t+1} + b_t with x_{T} = 0 behind the end; the last axis, same shape."""
    xp = array_namespace(a, b)
    n, step = a.shape[-1], 1
    while step < n:
        none = xp.zeros_like(b[..., :step])
        b = b + a * xp.concat([b[..., step:], none], axis=-1)
        a = a * xp.concat([a[..., step:], none], axis=-1)
        step *= 2
    return b


def after(x: Array, mask: Array) -> Array:
    """x at the next token of the mask behind each place; 0 behind the last.

    x, mask : (..., B, G, T).
    """
    xp = array_namespace(x, mask)
    carried = backward(1 - mask, mask * x)
    return xp.concat([carried[..., 1:], xp.zeros_like(x[..., :1])], axis=-1)


def returns_to_go(reward: Array) -> Array:
    """Sum of the rewards from each token on; the last axis, same shape."""
    xp = array_namespace(reward)
    return xp.flip(xp.cumulative_sum(xp.flip(reward, axis=-1), axis=-1), axis=-1)


def last_token(mask: Array) -> Array:
    """1 on the last token of the mask, 0 elsewhere; mask, and the answer : (..., B, G, T)."""
    xp = array_namespace(mask)
    behind = returns_to_go(mask) - mask
    return xp.where(behind > 0.5, xp.zeros_like(mask), mask)


def running_maximum(x: Array) -> Array:
    """(..., T) the largest value so far along the last axis; log2 T passes on any backend."""
    xp, T = array_namespace(x), x.shape[-1]
    shift = 1
    while shift < T:
        x = xp.concat((x[..., :shift], xp.maximum(x[..., shift:], x[..., :-shift])), axis=-1)
        shift *= 2
    return x
