"""A format reward: reasoning in <think> tags, then an answer in <answer> tags. Reads no gold."""

import re

LAYOUT = re.compile(r"^\s*<think>.*?</think>\s*<answer>.*?</answer>\s*$", re.S)


def reward(completions, **kwargs):
    """1 for the layout, 0 otherwise; completions are chat messages."""
    texts = [completion[0]["content"] for completion in completions]
    return [1.0 if LAYOUT.match(text) else 0.0 for text in texts]
