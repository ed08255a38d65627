"""The return, redistributed: one number for a whole rollout becomes a reward for each step.

    pays step k of K                                     sum over steps
    latent_reward           r_k, a model of its factors  sum r; R with end=1 or spread=1
    uniform_redistribution  R/K                          R
    ircr                    R/K, scaled to [0, 1]        -
    rudder                  g_k - g_(k-1) + (R - g_K + g_0)/K   R

R is the outcome, `correct`. A redistribution whose sum is R is *return-equivalent*: each rollout
collects what it did, so that no policy's value changes. What remains of R beside a model's rewards
may stand at the end, be spread evenly, or be dropped: with rewards to go only the first leaves the
expected gradient as it was (docs/theory/redistribution.md).

Rollouts without a step collect nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from array_api_compat import array_namespace

from toyrl.ranges import FINITE, SHARE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.rollouts.steps import step_ends, steps_behind
from toyrl.shapers.base import Parts, Shaper, at
from toyrl.shapers.process.segments import prefix_drops

Array = Any


def spread_evenly(total: Array, ends: Array) -> Array:
    """(..., T) total/K on each of the K steps' last tokens; total (...,), ends (..., T) 0 and 1."""
    xp = array_namespace(ends)
    steps = xp.sum(ends, axis=-1)
    each = total / xp.where(steps > 0, steps, xp.ones_like(steps))
    return each[..., None] * ends


def at_the_end(total: Array, ends: Array) -> Array:
    """(..., T) total on the last step's last token; total (...,), ends (..., T) 0 and 1."""
    xp = array_namespace(ends)
    last = (ends > 0) & (steps_behind(ends) < 0.5)
    return xp.where(last, total[..., None] * xp.ones_like(ends), xp.zeros_like(ends))


def with_residual(
    r_hat: Array, total: Array, ends: Array, *, end: Any = 1.0, spread: Any = 0.0
) -> Array:
    """(..., T) step rewards and shares of what they leave of the return, R - sum r.

    r_hat, ends : (..., T), read on the last tokens of steps; total : (...,) returns
    end, spread : the share that stands on the last step, and the share that is spread evenly; in
        all 1, and the sum is the return
    """
    xp = array_namespace(r_hat, ends)
    own = xp.where(ends > 0, r_hat, xp.zeros_like(r_hat))
    left = total - xp.sum(own, axis=-1)
    return own + end * at_the_end(left, ends) + spread * spread_evenly(left, ends)


def scaled_to_one(x: Array, w: Array) -> Array:
    """x (..., B, G) scaled to [0, 1] over the batch's places of weight w > 0.

    Zeros where all are alike.
    """
    xp = array_namespace(x, w)
    here = w > 0
    big = xp.full_like(x, xp.inf)
    low = xp.min(xp.where(here, x, big), axis=(-2, -1), keepdims=True)
    high = xp.max(xp.where(here, x, -big), axis=(-2, -1), keepdims=True)
    wide = high > low
    span = xp.where(wide, high - low, xp.ones_like(high))
    return xp.where(here & wide, (x - xp.where(wide, low, 0 * span)) / span, xp.zeros_like(x))


class Redistribution(Shaper):
    """Base of rewards that give the outcome to the steps: `alpha` times what `paid` gives.

    Reads `correct`, `mask` and, where present, `step_ends`; without it each token is a step.
    """

    alpha: Annotated[Any, FINITE] = 1.0
    needs: ClassVar[tuple[str, ...]] = ("correct", "mask")
    wants: ClassVar[tuple[str, ...]] = ("step_ends",)
    token_level: ClassVar[bool] = True

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        ends = step_ends(r, by=type(self).__name__)
        return {"redistributed": at(self.alpha, r.step) * self.paid(ends, r)}

    def paid(self, ends: Array, r: Rollouts) -> Array:
        """(..., B, G, T) from ends (..., B, G, T).

        Raises TypeError in a class that does not define it.
        """
        msg = f"{type(self).__name__} defines no paid(ends, rollouts)"
        raise TypeError(msg)


@entry(
    "latent_reward",
    kind="shaper",
    formula="r_k = f(phi(s_k, a_k)) + (end [k = K] + spread/K) (R - sum r)",
    cards=("41",),
    section="proxy rewards; code LLMrd.py; residuals are ours",
    provenance="code",
)
@dataclass(frozen=True)
class LatentReward(Redistribution):
    """Whole reward: what a model of the steps' factors gives each step, in the outcome's place.

    end, spread : shares of R - sum r, what the model leaves of the outcome, that stand on the last
        step and that are spread evenly; as published 0, it is dropped

    Reads `step_rewards` (..., B, G, T) on the last token of each step, as
    `toyrl.models.steps.return_decoder` fits them. Dropped, the reward is another one: what its
    factors don't see it can't pay, and what they see wrongly it pays.
    """

    end: Annotated[Any, SHARE] = 0.0
    spread: Annotated[Any, SHARE] = 0.0
    alpha: Annotated[Any, FINITE] = 1.0
    needs: ClassVar[tuple[str, ...]] = ("correct", "step_rewards", "mask")

    def paid(self, ends: Array, r: Rollouts) -> Array:
        own = r.need("step_rewards", by="latent_reward")
        end, spread = (at(x, r.step) for x in (self.end, self.spread))
        return with_residual(own, r.correct, ends, end=end, spread=spread)


@entry(
    "uniform_redistribution",
    kind="shaper",
    formula="r_k = R/K",
    cards=("41",),
    section="baseline IRCR before its normalisation",
    provenance="code",
)
@dataclass(frozen=True)
class UniformRedistribution(Redistribution):
    """Whole reward: the outcome in equal parts on all steps; in all R.

    With rewards to go step k of K keeps (K - k + 1)/K of its credit: the end is taught least.
    """

    alpha: Annotated[Any, FINITE] = 1.0

    def paid(self, ends: Array, r: Rollouts) -> Array:
        return spread_evenly(r.correct, ends)


@entry(
    "ircr",
    kind="shaper",
    formula="r_k = (g - min g)/(max g - min g), g = R/K",
    cards=("41",),
    section="baseline IRCR; code, guidance of stored episodes",
    provenance="code",
)
@dataclass(frozen=True)
class Ircr(Redistribution):
    """Whole reward: R/K of the rollout on every step, scaled to [0, 1] over the batch; 0 if alike.

    The released code scales over all stored episodes and draws half of a batch from the best ones;
    here the batch is the store. Its sum is no longer R: it grows with the number of steps.
    """

    alpha: Annotated[Any, FINITE] = 1.0
    scope: ClassVar[str] = "batch"

    def paid(self, ends: Array, r: Rollouts) -> Array:
        xp = r.xp
        steps = xp.sum(ends, axis=-1)
        each = r.correct / xp.where(steps > 0, steps, xp.ones_like(steps))
        w = xp.where(steps > 0, r.w, xp.zeros_like(r.w))
        return scaled_to_one(each, w)[..., None] * ends


@entry(
    "rudder",
    kind="shaper",
    formula="r_k = g_k - g_(k-1) + spread (R - sum of these)/K",
    cards=("41",),
    section="RUDDER-like, from memory of its tutorial",
    provenance="reconstructed",
)
@dataclass(frozen=True)
class Rudder(Redistribution):
    """Whole reward: each step's change of the predicted return, and the rest evenly; in all R.

    start : g_0, the prediction before the first step; spread : share of the rest that is paid

    Reads `return_predictions` (..., B, G, T), the return expected after each step, on its last
    token. With g the true value and `start` its beginning, a step's reward is its advantage.
    """

    start: Annotated[Any, FINITE] = 0.0
    spread: Annotated[Any, SHARE] = 1.0
    alpha: Annotated[Any, FINITE] = 1.0
    needs: ClassVar[tuple[str, ...]] = ("correct", "return_predictions", "mask")

    def paid(self, ends: Array, r: Rollouts) -> Array:
        predicted = r.need("return_predictions", by="rudder")
        own = -prefix_drops(predicted, ends, at(self.start, r.step))
        return with_residual(own, r.correct, ends, end=0.0, spread=at(self.spread, r.step))
