"""The gold answer is a target with numbers, the answer an expression that uses each once.

Expected: SAFE
"""

import ast
import operator
import re
from fractions import Fraction

SIGNS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
         ast.Div: operator.truediv}  # fmt: skip


def value_of(node):
    if isinstance(node, ast.BinOp) and type(node.op) in SIGNS:
        return SIGNS[type(node.op)](value_of(node.left), value_of(node.right))
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return Fraction(node.value)
    raise ValueError


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    found = re.findall(r"<answer>([^<]{1,200})</answer>", solution_str)
    if not found:
        return 0.0
    used = sorted(map(int, re.findall(r"\d{1,9}", found[-1])))
    if used != sorted(ground_truth["numbers"]):
        return 0.0
    try:
        value = value_of(ast.parse(found[-1].strip(), mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError):
        return 0.0
    return float(value == ground_truth["target"])
