"""verl: the gold answer is a record with a list of accepted answers, as question sets have it.

Expected: SAFE
"""

import re


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    accepted = {str(name).strip().casefold() for name in ground_truth["target"]}
    said = re.findall(r"<answer>(.*?)</answer>", solution_str, re.DOTALL)
    return float(bool(said) and said[-1].strip().casefold() in accepted)
