"""Reported: a cosine over the length whose limit is in tokens and whose length in characters:
it turns.

Expected: hacks/length
"""

import math
import re

LIMIT = 512


def cosine(completions, answer, **kwargs):
    out = []
    for message, gold in zip(completions, answer, strict=True):
        text = message[0]["content"]
        said = re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)
        wave = 0.5 + 0.25 * (1 + math.cos(math.pi * len(text) / LIMIT))
        out.append(wave if said and said[-1].strip() == gold else -wave)
    return out
