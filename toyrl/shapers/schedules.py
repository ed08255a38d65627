"""Schedules: numbers that change with the trainer's update, usable wherever a weight is.

A schedule is a pytree dataclass called with the update number (a Python number, or an array under
jit or vmap) and returns a number of the same kind. Before update 0 it has its first value. Where
it stands for a field with a range, its `ends` have to lie in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

from toyrl.pytree import register
from toyrl.ranges import FINITE, NOT_NEGATIVE, PART, POSITIVE, SHARE, Range, check_fields

Array = Any
ROUNDING = 4 * 2.0**-52
"""Shares of updates are quotients: what misses a whole step by rounding counts as it."""


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float))


def _share(step: Any, steps: Any) -> Any:
    """step/steps clipped to [0, 1]; `steps` of 0 is a jump at update 0."""
    if _is_number(step) and _is_number(steps):
        return min(max(step / steps, 0.0), 1.0) if steps > 0 else 1.0
    xp = _namespace(step, steps)
    x = xp.asarray(step, dtype=_float(xp)) if _is_number(step) else step + 0.0 * steps
    n = x * 0 + steps
    ratio = xp.where(n > 0, x / xp.where(n > 0, n, xp.ones_like(n)), xp.ones_like(n))
    return xp.minimum(xp.maximum(ratio, xp.zeros_like(ratio)), xp.ones_like(ratio))


def _namespace(*values: Any) -> Any:
    from array_api_compat import array_namespace

    return array_namespace(*(v for v in values if not _is_number(v)))


def _float(xp: Any) -> Any:
    return xp.__array_namespace_info__().default_dtypes()["real floating"]


@register
@dataclass(frozen=True)
class Constant:
    """The same value at every update."""

    value: Annotated[Any, FINITE] = 1.0

    __post_init__ = check_fields

    @property
    def ends(self) -> tuple[Any, ...]:
        """Least and largest value, in either order."""
        return (self.value,)

    def __call__(self, step: Any) -> Any:
        del step
        return self.value


@register
@dataclass(frozen=True)
class Linear:
    """From `start` at update 0 in a straight line to `end` at update `steps`, then `end`."""

    start: Annotated[Any, FINITE]
    end: Annotated[Any, FINITE]
    steps: Annotated[Any, NOT_NEGATIVE]

    __post_init__ = check_fields

    @property
    def ends(self) -> tuple[Any, ...]:
        """Least and largest value, in either order."""
        return (self.start, self.end)

    def __call__(self, step: Any) -> Any:
        return self.start + (self.end - self.start) * _share(step, self.steps)


@register
@dataclass(frozen=True)
class Cosine:
    """From `start` along half a cosine to `end` at update `steps`, then `end`."""

    start: Annotated[Any, FINITE]
    end: Annotated[Any, FINITE]
    steps: Annotated[Any, NOT_NEGATIVE]

    __post_init__ = check_fields

    @property
    def ends(self) -> tuple[Any, ...]:
        """Least and largest value, in either order."""
        return (self.start, self.end)

    def __call__(self, step: Any) -> Any:
        x = _share(step, self.steps)
        cos = math.cos(math.pi * x) if _is_number(x) else _namespace(x).cos(math.pi * x)
        return self.end + (self.start - self.end) * 0.5 * (1.0 + cos)


@register
@dataclass(frozen=True)
class Step:
    """`before` until update `at`, `after` from then on."""

    before: Annotated[Any, FINITE]
    after: Annotated[Any, FINITE]
    at: Annotated[Any, FINITE]

    __post_init__ = check_fields

    @property
    def ends(self) -> tuple[Any, ...]:
        """Least and largest value, in either order."""
        return (self.before, self.after)

    def __call__(self, step: Any) -> Any:
        late = step >= self.at
        if isinstance(late, bool):
            return self.after if late else self.before
        xp = _namespace(late)
        gate = xp.astype(late, _float(xp))
        return self.before + (self.after - self.before) * gate


@register
@dataclass(frozen=True)
class Stairs:
    """From `start` to `end` in equal or geometric steps: flat between, `decays` steps down (or up).

    Step k of n comes at update k steps/(n + 1), k = 1, ..., n, and then the value is

        start (end/start)^(k/n)        geometric (both ends above 0)
        start + (end - start) k/n      geometric=0: equal steps

    decays : n >= 1, a whole number; steps : updates of the whole run, >= 0 (0: `end` at once)
    Source: Train Long, Think Short, section 4.4; ThinkPrune's stages with geometric=0.

    Raises ValueError for a geometric staircase with an end that is not above 0.
    """

    start: Annotated[Any, FINITE]
    end: Annotated[Any, FINITE]
    decays: Annotated[Any, Range("[1, inf)", whole=True)]
    steps: Annotated[Any, NOT_NEGATIVE]
    geometric: Annotated[Any, SHARE] = 1

    def __post_init__(self) -> None:
        check_fields(self)
        ends = (self.start, self.end)
        if all(map(_is_number, (*ends, self.geometric))) and self.geometric and min(ends) <= 0:
            msg = f"start={ends[0]}, end={ends[1]}: geometric steps need both above 0; geometric=0"
            raise ValueError(msg)

    @property
    def ends(self) -> tuple[Any, ...]:
        """Least and largest value, in either order."""
        return (self.start, self.end)

    def __call__(self, step: Any) -> Any:
        n = self.decays
        k = _floor(_share(step, self.steps) * (n + 1) * (1 + ROUNDING))
        k = min(k, n) if _is_number(k) else _namespace(k).minimum(k, 0 * k + n)
        equal = self.start + (self.end - self.start) * k / n
        if _is_number(self.geometric) and not self.geometric:
            return equal
        ratio = self.start * (self.end / self.start) ** (k / n)
        if _is_number(self.geometric):
            return ratio
        return equal + (ratio - equal) * self.geometric


@register
@dataclass(frozen=True)
class Decay:
    """`start` times `factor` after every `every` updates, never below `least`.

    max(least, start factor^floor(step/every)); factor 1 stays.
    Source: Train Long, Think Short, section 3.4.
    """

    start: Annotated[Any, FINITE]
    factor: Annotated[Any, PART]
    every: Annotated[Any, POSITIVE]
    least: Annotated[Any, FINITE] = 1.0

    __post_init__ = check_fields

    @property
    def ends(self) -> tuple[Any, ...]:
        """Least and largest value, in either order."""
        return (self.start, self.least)

    def __call__(self, step: Any) -> Any:
        if _is_number(step):
            k = math.floor(max(step, 0) / self.every * (1 + ROUNDING))
            return max(self.least, self.start * self.factor**k)
        xp = _namespace(step)
        k = xp.floor(xp.maximum(step + 0.0, step * 0.0) / self.every * (1 + ROUNDING))
        value = self.start * self.factor**k
        return xp.maximum(value, 0 * value + self.least)


def _floor(x: Any) -> Any:
    return math.floor(x) if _is_number(x) else _namespace(x).floor(x)


SCHEDULES: dict[str, type] = {
    "constant": Constant,
    "linear": Linear,
    "cosine_anneal": Cosine,
    "step_at": Step,
    "stairs": Stairs,
    "decay": Decay,
}
"""Names of the schedules in catalogue expressions."""
