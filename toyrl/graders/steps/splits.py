"""Steps of a text: where they begin and end, in characters and in tokens.

    spans = steps(text, "blank_line")             [(0, 14), (14, 31)]: they cover the text
    ends = token_ends(spans, offsets)             [3, 8]: the last token of each
    on_tokens(scores, ends, len(offsets))         the scores there, 0 elsewhere

One splitter for rewards that pay steps, segments or sentences: white space behind a step belongs to
it, so that spans leave nothing out and every token has a step.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from toyrl.messages import shortened

Span = tuple[int, int]
Splitter = Callable[[str], Sequence[int]]
"""A text's cuts: the characters, between 0 and its length, at which a new step begins."""

SHORTEST = 5  # words of a sub-sentence, and words that must remain behind a cut
WORD = re.compile(r"\S+")
END = re.compile(r"[.!?]+[\"')\]\u201d\u2019]*\s+(?=[\"'(\[\u201c\u2018]?[A-Z0-9])|\n\s*\n")
ABBREVIATION = re.compile(
    r"(?:^|[\s(\[])(?:[A-Za-z]|[Mm]rs?|Ms|Dr|Prof|St|vs|[Ff]igs?|[Ee]qs?|[Nn]os?|approx|cf|e\.g|i\.e"
    r"|etc|al|[Ss]ec|[Cc]h|pp?|[Vv]ol|Jr|Sr|(?:[A-Za-z]\.)+[A-Za-z])\.\s+$"
)


def _behind(pattern: str) -> Splitter:
    found = re.compile(pattern)
    return lambda text: [m.end() for m in found.finditer(text)]


def numbered(text: str) -> list[int]:
    """Cuts before "Step 1:", "Step 2:", ... (paper 54)."""
    return [m.start() for m in re.finditer(r"Step \d+:", text)]


def sentences(text: str) -> list[int]:
    """Cuts behind sentences: behind . ! ? before a capital or a digit, and behind a blank line.

    No cut behind an initial or one of the usual abbreviations. Plain rules for English; give
    `steps` a function of your own (spaCy's sentences, say) for more.
    """
    return [m.end() for m in END.finditer(text) if not _abbreviated(text[: m.end()], m.group())]


def _abbreviated(text: str, end: str) -> bool:
    return end.startswith(". ") and ABBREVIATION.search(text[-40:]) is not None


def sub_sentences(text: str) -> list[int]:
    """Cuts behind sentences, and inside them behind a word that ends in , ; ! or ?.

    A cut leaves at least five words of the sentence behind it; a piece of fewer than five words
    joins the one before it in the sentence, and the first one the piece behind it (paper 51, the
    released code's rule, on our sentences).
    """
    cuts: list[int] = []
    for low, high in steps(text, sentences):
        words = list(WORD.finditer(text, low, high))
        starts = [0]
        for i in range(1, len(words) - SHORTEST + 1):
            if words[i - 1].group()[-1] not in ",;!?":
                continue
            if i - starts[-1] >= SHORTEST:
                starts.append(i)
            elif len(starts) > 1:
                starts[-1] = i  # the short piece joins the one before it
        cuts += [low, *(words[i].start() for i in starts[1:])]
    return cuts


SPLITTERS: dict[str, Splitter] = {
    "blank_line": _behind(r"\n[ \t]*\n\s*"),
    "line": _behind(r"\n\s*"),
    "numbered": numbered,
    "sentence": sentences,
    "sub_sentence": sub_sentences,
    "whole": lambda _text: [],
}


def steps(text: str, how: str | re.Pattern[str] | Splitter = "blank_line") -> list[Span]:
    """The steps of a text as half-open spans of characters, in order and without gaps.

    how : one of `SPLITTERS`; a compiled pattern, behind each match of which a step ends; or a
        function from the text to the characters at which steps begin

    Steps of white space alone join the step before (the first one the step behind); a text of
    white space alone has no step.

    Raises ValueError for a name that is not one of them.
    """
    if isinstance(how, re.Pattern):
        cuts: Sequence[int] = [m.end() for m in how.finditer(text)]
    elif callable(how):
        cuts = how(text)
    elif how in SPLITTERS:
        cuts = SPLITTERS[how](text)
    else:
        msg = (
            f"how={shortened(how)} is not one of {', '.join(SPLITTERS)}, a compiled pattern or a "
            "function"
        )
        raise ValueError(msg)
    if not text.strip():
        return []
    own: list[int] = [0]
    for cut in sorted({c for c in cuts if 0 < c < len(text)}):
        if text[own[-1] : cut].strip() and text[cut:].strip():
            own.append(cut)
    return list(zip(own, [*own[1:], len(text)], strict=True))


def token_ends(spans: Sequence[Span], offsets: Any) -> np.ndarray:
    """(K,) place of the last token of each step, rising but for steps that end in one token.

    spans : K steps, in order; offsets : (T, 2) first character of each token and the one behind it,
        as a tokenizer's offset mapping of the completion; equal for tokens that are no text

    A token that reaches over a boundary belongs to the step before it. The last step ends with the
    last token: end tokens are its own, and so is the rest of a text whose tokens were cut off.

    Raises ValueError for offsets of another shape, and for a step in front of which there is no
    token at all.
    """
    place = np.asarray(offsets, dtype=int).reshape(-1, 2) if len(offsets) else np.zeros((0, 2), int)
    if not spans:
        return np.zeros(0, dtype=int)
    if not len(place):
        msg = f"{len(spans)} steps have no token to end on: offsets is empty"
        raise ValueError(msg)
    some = place[:, 1] > place[:, 0]
    starts = np.where(some, place[:, 0], np.iinfo(int).max)
    # Tokens stand in the order of the text: those that begin before a step's end are a prefix.
    before = [np.flatnonzero(starts < end) for _, end in spans]
    last = len(place) - 1
    ends = [int(found[-1]) if len(found) else 0 for found in before]
    return np.array([*ends[:-1], last], dtype=int)


def on_tokens(
    values: Sequence[float], ends: Sequence[int] | np.ndarray, tokens: int, *, clash: str = "add"
) -> np.ndarray:
    """(T,) the value of each step on its last token, 0 elsewhere.

    values, ends : (K,), NaN for a missing score; tokens : T
    clash : of two steps that end in one token the values "add" up, or the "last" one stays, as in
        the released code of paper 51

    Raises ValueError for more or fewer values than steps, and for another clash.
    """
    if len(values) != len(ends):
        msg = (
            f"{len(values)} scores for {len(ends)} steps; give one a step, NaN where it is missing"
        )
        raise ValueError(msg)
    if clash not in ("add", "last"):
        msg = f"clash={shortened(clash)} is not one of add, last"
        raise ValueError(msg)
    out = np.zeros(tokens)
    for value, end in zip(values, ends, strict=True):
        out[end] = float(value) + (out[end] if clash == "add" and not math.isnan(out[end]) else 0.0)
    return out


def marked_ends(ends: Sequence[int] | np.ndarray, tokens: int) -> np.ndarray:
    """(T,) 1 on the last token of each step, the field `step_ends`."""
    out = np.zeros(tokens)
    out[np.asarray(ends, dtype=int)] = 1.0
    return out
