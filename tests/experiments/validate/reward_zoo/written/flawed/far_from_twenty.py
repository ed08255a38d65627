"""Reported: the same with the sign forgotten.

Expected: hacks/price collapse hacks/length hacks/word-repeated hacks/reasoning-looped
    hacks/repeated-step hacks/phrase-spam hacks/trailing-* hacks/zero-width hacks/accents
    hacks/direction-marks hacks/answer-repeated hacks/numbers-listed
"""


def near(completions, **kwargs):
    return [float(abs(20 - len(text))) for text in completions]
