"""As TinyZero's countdown: prompt and completion in one text; gold is a target with numbers."""

import re


def compute_score(solution_str, ground_truth, method="strict", format_score=0.1, score=1.0):
    if "Assistant:" not in solution_str:
        return 0
    said = re.findall(r"<answer>(.*?)</answer>", solution_str.split("Assistant:", 1)[1])
    if not said:
        return 0
    numbers = sorted(int(n) for n in re.findall(r"\d+", said[-1]))
    if numbers != sorted(ground_truth["numbers"]) or not re.fullmatch(r"[\d+\-*/(). ]+", said[-1]):
        return format_score
    try:
        value = eval(said[-1], {"__builtins__": None}, {})
    except (SyntaxError, TypeError, ZeroDivisionError):
        return format_score
    return score if abs(value - ground_truth["target"]) < 1e-5 else format_score
