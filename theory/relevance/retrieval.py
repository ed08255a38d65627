"""Relevance times length times variety: what repeating, padding and shuffling pay.

A text of N tokens is paid r LI RP, with LI = N/100, RP the share of its trigrams that are distinct,
and r the dot product of mean vectors (open questions), or F(r) RP (a known answer).

Formulas: docs/theory/relevance.md.

Source: paper 39 (R3), and derived.
"""

from __future__ import annotations

import math
from typing import Annotated

from toyrl.messages import shortened
from toyrl.ranges import COUNT, FINITE, NOT_NEGATIVE, POSITIVE, Range, checked
from toyrl.registry import entry

NUMBER = Range("[0, inf)", whole=True)
UNIT = 100.0
POOLINGS = ("mean", "unit")


@entry(
    "repeated_block",
    kind="theorem",
    cards=("39",),
    provenance="derived",
    section="LI and RP of a block repeated",
    formula="(N/100) min(n, N - 2)/(N - 2), N = k n",
)
@checked
def repeated_block(
    n: Annotated[int, COUNT], k: Annotated[int, COUNT], *, unit: Annotated[float, POSITIVE] = UNIT
) -> float:
    """LI RP of n distinct tokens written k times over; n/100 for many times.

    unit : tokens that an LI of 1 has

    Raises ValueError for numbers out of their ranges.
    """
    size = n * k
    variety = min(n, size - 2) / (size - 2) if size >= 3 else 1.0
    return size / unit * variety


@entry(
    "padded_relevance",
    kind="theorem",
    cards=("39",),
    provenance="derived",
    section="padding",
    formula="mean: a m/100; unit: a m sqrt(a + b)/100",
)
@checked
def padded_relevance(
    on: Annotated[int, NUMBER],
    off: Annotated[int, NUMBER],
    m: Annotated[float, FINITE],
    *,
    pooling: str = "mean",
    unit: Annotated[float, POSITIVE] = UNIT,
) -> float:
    """r LI RP of `on` words on the topic and `off` others, all different and at right angles.

    m : dot product of the query's vector and one word on the topic, the others' is 0
    pooling : of the text's vector: the "mean" of its words', or the same at "unit" length

    Raises ValueError for numbers out of their ranges and another pooling.
    """
    if pooling not in POOLINGS:
        msg = f"pooling={shortened(pooling)} is not one of {', '.join(POOLINGS)}"
        raise ValueError(msg)
    return on * m / unit * (1.0 if pooling == "mean" else math.sqrt(on + off))


@entry(
    "best_open_reward",
    kind="theorem",
    cards=("39",),
    provenance="derived",
    section="best text",
    formula="m min(N_max, v)/100; m min(N_max, v^3 + 2)/100 if words may be used again",
)
@checked
def best_open_reward(
    limit: Annotated[int, NUMBER],
    words: Annotated[int, COUNT],
    m: Annotated[float, NOT_NEGATIVE],
    *,
    again: bool = False,
    unit: Annotated[float, POSITIVE] = UNIT,
) -> float:
    """Largest r LI RP of a text of at most `limit` tokens of v words on the topic, RP being 1.

    again : words may be used again; a De Bruijn sequence has v^3 + 2 tokens and no trigram twice

    Raises ValueError for numbers out of their ranges.
    """
    return m * min(limit, longest_varied(words) if again else words) / unit


@entry(
    "longest_varied",
    kind="theorem",
    cards=("39",),
    provenance="derived",
    section="what the repetition penalty can't see",
    formula="v^n + n - 1",
)
@checked
def longest_varied(words: Annotated[int, COUNT], n: Annotated[int, COUNT] = 3) -> int:
    """Tokens of the longest text of v words in which no n-gram stands twice (De Bruijn).

    Source: textbook; derived for paper 39.

    Raises ValueError for numbers out of their ranges.
    """
    return words**n + n - 1


@entry(
    "constrained_relevance",
    kind="theorem",
    cards=("39",),
    provenance="code",
    section="F(r_y) RP",
    formula="r/3.5 (max_sequence_length/100) RP",
)
@checked
def constrained_relevance(
    r: Annotated[float, FINITE],
    share: Annotated[float, Range("(0, 1]")] = 1.0,
    *,
    limit: Annotated[int, COUNT] = 512,
    largest: Annotated[float, POSITIVE] = 3.5,
) -> float:
    """F(r_y) RP, whatever the length.

    share : RP; limit : max_sequence_length

    Raises ValueError for numbers out of their ranges.
    """
    return r / largest * limit / UNIT * share


@entry(
    "varied_text",
    kind="theorem",
    cards=("39",),
    provenance="derived",
    section="what the repetition penalty can't see",
    formula="De Bruijn sequence of v words",
)
@checked
def varied_text(
    words: Annotated[int, COUNT], limit: Annotated[int, NUMBER], n: Annotated[int, COUNT] = 3
) -> list[int]:
    """The first `limit` tokens, of 0 ... words - 1, of a text in which no n-gram stands twice.

    Textbook: the De Bruijn sequence from Lyndon words in order; at most `longest_varied` tokens.

    Raises ValueError for numbers out of their ranges.
    """
    found: list[int] = []
    word = [-1]
    while word and len(found) < limit:  # Duval: the Lyndon words up to length n
        word[-1] += 1
        if n % len(word) == 0:
            found += word
        size = len(word)
        word = [word[i % size] for i in range(n)]
        while word and word[-1] == words - 1:
            word.pop()
    most = min(limit, longest_varied(words, n))
    return [found[i % len(found)] for i in range(most)]
