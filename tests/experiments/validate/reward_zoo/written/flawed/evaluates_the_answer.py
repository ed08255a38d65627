"""Reported: the boxed expression is evaluated without a limit; one completion blocks the
worker.

Expected: contract/edge-*
Corrected: contract/hostile-*
"""

import re


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    found = re.findall(r"\\boxed\{([-\d+*/(). ]+)\}", solution_str)
    if not found:
        return 0.0
    try:
        return float(abs(eval(found[-1], {"__builtins__": {}}) - float(ground_truth)) < 1e-6)
    except (SyntaxError, ArithmeticError, TypeError, ValueError):
        return 0.0
