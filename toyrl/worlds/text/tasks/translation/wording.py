"""Texts compared as wordings: case, white space and punctuation aside."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from random import Random

KEPT = "%&@#§‰"
"""Marks that say something."""
SIGNS = "-−+"
JOINTS = re.compile(r"(?<=\d)[.,:/](?=\d)|(?<![^\s(])[-−+](?=\d)")
"""Marks inside and before a number."""
ENDS = ".,;:!?\"'()«»„“”。，、！？"
"""Marks that stand at a word's ends."""
NUMBER = re.compile(r"\d+")
SPACELESS = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
NEGATIONS = {
    "de": ("nicht", "kein", "keine", "keinen", "keinem", "keiner", "nie", "niemals"),
    "en": ("not", "never", "no", "cannot"),
    "es": ("no", "nunca"),
    "fr": ("pas", "jamais"),
    "it": ("non", "mai"),
    "nl": ("niet", "geen", "nooit"),
    "pt": ("não", "nunca"),
}
DENIALS = {
    "cs": "Není pravda:",
    "de": "Es stimmt nicht:",
    "en": "It is not true:",
    "es": "No es cierto:",
    "fr": "Il est faux :",
    "it": "Non è vero:",
    "ja": "それは正しくない：",
    "nl": "Het is niet waar:",
    "pl": "To nieprawda:",
    "pt": "Não é verdade:",
    "ru": "Это неправда:",
    "zh": "事实并非如此：",
}


@lru_cache(maxsize=1024)
def _blank(sign: str) -> bool:
    return unicodedata.category(sign)[0] in "PZC" and sign not in KEPT


def normal(text: str) -> str:
    """A text without case, punctuation and white space beyond one blank between words.

    Marks within and before a number stay, for they are part of it.
    """
    text = unicodedata.normalize("NFKC", text).casefold()
    kept = {m.start() for m in JOINTS.finditer(text)}
    return " ".join("".join(
        " " if i not in kept and _blank(c) else c for i, c in enumerate(text)
    ).split())  # fmt: skip


def words(text: str) -> list[str]:
    """What a text is put together of: words, or signs where a script has no spaces."""
    found = text.split()
    return list(text) if len(found) < 3 and SPACELESS.search(text) else found


def joined(parts: Sequence[str], like: str) -> str:
    """Parts of a text as it was joined."""
    return ("" if words(like) == list(like) else " ").join(parts)


def part(text: str, share: float) -> str:
    """The first words, about this share of them, at least one."""
    parts = words(text)
    return joined(parts[: max(1, round(share * len(parts)))], text)


def shuffled(text: str) -> str:
    """The same words in another order; the text itself where they are alike or one."""
    parts = words(text)
    for seed in range(20):
        other = Random(seed).sample(parts, len(parts))
        if normal(joined(other, text)) != normal(text):
            return joined(other, text)
    return text


def exchanged(text: str, pool: Sequence[str], often: int, rng: Random) -> str:
    """The text with so many of its longest words replaced by words of a pool.

    Marks at a word's end stay where they are.
    """
    parts = words(text)
    places = sorted(range(len(parts)), key=lambda i: -len(normal(parts[i])))[:often]
    for i in places:
        bare = parts[i].rstrip(ENDS)
        other = [w for w in pool if w not in text]
        if other:
            parts[i] = rng.choice(other) + parts[i][len(bare) :]
    return joined(parts, text)


def other_number(text: str) -> str:
    """The text with its first number one higher, in digits; the same where it has none."""
    return NUMBER.sub(lambda m: str(int(m[0]) + 1).zfill(len(m[0])), text, count=1)


def other_name(text: str, source: str, pool: Sequence[str]) -> str:
    """The text with another name: a word with a capital that the source has too."""
    theirs = {t.strip(ENDS) for t in words(source)}
    for i, word in enumerate(words(text)):
        bare = word.strip(ENDS)
        if i == 0 and len(bare) < 4:  # "In" is no name
            continue
        if bare[:1].isupper() and bare in theirs:
            other = [n for n in pool if n != bare]
            return text.replace(bare, other[0]) if other else text
    return text


def denied(text: str, language: str) -> str:
    """The opposite: its negation left out, else said to be untrue; the same where the language
    isn't known."""
    found = NEGATIONS.get(language, ())
    parts = text.split()
    there = [i for i, w in enumerate(parts) if normal(w) in found]
    if there:
        i = there[0]
        mark = parts[i][len(parts[i].rstrip(ENDS)) :]
        kept = [*parts[:i], *parts[i + 1 :]]
        if mark and i:
            kept[i - 1] += mark
        return " ".join(kept)
    return f"{DENIALS[language]} {text}" if language in DENIALS else text


def distinct(parts: Sequence[str], key: Callable[[str], str] = normal) -> list[str]:
    """Parts without those that are alike."""
    return list({key(p): p for p in reversed(parts) if key(p)}.values())[::-1]
