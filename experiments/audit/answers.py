"""What a judge answers, read: a score, or which of two texts is better."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
WHOLE = re.compile(rf"\s*({NUMBER})\s*(?:/\s*\d+(?:\.\d+)?)?\s*")
SAID = re.compile(
    rf"(?:\[\[\s*({NUMBER})\s*\]\]"
    rf"|\b(?:score|rating|grade|reward)\b\W{{0,5}}(?:is\W{{0,3}})?({NUMBER}))",
    re.IGNORECASE,
)
KEYS = (
    "score",
    "rating",
    "reward",
    "preference",
    "winner",
    "verdict",
    "better",
    "choice",
    "answer",
)
FIRST = ("a", "1", "first", "left", "one")
SECOND = ("b", "2", "second", "right", "two")
TIE = ("c", "tie", "tied", "draw", "equal", "same", "both", "neither", "0.5")
WORDS = {**dict.fromkeys(FIRST, 1.0), **dict.fromkeys(SECOND, 0.0), **dict.fromkeys(TIE, 0.5)}
MARKED = re.compile(r"\[\[\s*(\w+)\s*\]\]")
NAMED = re.compile(
    r"^\W*(?:the\s+)?(?:answer|response|completion|text|assistant|option|output|verdict|winner)?"
    r"\W*(?:is\W*)?([a-z]+|[012](?:\.5)?)(?:\s+(?:answer|response|completion|text|is better))?\W*$",
    re.IGNORECASE,
)
BEST = re.compile(
    r"\b(?:answer|response|completion|text|assistant|option)\s+([AB12])\s+(?:is|wins|seems)\b",
    re.IGNORECASE,
)


def score_of(answer: Any) -> float | None:
    """The number that a judge gives a text; None for what can't be read as one finite number.

    Numbers of any library, "7", "7/10", "Score: 7", "[[7]]", {"score": 7}, (7, reason).
    """
    value = _inside(answer)
    if isinstance(value, str):
        whole = WHOLE.fullmatch(value)
        said = {next(g for g in m.groups() if g) for m in SAID.finditer(value)}
        text = whole[1] if whole else said.pop() if len(said) == 1 else None
        return None if text is None else _finite(text)
    return _finite(value)


def preference_of(answer: Any) -> float | None:
    """Chance that the first of two texts is better; None for what can't be read.

    A number in [0, 1] is that chance itself and True means the first; words: "A", "[[B]]",
    "first", "Response 2", "tie". The texts "1" and "2" name a text, numbers don't.
    """
    value = _inside(answer)
    if isinstance(value, str):
        marked = {m.lower() for m in MARKED.findall(value)}
        if not marked and (named := NAMED.fullmatch(value.strip())):
            marked = {named[1].lower()}
        if not marked:
            marked = {m.lower() for m in BEST.findall(value)}
        known = {WORDS[m] for m in marked if m in WORDS}
        return known.pop() if len(known) == 1 and len(marked) == 1 else None
    number = _finite(value)
    return number if number is not None and 0 <= number <= 1 else None


def _inside(answer: Any) -> Any:
    """The value in a mapping with one of the usual keys, or at the head of a tuple."""
    if isinstance(answer, Mapping):
        return next((answer[k] for k in KEYS if k in answer), None)
    if isinstance(answer, tuple) and answer:
        return answer[0]
    return answer


def _finite(value: Any) -> float | None:
    if value is None or isinstance(value, bytes | complex | list | dict | set):
        return None
    try:
        number = float(value.item() if hasattr(value, "item") else value)
    except Exception:  # a tensor of several numbers raises what its library likes
        return None
    return number if math.isfinite(number) else None
