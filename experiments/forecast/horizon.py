"""How long and how far the planned run goes, from what its trainer was told."""

from __future__ import annotations

from dataclasses import dataclass

from toyrl.worlds.behaviour import optimiser

USUAL = "a default run"
FULL = 1e-5
"""Learning rates from here on are those of adapters or of tiny models, and no measure of a step."""
LEAST, MOST = 1 / 16, 16.0
"""The factors that are believed; the prior's own range of distances is a factor of 4."""


@dataclass(frozen=True)
class Horizon:
    """A run beside the usual one.

    updates : of the trainer; reach : distance over that of the usual settings, in [LEAST, MOST]
    source : where both are from, in words
    """

    updates: int = int(optimiser.UPDATES)
    reach: float = 1.0
    source: str = USUAL


USUAL_RUN = Horizon()


def horizon(
    updates: int | None = None, learning_rate: float | None = None, completions: int | None = None
) -> Horizon:
    """The horizon of a run; None: not told, and taken as usual (`optimiser`).

    updates : of the trainer; learning_rate : Adam's; completions : an update, all devices together
    """
    rate = learning_rate if learning_rate is not None and learning_rate < FULL else None
    told = {"updates": updates, "learning_rate": rate, "completions": completions}
    given = {name: float(x) for name, x in told.items() if x is not None}
    unread = "" if rate == learning_rate else f" (learning rate {learning_rate:g} is no measure)"
    if not given:
        return Horizon(source=USUAL + unread)
    whole = optimiser.reach(**given)
    factor = min(max(whole, LEAST), MOST)
    said = ", ".join(f"{name.replace('_', ' ')} {x:g}" for name, x in given.items())
    clipped = "" if factor == whole else f" (by the law {whole:.3g} times)"
    return Horizon(
        updates=updates or int(optimiser.UPDATES),
        reach=factor,
        source=f"{said}: {factor:.3g} times as far as {USUAL}{clipped}{unread}",
    )
