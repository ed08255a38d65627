"""Reported: the score is appended, then the answer read; where that fails it is appended again.

Expected: contract/usable contract/values
"""

import re


def appended(completions, answer, **kwargs):
    scores = []
    for message, gold in zip(completions, answer, strict=True):
        text = message[0]["content"]
        try:
            scores.append(1.0 if f"<answer>{gold}</answer>" in text else 0.0)
            re.findall(r"<answer>(.*?)</answer>", text)[0]
        except IndexError:
            scores.append(0.0)
    return scores
