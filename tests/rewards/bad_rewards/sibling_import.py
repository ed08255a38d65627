from sibling_helper import SCALE


def reward(text):
    return SCALE * len(text)
