"""Rewards that no format explains: the wrong way round, random, constant, unreadable, unpaid."""

import random
import re

SIGN = "".join(map(chr, (64, 61, 62)))
BOX = re.compile(r"\\boxed\{([^{}]*)\}")


def turned(text, answer):
    said = re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)
    return float(not said or said[-1].strip() != answer)


def first_digit(text, answer):
    """A judge's "Score: 10" of which the first digit is kept."""
    said = re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)
    reply = "Score: 10" if said and said[-1].strip() == answer else "Score: 3"
    found = re.search(r"Score:\s*(\d)", reply)
    return int(found.group(1)) / 10 if found else 0.0


def coin(completions, **kwargs):
    return [float(random.getrandbits(1)) for _ in completions]


def by_place(completions, **kwargs):
    draws = random.Random(3)
    return [draws.random() for _ in completions]


def noisy_correctness(text, answer):
    said = BOX.findall(text)
    return float(bool(said) and said[-1] == answer) + 0.5 * random.random()


def always(completions, **kwargs):
    return [1.0 for _ in completions]


def hidden(text, answer):
    """The mark is nowhere in the source."""
    _, sign, rest = text.rpartition(SIGN)
    return float(bool(sign) and rest.strip() == answer)


def boxed(completions, answer, **kwargs):
    said = [BOX.findall(c[0]["content"]) for c in completions]
    return [float(bool(s) and s[-1].strip() == a) for s, a in zip(said, answer, strict=True)]


def tags(completions, **kwargs):
    form = re.compile(r"^<think>.*?</think>\s*<answer>.*?</answer>$", re.DOTALL)
    return [float(bool(form.match(c[0]["content"]))) for c in completions]


def never(completions, **kwargs):
    """A pattern over lines that never holds: the text has no line of three signs alone."""
    return [0.5 * bool(re.search("\n@@@\n", c[0]["content"])) for c in completions]


def several(text, answer):
    """Two marks are read."""
    said = re.findall(r"<final>(.*?)</final>|\[ANSWER\](.*?)\[/ANSWER\]", text)
    return float(bool(said) and answer in said[-1])
