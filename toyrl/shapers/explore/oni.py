"""ONI: captions of what happens are judged while the policy trains, and paid for once each.

    r_t = alpha_ext r_ext + alpha_int r_hat(c_t)/N_t^beta

c_t is the caption of step t, N_t how often this very caption has come up in the episode so far,
this time included, r_hat its judgement: a label that was looked up (retrieval), a classifier's yes
(classification), or a ranker's score above a threshold (ranking). Repeating one helpful caption n
times pays alpha_int H_n(beta): without bound for beta <= 1, below alpha_int zeta(beta) above.

In a language model's run an episode is a completion and a caption one of its steps, so that N_t
counts verbatim repetition.

Formulas: docs/theory/exploration.md.

Source: paper 06, section 2 of the text and the code (appo/learner.py, rl_baseline/obs_wrappers.py,
rlaif/reward_model.py).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from array_api_compat import array_namespace

from toyrl.ranges import FINITE, NOT_NEGATIVE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, at
from toyrl.shapers.explore.bonus import Intrinsic

Array = Any
ETA, EPS_THRESHOLD, BETA = 0.5, -0.5, 3.0
"""The classifier's threshold, the ranker's, and the exponent of the count: the paper's."""


def caption_counts(
    captions: Sequence[Hashable], episode_starts: Sequence[int] = (0,)
) -> np.ndarray:
    """(T,) N_t >= 1: how often each caption has come up in its episode, this time included.

    captions : exact keys, the empty text among them; give templates for texts with volatile parts,
        or every new number is a new caption
    episode_starts : indices at which an episode begins; its first caption, that of `reset`, counts
    """
    starts, seen, out = set(episode_starts), dict[Hashable, int](), []
    for t, c in enumerate(captions):
        if t in starts:
            seen = {}
        seen[c] = seen.get(c, 0) + 1
        out.append(seen[c])
    return np.array(out, dtype=float)


def classified_reward(p_helpful: Array, *, eta: float = ETA) -> Array:
    """1[p > eta] of chances of any shape: exactly eta is no, and so is NaN.

    Source: paper 06, `online_cls_reward_model`.
    """
    xp = array_namespace(p_helpful)
    return xp.where(p_helpful > eta, xp.ones_like(p_helpful), xp.zeros_like(p_helpful))


def ranked_reward(score: Array, mean: Array, var: Array, *, normalise: bool = True,
                  eps_thr: float = EPS_THRESHOLD) -> Array:  # fmt: skip
    """The ranker's reward of its scores, arrays of any shape; mean and var scalars.

    normalise : r_tilde 1[r_tilde > eps_thr] of r_tilde = (r - mean)/sqrt(var), what the text
        intends; False pays r as it is, what the released code runs: the number is computed there
        and never read. A variance of 0 makes r_tilde 0.

    Source: paper 06, (3), and `online_motif` in appo/learner.py.
    """
    if not normalise:
        return score
    xp = array_namespace(score)
    var = var + 0 * score
    some = var > 0
    unit = xp.where(
        some, (score - mean) / xp.sqrt(xp.where(some, var, xp.ones_like(var))), 0 * score
    )
    return xp.where(unit > eps_thr, unit, xp.zeros_like(unit))


def mixed_reward(r_ext: Array, r_hat: Array, count: Array, *, alpha_ext: Any = 1.0,
                 alpha_int: Any = 0.1, beta: Any = BETA) -> Array:  # fmt: skip
    """(...) alpha_ext r_ext + alpha_int r_hat/N^beta; arrays (...) that broadcast, N >= 1.

    alpha_int 0 is alpha_ext r_ext to the bit, beta 0 adds r_hat as it is. A count below 1, which
    can't be, is read as 1.

    Source: paper 06, (1).
    """
    xp = array_namespace(r_ext, r_hat, count)
    paid = r_hat / xp.maximum(count, xp.ones_like(count)) ** beta
    return alpha_ext * r_ext + alpha_int * paid


@entry(
    "oni",
    kind="shaper",
    formula="R = alpha_ext c + alpha_int sum_t r_hat(c_t)/N_t^beta",
    cards=("06",),
    section="section 2, (1)",
    provenance="code",
)
@dataclass(frozen=True)
class Oni(Intrinsic):
    """Whole reward: correctness, and each step's judgement over the count of its repeats, summed.

    Reads `helpful` r_hat and `caption_count` N, per token: on the last token of each step, 0
    elsewhere. A model has them (`toyrl.models.captions`); keep its table still while a group is
    scored.

    alpha_ext, alpha_int : weights, numbers or schedules (the README's run for a dense score has
        0.1 and 0.4, the sparse tasks alpha_ext 10)
    beta : 3 in the paper; at most 1 pays repeats without bound, 0 in full
    """

    alpha_ext: Annotated[Any, FINITE] = 1.0
    alpha_int: Annotated[Any, FINITE] = 0.1
    beta: Annotated[Any, NOT_NEGATIVE] = BETA
    needs: ClassVar[tuple[str, ...]] = ("correct", "helpful", "caption_count")

    def intrinsic_weight(self, step: Any) -> Any:
        return at(self.alpha_int, step)

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        good, n = r.need("helpful", by="oni"), r.need("caption_count", by="oni")
        none = r.xp.zeros_like(good)
        good = good if r.mask is None else r.xp.where(r.mask > 0, good, none)
        paid = mixed_reward(none, good, n, alpha_int=at(self.alpha_int, r.step),
                            beta=at(self.beta, r.step))  # fmt: skip
        return {"outcome": at(self.alpha_ext, r.step) * r.correct,
                "intrinsic": r.xp.sum(paid, axis=-1)}  # fmt: skip
