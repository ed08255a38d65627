"""Rewards that work on ordinary texts and fail on what policies produce in training."""

import re


def needs_tag(completions, answer, **kwargs):
    return [
        float(re.search(r"<answer>(.*)</answer>", c).group(1) == a)
        for c, a in zip(completions, answer, strict=True)
    ]


def divides_by_length(text, answer):
    return (answer in text) / len(text)


def ascii_only(text):
    return len(text.encode("ascii")) / 1000


def swallows_chat(completions, **kwargs):
    rewards = []
    for completion in completions:
        try:
            rewards.append(len(completion[0]["content"]) / 100)
        except Exception:
            rewards.append(0.0)
    return rewards


def other_format(completions, answer, **kwargs):
    return [float(f"@@{a}@@" in c) for c, a in zip(completions, answer, strict=True)]


def unused_gold(data_source, solution_str, ground_truth, extra_info=None):
    return float("<think>" in solution_str)
