"""The array libraries on which shapers and estimators must agree, and default instances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, replace
from functools import cache
from typing import Any

import numpy as np
from hypothesis import Phase, given, settings

from toyrl.registry import Entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.shapers.compose import Clipped, Gated, Scaled, Sum
from toyrl.shapers.length.absolute import LinearLength
from toyrl.shapers.outcome import Outcome
from toyrl.testing.cases import Case, cases, drawn
from toyrl.testing.strategies import rollouts

EXAMPLES = 20  # per backend, all of one shape
COMPOSITES = {
    "sum": Sum((Outcome(), Scaled(LinearLength(), -0.3))),
    "scaled": Scaled(LinearLength(), -0.3),
    "gated": Gated(LinearLength()),
    "clipped": Clipped(Sum((Outcome(), Scaled(LinearLength(), -2.0))), 0.0, 1.0),
}


def default_for(entry: Entry) -> Any:
    """An instance of a catalogue entry: itself, its class at defaults, or a typical composite."""
    if not isinstance(entry.target, type):
        return entry.target
    if entry.name in COMPOSITES:
        return COMPOSITES[entry.name]
    missing = {
        f.name: Outcome()
        for f in fields(entry.target)
        if f.default is MISSING and f.default_factory is MISSING and f.type == "Shaper"
    }
    return entry.target(**missing)


def arrays_of(r: Rollouts, convert: Callable[[np.ndarray], Any]) -> Rollouts:
    """Rollouts with every array converted."""

    def one(value: Any) -> Any:
        return convert(value) if isinstance(value, np.ndarray) else value

    names = ("correct", "length", "truncated", "mask", "weight")
    return replace(
        r,
        **{n: one(getattr(r, n)) for n in names},
        fields={k: one(v) for k, v in r.fields.items()},
    )


def to_torch(r: Rollouts) -> Rollouts:
    """Torch tensors of the same dtypes."""
    import torch

    return arrays_of(r, torch.from_numpy)


def to_strict(r: Rollouts) -> Rollouts:
    """array-api-strict arrays, which refuse what the standard does not promise."""
    import array_api_strict as xp

    return arrays_of(r, xp.asarray)


def to_numpy(values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Named arrays of any library as NumPy."""
    return {k: np.asarray(v) for k, v in values.items()}


def stack(examples: list[Rollouts]) -> Rollouts:
    """Rollouts of one shape stacked on a leading axis."""
    first = examples[0]
    names = ("correct", "length", "truncated", "mask", "weight")
    columns = {
        n: None if getattr(first, n) is None else np.stack([getattr(e, n) for e in examples])
        for n in names
    }
    extra = {k: np.stack([e.fields[k] for e in examples]) for k in first.fields}
    return replace(first, **columns, fields=extra)


@cache
def fixed_shape(needs: tuple[str, ...], n: int = EXAMPLES) -> list[Rollouts]:
    """n rollouts of shape (2, 4) with T = 3, weights 0..3 and a `truncated` array."""
    out: list[Rollouts] = []

    @settings(max_examples=n, database=None, derandomize=True, phases=(Phase.generate,))
    @given(
        rollouts(
            prompts=(2, 2),
            group=(4, 4),
            tokens=(3, 3),
            needs=needs,
            weights="multiplicity",
            graded=True,
        )
    )
    def collect(r: Rollouts) -> None:
        out.append(replace(r, truncated=r.cut))

    collect()
    return out


@cache
def cases_for(needs: tuple[str, ...], n: int) -> list[Case]:
    """n situations for the laws of `toyrl.testing`, drawn once for all shapers with these needs."""
    return [*drawn(cases(needs), n, 0)]


def reads(shaper: Shaper) -> tuple[str, ...]:
    """All arrays that a shaper needs or wants, sorted."""
    return tuple(sorted({*shaper.all_needs(), *shaper.all_wants()}))
