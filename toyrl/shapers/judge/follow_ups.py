"""A user's likely next words as the reward: how much likelier is approval than disapproval?

    flr            approval - disapproval, mean log-likelihoods of follow-ups, nats per token
    flr_released   the same of the numbers that the released scorer computes: raw logits of one row

Both sides are parts of the reward, so that a run logs them apart: a policy that learns to provoke
comments of any kind raises both. How a model's logits become the fields: `toyrl.models.follow_ups`.
The scorer is a frozen copy, never the policy that trains. An offset that all responses to a prompt
share drops out of a group's mean; without a baseline, subtract a reference response's number.

Source: paper 49.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper

Array = Any


class Contrast(Shaper):
    """Base: the first field of `needs` less the second; where either is infinite, unscorable."""

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        xp, by = r.xp, type(self).__name__
        good, bad = (r.need(name, by=by) for name in self.needs)
        fine = xp.isfinite(good) & xp.isfinite(bad)
        none = xp.full_like(good, xp.nan)
        return {"approval": xp.where(fine, good, none), "disapproval": xp.where(fine, -bad, none)}


@entry(
    "flr",
    kind="shaper",
    formula="mean log p(approving follow-up) - mean log p(disapproving), nats per token",
    cards=("49",),
    section="abstract; aggregation reconstructed",
    provenance="reconstructed",
)
@dataclass(frozen=True)
class Flr(Contrast):
    """A term: `approval` - `disapproval`, (..., B, G), nats per token; any sign.

    NaN or an infinite number makes the rollout unscorable (NaN). Never reads `correct`.
    """

    needs: ClassVar[tuple[str, ...]] = ("approval", "disapproval")


@entry(
    "flr_released",
    kind="shaper",
    formula="mean raw logit of approving follow-ups' tokens in one row - of disapproving ones'",
    cards=("49",),
    section="code e0397123/FLR, run_llama3.py",
    provenance="code",
)
@dataclass(frozen=True)
class FlrReleased(Contrast):
    """A term: `approval_logit` - `disapproval_logit`, (..., B, G), logits; no likelihood.

    One row of logits has a free constant, and the two sides read different rows: unlike a
    likelihood's, its zero belongs to the model. NaN and infinity as in `flr`.
    """

    needs: ClassVar[tuple[str, ...]] = ("approval_logit", "disapproval_logit")
