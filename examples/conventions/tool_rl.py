"""As ToolRL: the gold answer is text with a tool call, compared piece by piece."""

import json
import re


def _call(text):
    found = re.search(r"<tool_call>\n(.*?)\n</tool_call>", text, re.DOTALL)
    try:
        return json.loads(found[1]) if found else None
    except ValueError:
        return None


def compute_score(solution_str, ground_truth, step=0):
    layout = re.fullmatch(
        r"<think>.*?</think>\n<tool_call>\n.*?\n</tool_call>", solution_str, re.DOTALL
    )
    said, want = _call(solution_str), _call(ground_truth)
    if said is None or want is None:
        return float(bool(layout)) - 3.0
    pairs = set(map(str, said.get("parameters", {}).items()))
    asked = set(map(str, want["parameters"].items()))
    shared = len(pairs & asked) / max(1, len(pairs | asked))
    return float(bool(layout)) + 3.0 * ((said.get("name") == want["name"]) + shared) - 3.0
