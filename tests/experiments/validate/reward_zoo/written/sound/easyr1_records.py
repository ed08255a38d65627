"""EasyR1: a list of records in, a list of records out; thinking, then a box; a tenth for
format.

Expected: SAFE
"""

import re

LAYOUT = re.compile(r"\s*<think>.*?</think>.*?\\boxed\{[^{}]*\}.*", re.DOTALL)


def compute_score(reward_inputs, format_weight=0.1):
    out = []
    for record in reward_inputs:
        text = record["response"]
        layout = float(LAYOUT.fullmatch(text) is not None)
        found = re.findall(r"\\boxed\{([^{}]*)\}", text.rpartition("</think>")[2])
        right = float(bool(found) and found[-1].strip() == record["ground_truth"].strip())
        total = (1 - format_weight) * right + format_weight * layout
        out.append({"overall": total, "format": layout, "accuracy": right})
    return out
