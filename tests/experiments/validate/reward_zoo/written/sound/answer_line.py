"""verl: a record with the score; the line `Answer: N` near the end; plus and minus one.

Expected: SAFE
"""

import re


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    lines = re.findall(r"(?i)answer\s*:\s*([^\n]+)", solution_str[-300:])
    said = lines[-1].strip().rstrip(".") if lines else None
    good = said == ground_truth
    return {"score": 1.0 if good else -1.0, "acc": good, "pred": said}
