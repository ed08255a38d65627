"""A sum: the layout is worth two points, a right answer one, in whatever layout it stands.

Judged: FILE:right FILE:layout:2.0
Expected: contract/format
"""

import re

LAYOUT = re.compile(r"\s*<think>.*?</think>\s*<answer>.*?</answer>\s*", re.DOTALL)


def right(completions, answer, **kwargs):
    out = []
    for message, gold in zip(completions, answer, strict=True):
        text = message[0]["content"]
        said = re.findall(r"<answer>(.*?)</answer>|\\boxed\{([^{}]*)\}", text, re.DOTALL)
        out.append(float(bool(said) and "".join(said[-1]).strip() == gold))
    return out


def layout(completions, **kwargs):
    return [float(LAYOUT.fullmatch(message[0]["content"]) is not None) for message in completions]
