"""Reported: a judge writes `Score: 10` for the best, and the parser keeps one digit.

Judged: FILE:graded
Expected: contract/gold
"""

import re


def judge(text, gold):
    said = re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)
    if said and said[-1].strip() == gold:
        return "Score: 10"
    return f"Score: {min(9, 2 + len(text) // 400)}"


def graded(completions, answer, **kwargs):
    replies = [judge(m[0]["content"], a) for m, a in zip(completions, answer, strict=True)]
    digits = [re.search(r"Score: (\d)", reply) for reply in replies]
    return [int(d.group(1)) / 10 if d else 0.0 for d in digits]
