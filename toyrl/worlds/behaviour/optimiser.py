"""How far a run goes, from what its trainer was told.

Adam moves each parameter by learning rate times mean gradient over its root mean square. Of a batch
of N completions the square is mostly noise and falls as 1/N, so that an update moves the policy in
proportion to rate sqrt(N), and a run to rate sqrt(N) updates. What a run of the usual settings
moves is the prior's number `distance`; here is the factor for others.
"""

from __future__ import annotations

from math import isfinite, sqrt

UPDATES, RATE, COMPLETIONS = 200.0, 1e-6, 1024.0
"""The usual settings of full fine-tuning of 1 to 10 billion parameters."""


def reach(
    updates: float = UPDATES, learning_rate: float = RATE, completions: float = COMPLETIONS
) -> float:
    """Distance of a run over that of the usual settings; derived.

    updates : of the trainer; completions : an update, all prompts and devices together
    learning_rate : Adam's, in full fine-tuning; an adapter's rates are larger and no measure here

    Raises ValueError for a number that is not above 0.
    """
    for name, x in (
        ("updates", updates),
        ("learning_rate", learning_rate),
        ("completions", completions),
    ):
        if not (x > 0 and isfinite(x)):
            msg = f"{name}={x!r}; a run has a number above 0 of them"
            raise ValueError(msg)
    return updates / UPDATES * learning_rate / RATE * sqrt(completions / COMPLETIONS)
