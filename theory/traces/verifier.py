"""What a verifier of traces pays, and what a format of traces costs in tokens.

Steps are taken to be right with chance q each, given that all before them are. Formulas:
docs/theory/traces.md.

Source: derived, for the verifier of traces that extends paper 26.
"""

from __future__ import annotations

import math
from typing import Annotated

from toyrl.messages import shortened
from toyrl.ranges import COUNT, SHARE, Range, checked
from toyrl.registry import entry

FORMS = ("tail", "no_fetcher", "block", "answer", "index_hint", "reversed")


@entry(
    "trace_prefix_mean",
    kind="theorem",
    cards=("26",),
    provenance="derived",
    section="verifier of the longest correct prefix",
    formula="(1/n) sum_j q^j",
)
@checked
def trace_prefix_mean(q: Annotated[float, SHARE], n_steps: Annotated[int, COUNT]) -> float:
    """Mean of the longest correct prefix over n states.

    Raises ValueError for numbers out of their ranges.
    """
    return math.fsum(q**j for j in range(1, n_steps + 1)) / n_steps


@entry(
    "trace_prefix_variance",
    kind="theorem",
    cards=("26",),
    provenance="derived",
    section="verifier of the longest correct prefix",
    formula="(1/n^2) sum_j (2j - 1) q^j - mean^2",
)
@checked
def trace_prefix_variance(q: Annotated[float, SHARE], n_steps: Annotated[int, COUNT]) -> float:
    """Variance of that share between rollouts: what a group has to compare.

    Raises ValueError for numbers out of their ranges.
    """
    square = math.fsum((2 * j - 1) * q**j for j in range(1, n_steps + 1)) / n_steps**2
    return max(0.0, square - trace_prefix_mean(q, n_steps) ** 2)


@entry(
    "group_has_signal",
    kind="theorem",
    cards=("26",),
    provenance="derived",
    section="initialisation and outcome reward",
    formula="1 - P^G - (1 - P)^G; by prefix with P = q",
)
@checked
def group_has_signal(
    success: Annotated[float, SHARE], group_size: Annotated[int, Range("[1, inf)", whole=True)]
) -> float:
    """Chance that a group of G rollouts is neither all right nor all wrong.

    success : P of a whole rollout for an outcome reward (q^m for m unseen states); q of the next
        state for the prefix, where all rollouts have come as far

    Raises ValueError for numbers out of their ranges.
    """
    none = (1 - success) ** group_size
    # 1 - (1 - P)^G loses all digits for small P.
    some = -math.expm1(group_size * math.log1p(-success)) if success < 1 else 1 - none
    return max(0.0, some - success**group_size)


def _digits_up_to(n: int) -> int:
    """Digits of 0, 1, ..., n together, the numbers written in base 10."""
    total, low, size = 1, 1, 1
    while low <= n:
        total += (min(n, 10 * low - 1) - low + 1) * size
        low, size = 10 * low, size + 1
    return total


@entry(
    "trace_cost",
    kind="theorem",
    cards=("26",),
    provenance="derived",
    section="what each format costs",
    formula="sum over states of fixed signs, operands, and digits of its number and the next",
)
@checked
def trace_cost(form: str, length: Annotated[int, COUNT], block: Annotated[int, COUNT] = 2) -> int:
    """Tokens of an addition of 5...5 and 5...5 in base 10, one token a digit, word or sign.

    form : of `toyrl.worlds.traces.addition.FORMATS`; block : digits a state of "block", of which
        `length` is a multiple

    Raises ValueError for another form, and for a length that leaves a block unfilled.
    """
    if form not in FORMS:
        msg = f"form={shortened(form)} is not one of {', '.join(FORMS)}"
        raise ValueError(msg)
    if form == "block" and length % block:
        msg = f"length={length} is no multiple of block={block}; the last state would be shorter"
        raise ValueError(msg)
    n = length // block if form == "block" else length
    numbers = _digits_up_to(n - 1) + _digits_up_to(n) - 1
    answer = 5 + length  # ####, the digits, the last carry
    last = 11 + len(str(n))  # the state that appends it
    return (
        answer
        + {
            "answer": 0,
            "reversed": 0,
            "index_hint": 6 * length + 2,
            "no_fetcher": 10 * n + numbers,
            "tail": 15 * n + numbers + last,
            "block": 12 * n + 3 * length + numbers + last,
        }[form]
    )
