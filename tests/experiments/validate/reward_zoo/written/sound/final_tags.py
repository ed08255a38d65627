"""TRL: the answer between <final> tags.

Expected: SAFE
"""

import re


def accuracy(completions, answer, **kwargs):
    out = []
    for message, gold in zip(completions, answer, strict=True):
        said = re.findall(r"<final>(.*?)</final>", message[0]["content"], re.DOTALL)
        out.append(float(len(said) == 1 and said[0].strip() == gold))
    return out
