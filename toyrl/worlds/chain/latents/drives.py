"""A drive as a latent: progress along a route, what was kept on the way, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from toyrl.ranges import SHARE
from toyrl.worlds.chain.latents.base import Kinds, Latent, Law, token_places

DRIVEN = ("route", "hard", "lane", "off_route", "speed", "comfort", "ttc")
"""Fields of a drive, one number a step, a token being a step."""


@dataclass(frozen=True)
class Drives(Latent):
    """A right rollout drives evenly to the end of its route; a wrong one gets as far as `reach`.

    reach : share of the route that a wrong rollout has done at its end
    close : time-to-collision factor of a wrong rollout from half of its length on
    rough : comfort factor of the same steps
    crash : chance that a wrong rollout's last step is a collision; cut off ones stand instead

    Fields: `route`, `hard`, `lane`, `off_route`, `speed`, `comfort`, `ttc` (those not named: 1).
    """

    reach: Annotated[float, SHARE] = 0.5
    close: Annotated[float, SHARE] = 0.5
    rough: Annotated[float, SHARE] = 0.75
    crash: Annotated[float, SHARE] = 0.5
    says: ClassVar[str] = (
        "a right rollout drives evenly to the end of its route without an infraction; a wrong one "
        "gets to {reach} of it, its second half at a time-to-collision factor of {close} and a "
        "comfort factor of {rough}, and ends in a collision with chance {crash} unless cut off"
    )

    def law(self, kinds: Kinds) -> Law:
        place, length = token_places(kinds), np.maximum(kinds.length, 1)[:, None, None]
        wrong = (kinds.correct == 0)[:, None, None]
        done = np.minimum((place + 1) / length, 1.0)
        late = wrong & (place >= 0.5 * length)
        one, crashes = np.ones_like(done), np.array([0.0, 1.0])[:, None]
        ends = wrong & (place + 1 >= length)
        chance = self.crash * (kinds.correct == 0) * ~kinds.truncated
        own = {
            "route": done * np.where(wrong, self.reach, 1.0),
            "hard": 2.0 * ends * crashes,
            "comfort": np.where(late, self.rough, 1.0),
            "ttc": np.where(late, self.close, 1.0),
        }
        return np.stack([1 - chance, chance], axis=-1), {
            **dict.fromkeys(("lane", "off_route", "speed"), one),
            **own,
        }
