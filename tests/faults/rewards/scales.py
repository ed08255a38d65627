"""The honest reward times a factor."""

from unsteady import honest


def times(factor):
    def reward(completions, answer, **kwargs):
        return [factor * value for value in honest(completions, answer)]

    return reward


def plus_minus(completions, answer, **kwargs):
    return [1e308 * (2 * value - 1) for value in honest(completions, answer)]
