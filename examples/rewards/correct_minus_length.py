"""Correctness minus a penalty on every token, right or wrong."""

import re

MAX_TOKENS = 512
WEIGHT = 1.0
ANSWER = re.compile(
    r"<answer>(.*?)</answer>|\\boxed\{([^{}]*)\}|####\s*(\S+)|answer is\s*(\S+)", re.DOTALL
)


def is_correct(text, gold):
    """The last marked answer equals the gold answer."""
    found = ANSWER.findall(text)
    if not found:
        return False
    last = next((part for part in found[-1] if part), "").strip().rstrip(".").replace(",", "")
    return last == str(gold).strip()


def reward(completions, completion_ids, answer, **kwargs):
    """correct - length / limit: short wrong answers earn more than long wrong ones."""
    return [
        float(is_correct(text, gold)) - WEIGHT * len(ids) / MAX_TOKENS
        for text, ids, gold in zip(completions, completion_ids, answer, strict=True)
    ]
