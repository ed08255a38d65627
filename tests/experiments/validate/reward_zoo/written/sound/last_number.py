"""The last number of the text is the answer.

Expected: SAFE
"""

import re


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    numbers = re.findall(r"-?\d+(?:\.\d+)?", solution_str.replace(",", ""))
    return float(bool(numbers) and float(numbers[-1]) == float(ground_truth))
