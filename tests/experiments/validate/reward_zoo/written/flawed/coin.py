"""Reported: heads or tails for every completion.

Expected: contract/random
"""

import random


def score(completions, **kwargs):
    return [float(random.random() < 0.5) for _ in completions]
