"""Does a completion repeat itself? Measures on lists of tokens or words, and on paragraphs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Sequence

from toyrl.graders.base import TextRow

PARAGRAPHS = re.compile(r"\n\s*\n")


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


def duplicate_paragraphs(text: str) -> float:
    """Share of paragraphs that stand earlier in the text already, in [0, 1); up to spaces."""
    own = [" ".join(p.split()) for p in PARAGRAPHS.split(text) if p.strip()]
    return 1 - len(set(own)) / len(own) if own else 0.0
