"""Rewards whose values are right, and which spoil the lists that the trainer gives to the next."""

import re


def right(text, gold):
    found = re.findall(r"<answer>(.*?)</answer>", text)
    return float(bool(found) and found[-1] == gold)


def strips(completions, answer, **kwargs):
    for i, text in enumerate(completions):
        completions[i] = text.strip().lower() + "."
    return [right(c, a) for c, a in zip(completions, answer, strict=True)]


def pops_gold(completions, answer, **kwargs):
    values = [right(c, a) for c, a in zip(completions, answer, strict=True)]
    answer.clear()
    return values


def pops_keyword(completions, **kwargs):
    answer = kwargs.pop("answer")
    return [right(c, a) for c, a in zip(completions, answer, strict=True)]


def centred(completions, answer, **kwargs):
    """Depends on its neighbours, in one dialect only."""
    values = [float(f"#### {a}" in c) for c, a in zip(completions, answer, strict=True)]
    return [v - sum(values) / len(values) for v in values]


def counts_digits(text, answer):
    return right(text, answer) + 0 * sum(int(c) for c in text if c.isdigit())
