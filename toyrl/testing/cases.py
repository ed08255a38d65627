"""The situations on which laws are tried: rollouts, an order of the group, one rollout's place."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import seed as with_seed
from hypothesis import strategies as st
from hypothesis.database import ExampleDatabase

from toyrl.rollouts import FIELDS, Rollouts
from toyrl.testing import arrays
from toyrl.testing.strategies import rollouts


@dataclass(frozen=True)
class Case:
    """One drawn situation: rollouts, a permutation of the group, and one rollout's place."""

    rollouts: Rollouts
    order: tuple[int, ...]
    at: tuple[int, int]


def cases(
    needs: Sequence[str], *, weights: str | None = None, graded: bool | None = None
) -> st.SearchStrategy[Case]:
    """Situations with the arrays named in `needs` (graded None: either).

    Equal questions get the same strategy, so that laws and rewards share what is drawn from it.
    """
    read = tuple(dict.fromkeys(n for n in needs if n in FIELDS or n == "mask"))
    return _cases(read, weights, graded)


@lru_cache(maxsize=256)
def _cases(
    needs: tuple[str, ...], weights: str | None, graded: bool | None
) -> st.SearchStrategy[Case]:
    return _case(needs, weights, graded)


@st.composite
def _case(draw: Callable, needs: tuple[str, ...], weights: str | None, graded: bool | None) -> Case:
    fine = draw(st.booleans()) if graded is None else graded
    r = draw(rollouts(needs=needs, weights=weights, graded=fine))
    order = draw(st.permutations(range(r.shape[1])))
    at = draw(st.integers(0, r.shape[0] * r.shape[1] - 1))
    return Case(r, tuple(order), (at // r.shape[1], at % r.shape[1]))


def smaller_cases(case: Case) -> Iterator[Case]:
    """The case without one prompt, or without one rollout of every group."""
    (b, g), r = case.at, case.rollouts
    for out in range(r.shape[0] if r.shape[0] > 1 else 0):
        rows = [i for i in range(r.shape[0]) if i != out]
        yield Case(arrays.prompts(r, rows), case.order, (min(b, len(rows) - 1), g))
    if r.group_size is None:  # class probabilities would no longer sum to 1
        for out in range(r.shape[1] if r.shape[1] > 1 else 0):
            rows = [i for i in range(r.shape[1]) if i != out]
            order = tuple(i - (i > out) for i in case.order if i != out)
            yield Case(arrays.take(r, rows), order, (b, min(g, len(rows) - 1)))


def searching(
    max_examples: int, database: ExampleDatabase | None, phases: Sequence[Phase]
) -> settings:
    """Hypothesis' settings for a search for counterexamples, quiet and without a deadline."""
    return settings(
        max_examples=max_examples,
        database=database,
        deadline=None,
        derandomize=False,
        print_blob=False,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        phases=phases,
        suppress_health_check=(
            HealthCheck.too_slow,
            HealthCheck.filter_too_much,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
        ),
    )


@lru_cache(maxsize=64)
def drawn(strategy: st.SearchStrategy[Any], max_examples: int, seed: int) -> tuple[Any, ...]:
    """The cases on which a search with this seed tries a law that holds, in its order.

    Drawing costs twice what most laws do: they are drawn once for all laws and rewards that ask
    for the same. Hand each reward a `fresh` one.
    """
    out: list[Any] = []

    @searching(max_examples, None, (Phase.generate,))
    @with_seed(seed)
    @given(strategy)
    def collect(case: Any) -> None:
        out.append(case)

    collect()
    return tuple(out)


def fresh(case: Any) -> Any:
    """The case with arrays of its own, so that a reward that writes into them spoils no other."""
    if not isinstance(case, Case):
        return case
    r = copy.copy(case.rollouts)
    for name, value in vars(r).items():
        if isinstance(value, np.ndarray):
            object.__setattr__(r, name, value.copy())
    object.__setattr__(r, "fields", {k: np.array(v) for k, v in r.fields.items()})
    return Case(r, case.order, case.at)
