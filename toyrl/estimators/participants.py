"""What estimators share: who takes part, and how many rollouts stand behind the weights."""

from __future__ import annotations

import math
from typing import Any

from toyrl import stats
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, sum_parts

Array = Any


def usable(parts: Parts, r: Rollouts) -> tuple[Array, Array]:
    """(reward, weight), each (..., B, G); NaN rewards have weight 0, absent rows reward 0."""
    reward = sum_parts(parts, r)
    broken = r.xp.isnan(reward) | ~(r.w > 0)
    zero = r.xp.zeros_like(reward)
    return r.xp.where(broken, zero, reward), r.xp.where(broken, zero, r.w)


def group_size(r: Rollouts, w: Array) -> Any:
    """Rollouts behind the weights: the declared number (may be inf), or (..., B, 1) their sum."""
    return stats.mass(w) if r.group_size is None else r.group_size


def token_weight(r: Rollouts, w: Array) -> Array:
    """(..., B, G) weight times length; 0 for who takes no part, whatever length stands there."""
    return r.xp.where(w > 0, w * r.length, r.xp.zeros_like(w))


def unlimited(size: Any) -> bool:
    """True for the population limit."""
    return isinstance(size, (int, float)) and math.isinf(size)


def alone(x: Array, size: Any) -> Array:
    """True where a group holds at most one rollout; the shape of `x`."""
    xp = stats.array_namespace(x)
    return xp.zeros_like(x) + size <= 1


def divisor(std: Array, eps: float, place: str) -> Array:
    """The number to divide by: `place` says where eps stands.

    "std": std + eps; "variance": sqrt(var + eps); "floor": sqrt(max(var, eps)). Never squares
    the standard deviation, so 1e30 in float32 stays finite.

    std : (..., B, 1), and so is the answer.
    """
    xp = stats.array_namespace(std)
    if place == "std":
        return std + eps
    root = math.sqrt(eps)
    if place == "floor":
        return xp.where(std > root, std, xp.full_like(std, root))
    big = xp.where(std > root, std, xp.full_like(std, root))
    small = xp.where(std > root, xp.full_like(std, root), std)
    ratio = small / xp.where(big > 0, big, xp.ones_like(big))
    return big * xp.sqrt(1 + ratio**2)


PLACES = ("std", "variance", "floor")
