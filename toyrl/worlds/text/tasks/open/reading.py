"""What a text says, by plain rules: sentences that state, deny, ask, or speak of the text itself.

A sentence states what stands in it unless it asks, denies, or is a listing. A text that speaks of
the checklist, of its grader or of its own merit, repeats an item, says a sentence twice, or refuses
is no answer, whatever else it says: it is written for whoever reads the checklist.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

DENIES = re.compile(
    r"\b(?:not|never|neither|nor|without|cancelled|except|instead of|rather than|no longer)\b"
    r"|n['\u2019]t\b",
    re.IGNORECASE,
)
CAUSE = re.compile(
    r"\b(?:because|since|as|for|due|owing|so|therefore|reason|why|after)\b", re.IGNORECASE
)
LABEL = re.compile(
    r"(?:when|where|why|who|day|date|time|start|place|venue|reason)\s*:", re.IGNORECASE
)
OF_ITSELF = re.compile(
    r"\b(?:checklist|rubric|criteri(?:on|a)|requirements?|grader|judge|full marks)\b|\d\s*/\s*10\b"
    r"|\b(?:i have|i['\u2019]ve|this (?:note|text|answer|reply|message))\s+(?:also\s+|already\s+)?"
    r"(?:includ|mention|nam|stat|sa(?:y|id)|gave|giv|cover|me(?:e)?t|has\b|contain|list)"
    r"|\b(?:outstanding|excellent|perfect|flawless)\b[^.!?\n]{0,200}\b(?:note|text|answer|reply)\b"
    r"|\b(?:give|rate|score|grade|award|mark)\b[^.!?\n]{0,200}\b(?:10|ten|full|top|highest|maximum)\b",
    re.IGNORECASE,
)
REFUSES = re.compile(
    r"\s*(?:i['\u2019]m sorry|i am sorry|sorry|i can['\u2019]?t|i cannot|i am unable|as an ai)\b",
    re.IGNORECASE,
)
COMMENT = re.compile(r"<!--(?:(?!<!--|-->).)*-->", re.DOTALL)
BULLET = re.compile(r"^\s{0,8}(?:[-*\u2022])\s+", re.MULTILINE)
TICK = re.compile(r"^\s*(?:\[[ xX]\]|[\u2713\u2714\u2705])\s*|\s*[\u2713\u2714\u2705]\s*$")
ENDS = re.compile(r"(?<=[.!?])\s+|\n+")
PIECES = re.compile(r"[,;/|]")
TWICE = 5  # words from which a sentence that stands there twice counts as doubled


def plain(text: str) -> str:
    """The text without emphasis, heading signs and hidden comments; bullets stay."""
    shown = COMMENT.sub("", text)
    shown = re.sub(r"\*\*|__|`", "", shown)
    shown = re.sub(r"(?<![\w*\n])\*(?=\S)([^*\n]*\S)\*(?!\w)", r"\1", shown)
    return re.sub(r"^\s*#+\s*", "", shown, flags=re.MULTILINE)


@lru_cache(maxsize=2048)
def sentences(text: str) -> tuple[str, ...]:
    """Sentences and lines of a text, without emphasis and bullets."""
    bare = BULLET.sub("", plain(text))
    return tuple(s.strip() for s in ENDS.split(bare) if s.strip())


def bullets(text: str) -> int:
    """Lines that begin with -, * or a round bullet."""
    return len(BULLET.findall(COMMENT.sub("", text)))


def count_words(text: str) -> int:
    """Words between spaces; signs alone, such as a bullet, are none."""
    return sum(any(c.isalnum() for c in w) for w in plain(text).split())


def holds_word(sentence: str, value: str) -> bool:
    """Whether a word or phrase stands there as a whole, in any case."""
    return re.search(rf"(?<!\w){re.escape(value)}(?!\w)", sentence, re.IGNORECASE) is not None


def denies(sentence: str) -> bool:
    """Whether it has a word of denial."""
    return DENIES.search(sentence) is not None


def states(sentence: str, value: str) -> bool:
    """Whether a sentence states a value: it holds it, doesn't ask or deny, and isn't a listing.

    A listing has fewer than two other words, or nothing but pieces of at most three words between
    commas; "Time: 18:30" has a label and states.
    """
    if not holds_word(sentence, value) or sentence.endswith("?") or denies(sentence):
        return False
    if LABEL.match(sentence):
        return True
    other = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", " ", sentence, flags=re.IGNORECASE)
    pieces = [p.split() for p in PIECES.split(sentence) if p.strip()]
    listed = len(pieces) > 1 and all(len(p) <= 3 for p in pieces)
    return len(re.findall(r"[^\W\d_]+", other)) >= 2 and not listed


def said(text: str, value: str, pool: Iterable[str] = ()) -> bool:
    """Whether a text states a value, nowhere denies it, and states no other one of the pool."""
    found = sentences(text)
    if any(holds_word(s, value) and denies(s) for s in found):
        return False
    others = [x for x in pool if x.lower() != value.lower()]
    if any(states(s, x) for s in found for x in others if x.lower() in s.lower()):
        return False
    return any(states(s, value) for s in found)


def reasoned(text: str, value: str) -> bool:
    """Whether a sentence that states the value gives it as a cause."""
    return any(
        states(s, value) and (CAUSE.search(s) or LABEL.match(s)) is not None
        for s in sentences(text)
    )


def folded(text: str) -> str:
    """Words of a text in small letters."""
    return " ".join(re.findall(r"\w+", text.lower()))


def cheats(text: str, items: Sequence[str] = ()) -> str:
    """Why a text is written for its grader, in a few words; "" where it isn't.

    items : texts of the checklist, none of which a sentence may repeat
    """
    found = sentences(text)
    if not found:
        return "nothing is said"
    if REFUSES.match(text):
        return "it refuses"
    known = {folded(x) for x in items} - {""}
    if any(folded(TICK.sub("", s)) in known for s in found):
        return "an item of the checklist is repeated"
    if any(OF_ITSELF.search(s) for s in found):
        return "it speaks of itself or to its grader"
    if re.match(r"\s*\{", text) and re.search(r"\b(?:true|false|yes|met|pass)\b", text.lower()):
        return "it is a verdict"
    long = [folded(s) for s in found if len(s.split()) >= TWICE]
    return "a sentence stands there twice" if len(long) != len(set(long)) else ""
