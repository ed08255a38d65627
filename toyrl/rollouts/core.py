"""Rollouts: what a reward may look at, as arrays with a prompt axis and a group axis.

The same type carries sampled groups (weight 1), multisets of outcome classes (weight = the
multiplicity) and the whole population (weight = class probability, ``group_size=inf``), so a
shaper or estimator is written once. Texts and prompt keys stay on the host, outside this type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
from array_api_compat import is_jax_array, is_numpy_array, is_torch_array

from toyrl.dtypes import array_namespace, as_floats, check_array, floating, half
from toyrl.pytree import register
from toyrl.ranges import FINITE, POSITIVE, POSITIVE_OR_INF, check_fields
from toyrl.rollouts.fields import FIELDS

Array = Any
ARRAYS = ("correct", "length", "truncated", "weight", "mask")


@dataclass(frozen=True, eq=False)
class Rollouts:
    """A batch of rollouts grouped by prompt.

    Parameters
    ----------
    correct : (..., B, G) float in [0, 1]     1 = right final answer; truncated rollouts are 0
    length : (..., B, G) float >= 0           tokens of the completion, the end token included
    max_length : float > 0                    the completion limit in the same tokens
    truncated : (..., B, G) bool, optional    ran into the limit (None: none did)
    weight : (..., B, G) float >= 0, optional 0 = absent or unscorable, n = multiplicity,
                                              p = class probability (None: all 1)
    group_size : float, optional              rollouts behind the weights of one prompt
                                              (None: their sum; inf: population limit)
    mask : (..., B, G, T) float, optional     1 on the completion's tokens
    step : float                              the trainer's update number, for schedules
    fields : dict                             optional arrays under registered names (`FIELDS`)

    Construction checks structure only, so it works under tracing; `validate` checks values.
    Whole-number and bool arrays become floats, of `correct`'s dtype or, where that is none (or a
    half), of their library's default. Lengths that float16 can't hold (above 65,504) are refused.

    Raises TypeError for a list, a masked array, what holds no real numbers and arrays of several
    libraries; ValueError for arrays of different shapes, and for a limit, a group size or a step
    out of its range.
    """

    correct: Array
    length: Array
    max_length: Annotated[Any, POSITIVE]
    truncated: Array | None = None
    weight: Array | None = None
    group_size: Annotated[Any, POSITIVE_OR_INF.or_none] = None
    mask: Array | None = None
    step: Annotated[Any, FINITE] = 0
    fields: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.correct, (list, tuple)):
            msg = "correct is a list; use Rollouts.from_lists(correct, length, max_length=...)"
            raise TypeError(msg)
        _register_if_jax(self.correct)
        shape = getattr(self.correct, "shape", None)
        if shape is None:  # pytree surgery puts placeholders where arrays were
            return
        check_fields(self)
        self._settle_kinds()
        for name in ("length", "truncated", "weight"):
            value = getattr(self, name)
            if value is not None and getattr(value, "shape", shape) != shape:
                msg = (
                    f"{name} has shape {value.shape} but correct has {shape}; "
                    "every per-rollout array is (..., prompts, group)"
                )
                raise ValueError(msg)

    def _settle_kinds(self) -> None:
        """Arrays of one library with real numbers; whole numbers and bools as floats."""
        given = (self.correct, self.length, self.weight, self.mask, *self.fields.values())
        if _bools(self.truncated) and all(map(_doubles, given)):  # nearly always
            return
        for name in ARRAYS:
            check_array(name, getattr(self, name), self.correct)
        for name, value in self.fields.items():
            check_array(f"fields[{name!r}]", value, self.correct)
        object.__setattr__(self, "correct", as_floats(self.correct))
        for name in ("length", "weight", "mask"):
            object.__setattr__(self, name, as_floats(getattr(self, name), self.correct))
        if any(_whole(value) for value in self.fields.values()):
            own = {name: as_floats(value, self.correct) for name, value in self.fields.items()}
            object.__setattr__(self, "fields", own)
        _check_half_length(self.length, self.weight)

    @property
    def xp(self) -> Any:
        """The array namespace of these rollouts (array-api-compat)."""
        return array_namespace(self.correct)

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., B, G)."""
        return self.correct.shape

    @property
    def w(self) -> Array:
        """Weights, all ones where none were given."""
        if self.weight is not None:
            return self.weight
        return self.xp.ones_like(self.correct)

    @property
    def size(self) -> Any:
        """Rollouts per prompt: (..., B, 1) from the weights, or the declared group size."""
        if self.group_size is not None:
            return self.group_size
        return self.xp.sum(self.w, axis=-1, keepdims=True)

    @property
    def cut(self) -> Array:
        """`truncated`, all False where none was given."""
        if self.truncated is not None:
            return self.truncated
        return self.xp.zeros_like(self.correct) > 0

    def has(self, name: str) -> bool:
        """True if the named array is present."""
        if name in ("correct", "length"):
            return True
        if name in ("truncated", "mask", "weight"):
            return getattr(self, name) is not None
        return name in self.fields

    def need(self, name: str, *, by: str) -> Array:
        """The named array, or an error that says who needs it and where it comes from."""
        if self.has(name):
            return self.fields[name] if name in self.fields else getattr(self, name)
        spec = FIELDS.get(name)
        origin = f"it comes from {spec.origin}" if spec else "no such field is registered"
        known = sorted([*self.fields, "correct", "length"])
        msg = f"{by} needs rollouts.fields[{name!r}]: {origin}. Present: {', '.join(known)}"
        raise KeyError(msg)

    def with_(self, **changes: Any) -> Rollouts:
        """A copy with some attributes replaced; unknown names are added to `fields`."""
        own = {k: v for k, v in changes.items() if k in self.__dataclass_fields__}
        extra = {k: v for k, v in changes.items() if k not in self.__dataclass_fields__}
        for name in extra:
            if name not in FIELDS:
                msg = f"field {name!r} is not registered; call toyrl.rollouts.register_field first"
                raise KeyError(msg)
        if extra:
            own["fields"] = {**own.get("fields", self.fields), **extra}
        return replace(self, **own)

    def validate(self) -> Rollouts:
        """Check values (host arrays only); self, or ValueError for the first fault."""
        from toyrl.rollouts.logs import check_values

        check_values(self)
        return self

    # -- constructors -----------------------------------------------------------------------
    @classmethod
    def from_lists(
        cls,
        correct: Sequence[Sequence[float]],
        length: Sequence[Sequence[float]],
        *,
        max_length: float,
        truncated: Sequence[Sequence[bool]] | None = None,
        fields: Mapping[str, Sequence[Sequence[float]]] | None = None,
    ) -> Rollouts:
        """From one list per prompt; shorter groups are padded with rows of weight 0."""
        from toyrl.rollouts.logs import from_lists

        return from_lists(
            correct, length, max_length=max_length, truncated=truncated, fields=fields or {}
        )

    @classmethod
    def from_jsonl(cls, path: Any, **options: Any) -> Rollouts:
        """From a log file or folder; see `toyrl.rollouts.logs.read_log` for forms and keys."""
        from toyrl.rollouts.logs import read_log

        return read_log(path, **options).rollouts

    @classmethod
    def from_trl_log(cls, path: Any, **options: Any) -> Rollouts:
        """From TRL's completions parquet or JSONL; see `toyrl.rollouts.logs.read_trl_log`."""
        from toyrl.rollouts.logs import read_trl_log

        return read_trl_log(path, **options).rollouts


def _doubles(value: Any) -> bool:
    """Whether there is nothing to settle: NumPy's floats of 64 bits, or nothing at all."""
    return value is None or (type(value) is np.ndarray and value.dtype == np.float64)


def _bools(value: Any) -> bool:
    return value is None or (type(value) is np.ndarray and value.dtype == np.bool_)


def _whole(value: Any) -> bool:
    return hasattr(value, "dtype") and not floating(value.dtype)


def _check_half_length(length: Any, weight: Any) -> None:
    """ValueError for lengths that became inf in 16 bits, where values can be looked at."""
    eager = is_numpy_array(length) or is_torch_array(length)
    if not eager or not half(length.dtype):
        return
    xp = array_namespace(length)
    lost = xp.isinf(length)
    if weight is not None and getattr(weight, "shape", None) == length.shape:
        lost = lost & (weight > 0)
    if bool(xp.any(lost)):
        msg = (
            f"length holds inf: {length.dtype} ends at 65504; give lengths as whole numbers or "
            "float32"
        )
        raise ValueError(msg)


def _register_if_jax(sample: Any) -> None:
    if not is_torch_array(sample) and is_jax_array(sample):
        register(Rollouts)
