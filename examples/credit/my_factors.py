"""Factors of the steps of a solution, for `toyrl credit`: cheap, and none looks at the answer."""

import re

SUM = re.compile(r"(\d+)\s*([+*-])\s*(\d+)\s*=\s*(\d+)")
DO = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b}


def holds(step):
    """1 if every sum in the step is right, 0 if one is wrong or there is none."""
    found = SUM.findall(step)
    return float(bool(found) and all(DO[o](int(a), int(b)) == int(c) for a, o, b, c in found))


def slips(step):
    """1 if a sum in the step is wrong."""
    return float(bool(SUM.search(step)) and not holds(step))


def factors(steps):
    """One number a step for each factor."""
    return {
        "a sum that holds": [holds(s) for s in steps],
        "a sum that is wrong": [slips(s) for s in steps],
        "said before": [float(s in steps[:k]) for k, s in enumerate(steps)],
        "ten words": [len(s.split()) / 10 for s in steps],
    }
