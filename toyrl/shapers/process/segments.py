"""Rewards per segment: several reward models, each with segments and a weight of its own.

    r_t = sum_k w_k sum_j [t ends segment j of model k] R_k(j)

Model k scores its own segments (sub-sentences, sentences, the whole text), each on its last token.
Only the place of a reward differs from paying the weighted sum at the end, and a critic that knows
every prefix's value gives both the same advantages (docs/theory/process.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from array_api_compat import array_namespace

from toyrl.ranges import FINITE, NOT_NEGATIVE, POSITIVE, SHARE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.rollouts.steps import step_ends
from toyrl.rollouts.tokens import after
from toyrl.shapers.base import Parts, Shaper, at

Array = Any


@entry(
    "fine_grained",
    kind="shaper",
    formula="r_t = w_1 relevance_t + w_2 factuality_t + w_3 [t = T] (completeness - mean)/std",
    cards=("51",),
    section="section 4; code allenai/FineGrainedRLHF, fine_grained_config.yml",
    provenance="code",
)
@dataclass(frozen=True)
class FineGrained(Shaper):
    """Whole reward: three error types of long answers, each paid at the end of its segments.

    relevance, factuality, completeness : weights w_k; 0 takes a model out
    mean, std : of the completeness model's raw scores

    Reads `relevance_scores` and `factuality_scores` (..., B, G, T), +1 or -1 on the last token of
    each sub-sentence and sentence and 0 elsewhere, and `completeness`, one raw score a rollout.
    Good sub-sentences pay by their number: relevance drives the length.
    """

    relevance: Annotated[Any, NOT_NEGATIVE] = 0.3
    factuality: Annotated[Any, NOT_NEGATIVE] = 0.5
    completeness: Annotated[Any, NOT_NEGATIVE] = 0.3
    mean: Annotated[Any, FINITE] = -0.446777
    std: Annotated[Any, POSITIVE] = 8.301161
    needs: ClassVar[tuple[str, ...]] = (
        "relevance_scores", "factuality_scores", "completeness", "mask",
    )  # fmt: skip
    token_level: ClassVar[bool] = True

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        xp, mask = r.xp, r.need("mask", by="fine_grained")

        def own(name: str, weight: Any) -> Array:
            scores = r.need(name, by="fine_grained")
            return at(weight, r.step) * xp.where(mask > 0, scores, xp.zeros_like(scores))

        whole = (r.need("completeness", by="fine_grained") - self.mean) / self.std
        some = xp.any(mask > 0, axis=-1)  # an empty text has no last token
        return {
            "relevance": own("relevance_scores", self.relevance),
            "factuality": own("factuality_scores", self.factuality),
            "completeness": at(self.completeness, r.step)
            * xp.where(some, whole, xp.zeros_like(whole)),
        }


@entry(
    "token_kl",
    kind="shaper",
    formula="r_t = -coef (log pi(y_t) - log pi_ref(y_t))",
    cards=("51", "09"),
    section="code fgrlhf/ppo.py (kl_coef)",
    provenance="code",
)
@dataclass(frozen=True)
class TokenKL(Shaper):
    """A term per token: minus `coef` times the log-ratio of policy and reference.

    coef : 0.3 with segment rewards, 0.2 in the paper's holistic baseline
    Its expectation is minus coef times the KL divergence of the rest of the text (k1 in reward).
    """

    coef: Annotated[Any, FINITE] = 0.3
    needs: ClassVar[tuple[str, ...]] = ("logprobs", "ref_logprobs", "mask")
    token_level: ClassVar[bool] = True

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        log_ratio = r.need("logprobs", by="token_kl") - r.need("ref_logprobs", by="token_kl")
        live = r.need("mask", by="token_kl") > 0
        return {"kl": -at(self.coef, r.step) * r.xp.where(live, log_ratio, 0 * log_ratio)}


def prefix_drops(values: Array, ends: Array, start: float = 0.0) -> Array:
    """v_(j-1) - v_j on the last token of segment j, v_0 = start; 0 elsewhere.

    values, ends, and the answer : (..., B, G, T); the total is start less the last value
    """
    xp = array_namespace(values, ends)
    back, marks = xp.flip(values, axis=-1), xp.flip(ends, axis=-1)
    before = xp.flip(after(back, marks), axis=-1)
    first = xp.flip(after(marks, marks), axis=-1) == 0
    before = xp.where(first, xp.zeros_like(values) + start, before)
    return xp.where(ends > 0, before - values, xp.zeros_like(values))


@entry(
    "toxicity_drop",
    kind="shaper",
    formula="r_j = alpha (tox(y_<j) - tox(y_<=j))",
    cards=("51",),
    section="section 3 (detoxification)",
    provenance="second-hand",
)
@dataclass(frozen=True)
class ToxicityDrop(Shaper):
    """A term per segment: `alpha` times the fall of the text's toxicity over it.

    start : toxicity of the empty text. From memory of the paper, not in its repository.

    Reads `toxicity` (..., B, G, T) of the text so far on the last token of each segment, and
    `step_ends`. In all alpha (start - tox(y)): the holistic reward alpha (1 - tox(y)) less a
    constant, as potential-based shaping with a reward at the end.
    """

    alpha: Annotated[Any, FINITE] = 1.0
    start: Annotated[Any, SHARE] = 0.0
    needs: ClassVar[tuple[str, ...]] = ("toxicity", "mask")
    wants: ClassVar[tuple[str, ...]] = ("step_ends",)
    token_level: ClassVar[bool] = True

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        ends = step_ends(r, by="toxicity_drop")
        tox = r.need("toxicity", by="toxicity_drop")
        drops = prefix_drops(r.xp.where(ends > 0, tox, r.xp.zeros_like(tox)), ends, self.start)
        return {"toxicity": at(self.alpha, r.step) * drops}
