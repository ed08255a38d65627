"""The Climb Carves Wisdom Deeper Than the Summit: the reasoning pattern reward (RPR) alone.

Section 3 and the released code (trestad/Noisy-Rewards-in-Learning-to-Reason, math_score.py): 40
phrases count once each, hits / 20 up to 1, minus the share of repeated 20-grams.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

PHRASES = (
    *("i need to", "we need to", "wait", "alternatively", "let me check", "let me see"),
    *("let's focus on", "we know that", "we can observe ", "we can see ", "let me try"),
    *("let's try", "let us try", "first, ", "firstly, ", "next, ", "finally, ", "let us first"),
    *("let's first", "let me first", "try again", "still not", "not working", "not correct"),
    *("does not work", "doesn't work", "makes sence", "since we ", "because we ", "consequently"),
    *("as a result", "thus", "therefore", "hence", "so that", "thereby", "if we", "given there "),
    *("for instance ", "for example "),
)
DIVISOR = 20
N = 20


def repeated(words: list[str]) -> float:
    """Distinct 20-grams that occur more than once, over all 20-grams; 0 for short texts."""
    grams = Counter(tuple(words[i : i + N]) for i in range(len(words) - N + 1))
    total = sum(grams.values())
    return sum(c > 1 for c in grams.values()) / total if total else 0.0


def pattern_reward(completions: list[str], **_: Any) -> list[float]:
    """min(1, hits / 20) - repetition - prompts written by itself, at least 0."""
    out = []
    for text in completions:
        low = text.lower().partition("<think>")[2] or text.lower()
        hits = sum(phrase in low for phrase in PHRASES)
        out.append(max(0.0, min(1.0, hits / DIVISOR) - repeated(low.split()) - low.count("user: ")))
    return out
