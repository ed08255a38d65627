"""verl's scoring form for GSM8K-style data: the answer after `####`, or the last number."""

import re


def extract_solution(solution_str, method="strict"):
    """The number after the last ####; with method="flexible" the last number of the text."""
    if method == "strict":
        found = re.findall(r"####\s*(-?[0-9.,]+)", solution_str)
    else:
        found = re.findall(r"-?[0-9][0-9.,]*", solution_str)
    return found[-1].replace(",", "").rstrip(".") if found else None


def compute_score(data_source, solution_str, ground_truth, extra_info=None, method="strict"):
    """1 for the right number, 0 otherwise."""
    gold = str(ground_truth).split("####")[-1].strip().replace(",", "")
    return 1.0 if extract_solution(solution_str, method) == gold else 0.0
