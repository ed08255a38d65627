"""The whole last line is the answer.

Expected: SAFE
"""


def score(text, answer):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return float(bool(lines) and lines[-1] == answer)
