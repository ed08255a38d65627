"""A judge's written comparison of a translation with an exemplar, as a grade from 1 to 5.

The last line that holds anything decides: a grade "1" to "5" (also "Grade: 4", "4/5"), or one of
`LABELS`. Everything else is no answer: NaN, which is unscorable, and never a tie.

Source: paper 45 (ExTrans); levels of a published summary, the words are ours. The three outcomes
better, equal and worse of the project's page are read as 5, 3 and 1 (reconstructed).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

LABELS = {
    "clearly worse": 1.0, "slightly worse": 2.0, "equal": 3.0, "slightly better": 4.0,
    "clearly better": 5.0, "worse": 1.0, "better": 5.0,
}  # fmt: skip
NUMBER = re.compile(r"(?:(?:grade|score|rating)\s*[:=]?\s*)?([1-5])(?:\s*/\s*5)?")


def comparison_grade(answer: str) -> float:
    """1.0 to 5.0, or NaN where the answer can't be read."""
    lines = [line.strip().strip("*`\"'.[]() ").lower() for line in answer.splitlines()]
    last = next((line for line in reversed(lines) if line), "")
    if last in LABELS:
        return LABELS[last]
    found = NUMBER.fullmatch(last)
    return float(found[1]) if found else math.nan


def comparison_grades(answers: Sequence[str]) -> tuple[np.ndarray, float]:
    """((N,) grades, NaN where an answer can't be read; the share of those, 0 for no answers)."""
    grades = np.array([comparison_grade(a) for a in answers], dtype=float)
    return grades, float(np.isnan(grades).mean()) if grades.size else 0.0


def both_orders(first: Any, second: Any) -> np.ndarray:
    """(...,) grade of a text that stood first and then second: what favours a place cancels.

    first : (...,) grade of the text when shown before the exemplar; second : the *exemplar's* grade
    when shown before the text. Mean of first and 6 - second; NaN where either is.
    """
    return (np.asarray(first, dtype=float) + 6 - np.asarray(second, dtype=float)) / 2
