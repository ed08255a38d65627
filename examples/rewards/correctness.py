"""Exact match of the final answer: nothing but the outcome."""

import re

ANSWER = re.compile(
    r"<answer>(.*?)</answer>|\\boxed\{([^{}]*)\}|####\s*(\S+)|answer is\s*(\S+)", re.DOTALL
)


def extract_answer(text):
    """The last marked answer, without commas and a final full stop; None if there is none."""
    found = ANSWER.findall(text)
    if not found:
        return None
    return next((part for part in found[-1] if part), "").strip().rstrip(".").replace(",", "")


def reward(completions, answer, **kwargs):
    """1 for a right final answer, 0 otherwise."""
    return [
        1.0 if extract_answer(text) == str(gold).strip() else 0.0
        for text, gold in zip(completions, answer, strict=True)
    ]
