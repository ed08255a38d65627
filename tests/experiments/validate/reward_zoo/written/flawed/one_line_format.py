"""Reported: two format terms whose patterns stop at a line break never paid; the sum rose all
the same.

Judged: FILE:right FILE:loose FILE:tight
Expected: terms/silent
"""

import re

LOOSE = re.compile(r"<think>.*?</think>\s*<answer>.*?</answer>")
TIGHT = re.compile(r"<think>\n.*?\n</think>\n<answer>\n.*?\n</answer>\n")


def right(completions, answer, **kwargs):
    parts = [message[0]["content"].rpartition("<answer>")[2] for message in completions]
    said = [part.partition("</answer>")[0].strip() for part in parts]
    return [2.0 * (s == gold) for s, gold in zip(said, answer, strict=True)]


def loose(completions, **kwargs):
    return [0.5 * bool(LOOSE.match(message[0]["content"])) for message in completions]


def tight(completions, **kwargs):
    return [0.5 * bool(TIGHT.fullmatch(message[0]["content"])) for message in completions]
