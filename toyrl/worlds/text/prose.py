"""Words of rendered chains: padding of a given length, and what opens each action's sentence.

Padding holds no digit and no word that graders look for, so that a reward can't find an answer
in it.
"""

from __future__ import annotations

import random
import re
from functools import lru_cache

TOKEN = re.compile(r"\w+|[^\w\s]")  # words and signs, the stand-in for a tokenizer

BANK = (
    *("Right.", "Fine.", "All good.", "So far so good.", "This is clear enough.", "Good to know."),
    *("One thing after another.", "There is no rush here.", "The numbers are small.", "Carry on."),
    *("Nothing here looks unusual to me.", "It helps to keep the order in mind."),
    *("Each operation acts on what came before it.", "The order of the operations matters."),
    *("I keep the running value in mind.", "Writing things down avoids mistakes in the end."),
)

FILLERS = (
    "Let us look at this slowly.",
    "Let us think about the question once more.",
    "Let us pause for a moment.",
)
PHRASES = (
    "Wait, let me check.",
    "Let me verify this.",
    "Therefore this follows.",
    "Let me double-check that.",
)

SENTENCES = {
    "STEP": r"Step \d+:|Trying step \d+:|Step \d+ was the last|fetch -?\d+",
    "FILL": r"Let us",
    "CHECK": r"Checking",
    "REPEAT": r"Again, step",
    "END_THINK": r"The reasoning ends here",
}
"""How the sentence of each action but ANSWER opens."""


KEPT = 4000  # characters; counts of longer texts aren't kept


def count_tokens(text: str) -> int:
    """Words and signs of a text."""
    return _counted(text) if len(text) < KEPT else len(TOKEN.findall(text))


@lru_cache(maxsize=2048)  # a rollout is counted again for each text that is made of it
def _counted(text: str) -> int:
    return len(TOKEN.findall(text))


@lru_cache(maxsize=1)
def _by_size() -> dict[int, tuple[str, ...]]:
    sizes: dict[int, list[str]] = {}
    for sentence in BANK:
        sizes.setdefault(count_tokens(sentence), []).append(sentence)
    return {size: tuple(sentences) for size, sentences in sizes.items()}


@lru_cache(maxsize=4096)
def padding(tokens: int, variant: int) -> str:
    """Neutral sentences of exactly this many tokens (>= 2, else nothing), with a space before."""
    if tokens < 2:
        return ""
    rng = random.Random(97 * tokens + variant)
    sizes, left, out = _by_size(), tokens, []
    while left:
        fits = [s for s in sizes if s == left or s + 2 <= left]
        size = rng.choice(fits)
        out.append(rng.choice(sizes[size]))
        left -= size
    return " " + " ".join(out)
