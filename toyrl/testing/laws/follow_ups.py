"""Laws of a score that contrasts approving with disapproving follow-ups.

    from toyrl.testing import assert_contrasts
    assert_contrasts(follow_up_contrast)

A score takes log-likelihoods of follow-ups by dimension, lists of arrays (n,) for either side, and
returns a number. Each law is a function of a score and random numbers; it returns nothing where it
holds and one sentence where it does not. Source: paper 49.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Score = Callable[[Sequence[np.ndarray], Sequence[np.ndarray]], Any]
Side = list[np.ndarray]
ROUNDING = 1e-9
"""Of means of a handful of numbers of a few nats."""


def common_level_cancels(score: Score, rng: np.random.Generator) -> str | None:
    """One number added to every follow-up of a response changes nothing."""
    good, bad = _sides(rng)
    moved = _paid(score, _each(good, lambda x: x - 2.5), _each(bad, lambda x: x - 2.5))
    return _same(moved, _paid(score, good, bad), "a level that all follow-ups share moves it")


def approval_counts_in_full(score: Score, rng: np.random.Generator) -> str | None:
    """One number added to the approving follow-ups alone is added to the score."""
    good, bad = _sides(rng)
    moved = _paid(score, _each(good, lambda x: x - 2.5), bad)
    return _same(moved, _paid(score, good, bad) - 2.5, "approval less by 2.5 moves it otherwise")


def exchanged_sides_negate(score: Score, rng: np.random.Generator) -> str | None:
    """With the sides exchanged the score changes its sign."""
    good, bad = _sides(rng)
    return _same(_paid(score, bad, good), -_paid(score, good, bad),
                 "exchanged sides don't negate it")  # fmt: skip


def order_and_copies_are_silent(score: Score, rng: np.random.Generator) -> str | None:
    """Another order of follow-ups, and every follow-up twice, change nothing."""
    good, bad = _sides(rng)
    other = _paid(score, _each(good, lambda x: np.tile(rng.permutation(x), 2)),
                  _each(bad, rng.permutation))  # fmt: skip
    return _same(other, _paid(score, good, bad), "order or copies of follow-ups move it")


def never_against_its_side(score: Score, rng: np.random.Generator) -> str | None:
    """A likelier approving follow-up never lowers the score, a disapproving one never raises it."""
    for side, sign in ((0, 1.0), (1, -1.0)):
        sides = _sides(rng)
        before = _paid(score, *sides)
        d = int(rng.integers(len(sides[side])))
        sides[side][d] = sides[side][d] + np.eye(len(sides[side][d]))[0] * rng.exponential()
        if sign * (_paid(score, *sides) - before) < -ROUNDING:
            return f"a likelier {('approving', 'disapproving')[side]} follow-up moves it against"
    return None


def within_the_likelihoods(score: Score, rng: np.random.Generator) -> str | None:
    """No score is larger in size than the largest log-likelihood: both means are 0 at most."""
    good, bad = _sides(rng)
    most = max(float(np.abs(x).max()) for x in (*good, *bad))
    found = abs(_paid(score, good, bad))
    return None if found <= most + ROUNDING else f"it is {found:.6g} where no l is above {most:.6g}"


FOLLOW_UP_LAWS: dict[str, Callable[[Score, np.random.Generator], str | None]] = {
    law.__name__: law
    for law in (common_level_cancels, approval_counts_in_full, exchanged_sides_negate,
                order_and_copies_are_silent, never_against_its_side, within_the_likelihoods)
}  # fmt: skip


def assert_contrasts(score: Score, *, cases: int = 20, seed: int = 0) -> None:
    """Every law of `FOLLOW_UP_LAWS` on random follow-ups of one to three dimensions.

    Raises AssertionError with the law's name, its sentence and the case's seed.
    """
    for name, law in FOLLOW_UP_LAWS.items():
        for case in range(cases):
            said = law(score, np.random.default_rng([seed, case]))
            if said is not None:
                msg = f"{name}: {said} (np.random.default_rng([{seed}, {case}]))"
                raise AssertionError(msg)


def _sides(rng: np.random.Generator) -> tuple[Side, Side]:
    dimensions = int(rng.integers(1, 4))
    good, bad = ([-rng.exponential(3.0, int(rng.integers(1, 5))) for _ in range(dimensions)]
                 for _ in range(2))  # fmt: skip
    return good, bad


def _each(side: Side, change: Callable[[np.ndarray], np.ndarray]) -> Side:
    return [change(x) for x in side]


def _paid(score: Score, good: Side, bad: Side) -> float:
    return float(np.asarray(score(good, bad)))


def _same(found: float, want: float, says: str) -> str | None:
    if abs(found - want) <= ROUNDING:
        return None
    return f"{says}: {found:.6g}, not {want:.6g}"
