import a_package_that_nobody_has  # noqa: F401


def reward(completions, **kwargs):
    return [0.0 for _ in completions]
