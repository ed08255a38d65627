"""Laws of relevance rewards (paper 39), for the one here and for your own.

    from toyrl.testing.laws.relevance import RELEVANCE_LAWS
    assert not RELEVANCE_LAWS["copies"](MyRelevance(), row)

Each takes a reward of the form of `toyrl.graders.likeness.relevance.Relevance` and a row, and
returns nothing where the law holds and one sentence where it doesn't. They hold for embeddings that
are means over tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from toyrl.graders.base import TextRow
from toyrl.graders.likeness.embedded import embedder
from toyrl.graders.likeness.relevance import Relevance

TOLERANCE = 1e-9


def variety_is_a_share(reward: Relevance, row: TextRow) -> str | None:
    """RP lies in [1/(N - 2), 1], and is 1 exactly if no trigram stands twice or N < 3."""
    tokens = reward.counted(row.completion)
    share, n = reward.share(tokens), len(tokens)
    grams = [tuple(tokens[i : i + 3]) for i in range(n - 2)]
    if not 1 / max(n - 2, 1) - TOLERANCE <= share <= 1:
        return f"RP of {n} tokens is {share:.6g}, outside [1/(N - 2), 1]"
    if (share == 1) != (len(set(grams)) == len(grams)):
        return f"RP is {share:.6g} with {len(set(grams))} distinct trigrams of {len(grams)}"
    return None


def lengths_add(reward: Relevance, row: TextRow) -> str | None:
    """Tokens of a text and another after a space are those of both; twice the text pays less than
    twice LI RP.
    """  # fmt: skip
    text, other = row.completion, row.prompt
    one, two, both = (reward.counted(t) for t in (text, other, f"{text} {other}"))
    if len(both) != len(one) + len(two):
        return f"{len(one)} and {len(two)} tokens are {len(both)} together"
    if len(one) < 3:
        return None
    plain = replace(reward, relevance_scaling=False)
    once, twice = (plain.paid(1.0, len(t), plain.share(t), False) for t in (one, one * 2))
    if plain.length_incentive and plain.repetition_penalty and not twice < 2 * once:
        return f"LI RP of the text is {once:.6g}, of it twice over {twice:.6g}"
    return None


def switches_count_as_one(reward: Relevance, row: TextRow) -> str | None:
    """All off pays 1, length alone N/100; without a constrained question branching is nothing."""
    off = {"length_incentive": False, "repetition_penalty": False, "relevance_scaling": False}
    n = len(reward.counted(row.completion))
    base = replace(reward, empty="paid", **off)
    for kind, options, want in (("all off", {}, 1.0), ("length", {"length_incentive": True}, n)):
        found = replace(base, **options).grade([row])[0] * (100 if options else 1)
        if abs(found - want) > TOLERANCE * max(want, 1):
            return f"{kind}: paid {found:.6g} instead of {want:.6g} (length times 100)"
    open_ = TextRow(row.prompt, row.completion, {"qtype": "OPENENDED", "reference": "no"})
    with_, without = (replace(reward, reward_branching=b).grade([open_])[0] for b in (True, False))
    return None if _same(with_, without) else f"open, but branching moves it to {with_:.6g}"


def known_answers_have_no_length(reward: Relevance, row: TextRow) -> str | None:
    """F is linear with F(0) = 0, F(largest) = limit/100, whatever N."""
    del row
    if not (reward.reward_branching and reward.relevance_scaling):
        return None
    top = reward.max_sequence_length / 100
    for n in (1, 8, 1000):
        for part in (0.0, 0.3, 1.0):
            found = reward.paid(part * reward.largest, n, 1.0, True)
            if not _same(found, part * top):
                return f"{n} tokens, r = {part:g} of the largest: {found:.6g}, not {part * top:.6g}"
    return None


def copies_never_help(reward: Relevance, row: TextRow) -> str | None:
    """A known answer said twice is paid no more than once, where its relevance is not negative."""
    known = replace(row, columns={"qtype": "CONSTRAINED", "reference": row.prompt or "yes"})
    twice = replace(known, completion=f"{row.completion} {row.completion}")
    one, two = reward.grade_parts([known, twice])
    if one.facts["relevance"] < 0 or math.isnan(one.total):
        return None
    worse = two.total <= one.total + TOLERANCE * abs(one.total)
    return None if worse else f"paid {one.total:.6g} once and {two.total:.6g} twice"


def order_is_nothing_to_relevance(reward: Relevance, row: TextRow) -> str | None:
    """r LI is the same for the words in reverse."""
    plain = replace(reward, repetition_penalty=False, strip="none")
    words = row.completion.split()
    texts = (" ".join(words), " ".join(reversed(words)))
    one, two = plain.grade([TextRow(row.prompt, text) for text in texts])
    return None if _same(one, two) else f"paid {one:.6g}, in reverse {two:.6g}"


def scale_is_squared(reward: Relevance, row: TextRow, scale: float = 3.0) -> str | None:
    """All vectors times s: r times s^2, so that the order of open texts stays."""
    base = embedder(reward.embed)

    def larger(texts: Sequence[str]) -> Any:
        return base(texts) * scale

    one, two = (
        r.grade_parts([row])[0].facts["relevance"]
        for r in (replace(reward, embed=base), replace(reward, embed=larger))
    )
    same = not reward.relevance_scaling or _same(one * scale**2, two)
    return None if same else f"r = {one:.6g} became {two:.6g} at scale {scale:g}"


def _same(a: float, b: float) -> bool:
    return bool(np.isclose(a, b, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True))


RELEVANCE_LAWS = {
    "variety": variety_is_a_share,
    "lengths": lengths_add,
    "switches": switches_count_as_one,
    "known": known_answers_have_no_length,
    "copies": copies_never_help,
    "order": order_is_nothing_to_relevance,
    "scale": scale_is_squared,
}
