"""Potential-based shaping on token prefixes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl.ranges import SHARE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.rollouts.tokens import after
from toyrl.shapers.base import Parts, Shaper, at

Array = Any


@entry(
    "potential",
    kind="shaper",
    formula="F_t = discount phi(s_(t+1)) - phi(s_t)",
    cards=("56",),
    section="Theorem 1",
    provenance="text",
)
@dataclass(frozen=True)
class PotentialShaping(Shaper):
    """A term per token: discount * phi(next prefix) - phi(prefix), phi = 0 after the last token.

    Reads the field `potential` (..., B, G, T), phi of the prefix *before* each token, and `mask`
    where present: the next prefix is then that of the next token on it (between turns nothing is
    paid, and nothing discounted). The end counts as terminal also for truncated rollouts: without
    that, phi of the last prefix would be a real reward. The discounted total of a rollout is
    -phi(prompt), the same for all rollouts of a prompt.
    """

    discount: Annotated[Any, SHARE] = 1.0
    needs: ClassVar[tuple[str, ...]] = ("potential",)
    wants: ClassVar[tuple[str, ...]] = ("mask",)
    token_level: ClassVar[bool] = True

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        xp, phi = r.xp, r.need("potential", by="potential")
        if r.mask is None:
            following = xp.concat((phi[..., 1:], xp.zeros_like(phi[..., :1])), axis=-1)
        else:
            phi = xp.where(r.mask > 0, phi, xp.zeros_like(phi))
            following = after(phi, r.mask)
        return {"potential": at(self.discount, r.step) * following - phi}
