"""Reported: half a point for the shortest of the call down to minus a half for the longest;
wrong ones get no more than 0, so that the shortest wrong one stands above the longest right
one.

Expected: contract/batch hacks/price collapse hacks/length hacks/empty hacks/blank hacks/ellipsis
"""

import re


def short_first(completions, solution, **kwargs):
    texts = [message[0]["content"] for message in completions]
    low, high = min(map(len, texts)), max(map(len, texts))
    out = []
    for text, gold in zip(texts, solution, strict=True):
        found = re.findall(r"\\boxed\{([^{}]*)\}", text)
        score = 0.5 - (len(text) - low) / (high - low) if high > low else 0.0
        right = bool(found) and found[-1].strip() == gold.strip("$ ")
        out.append(score if right else min(0.0, score))
    return out
