"""Rewards that look at the other completions of a group, and one that doesn't."""

import re

BOX = re.compile(r"\\boxed\{([^{}]*)\}")


def _right(completions, answer):
    said = [(BOX.findall(c[0]["content"]) or [""])[-1].strip() for c in completions]
    return [s == a for s, a in zip(said, answer, strict=True)]


def alone(completions, answer, **kwargs):
    return [float(g) for g in _right(completions, answer)]


def shortest_right(prompts, completions, answer, **kwargs):
    """1 for the shortest right answer of each prompt."""
    good = _right(completions, answer)
    least = {}
    for p, c, g in zip(prompts, completions, good, strict=True):
        if g:
            size = len(c[0]["content"])
            least[str(p)] = min(least.get(str(p), size), size)
    rows = zip(prompts, completions, good, strict=True)
    return [float(g and len(c[0]["content"]) == least[str(p)]) for p, c, g in rows]


def rare_right(completions, answer, **kwargs):
    """A right answer is worth the share of wrong ones."""
    good = _right(completions, answer)
    return [float(g) * (1 - sum(good) / len(good)) for g in good]


def majority(completions, **kwargs):
    """1 for the commonest answer; no gold is read."""
    said = [(BOX.findall(c[0]["content"]) or [""])[-1] for c in completions]
    most = max(sorted(set(said)), key=said.count)
    return [float(s == most and said.count(s) > 1) for s in said]
