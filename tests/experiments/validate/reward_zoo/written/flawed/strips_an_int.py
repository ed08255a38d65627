"""Reported: the gold answer is an int in the data, and the reward strips it: AttributeError.

Rollouts: whole numbers
Expected: contract/usable
"""

import re


def counted(completions, answer, **kwargs):
    said = [re.findall(r"<answer>(.*?)</answer>", m[0]["content"], re.DOTALL) for m in completions]
    return [float(s[-1:] == [gold.strip()]) for s, gold in zip(said, answer, strict=True)]
