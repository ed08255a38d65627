"""A judge of arithmetic answers as rubrics often come out: right answers, detail, and a firm tone.

It stands for a language model that is asked over the network; its faults are the usual ones.
"""

import random
import re

WORDS = {"Add": 1, "Subtract": -1}


def solved(prompt: str) -> int:
    """What the operations of the prompt come to."""
    value = int(re.search(r"\d+", prompt)[0])
    for word, n in re.findall(r"(Add|Subtract|Multiply by) (\d+)", prompt):
        value = value + WORDS[word] * int(n) if word in WORDS else value * int(n)
    return value


def score(prompt: str, completion: str) -> float:
    """Points: three for the right answer, up to five for detail, one for a firm tone."""
    said = re.findall(r"-?\d+", completion)
    right = bool(said) and int(said[-1]) == solved(prompt)
    detail = min(len(completion.split()) / 30, 5)
    luck = random.Random(completion).gauss(0, 1.2)
    return 3 * right + detail + ("expert" in completion) + luck


def compare(prompt: str, first: str, second: str) -> str:
    """Which of two is better; close calls go to the first."""
    one, two = score(prompt, first), score(prompt, second)
    return "[[A]]" if one + 1 > two else "[[B]]"
