"""The shaper protocol: rollouts in, named reward parts out.

A shaper is a frozen dataclass. Its numbers (or schedules of the update number) are pytree
leaves, so `jax.vmap` over a weight, bisection, repr and JSON come free. It returns reward
*parts* by name, never their sum: estimators that normalise each part see them apart, and a
report can say which term did what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from toyrl.dtypes import common_half, lowered
from toyrl.pytree import built, defer, register
from toyrl.ranges import check_fields
from toyrl.rollouts import Rollouts
from toyrl.rollouts.entrance import entered, left
from toyrl.rollouts.fields import behind
from toyrl.rollouts.shapes import check_memory

Array = Any
Parts = dict[str, Array]
SCOPES = ("rollout", "group", "batch")


def written(self: Any) -> str:
    """The repr of shapers, estimators and objectives: their catalogue expression."""
    from toyrl.expressions import shown

    return shown(self)


@dataclass(frozen=True)
class Shaped:
    """A shaper's answer.

    parts : name -> (..., B, G) or, for token-level shapers, (..., B, G, T); NaN = unscorable
    memory : name -> (..., B, 1), this visit's contribution to the per-prompt memory
    """

    parts: Parts
    memory: Parts


register(Shaped)


@dataclass(frozen=True)
class MemoryField:
    """One number kept between visits, merged by `op`: min, max, sum or replace.

    shared : one number for all prompts, to which every visit of any of them adds; else one each
    """

    name: str
    op: str
    initial: float
    shared: bool = False


class Shaper:
    """Base of all shapers; subclasses are frozen dataclasses that define `parts`.

    Fields say their ranges (`toyrl.ranges`), which are checked when an object is built: a
    `__post_init__` of its own calls that of its base.

    Raises ValueError for a field out of its range.
    """

    needs: ClassVar[tuple[str, ...]] = ("correct", "length")
    wants: ClassVar[tuple[str, ...]] = ()  # optional fields: read where they are present
    scope: ClassVar[str] = "rollout"  # how far it looks: rollout | group | batch
    token_level: ClassVar[bool] = False
    memory: ClassVar[tuple[MemoryField, ...]] = ()
    fixed: ClassVar[str] = ""  # the field that stands in for its memory where it is given

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = written  # @dataclass keeps a repr that stands in the class
        defer(cls)  # its fields are known only after @dataclass

    def __new__(cls, *_args: Any, **_kwargs: Any) -> Shaper:
        built(cls)
        return super().__new__(cls)

    def __post_init__(self) -> None:
        check_fields(self)

    # -- to be written by each shaper ---------------------------------------------------------
    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts | Shaped:
        """Reward parts for rollouts without NaN; rows of weight 0 may hold anything finite."""
        msg = f"{type(self).__name__} defines no parts(rollouts, memory)"
        raise TypeError(msg)

    # -- the one way in -------------------------------------------------------------------------
    def apply(self, rollouts: Rollouts, memory: Mapping[str, Array] | None = None) -> Shaped:
        """Named reward parts and this visit's contribution to memory.

        A row with NaN in an array the shaper reads is absent for its siblings and NaN in the
        answer; a row of weight 0 is absent and 0, whatever it holds, and so is a token of mask 0.
        Halves are computed in float32; the parts have the dtype of `correct` again.

        Raises ValueError for rollouts without a prompt and a group axis, for a mask or field of
        another shape, and for memory that isn't (..., B, 1).
        """
        narrow = common_half(rollouts.correct)
        rollouts = entered(rollouts, by=self)
        check_memory(memory or {}, rollouts, by=self)
        wanted = tuple(n for n in self.all_wants() if rollouts.has(n))
        clean, broken = without_nan(rollouts, self.all_needs() + wanted)
        state = dict(memory or {})
        for slot in self.all_memory():
            if slot.name not in state:
                xp = rollouts.xp
                state[slot.name] = xp.full_like(rollouts.correct[..., :1], slot.initial)
        answer = self.parts(clean, state)
        if not isinstance(answer, Shaped):
            answer = Shaped(answer, {})
        xp, present = rollouts.xp, clean.w > 0
        out: Parts = {}
        for name, value in answer.parts.items():
            wide = value.ndim > present.ndim
            here = present[..., None] if wide else present
            bad = broken[..., None] if wide else broken
            kept = left(xp.where(here, value, xp.zeros_like(value)), rollouts)
            if _some(broken):
                kept = xp.where(bad, xp.full_like(kept, xp.nan), kept)
            out[name] = lowered(kept, narrow)
        return Shaped(out, answer.memory)

    def reward(self, rollouts: Rollouts, memory: Mapping[str, Array] | None = None) -> Array:
        """The sum of all parts, (..., B, G); token-level parts are summed over tokens."""
        return sum_parts(self.apply(rollouts, memory).parts, rollouts)

    # -- composition: children are fields that are shapers themselves ----------------------------
    def children(self) -> tuple[Shaper, ...]:
        """Shapers among this shaper's fields."""
        own = (getattr(self, f.name) for f in fields(self))  # type: ignore[arg-type]
        return tuple(
            s for v in own for s in (v if isinstance(v, tuple) else (v,)) if isinstance(s, Shaper)
        )

    def all_needs(self) -> tuple[str, ...]:
        """Arrays read by this shaper and its children."""
        names = dict.fromkeys(self.needs)
        for child in self.children():
            names.update(dict.fromkeys(child.all_needs()))
        return tuple(names)

    def all_wants(self) -> tuple[str, ...]:
        """Arrays that this shaper and its children read only where they are present."""
        names = dict.fromkeys(self.wants)
        for child in self.children():
            names.update(dict.fromkeys(child.all_wants()))
        return tuple(names)

    def all_memory(self) -> tuple[MemoryField, ...]:
        """Memory slots of this shaper and its children."""
        return (*self.memory, *(m for c in self.children() for m in c.all_memory()))

    def all_scope(self) -> str:
        """The widest scope among this shaper and its children."""
        return max((self.scope, *(c.all_scope() for c in self.children())), key=SCOPES.index)

    def all_token_level(self) -> bool:
        """True if any part is per token."""
        return self.token_level or any(c.all_token_level() for c in self.children())

    def __add__(self, other: Shaper) -> Shaper:
        from toyrl.shapers.compose import Sum

        return Sum((self, other))

    def __sub__(self, other: Shaper) -> Shaper:
        return self + (-1.0) * other

    def __mul__(self, weight: Any) -> Shaper:
        from toyrl.shapers.compose import Scaled

        return Scaled(self, weight)

    __rmul__ = __mul__


def without_nan(r: Rollouts, names: tuple[str, ...]) -> tuple[Rollouts, Array]:
    """Rollouts with NaN rows zeroed and given weight 0, and the (..., B, G) mask of those rows.

    A per-token array makes its row absent only by a NaN on the completion's own tokens (`mask`);
    on padding tokens NaN is read as 0.
    """
    xp = r.xp
    names = tuple(dict.fromkeys(("correct", "length", *names)))
    values = {n: r.need(n, by="the shaper") for n in names if n != "truncated"}
    broken = xp.zeros_like(r.correct) > 0
    any_nan = False
    for name, value in values.items():
        bad = xp.isnan(value)
        any_nan = any_nan or _some(bad)
        if value.ndim > broken.ndim:
            if behind(name) != "M" and r.mask is not None and r.mask.shape == value.shape:
                bad = bad & (r.mask > 0)
            bad = xp.any(bad, axis=-1)
        broken = broken | bad
    if not any_nan:  # of NumPy arrays alone; copies, for a shaper may write into what it reads
        own = {n: v.copy() for n, v in r.fields.items() if n in values}
        clean = r.with_(
            correct=r.correct.copy(),
            length=r.length.copy(),
            weight=r.w.copy(),
            fields={**r.fields, **own},
        )
        return clean, broken

    def fill(value: Array) -> Array:
        bad = broken[..., None] if value.ndim > broken.ndim else broken
        return xp.where(bad | xp.isnan(value), xp.zeros_like(value), value)

    extra = {n: fill(v) for n, v in r.fields.items() if n in values}
    clean = r.with_(
        correct=fill(r.correct),
        length=fill(r.length),
        weight=xp.where(broken, xp.zeros_like(r.w), r.w),
        fields={**r.fields, **extra},
    )
    return clean, broken


def _some(mask: Array) -> bool:
    """Whether any entry is true, of NumPy arrays; True for others: asking them costs."""
    return type(mask) is not np.ndarray or bool(mask.any())


def sum_parts(parts: Parts, r: Rollouts) -> Array:
    """Total reward per rollout; token-level parts are summed over the rollout's tokens.

    Whole-number and bool parts become floats of the rollouts' dtype.

    Each part is (..., B, G) or (..., B, G, T); the answer (..., B, G).
    """
    xp = r.xp
    if not parts:
        return xp.zeros_like(r.correct)
    real = [
        v if xp.isdtype(v.dtype, "real floating") else xp.astype(v, r.correct.dtype)
        for v in parts.values()
    ]
    totals = [xp.sum(v, axis=-1) if v.ndim > r.correct.ndim else v for v in real]
    out = totals[0]
    for value in totals[1:]:
        out = out + value
    return out


def at(value: Any, step: Any) -> Any:
    """A number, or a schedule's value at this update."""
    return value(step) if callable(value) else value


def filled(value: Any, like: Array) -> Array:
    """A number, 0-d array or per-prompt array as an array of `like`'s shape and dtype.

    The answer has the same shape as `like`, (..., B, G).
    """
    return r_xp(like).zeros_like(like) + value


def r_xp(x: Array) -> Any:
    """The array namespace of `x`.

    `x` is an array of any shape on any backend.
    """
    from array_api_compat import array_namespace

    return array_namespace(x)


def in_tokens(value: Any, r: Rollouts) -> Array:
    """A length setting in tokens, (..., B, G): up to 1 a share of `max_length`, above it tokens.

    0.5 means half of the completion limit and 1 the limit itself; 512 means 512 tokens.
    """
    size = filled(at(value, r.step), r.length)
    return r.xp.where(size > 1, size, size * r.max_length)
