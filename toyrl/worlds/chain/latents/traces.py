"""A latent of traces: how far a rollout follows the program, and how many states that has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from toyrl.ranges import COUNT, SHARE
from toyrl.worlds.chain.latents.base import Kinds, Latent, Law


@dataclass(frozen=True)
class TracePrefixes(Latent):
    """Where the first wrong state of a trace stands. Fields: `trace_prefix`, `trace_states`.

    whole : chance that a right rollout's trace is right too; else, and in wrong rollouts, the first
        wrong state is each of them with the same chance; states : of the program
    """

    whole: Annotated[float, SHARE] = 0.9
    states: Annotated[int, COUNT] = 4
    says: ClassVar[str] = (
        "the program has {states} states; a right rollout follows it to the end with probability "
        "{whole}, else, as in every wrong rollout, each state is the first wrong one equally often"
    )

    def law(self, kinds: Kinds) -> Law:
        n = self.states
        whole = self.whole * (kinds.correct > 0)
        early = np.broadcast_to((1 - whole)[:, None] / n, (len(kinds), n))
        weight = np.concatenate([early, whole[:, None]], axis=1)
        none = np.zeros(n + 1)
        return weight, {"trace_prefix": np.arange(n + 1) / n, "trace_states": none + n}
