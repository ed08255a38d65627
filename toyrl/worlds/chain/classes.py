"""Outcome-class probabilities of the chain in JAX: differentiable, vmappable, with counters.

Classes carry only the counters that a reward reads. Counters saturate at `cap` (the last bin
means "cap or more") and vary fastest: class k is (answer kind and length) k // bins in the order
of `Chain`, counters k % bins. Without counters the classes are those of `Chain`. The program is
compiled once per layout (sizes and switches); all numbers are its arguments.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from toyrl.pytree import activate
from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import class_rollouts
from toyrl.worlds.chain.model import COUNTERS, Chain
from toyrl.worlds.chain.program import (
    NUMBERS,
    Layout,
    StateLimitError,
    class_program,
    layout_of,
    numbers_of,
)

__all__ = [
    "ClassSpace",
    "Refined",
    "StateLimitError",
    "class_probabilities",
    "classes_for",
    "probabilities",
    "probabilities_and_gradient",
    "refine",
]


def class_probabilities(
    chain: Chain,
    theta: Any,
    *,
    counters: Sequence[str] = (),
    cap: int = 16,
    numbers: Mapping[str, Any] | None = None,
) -> Any:
    """(B, K) class probabilities under logits theta; jittable, follows theta's dtype.

    theta : `chain.policy_shape` logits
    counters : names from `COUNTERS` that the classes carry, saturating at `cap`
    numbers : progress, slip, repair, guess, flag_noise (scalars) and difficulties (B,) that
        replace the chain's, so that they can be traced, differentiated or mapped over

    Raises `StateLimitError` naming the counters if the DP would be too large.

    Raises ValueError for unknown counters and logits of another shape.
    """
    numbers = dict(numbers or {})
    unknown = set(numbers) - {*NUMBERS, "difficulties"}
    if unknown:
        msg = f"numbers={sorted(unknown)} unknown; choose from {(*NUMBERS, 'difficulties')}"
        raise ValueError(msg)
    errors = True if "slip" in numbers else None
    layout = layout_of(chain, counters, cap, errors=errors)
    theta = jnp.asarray(theta)
    if theta.shape != chain.policy_shape:
        msg = f"theta has shape {theta.shape}; this chain's logits are {chain.policy_shape}"
        raise ValueError(msg)
    return _compiled(layout)(theta, {**numbers_of(chain), **numbers})


def probabilities(
    chain: Chain, theta: Any, *, counters: Sequence[str] = (), cap: int = 16
) -> np.ndarray:
    """`class_probabilities` for host arrays, in float64.

    (B, K); theta : `chain.policy_shape`, that is (phases, flags, D+1, A).
    """
    activate()
    with jax.enable_x64(True):
        theta = jnp.asarray(np.asarray(theta, dtype=np.float64))
        return np.array(class_probabilities(chain, theta, counters=counters, cap=cap))


def probabilities_and_gradient(
    chain: Chain,
    theta: Any,
    scalar: Any,
    *,
    counters: Sequence[str] = (),
    cap: int = 16,
) -> tuple[np.ndarray, float, np.ndarray]:
    """Class probabilities (B, K), a scalar of them and its gradient in theta, all float64.

    scalar : weights (B, K), meaning sum(weights * prob), or a JAX function of prob. A function
        is compiled once per function object: pass the same one again, not a new lambda.
    """
    activate()
    layout = layout_of(chain, counters, cap)
    with jax.enable_x64(True):
        theta = jnp.asarray(np.asarray(theta, dtype=np.float64))
        if callable(scalar):
            out = _value_and_grad(layout, scalar)(theta, numbers_of(chain), None)
        else:
            weights = jnp.asarray(np.asarray(scalar, dtype=np.float64))
            out = _value_and_grad(layout, _weighted)(theta, numbers_of(chain), weights)
        (value, prob), gradient = out
        return np.array(prob), float(value), np.array(gradient)


def _weighted(prob: Any, weights: Any) -> Any:
    return jnp.sum(prob * weights)


@functools.lru_cache(maxsize=64)
def _value_and_grad(layout: Layout, scalar: Callable[..., Any]) -> Callable[..., Any]:
    def value(theta, numbers, weights):
        prob = class_program(layout, theta, numbers, fused=True)
        return (scalar(prob) if weights is None else scalar(prob, weights)), prob

    return jax.jit(jax.value_and_grad(value, has_aux=True))


@functools.lru_cache(maxsize=256)
def _compiled(layout: Layout) -> Callable[..., Any]:
    return jax.jit(functools.partial(class_program, layout))


# -- class tables -------------------------------------------------------------------------------
@dataclass(frozen=True)
class ClassSpace:
    """The classes that a reward can tell apart, with what is known of each.

    chain : the chain they belong to
    counters : counters carried; cap : the value at which they saturate
    """

    chain: Chain
    counters: tuple[str, ...] = ()
    cap: int = 16

    @property
    def layout(self) -> Layout:
        """The compiled program's layout."""
        return layout_of(self.chain, self.counters, self.cap)

    @property
    def n_classes(self) -> int:
        """K."""
        return self.layout.n_classes

    @property
    def exact(self) -> bool:
        """True if no counter can saturate."""
        return not self.layout.counters or self.layout.cap >= self.chain.H

    @property
    def correct(self) -> np.ndarray:
        """(K,) 1 for right answers."""
        return np.repeat(self.chain.class_correct(), self.layout.bins)

    @property
    def length(self) -> np.ndarray:
        """(K,) tokens."""
        return np.repeat(self.chain.class_length(), self.layout.bins)

    @property
    def truncated(self) -> np.ndarray:
        """(K,) bool."""
        return np.repeat(self.chain.class_truncated(), self.layout.bins)

    def counter(self, name: str) -> np.ndarray:
        """(K,) the named counter, saturated at cap; 0 for an action that the chain lacks."""
        layout = self.layout
        if name not in self.counters:
            msg = f"counter {name!r} is not carried; these classes have {self.counters}"
            raise KeyError(msg)
        if name not in layout.counters:
            return np.zeros(layout.n_classes)
        bins = np.indices((layout.cap + 1,) * len(layout.counters))[layout.counters.index(name)]
        return np.tile(bins.ravel(), 2 * layout.H + 1).astype(float)

    def probabilities(self, theta: Any) -> np.ndarray:
        """(B, K) float64 on the host."""
        return probabilities(self.chain, theta, counters=self.counters, cap=self.cap)

    def fields(self) -> dict[str, np.ndarray]:
        """name -> (K,) for each counter."""
        return {name: self.counter(name) for name in self.counters}

    def rollouts(self, prob: Any, *, group_size: float = math.inf, step: Any = 0) -> Rollouts:
        """Class probabilities (..., B, K) as Rollouts weighted by share x probability."""
        return class_rollouts(
            prob,
            correct=self.correct,
            length=self.length,
            truncated=self.truncated,
            fields=self.fields(),
            shares=self.chain.shares,
            max_length=self.chain.max_length,
            group_size=group_size,
            step=step,
        )


def classes_for(chain: Chain, shaper: Any, *, cap: int = 16) -> ClassSpace:
    """The coarsest classes on which the shaper is a function: only the counters it reads."""
    return ClassSpace(chain, tuple(n for n in shaper.all_needs() if n in COUNTERS), cap)


@dataclass(frozen=True)
class Refined:
    """An answer at the cap where doubling it again moved it by `change` (relative)."""

    value: Any
    cap: int
    change: float


def refine(
    fn: Callable[[int], Any], *, start: int = 16, tolerance: float = 0.01, limit: int = 4096
) -> Refined:
    """Double the counters' cap until the answer fn(cap) moves by less than `tolerance`.

    The change is max |new - old| / max |new|. `limit`: pass the chain's H, where counters are
    exact; the answer at the limit is returned with change 0.
    """
    cap = min(start, limit)
    value = np.asarray(fn(cap))
    while cap < limit:
        double = min(2 * cap, limit)
        new = np.asarray(fn(double))
        scale = np.abs(new).max()
        change = float(np.abs(new - value).max() / scale) if scale > 0 else 0.0
        if change < tolerance:
            return Refined(new, double, change)
        cap, value = double, new
    return Refined(value, cap, 0.0)
