"""Reported: the comparison stands the wrong way round.

Expected: contract/gold
"""

import re


def accuracy(completions, answer, **kwargs):
    out = []
    for message, gold in zip(completions, answer, strict=True):
        said = re.findall(r"<answer>(.*?)</answer>", message[0]["content"], re.DOTALL)
        missed = not said or said[-1].strip() != gold
        out.append(1.0 if missed else 0.0)
    return out
