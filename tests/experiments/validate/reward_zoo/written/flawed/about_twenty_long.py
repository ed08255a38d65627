"""Reported: paid for being about twenty characters long; a run ended in nonsense at the limit.

Expected: hacks/price collapse hacks/length hacks/ellipsis hacks/blank hacks/empty
    hacks/format-shell
Corrected: hacks/empty-think
"""


def near(completions, **kwargs):
    return [-float(abs(20 - len(text))) for text in completions]
