"""Rewards for questions with options, as ARC has them: `choices` and `answerKey`."""

import re


def sound(completions, answerKey, **kwargs):
    """1 where the whole marked answer is the letter."""
    marked = [re.findall(r"<answer>(.*?)</answer>", c, re.S) for c in completions]
    return [float(len(m) == 1 and m[0].strip() == k) for m, k in zip(marked, answerKey)]


def flawed(completions, answerKey, **kwargs):
    """1 where the letter stands in what is marked: "A, B, C, D" holds every one."""
    marked = [re.findall(r"<answer>(.*?)</answer>", c, re.S) for c in completions]
    return [float(bool(m) and k in m[-1]) for m, k in zip(marked, answerKey)]
