"""Does a completion repeat itself? Measures on lists of tokens or words, and on paragraphs."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from toyrl.graders.base import TextRow

PARAGRAPHS = re.compile(r"\n\s*\n")
WORDS = re.compile(r"\w+")
FEW_WORDS, SMALL, BLOCK = 64, 2_000_000, 256
"""Vocabularies and tables that are compared as dense matrices, and rows at a time."""


def repeats(tokens: Sequence[Hashable], *, n: int = 4, times: int = 3, gap: float = 1 / 3) -> bool:
    """True if an n-gram stands `times` times with neighbours closer than `gap` of the length.

    tokens : token ids or words, compared by value: give a list, not a tensor, whose elements
        differ even where their numbers are equal (so the guard of the released code never fired)
    gap : in shares of len(tokens)

    Source: LASER code, compute_unique_tokens.py (scan from the end; n 4, times 3, gap 1/3).
    """
    limit, places = gap * len(tokens), defaultdict(list)
    for i in range(len(tokens) - n, -1, -1):
        seen = places[tuple(tokens[i : i + n])]
        if seen and not seen[-1] - i < limit:
            seen.clear()
        seen.append(i)
        if len(seen) >= times:
            return True
    return False


def is_repeated(row: TextRow) -> float:
    """1.0 if the completion's words repeat themselves (`repeats`), else 0.0: field `repeated`."""
    return float(repeats(row.completion.split()))


def distinct_share(tokens: Sequence[Hashable], n: int = 4) -> float:
    """Distinct n-grams over all n-grams, in (0, 1]; 1 for a text shorter than n."""
    grams = len(tokens) - n + 1
    distinct = set(zip(*(tokens[i:] for i in range(n)), strict=False))
    return len(distinct) / grams if grams > 0 else 1.0


def repeated_share(tokens: Sequence[Hashable], n: int = 20) -> float:
    """Distinct n-grams that occur more than once, over all n-grams, in [0, 1/2]; 0 for none.

    A loop has few distinct n-grams, so that its share falls to 0 as it goes on: where loops are
    to be stopped, use 1 - distinct_share.

    Source: paper 25's code, math_score.py (n = 20, words between spaces).
    """
    grams = Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1))
    total = sum(grams.values())
    return sum(count > 1 for count in grams.values()) / total if total else 0.0


def duplicate_paragraphs(text: str) -> float:
    """Share of paragraphs that stand earlier in the text already, in [0, 1); up to spaces."""
    own = [" ".join(p.split()) for p in PARAGRAPHS.split(text) if p.strip()]
    return 1 - len(set(own)) / len(own) if own else 0.0


def jaccard(a: frozenset[Hashable], b: frozenset[Hashable]) -> float:
    """Shared over all elements of two sets, in [0, 1]; 1 for two empty ones."""
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared) if a or b else 1.0


def similar_paragraphs(
    text: str, tau: float = 0.8, words: Callable[[str], Sequence[str]] = WORDS.findall
) -> float:
    """Share of paragraphs whose words are much the same as an earlier one's, in [0, 1).

    tau : least `jaccard` of the sets of words in lower case, in (0, 1]; at 1 the same words
    words : text -> its words; a paragraph without any counts as one word, itself

    Source: paper 10 (reconstructed).
    """
    found = [p.strip().lower() for p in PARAGRAPHS.split(text) if p.strip()]
    sets = [frozenset(words(p)) or frozenset((p,)) for p in found]
    distinct = list(dict.fromkeys(sets))
    copies = len(sets) - len(distinct) + (_alike(distinct, tau) if len(distinct) > 1 else 0)
    return copies / len(sets) if sets else 0.0


def _alike(sets: Sequence[frozenset[str]], tau: float) -> int:
    """How many of the sets are as alike as tau to an earlier one; none is empty."""
    place: dict[str, int] = {}
    size = np.array([len(own) for own in sets])
    words = np.array([place.setdefault(word, len(place)) for own in sets for word in own])
    rows = np.repeat(np.arange(len(sets)), size)
    dense = len(place) <= FEW_WORDS or len(sets) * len(place) <= SMALL
    if dense:
        x: Any = np.zeros((len(sets), len(place)), np.float32)
        x[rows, words] = 1
    else:
        from scipy.sparse import csr_array

        x = csr_array((np.ones(len(rows), np.float32), (rows, words)))
    count = 0
    for start in range(0, len(sets), BLOCK):
        stop = min(start + BLOCK, len(sets))
        shared = x[start:stop] @ x[:stop].T
        if dense:
            near = (1 + tau) * shared > tau * (size[start:stop, None] + size[:stop]) - 0.5
            i, j = np.nonzero(near & np.tri(stop - start, stop, start - 1, dtype=bool))
            both = shared[i, j]
        else:
            found = shared.tocoo()
            i, j, both = found.row, found.col, found.data
        i = i + start
        near = (j < i) & (both / (size[i] + size[j] - both) >= tau)
        count += len(np.unique(i[near]))
    return count
