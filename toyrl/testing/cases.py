"""The situations on which laws are tried: rollouts, an order of the group, one rollout's place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hypothesis import strategies as st

from toyrl.rollouts import Rollouts
from toyrl.testing import arrays
from toyrl.testing.strategies import rollouts


@dataclass(frozen=True)
class Case:
    """One drawn situation: rollouts, a permutation of the group, and one rollout's place."""

    rollouts: Rollouts
    order: tuple[int, ...]
    at: tuple[int, int]


@st.composite
def cases(
    draw: Callable,
    needs: tuple[str, ...],
    *,
    weights: str | None = None,
    graded: bool | None = None,
) -> Case:
    """Situations with the arrays named in `needs` (graded None: either)."""
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
