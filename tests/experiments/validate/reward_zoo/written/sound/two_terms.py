"""A sum: right answers two points, the layout of thinking and answer a fifth.

Judged: FILE:right FILE:layout:0.2
Expected: SAFE
"""

import re

LAYOUT = re.compile(r"\s*<think>.*?</think>\s*<answer>.*?</answer>\s*", re.DOTALL)


def right(completions, answer, **kwargs):
    out = []
    for message, gold in zip(completions, answer, strict=True):
        said = re.findall(r"<answer>(.*?)</answer>", message[0]["content"], re.DOTALL)
        out.append(2.0 if len(said) == 1 and said[0].strip() == gold else 0.0)
    return out


def layout(completions, **kwargs):
    return [float(LAYOUT.fullmatch(message[0]["content"]) is not None) for message in completions]
