"""How a judge of lists is paid: does it order the responses as the truth does, in the asked form?

    w_ij = 1 + |g_i - g_j|                        weight of a pair with true grades g
    cost = w_ij if the scores s reverse the pair, w_ij/2 if they tie what the truth does not
    R_acc = 1 - sum cost/sum w                    a true tie costs nothing
    R = w_f R_fmt + w_a R_acc

What a missing score costs is where the released code and a sound reward differ:

    released   its pairs are left out; fewer than two scores pay 1: silence is the optimum
    tie        its pairs cost half, as a tie does; fewer than two scores pay 0
    coverage   its pairs are left out, the rest is paid times the share of responses scored;
               fewer than two scores pay 0

Source: paper 12 (RewardAnything), code zhuohaoyu/RewardAnything, rewardanything/processing.py; the
weights w_f and w_a are not in it and ours, the sound variants are derived.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl import stats
from toyrl.messages import shortened
from toyrl.ranges import FINITE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at

Array = Any
MISSING = ("tie", "coverage", "released")


def pair_agreement(
    scores: Array, truth: Array, *, missing: str = "tie", named: Array | None = None
) -> Array:
    """R_acc in [0, 1] of scores (..., n) against true grades (..., n), broadcast: (...).

    scores : any scale, NaN where one is missing; truth : NaN where the list has no such response
    missing : one of `MISSING`
    named : (..., n) bool, responses that the judge named, with a score or without a readable one;
        None: those with a score. Read by "released" alone, which pays 1 for fewer than two names,
        and 0 for two and more of which no pair has scores

    NaN for a list of fewer than two responses: it has no pair ("released" pays 1).

    Raises ValueError for another `missing`.
    """
    if missing not in MISSING:
        msg = f"missing={shortened(missing)} is not one of {', '.join(MISSING)}"
        raise ValueError(msg)
    xp = stats.array_namespace(scores, truth)
    scores, truth = xp.broadcast_arrays(scores, truth)
    there = ~xp.isnan(truth)
    known = there & ~xp.isnan(scores)
    one, zero = xp.ones_like(truth), xp.zeros_like(truth)
    s, g = xp.where(known, scores, zero), xp.where(there, truth, zero)

    def pairs(x: Array) -> tuple[Array, Array]:
        return x[..., :, None], x[..., None, :]

    def both(x: Array) -> Array:
        left, right = pairs(x)
        return left & right

    def count(x: Array) -> Array:
        return xp.sum(xp.where(x, one, zero), axis=-1)

    # Signs, since a product of two small differences may round to 0.
    turn, order = (xp.sign(left - right) for left, right in (pairs(s), pairs(g)))
    gap = xp.abs(pairs(g)[0] - pairs(g)[1])
    share = xp.where(turn == 0, one[..., None] / 2, xp.where(turn == order, 0 * gap, 0 * gap + 1))
    share = xp.where(both(known), share, 0 * gap + 0.5)
    share = xp.where(order == 0, 0 * gap, share)
    counted = there if missing == "tie" else known
    weight = xp.where(both(counted), 1 + gap, 0 * gap)
    # Each pair stands twice, in both sums; a response beside itself has weight 1 and costs nothing.
    total = xp.sum(weight, axis=(-2, -1)) - count(counted)
    cost = xp.sum(weight * share, axis=(-2, -1))
    paid = 1 - cost / xp.where(total > 0, total, xp.ones_like(total))
    paid = xp.where(total > 0, paid, xp.zeros_like(paid))
    if missing == "released":
        said = known if named is None else there & named
        return xp.where(count(said) < 2, xp.ones_like(paid), paid)
    if missing == "coverage":
        paid = paid * count(known) / xp.where(count(there) > 0, count(there), 1 + 0 * total)
    paid = xp.where(count(known) < 2, xp.zeros_like(paid), paid)
    return xp.where(count(there) < 2, xp.nan + 0 * paid, paid)


@entry(
    "reward_anything",
    kind="shaper",
    formula="R = w_f format + w_a agreement if scored, else w_f format",
    cards=("12",),
    section="code rewardanything/processing.py, silence mended",
    provenance="derived",
)
@dataclass(frozen=True)
class RewardAnything(Shaper):
    """Whole reward of a judge of lists: the form of its answer, and agreement with the truth.

    form, agree : weights w_f and w_a; ours, as none are published

    Reads `format` (`toyrl.graders.judged.rankings.ranking_format`), `agreement` (`pair_agreement`,
    or `ranking_agreement` of a text) and `answered` (scores can be read). Parts `format` in
    [0, w_f], `agreement` in [0, w_a]: without scores 0.
    """

    form: Annotated[Any, FINITE] = 0.2
    agree: Annotated[Any, FINITE] = 0.8
    needs: ClassVar[tuple[str, ...]] = ("format", "agreement", "answered")
    silent: ClassVar[float] = 0.0

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        form, agreement = r.need("format", by="it"), r.need("agreement", by="it")
        answered = r.need("answered", by="it")
        # `answered` is a chance in exact classes: the mean of what both cases pay.
        paid = answered * agreement + (1 - answered) * self.silent
        return {"format": at(self.form, r.step) * form, "agreement": at(self.agree, r.step) * paid}


@entry(
    "reward_anything_released",
    kind="shaper",
    formula="R = w_f format + w_a (agreement if scored, else 1)",
    cards=("12",),
    section="code rewardanything/processing.py",
    provenance="code",
)
@dataclass(frozen=True)
class RewardAnythingReleased(RewardAnything):
    """Whole reward: `reward_anything` as released, where an output without scores agrees fully.

    Parts `format` in [0, w_f], `agreement` in [0, w_a]: without scores w_a.
    """

    silent: ClassVar[float] = 1.0
