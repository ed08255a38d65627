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
from toyrl.ranges import FINITE, NOT_NEGATIVE, check_fields

Array = Any


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


SCHEDULES: dict[str, type] = {
    "constant": Constant,
    "linear": Linear,
    "cosine_anneal": Cosine,
    "step_at": Step,
}
"""Names of the schedules in catalogue expressions."""
