"""Functions that no trainer could call, and things that are no functions."""

LIMIT = 3


def two_unknown(first, second):
    return 0.0


def make(target):
    def reward(completions, **kwargs):
        return [float(len(c) < target) for c in completions]

    return reward


def make_float(target):
    return float(target)


def nothing():
    return 0.0


class LengthReward:
    def __init__(self, target=100):
        self.target = target

    def __call__(self, completions, **kwargs):
        return [float(len(c) < self.target) for c in completions]


def wants_column(completions, unit_tests, **kwargs):
    return [float(n) for n in unit_tests]
