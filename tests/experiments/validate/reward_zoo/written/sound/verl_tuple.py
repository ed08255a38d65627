"""verl: a tuple whose first item is the score; the last box.

Expected: SAFE
"""

import re


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    found = re.findall(r"\\boxed\{([^{}]*)\}", solution_str)
    said = found[-1].strip() if found else ""
    return said == ground_truth, bool(found), said
