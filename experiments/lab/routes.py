"""Checks of one number found in several ways.

A closed form and an enumeration agree to rounding; a simulation to within its standard error.
`SIGMAS` standard errors are exceeded by chance once in 16,000 runs (normal, two-sided).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from toyrl.experiments.core import Check

SIGMAS = 4.0
CLOSED, ENUMERATED, SIMULATED = "closed form", "enumeration", "simulation"
EXACT = (CLOSED, ENUMERATED)
SAMPLED = (CLOSED, SIMULATED)


def same(name: str, found: Any, want: Any, tolerance: float, routes: tuple[str, ...] = EXACT,
         **options: Any) -> Check:  # fmt: skip
    """One number by two exact routes: `found` is within `tolerance` of `want`.

    options : further fields of `Check`, here and below
    """
    return Check(name, float(found), float(want), "~", tolerance, routes=routes, **options)


def apart(name: str, found: Any, want: Any, tolerance: float, routes: tuple[str, ...] = EXACT,
          **options: Any) -> Check:  # fmt: skip
    """Arrays by two exact routes: the largest |found - want| is at most `tolerance`.

    A NaN, or a number that one route lacks, fails.
    """
    found, want = np.asarray(found, dtype=float), np.asarray(want, dtype=float)
    worst = np.abs(found - want).max() if found.size else np.nan
    return Check(name, float(worst), tolerance, routes=routes, **options)


def missed(name: str, found: Any, want: Any, routes: tuple[str, ...] = EXACT,
           **options: Any) -> Check:  # fmt: skip
    """Signs, sides or whole numbers by two exact routes: the count of places that differ is 0."""
    differ = np.asarray(found) != np.asarray(want)
    return Check(name, float(differ.sum()), 0, "==", routes=routes, **options)


def sampled(name: str, x: Any, want: float, routes: tuple[str, ...] = SAMPLED,
            *, sigmas: float = SIGMAS, **options: Any) -> Check:  # fmt: skip
    """The mean of n independent draws x (n,) against an exact number.

    All draws alike have a standard error of 0: the check then asks for equality.
    """
    mean, error = mean_error(x)
    return Check(name, mean, want, "~", sigmas * error, error, routes, **options)


def deviation(name: str, mean: Any, error: Any, want: Any, routes: tuple[str, ...] = SAMPLED,
              *, sigmas: float = SIGMAS, op: str = "<=", stderr: float | None = 1.0,
              **options: Any) -> Check:  # fmt: skip
    """The largest of several sampled numbers' deviations, in standard errors.

    mean, error, want : of one shape; with many of them give `sigmas` for the largest of so many
    """
    z = standard_errors_away(mean, error, want)
    return Check(name, float(z.max()), sigmas, op, 0.0, stderr, routes, **options)


def beyond(name: str, mean: float, error: float, bound: float, op: str = ">",
           routes: tuple[str, ...] = SAMPLED, *, sigmas: float = SIGMAS, **options: Any
           ) -> Check:  # fmt: skip
    """A sampled number lies above (or, with "<", below) `bound` by over `sigmas` standard errors.

    The check's value is the limit on the bound's side, that many errors from the mean: what a
    sample is too small to tell fails.
    """
    limit = mean - sigmas * error if op == ">" else mean + sigmas * error
    return Check(name, float(limit), bound, op, 0.0, float(error), routes, **options)


def alone(route: str, why: str) -> Callable[..., Check]:
    """`Check` with one route, and why there is no second."""
    return partial(Check, routes=(route,), why_one_route=why)


def several(name: str, *, closed: float, enumerated: float, draws: Any, tolerance: float,
            **options: Any) -> list[Check]:  # fmt: skip
    """One number by three routes: enumerated to `tolerance`, sampled to `SIGMAS` errors."""
    return [
        same(f"{name}, enumerated", enumerated, closed, tolerance, **options),
        sampled(f"{name}, sampled", draws, closed, **options),
    ]


def mean_error(x: Any) -> tuple[float, float]:
    """Mean of independent draws (n,) and its standard error."""
    x = np.asarray(x, dtype=float)
    return float(x.mean()), float(x.std() / np.sqrt(x.size))


def jackknife(statistic: Callable[[np.ndarray], float], n: int) -> tuple[float, float]:
    """A statistic of n independent units and its standard error, each unit left out in turn.

    statistic : indices (m,) of units -> number; a smooth one: a median's error comes out wrong
    """
    units = np.arange(n)
    left = np.array([statistic(np.delete(units, i)) for i in units])
    return float(statistic(units)), float(np.sqrt((n - 1) * left.var()))


def standard_errors_away(mean: Any, error: Any, want: Any) -> np.ndarray:
    """|mean - want| / error; 0 where both are equal to the bit, inf where only the error is 0."""
    gap = np.abs(np.asarray(mean, dtype=float) - np.asarray(want, dtype=float))
    error = np.broadcast_to(np.asarray(error, dtype=float), gap.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(gap == 0, 0.0, gap / error)
