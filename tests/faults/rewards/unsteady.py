"""Rewards that are honest but for what moves their values."""

import random
import re
import time

FOUND = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
graded = 0
started = time.monotonic()


def right(text, gold):
    found = FOUND.findall(text)
    return float(bool(found) and found[-1].strip() == str(gold).strip())


def honest(completions, answer, **kwargs):
    return [right(*x) for x in zip(completions, answer, strict=True)]


def breaks(completions, answer, **kwargs):
    """Honest for 400 texts, then 0.5 for all, as a client whose quota is spent."""
    global graded
    graded += len(completions)
    return [0.5] * len(completions) if graded > 400 else honest(completions, answer)


def by_place(completions, answer, **kwargs):
    values = honest(completions, answer)
    return [value - 0.1 * place for place, value in enumerate(values)]


def best_of_group(prompts, completions, answer, **kwargs):
    """Looks at its siblings, but at no place."""
    longest = {}
    for prompt, text in zip(prompts, completions, strict=True):
        longest[prompt] = max(longest.get(prompt, 0), len(text))
    values = honest(completions, answer)
    rows = zip(values, prompts, completions, strict=True)
    return [value - 0.1 * (len(text) == longest[prompt]) for value, prompt, text in rows]


def hashed(completions, answer, **kwargs):
    values = zip(honest(completions, answer), completions, strict=True)
    return [value + 0.3 * (hash(text) % 7 / 7) for value, text in values]


def drifts(completions, answer, **kwargs):
    """Slow enough to be seen only seconds later."""
    return [v + 2e-6 * (time.monotonic() - started) for v in honest(completions, answer)]


def ages(completions, answer, **kwargs):
    """In an hour it moves by more than right and wrong differ."""
    return [v + 0.01 * (time.monotonic() - started) for v in honest(completions, answer)]


calls = 0


def stalls(completions, answer, **kwargs):
    """It ages, and the machine pauses in an interpreter's second call."""
    global calls
    calls += 1
    time.sleep(0.7 if calls == 2 else 0.0)
    return ages(completions, answer)


def noise(completions, **kwargs):
    return [random.random() for _ in completions]


def noisy(completions, answer, **kwargs):
    return [value + 0.1 * random.random() for value in honest(completions, answer)]


def prints(completions, answer, **kwargs):
    for _ in completions:
        print("graded")
    return honest(completions, answer)


def fails_alone(completions, answer, **kwargs):
    return honest(completions, answer) if len(completions) > 1 else [float("nan")]
