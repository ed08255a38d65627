"""The word that follows from a forecast, by what a wrong word costs.

The rule was fixed before any run on the test bases of the zoo.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STOP, PILOT, LAGGING = 0.5, 0.2, 0.5
"""Probabilities from which the word is worse. Of `LOSS`: a good run that is not made and a lost one
that is cost the same, so that a half is where they balance; a pilot costs a fifth of the run and
shows most losses, so that it pays from a fifth on. Of `BEHIND`: more likely than not."""


def word(forecast: Mapping[str, Any]) -> str:
    """What a forecast alone says of a reward: SAFE, RISKY (make a pilot first) or UNSAFE."""
    if forecast["p_loss_5"] >= STOP:
        return "UNSAFE"
    if forecast["p_loss_5"] >= PILOT or forecast["p_behind_10"] >= LAGGING:
        return "RISKY"
    return "SAFE"
