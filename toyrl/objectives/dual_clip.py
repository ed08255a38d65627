"""The clipped surrogate with a second clip for negative advantages.

For A < 0 the loss max(-rho A, -clip(rho, 1-low, 1+high) A) is capped at -dual A: a rollout that the
policy has come to like much more than its sampler did is no longer pushed down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.registry import add
from toyrl.rollouts import Rollouts

Array = Any


@dataclass(frozen=True)
class DualClip(PolicyGradient):
    """The clipped policy gradient, without gradient for A < 0 past rho = `dual`.

    dual : above 1; verl's default is 3, DLER's 10. The defaults are DLER's clip-higher, 0.2/0.28.
    """

    clip_high: float = 0.28
    dual: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.dual > 1:
            msg = f"dual={self.dual} is not above 1: it would stop on-policy updates"
            raise ValueError(msg)

    def coefficients(
        self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        xp = rollouts.xp
        live = super().coefficients(advantages, rollouts, logp, old_logp)
        a = advantages if advantages.ndim == logp.ndim else advantages[..., None]
        capped = (a < 0) & (xp.exp(logp - old_logp) > self.dual)
        return xp.where(capped, xp.zeros_like(live), live)


add(
    "dual_clip",
    DualClip(),
    kind="objective",
    cards=("08", "00"),
    section="code NVlabs/DLER verl-dler, compute_policy_loss",
    provenance="code",
    summary="Clipped policy gradient, clip-higher 0.28, dual clip 10, token mean",
)
