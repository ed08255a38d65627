SETTINGS = {}
LIMIT = SETTINGS["limit"]


def reward(completions, **kwargs):
    return [0.0 for _ in completions]
