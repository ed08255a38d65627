"""The gold answer is an int, as the annotation says.

Expected: SAFE
"""

import re


def count(completions, answer: list[int], **kwargs):
    out = []
    for message, gold in zip(completions, answer, strict=True):
        said = re.findall(r"<answer>\s*(-?\d{1,12})\s*</answer>", message[0]["content"])
        out.append(float(len(said) == 1 and int(said[0]) - gold == 0))
    return out
