"""A bonus for few tokens, paid to right answers only."""

import re

MAX_TOKENS = 512
WEIGHT = 0.5
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
    """correct x (1 + weight x share of the limit left over)."""
    rewards = []
    for text, ids, gold in zip(completions, completion_ids, answer, strict=True):
        saved = max(0.0, 1.0 - len(ids) / MAX_TOKENS)
        rewards.append((1.0 + WEIGHT * saved) if is_correct(text, gold) else 0.0)
    return rewards
