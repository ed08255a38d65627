"""A reward model's logit as the reward, whether the model stands still or is trained beside.

    R_i = sigma(s_i)            or, thresholded,        R_i = 1[sigma(s_i) > threshold]

s_i is the logit of a model that reads the question, the reference answer and the completion: the
field `judge`. A model that was trained on pairs knows differences of logits alone; a constant added
to all of them costs its loss nothing and moves this reward.

How such a model is trained beside the policy is `toyrl.models.reward.cooper`; what can be said
about the race between the two, `toyrl.theory.cotrained`. Source: paper 28.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl.ranges import FLAG, SHARE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at
from toyrl.stats import sigmoid

Array = Any


@entry(
    "cooper",
    kind="shaper",
    formula="R = sigma(s), s the reward model's logit; or 1[sigma(s) > 0.5]",
    cards=("28",),
    section="policy step; code ZJU-REAL/cooper, recipe/cooper/fsdp_workers.py",
    provenance="code",
)
@dataclass(frozen=True)
class Cooper(Shaper):
    """Whole reward: sigma of the reward model's logit `judge`, (..., B, G) in (0, 1).

    threshold : with `binary`, R = 1 above it, else 0: strictly, so that a model that knows nothing
        (logit 0) pays nobody at 0.5
    binary : the released `reward_scale`; False in the paper's runs

    Never reads `correct`: what it pays is right as far as the model is.
    """

    binary: Annotated[bool, FLAG] = False
    threshold: Annotated[Any, SHARE] = 0.5
    needs: ClassVar[tuple[str, ...]] = ("judge",)

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        xp = r.xp
        soft = sigmoid(r.need("judge", by="cooper"))
        hard = xp.astype(soft > at(self.threshold, r.step), soft.dtype)
        # Both, since the flag may be traced.
        return {"reward_model": xp.where(xp.asarray(1.0 * self.binary) > 0.5, hard, soft)}
