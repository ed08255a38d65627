"""A hinge on the first token's logits: which of two reasoning modes a prompt should open with.

With z the logits of the two mode tokens at the first position of the prompt without a mode
instruction, pref = short where the prompt is easy and long where it is hard,

    L = c max(0, margin - (z_pref - z_other)).

A difference of logits is the difference of log-probabilities, so for a group that holds both modes
the coefficients are +c, -c on the first token's log-probability, shared by the rollouts of a mode.
One token in a thousand carries a weight of 1/1000 in a length-normalised policy gradient; here it
has its own. While the margin is violated a step of size eta moves the gap by 2 eta c; it stops at
the margin, so the mode's probability ends at sigmoid(margin), not at 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl import stats
from toyrl.objectives.base import Objective, present_prompts
from toyrl.ranges import FINITE, NOT_NEGATIVE, Range
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.length.mode import easy

Array = Any


def mode_hinge(preferred: Array, other: Array, margin: Any) -> tuple[Array, Array]:
    """(max(0, margin - (preferred - other)), its slope in `preferred`); minus that in `other`.

    preferred, other : logits of equal shape, as a trainer has them; NaN gives (0, 0)
    """
    xp = stats.array_namespace(preferred)
    short_of = margin - (preferred - other)
    zero = xp.zeros_like(short_of)
    violated = short_of > 0
    return xp.where(violated, short_of, zero), xp.where(violated, zero - 1, zero)


@entry(
    "first_token",
    kind="objective",
    formula="-c max(0, margin - (z_pref - z_other))",
    cards=("19",),
    section="reasoning-mode switching loss; margin, weight and rule reconstructed",
    provenance="reconstructed",
)
@dataclass(frozen=True)
class FirstToken(Objective):
    """Minus c max(0, margin - gap) per prompt, gap the preferred mode's lead in log-probability.

    margin : nats; weight : c >= 0
    theta, threshold : when a prompt is easy, see `toyrl.shapers.length.mode.easy`

    logp must be that of the prompt WITHOUT a mode instruction, else obedience is trained, not
    choice. Advantages and old log-probabilities are not read (None will do). Mean over prompts
    with a rollout. A prompt is silent if a mode is missing, if no rollout is right (there is no
    reason to open an unsolved prompt short), or if a first token's log-probability is NaN.
    Reads `mode` (1 long, 0 short; other values take no part).
    """

    margin: Annotated[float, Range("(-inf, inf]")] = 2.0
    weight: Annotated[float, NOT_NEGATIVE] = 0.1
    theta: Annotated[float, FINITE] = 0.25
    threshold: Annotated[float | None, FINITE.or_none] = None
    needs: ClassVar[tuple[str, ...]] = ("correct", "mode", "mask")

    def coefficients(
        self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array
    ) -> Array:
        del advantages, old_logp
        xp = rollouts.xp
        first, lead, speaks, (short, long) = self._lead(rollouts, logp)
        sign, gap = lead
        _, slope = mode_hinge(gap, xp.zeros_like(gap), self.margin)
        push = xp.where(speaks, -self.weight * sign * slope, xp.zeros_like(gap))
        # All copies of a row together.
        share = (short / _mass(short) - long / _mass(long)) * push / present_prompts(rollouts)
        return xp.where(first > 0, share[..., None] + xp.zeros_like(logp), xp.zeros_like(logp))

    def loss(self, advantages: Array, rollouts: Rollouts, logp: Array, old_logp: Array) -> Array:
        """c max(0, margin - gap), the mean over prompts with a rollout; silent ones count as 0."""
        del advantages, old_logp
        xp = rollouts.xp
        _, (_, gap), speaks, _ = self._lead(rollouts, logp)
        short_of, _ = mode_hinge(gap, xp.zeros_like(gap), self.margin)
        each = xp.where(speaks, self.weight * short_of, xp.zeros_like(gap))
        return xp.sum(each / present_prompts(rollouts), axis=(-2, -1))

    def _lead(self, r: Rollouts, logp: Array) -> tuple[Array, tuple[Array, Array], Array, Any]:
        """First tokens (..., B, G, T); sign and lead of the preferred mode, (..., B, 1) each; which
        prompts speak, bool (..., B, 1); weights of short and of long rollouts, (..., B, G)."""
        xp, zero = r.xp, r.xp.zeros_like(r.w)
        mask = r.need("mask", by="FirstToken")
        first = xp.astype((mask > 0) & (xp.cumulative_sum(mask, axis=-1) == 1), logp.dtype)
        chosen = xp.sum(xp.where(first > 0, logp, xp.zeros_like(logp)), axis=-1)
        opened = xp.any(first > 0, axis=-1)
        mode = r.need("mode", by="FirstToken")
        usable = xp.where(xp.isnan(r.correct) | ~opened, zero, r.w)
        short, long = xp.where(mode == 0, usable, zero), xp.where(mode == 1, usable, zero)
        simple, decided = easy(r.with_(weight=usable), self.theta, self.threshold)
        solved = stats.maximum(r.correct, usable) > 0
        gap = stats.mean(chosen, short) - stats.mean(chosen, long)
        sign = xp.where(simple, xp.ones_like(gap), -xp.ones_like(gap))
        speaks = decided & solved & ~xp.isnan(gap)
        return first, (sign, xp.where(speaks, sign * gap, zero[..., :1])), speaks, (short, long)


def _mass(w: Array) -> Array:
    """Sum over the group, 1 for an empty one."""
    xp, n = stats.array_namespace(w), stats.mass(w)
    return xp.where(n > 0, n, xp.ones_like(n))
