"""Rewards for parallel texts, as WMT and OPUS have them: `translation` and a direction, `lp`."""

import re
from collections import Counter


def sound(completions, translation, lp, **kwargs):
    """F1 of pairs of neighbouring words in the one marked answer."""
    out = []
    for c, texts, direction in zip(completions, translation, lp, strict=True):
        said, gold = pairs(marked(c)), pairs(texts[direction[-2:]])
        out.append(2 * (said & gold).total() / (said.total() + gold.total()))
    return out


def flawed(completions, translation, lp, **kwargs):
    """The share of the reference's words that the answer holds: a list of all words holds them."""
    out = []
    for c, texts, direction in zip(completions, translation, lp, strict=True):
        gold = words(texts[direction[-2:]])
        out.append(len(set(words(marked(c))) & set(gold)) / len(set(gold)))
    return out


def marked(completion):
    """The answer in its tag; nothing where there is none, or several."""
    found = re.findall(r"<answer>(.*?)</answer>", completion, re.S)
    return found[0] if len(found) == 1 else ""


def words(text):
    """Words in small letters."""
    return re.findall(r"\w+", text.lower())


def pairs(text):
    """How often each pair of neighbours stands there."""
    return Counter(zip(words(text), words(text)[1:], strict=False))
