"""Rewards that answer differently at different times or places."""

import random

seen = set()
calls = 0


def noise(completions, **kwargs):
    return [random.random() for _ in completions]


def novelty(completions, **kwargs):
    values = [0.0 if c in seen else 1.0 for c in completions]
    seen.update(completions)
    return values


def fades(text):
    global calls
    calls += 1
    return len(text) / calls


def first_wins(completions, **kwargs):
    return [1.0 if i == 0 else 0.0 for i, _ in enumerate(completions)]


def shortest_sibling(prompts, completions, **kwargs):
    best = {}
    for prompt, completion in zip(prompts, completions, strict=True):
        best[prompt] = min(best.get(prompt, len(completion)), len(completion))
    return [float(len(c) == best[p]) for p, c in zip(prompts, completions, strict=True)]


def hashed(text):
    return float(hash(text) % 1000)
