"""As verl's default score of GSM8K: the number after ####, one point."""

import re


def compute_score(solution_str, ground_truth, method="strict", format_score=0.0, score=1.0):
    found = re.findall(r"#### (-?[0-9.,]+)", solution_str)
    if not found:
        return 0
    said = found[-1].replace(",", "").replace("$", "")
    return score if said == ground_truth else format_score
