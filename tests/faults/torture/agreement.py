"""Every shaper and estimator on NumPy, JAX and torch: the same numbers, and none that aren't.

NumPy is the reference, in float64 and in float32. Each case is also given with garbage in its rows
of weight 0, which must change nothing (in NumPy's float64 to the bit) and get 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tests.backends import default_for
from tests.faults.torture.draws import Stack, arrays_of, stacks
from toyrl import pytree, registry

ROUNDING = 2e4
"""Differences allowed, in units of the dtype's eps times the largest value of the case: sums in
another order, divided by a standard deviation down to a thousandth of the values."""
OWN = 8.0
"""And so many times what NumPy itself is off from its next wider dtype on the same case: rewards of
a million beside critics of one, whitened, have no more digits than that."""
PAID = ("values", "target_values", "greedy_reward")
"""Fields in units of the reward, which are taken off it."""
LOST = "off from the next wider dtype by more than rounding"


@dataclass(frozen=True)
class Fault:
    """A case on which an entry disagrees; `stack` holds it alone, as small as it was found."""

    entry: str
    check: str
    stack: Stack

    def __str__(self) -> str:
        r = self.stack.rollouts
        arrays = {n: getattr(r, n) for n in ("correct", "length", "truncated", "weight")}
        said = {n: v[0].tolist() for n, v in {**arrays, **r.fields}.items() if v is not None}
        return (
            f"{self.entry}, {self.check}: reward={self.stack.reward[0].tolist()}, "
            f"max_length={r.max_length:g}, {said}"
        )


@dataclass
class Counts:
    """What was compared, by library and dtype, and what was found."""

    compared: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)


Values = Mapping[str, np.ndarray]
Run = Callable[[Any, Stack], Values]


def entries() -> dict[str, Any]:
    """Name, such as "shaper laser" -> the shaper, and so on, of the whole catalogue."""
    return {
        f"{kind} {e.name}": default_for(e)
        for kind in ("shaper", "estimator")
        for e in registry.entries(kind)
    }


def needs_of(name: str, it: Any) -> tuple[str, ...]:
    """The arrays that an entry reads."""
    if name.startswith("shaper"):
        return tuple(sorted({*it.all_needs(), *it.all_wants()}))
    return tuple(sorted({"correct", "length", *it.needs}))


def applied(it: Any, rollouts: Any, reward: Any) -> dict[str, Any]:
    """A shaper's parts, or an estimator's advantages of one part."""
    if hasattr(it, "all_needs"):
        return dict(it.apply(rollouts).parts)
    return {"advantage": it.apply({"reward": reward}, rollouts)[0]}


def on_numpy(it: Any, s: Stack) -> Values:
    """The reference."""
    with np.errstate(all="ignore"):
        return applied(it, s.rollouts, s.reward)


def on_torch(it: Any, s: Stack) -> Values:
    """Eager, on the CPU."""
    import torch

    def own(x: np.ndarray) -> Any:
        return torch.from_numpy(np.ascontiguousarray(x))

    made = applied(it, arrays_of(s.rollouts, own), own(s.reward))
    return {k: v.numpy() for k, v in made.items()}


def on_jax(it: Any, s: Stack) -> Values:
    """Compiled, one program a shape: the limit is an argument of it."""
    import jax

    with jax.enable_x64(True):
        pytree.activate()
        r = arrays_of(s.rollouts, jax.numpy.asarray)
        program = _PROGRAMS.setdefault(repr(it), jax.jit(lambda r, x: applied(it, r, x)))
        return {k: np.asarray(v) for k, v in program(r, jax.numpy.asarray(s.reward)).items()}


_PROGRAMS: dict[str, Any] = {}
LIBRARIES: dict[str, Run] = {"jax": on_jax, "torch": on_torch}


def torture(
    name: str,
    it: Any,
    n: int,
    counts: Counts,
    *,
    seed: int = 0,
    libraries: tuple[str, ...] = tuple(LIBRARIES),
) -> None:
    """n cases of one entry, on NumPy and against these libraries, in both dtypes."""
    for stack in stacks(needs_of(name, it), n, seed):
        for check, bad in checks(name, it, stack, counts, seed, libraries):
            index = int(np.flatnonzero(bad)[0])
            counts.faults.append(Fault(name, check, stack.only(slice(index, index + 1))))


def checks(
    name: str, it: Any, stack: Stack, counts: Counts, seed: int, libraries: tuple[str, ...]
) -> Iterator[tuple[str, np.ndarray]]:
    """(what is wrong, which cases), of one stack."""
    for dtype in (np.float64, np.float32):
        s = stack if dtype == np.float64 else stack.narrowed(dtype)
        if not len(s):
            continue
        want, kind = on_numpy(it, s), np.dtype(dtype).name
        counts.compared[f"numpy {kind}"] += len(s)
        slack = _lost(want, it, stack, s, dtype, counts)
        for what, bad in _sound(want, s, dtype):
            if bad.any():
                yield f"numpy {kind}: {what}", _back(bad, stack, s)
        spoilt = s.spoiled(np.random.default_rng(seed))
        bits = dtype == np.float64
        moved = _apart(want, on_numpy(it, spoilt), s, dtype, exact=bits)
        if moved.any():
            yield f"numpy {kind}: what stands in rows of weight 0", _back(moved, stack, s)
        for library in libraries:
            for given, say in ((s, ""), (spoilt, ", garbage in rows of weight 0")):
                got = LIBRARIES[library](it, given)
                counts.compared[f"{library} {kind}"] += len(s)
                apart = _apart(want, got, s, dtype, slack=slack)
                if apart.any():
                    yield f"{library} {kind}{say}", _back(apart, stack, s)


def _back(bad: np.ndarray, stack: Stack, narrowed: Stack) -> np.ndarray:
    """Marks of a narrowed stack as marks of the whole one."""
    if len(narrowed) == len(stack):
        return bad
    kept = [i for i, kind in enumerate(stack.kinds) if kind in set(narrowed.kinds)]
    out = np.zeros(len(stack), dtype=bool)
    out[kept] = bad
    return out


def _sound(want: Values, s: Stack, dtype: Any) -> Iterator[tuple[str, np.ndarray]]:
    """What every output must be, whatever the other libraries say."""
    gone = s.rollouts.w == 0
    for value in want.values():
        if value.shape[:3] != s.reward.shape or value.dtype != dtype:
            yield f"gives {value.dtype} {value.shape}", np.ones(len(s), dtype=bool)
            return
        flat = value.reshape(*s.reward.shape, -1)
        yield "not finite", ~np.isfinite(flat).all((1, 2, 3))
        yield "not 0 at weight 0", ((flat != 0) & gone[..., None]).any((1, 2, 3))


def _lost(want: Values, it: Any, stack: Stack, s: Stack, dtype: Any, counts: Counts) -> np.ndarray:
    """(N,) what is allowed of cases that NumPy's own dtype doesn't hold."""
    kept = np.array([kind in set(s.kinds) for kind in stack.kinds])
    wide = stack.only(kept)
    wide = wide if dtype == np.float32 else wide.narrowed(np.longdouble)  # all fit
    truth = on_numpy(it, wide)
    with np.errstate(invalid="ignore"):
        gaps = [np.abs(truth[k] - v).reshape(len(s), -1).max(1) for k, v in want.items()]
    off = np.nan_to_num(np.max(gaps, axis=0).astype(np.float64))
    off = np.maximum(off, _shaken(want, it, s, dtype))
    narrow = {k: v.astype(dtype) for k, v in truth.items()}
    lost = int(_apart(narrow, want, s, dtype).sum())
    counts.compared[f"{np.dtype(dtype).name} {LOST}"] += lost
    return OWN * off


def _shaken(want: Values, it: Any, s: Stack, dtype: Any) -> np.ndarray:
    """(N,) what moves where fields in reward units move by the last digit of the rewards.

    A difference of the two has no digits below that one.
    """
    r, digit = s.rollouts, np.finfo(dtype).eps * np.abs(s.reward).max((1, 2))
    moved = {}
    for name, value in r.fields.items():
        if name in PAID:
            sign = (-1.0) ** np.arange(value.shape[-1])  # a common step would be centred away
            sums = value.shape[-1] if value.ndim > 3 else 1  # along the tokens, a digit each
            step = sums * digit.reshape(-1, *[1] * (value.ndim - 1))
            moved[name] = (value + sign * step).astype(dtype)
    if not moved:
        return np.zeros(len(s))
    got = on_numpy(it, Stack(r.with_(**moved), s.reward, s.kinds))
    with np.errstate(invalid="ignore"):
        gaps = [np.abs(got[k] - v).reshape(len(s), -1).max(1) for k, v in want.items()]
    return np.nan_to_num(np.max(gaps, axis=0).astype(np.float64))


def _apart(
    want: Values, got: Values, s: Stack, dtype: Any, *, exact: bool = False, slack: Any = 0.0
) -> np.ndarray:
    """(N,) True where the numbers differ by more than rounding."""
    out = np.zeros(len(s), dtype=bool)
    if set(want) != set(got):
        return ~out
    for name, a in want.items():
        b = np.asarray(got[name])
        if a.shape != b.shape or a.dtype != b.dtype:
            return ~out
        x, y = (v.reshape(len(s), -1).astype(np.float64) for v in (a, b))
        if exact:
            out |= ~((x == y) | (np.isnan(x) & np.isnan(y))).all(1)
            continue
        size = np.maximum(np.abs(x).max(1), np.finfo(dtype).tiny)
        with np.errstate(invalid="ignore"):
            room = np.maximum(ROUNDING * np.finfo(dtype).eps * size, slack)
            out |= ~(np.abs(x - y).max(1) <= room)
    return out


# -- smallest inputs ------------------------------------------------------------------------------
def smallest(fault: Fault, it: Any, *, seed: int = 0) -> Fault:
    """The same fault on a simpler case: fewer prompts and rollouts, then rounder numbers."""
    library, counts = fault.check.split()[0], Counts()
    libraries = (library,) if library in LIBRARIES else ()

    def fails(stack: Stack) -> bool:
        found = checks(fault.entry, it, stack, counts, seed, libraries)
        return any(check == fault.check for check, _ in found)

    best, going = fault.stack, True
    while going:
        going = False
        for simpler in _simpler(best):
            if fails(simpler):
                best, going = simpler, True
                break
    return replace(fault, stack=best)


def _simpler(s: Stack) -> Iterator[Stack]:
    prompts, group = s.reward.shape[1:]
    for axis, n in ((1, prompts), (2, group)):
        for i in range(n if n > 1 else 0):
            keep = [j for j in range(n) if j != i]

            def take(x: np.ndarray, keep: list[int] = keep, axis: int = axis) -> np.ndarray:
                return np.take(x, keep, axis=axis)

            yield Stack(arrays_of(s.rollouts, take), take(s.reward), s.kinds)
    r = s.rollouts
    for name, value in (("weight", 1.0), ("length", 1.0), ("correct", 0.0)):
        now = getattr(r, name)
        if name == "length" and r.mask is not None:
            continue
        if (now != value).any():
            yield Stack(replace(r, **{name: np.full_like(now, value)}), s.reward, s.kinds)
    if r.truncated is not None and r.truncated.any():
        yield Stack(replace(r, truncated=np.zeros_like(r.truncated)), s.reward, s.kinds)
    for digits in (0, 1, 3):
        round_ = np.round(s.reward, digits)
        if (round_ != s.reward).any():
            yield Stack(r, round_, s.kinds)
