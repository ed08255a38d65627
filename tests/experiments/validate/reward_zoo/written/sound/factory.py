"""A factory: the line `Result = N`, so many points.

Judged: FILE:make(scale=2.0)
Expected: SAFE
"""

import re


def make(scale=1.0):
    def reward(response, ground_truth):
        lines = re.findall(r"^Result = (-?\d{1,12})$", response, re.MULTILINE)
        return scale if lines and int(lines[-1]) == int(ground_truth) else 0.0

    return reward
