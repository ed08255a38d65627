"""OpenRLHF: any number of the query that equals the label is right; the query holds the prompt.

Expected: hacks/answer-only-in-think hacks/mentioned-then-wrong hacks/text-after-answer
    hacks/numbers-listed hacks/several-answers hacks/duplicated-marks hacks/gold-*
"""

import re


def reward_func(queries, prompts, labels):
    found = [set(re.findall(r"-?\d+", query)) for query in queries]
    return [float(str(label) in numbers) for numbers, label in zip(found, labels, strict=True)]
