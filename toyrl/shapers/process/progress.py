"""Progress through the steps of a solution: paid once, kept, and never paid again.

Step scores are here a position: how far through the steps of known demonstrations the text
has come (`toyrl.models.steps.texts`). What counts is the furthest so far: going back costs nothing,
repeating and going to and fro earn nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl.ranges import FINITE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.rollouts.tokens import running_maximum
from toyrl.shapers.process.summaries import StepShaper

Array = Any


@entry(
    "step_progress",
    kind="shaper",
    formula="d_k = alpha (m_k - m_(k-1)), m_k = max(0, s_1, ..., s_k)",
    cards=("44",),
    section="reward of an agent, latched; on texts ours",
    provenance="reconstructed",
)
@dataclass(frozen=True)
class StepProgress(StepShaper):
    """A term per step: `alpha` times what it adds to the best score so far; in all alpha max s.

    In [0, alpha] for scores in [0, 1], whatever the number of steps. A copy of any step pays 0. The
    end is paid: no policy-invariant shaping (for that give the scores as `potential` to
    `potential()`). Only the order that the scores know of is asked for.
    """

    alpha: Annotated[Any, FINITE] = 1.0
    token_level: ClassVar[bool] = True

    def paid(self, scores: Array, ends: Array, r: Rollouts) -> Array:
        del ends
        xp = r.xp
        best = running_maximum(xp.maximum(scores, xp.zeros_like(scores)))
        return xp.concat((best[..., :1], best[..., 1:] - best[..., :-1]), axis=-1)
