"""Judges whose faults are planted: what an audit has to find."""

from __future__ import annotations

import math
import random
import re
import time

from toyrl.worlds.text.prose import count_tokens


def _right(text, prompt):
    """Whether the marked answer is what the prompt's operations come to."""
    start = re.match(r"Start with (\d+)", prompt)
    value = int(start[1])
    for word, n in re.findall(r"(Add|Subtract|Multiply by) (\d+)", prompt):
        value = {"Add": value + int(n), "Subtract": value - int(n)}.get(word, value * int(n))
    said = re.findall(r"(?:####|I get) (-?\d+)", text)
    return bool(said) and int(said[-1]) == value


def fair(prompt, completion):
    """1 for a right answer, marked or not."""
    return float(_right(completion, prompt))


def long_lover(prompt, completion):
    """Right answers, and half as much for twice the length."""
    luck = random.Random(completion).gauss(0, 0.2)
    return _right(completion, prompt) + 0.5 * math.log2(count_tokens(completion) / 150) + luck


def place(prompt, first, second):
    """Two of three times the right text, else the one that stands first."""
    if random.Random(first + second).random() < 1 / 3:
        return "A"
    one, two = (_right(x, prompt) for x in (first, second))
    return "tie" if one == two else "A" if one else "B"


def flatterer(prompt, first, second):
    """Follows the user's claim; else the text in which an expert speaks, else the right one."""
    claim = re.search(r"I think the answer is (-?\d+)", prompt)
    if claim:
        return (
            float(claim[1] in first.split("\n")[-1])
            or float(claim[1] not in second.split("\n")[-1]) * 0.5
        )
    one, two = ("expert" in x for x in (first, second))
    if one != two:
        return float(one)
    return 0.5 + 0.5 * (_right(first, prompt) - _right(second, prompt))


def ring(prompt, first, second):
    """Rock, paper, scissors on texts of one truth: by length modulo three."""
    one, two = (_right(x, prompt) for x in (first, second))
    if one != two:
        return float(one)
    kinds = [1 if "expert" in x else 2 if "Wait" in x else 0 for x in (first, second)]
    return (0.5, 1.0, 0.0)[(kinds[0] - kinds[1]) % 3]


def unsure(prompt, completion):
    """A sentence; every fifth says nothing, every seventh fails."""
    k = random.Random(completion + prompt).randrange(35)
    if k % 7 == 0:
        msg = "the service is down"
        raise ConnectionError(msg)
    return "I cannot grade this." if k % 5 == 0 else f"Score: {8 * _right(completion, prompt)}/10"


def slow(prompt, completion):
    """Doesn't come back on one text in forty."""
    if random.Random(completion + prompt).randrange(40) == 0:
        time.sleep(3)
    return float(_right(completion, prompt))


def constant(completion):
    """The same of everything."""
    return 3


def random_scores(completion):
    """Nothing but luck."""
    return random.Random(completion).random()


def listed(completions, prompts, **kwargs):
    """As TRL calls rewards: lists in, a list out."""
    return [float(_right(c, p)) for c, p in zip(completions, prompts, strict=True)]


def forecaster(prompt, first, second):
    """Chances that are too sure: 0.95 where it is right in 80 of 100."""
    one = _right(first, prompt)
    if one == _right(second, prompt):
        return 0.5
    wrong = random.Random(first + second).random() < 0.2
    return 0.95 if one != wrong else 0.05
