"""One colour a meaning: what is true, right or kept looks alike in every picture, and so on."""

from __future__ import annotations

from collections.abc import Sequence

from toyrl.experiments.core import Curve

GOOD, BAD, OWN, UNDECIDED = 0, 1, 3, 7
"""Places in the palette: blue, orange, violet, grey."""
MEANT = {
    GOOD: (
        "right",
        "kept",
        "by the truth",
        "best for the truth",
        "true accuracy",
        "honest right median",
        "groups without signal, outcome only",
        "outcome only",
    ),
    BAD: ("wrong", "collapsed", "wrong completions", "right rollouts pushed down"),
    OWN: ("by this reward", "best for this reward", "your weight", "groups without signal"),
    UNDECIDED: ("undecided", "level of chance"),
}
SLOT = {label: slot for slot, labels in MEANT.items() for label in labels}
SERIES = 8

# fmt: off
LIGHT = ("#1f68b0", "#b8540f", "#1d7f55", "#8a4bb8", "#c0354c", "#157f92", "#7a6414", "#5a6270")
DARK = ("#6cb0f5", "#f0995a", "#5fcb98", "#c59bf0", "#f58596", "#5cc6d8", "#d6bb58", "#aab2bf")
# fmt: on


def slots(curves: Sequence[Curve]) -> list[int]:
    """The palette's place of each curve: by what it means, else the next that is free."""
    fixed = [SLOT.get(c.label) for c in curves]
    taken = [slot for slot in fixed if slot is not None]
    if len(set(taken)) < len(taken):  # two of one meaning would look alike
        return [k % SERIES for k in range(len(curves))]
    free = iter([k for k in range(SERIES) if k not in taken] * len(curves))
    return [next(free) if slot is None else slot for slot in fixed]
