"""The gold answer is a float, compared up to rounding.

Expected: SAFE
"""

import math
import re


def numeric(response, ground_truth: float):
    said = re.findall(r"\\boxed\{\s*([-+]?\d+(?:\.\d+)?)\s*\}", response)
    return 1.0 if said and math.isclose(float(said[-1]), ground_truth, rel_tol=1e-9) else 0.0
