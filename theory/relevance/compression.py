"""Capsules: what the cosine, the utility and their product keep of a long prompt.

The prompt has J facts, once each, and F kinds of filler, J times each; token vectors are at right
angles and of one length. A question asks for each fact; L tokens are read.

Formulas: docs/theory/relevance.md.

Source: derived, for the toy prompt of paper 16 (whose algebra is reconstructed).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np

from toyrl.ranges import COUNT, NOT_NEGATIVE_OR_INF, Range, checked
from toyrl.registry import entry

Array = Any
NUMBER = Range("[0, inf)", whole=True)


@entry(
    "capsule_cosine",
    kind="theorem",
    cards=("16",),
    provenance="derived",
    section="keep-mask compression",
    formula="(J sum g + a)/sqrt((F J^2 + J)(a + sum g^2))",
)
@checked
def capsule_cosine(
    facts: Annotated[float, Range("[0, inf)")], fillers: Sequence[float], *,
    n_facts: Annotated[int, COUNT] = 8,
) -> float:  # fmt: skip
    """Cosine of the prompt and a capsule of a facts, once each, and g_i fillers of each kind.

    fillers : how often each of the F kinds is kept, (F,) numbers; nothing kept: 0

    Raises ValueError for numbers out of their ranges.
    """
    g = np.asarray(fillers, dtype=float)
    size = facts + float(g @ g)
    if size == 0:
        return 0.0
    whole = g.size * n_facts**2 + n_facts
    return (n_facts * float(g.sum()) + facts) / math.sqrt(whole * size)


@entry(
    "budget_utility",
    kind="theorem",
    cards=("16",),
    provenance="derived",
    section="best utility of a budget",
    formula="sum of the L largest weights / sum of all",
)
@checked
def budget_utility(budget: Annotated[float, NOT_NEGATIVE_OR_INF], weights: Array) -> float:
    """Largest utility of L tokens, where each question needs one token of its own.

    weights : (Q,) of the questions, above 0

    Raises ValueError for a budget or weights out of their ranges.
    """
    w = np.sort(np.asarray(weights, dtype=float))[::-1]
    if not (w.size and np.isfinite(w).all() and (w > 0).all()):
        msg = "weights must be finite numbers above 0, at least one"
        raise ValueError(msg)
    return float(w[: int(min(budget, w.size))].sum() / w.sum())


@entry(
    "random_order_utility",
    kind="theorem",
    cards=("16",),
    provenance="derived",
    section="cut without training",
    formula="min(L, n)/n",
)
@checked
def random_order_utility(
    budget: Annotated[float, NOT_NEGATIVE_OR_INF], n: Annotated[int, COUNT]
) -> float:
    """Expected utility of the first L of n tokens in a random order, a token a question.

    Raises ValueError for numbers out of their ranges.
    """
    return min(budget, n) / n


@entry(
    "best_capsule",
    kind="theorem",
    cards=("16",),
    provenance="derived",
    section="optimum of the product",
    formula="max over a, t of (a/J) cosine(a, fillers as even as t allows)",
)
@checked
def best_capsule(
    budget: Annotated[int, NUMBER], *, n_facts: Annotated[int, COUNT] = 8,
    kinds: Annotated[int, COUNT] = 4,
) -> tuple[float, int, int]:  # fmt: skip
    """(reward, facts, fillers) of the product's best capsule of at most `budget` tokens.

    For given numbers of both the cosine is largest where fillers are spread evenly over their
    kinds, since sum g^2 is least there: so two numbers are searched instead of multisets.

    Raises ValueError for numbers out of their ranges.
    """
    best = (0.0, 0, 0)
    for a in range(min(budget, n_facts) + 1):
        for t in range(min(budget - a, kinds * n_facts) + 1):
            even = [t // kinds + (i < t % kinds) for i in range(kinds)]
            value = a / n_facts * capsule_cosine(a, even, n_facts=n_facts)
            best = max(best, (value, a, t), key=lambda x: x[0])
    return best


@entry(
    "every_capsule",
    kind="theorem",
    cards=("16",),
    provenance="derived",
    section="optimum of the product, by enumeration",
    formula="(a/J, cosine(a, g)) for every a and g",
)
@checked
def every_capsule(
    budget: Annotated[int, NUMBER], *, n_facts: Annotated[int, COUNT] = 8,
    kinds: Annotated[int, COUNT] = 4,
) -> np.ndarray:  # fmt: skip
    """(N, 2) utility and cosine of every multiset of at most `budget` tokens, by enumeration.

    Fillers are counted up to the order of their kinds. Derived: the slow definition that
    `best_capsule` is held against.

    Raises ValueError for numbers out of their ranges.
    """
    found = []
    for g in itertools.combinations_with_replacement(range(n_facts + 1), kinds):
        for a in range(min(n_facts, budget - sum(g)) + 1):
            found.append((a / n_facts, capsule_cosine(a, g, n_facts=n_facts)))
    return np.array(found)
