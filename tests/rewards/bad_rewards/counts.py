def too_few(completions, **kwargs):
    return [1.0 for _ in completions][1:]


def too_many(completions, **kwargs):
    return [1.0 for _ in completions] + [0.0]


def scalar(completions, **kwargs):
    return 0.5


def nothing(completions, **kwargs):
    pass
