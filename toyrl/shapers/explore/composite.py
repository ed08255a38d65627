"""Simple rewards: progress times what was kept, instead of a weighted sum of terms.

The progress that a step makes is multiplied down by each soft infraction, and a hard infraction
ends the episode. Whoever stands still is paid nothing, however comfortably. The weighted sum that
this replaces pays for comfort itself, and so for duration.

    carl            what the CARLA agent is paid; the last step still pays its progress
    carl_product    the nuPlan agent's form: a hard step pays no progress
    carl_survival   part of the pay for each step that is survived (not the default of the code)
    carl_additive   the weighted sum of the nuPlan score: the rival
    text_product, text_sum   the same two forms for a text: right or not, format, length, repetition

A step is a token of the mask. `route` is the share of the route that is done after it (of a text:
of its verified sub-goals). Factors `lane`, `off_route`, `speed`, `comfort`, `ttc` in [0, 1] are 1
where rollouts don't have them; `hard` is 0, 1 for what ends the episode, 2 for a collision or a
red light. How signals of a vehicle become factors: `toyrl.worlds.search.infractions`.

Source: paper 20, official code (`reward/simple_reward.py`, `default_reward_builder.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl.ranges import FINITE, FLAG, NOT_NEGATIVE, POSITIVE, SHARE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at, filled, in_tokens, r_xp
from toyrl.shapers.process.segments import prefix_drops

Array = Any
FACTORS = ("lane", "off_route", "speed", "comfort", "ttc")
SECTION = "section 3 (reward); official code"


def product(factors: Mapping[str, Array], like: Array) -> Array:
    """The product of all factors, in the shape of `like`; of none of them 1.

    factors : name -> array in [0, 1] that broadcasts to `like`, any shape
    """
    out = r_xp(like).ones_like(like)
    for value in factors.values():
        out = out * value
    return out


def within_route(hard: Array) -> Array:
    """1 up to and with the first hard infraction, 0 behind it; (..., T) floats, as `hard`."""
    xp = r_xp(hard)
    flag = xp.astype(hard > 0, hard.dtype)
    return xp.astype(xp.cumulative_sum(flag, axis=-1) - flag < 0.5, hard.dtype)


class Driving(Shaper):
    """Base of rewards by step: `paid` says what one step gets; nothing is paid behind a hard one.

    Reads `route` and `mask`, and where they are present `hard` and the factors. A missing number
    (NaN) makes the rollout unscorable: the released code hands it on, a sum would hide it.
    """

    monotone: Annotated[Any, FLAG] = False
    needs: ClassVar[tuple[str, ...]] = ("route", "mask")
    wants: ClassVar[tuple[str, ...]] = ("hard", *FACTORS)
    token_level: ClassVar[bool] = True

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        xp, by = r.xp, type(self).__name__
        mask, route = r.need("mask", by=by), r.need("route", by=by)
        hard = xp.where(mask > 0, r.fields["hard"], 0 * mask) if r.has("hard") else 0 * route
        route = xp.where(mask > 0, route, 0 * mask)
        gain = -prefix_drops(route, mask)  # since the last step of the mask
        flag = xp.asarray(1.0 * self.monotone) > 0.5  # may be traced
        gain = xp.where(flag & (gain < 0), xp.zeros_like(gain), gain)
        factors = {n: r.fields[n] if r.has(n) else xp.ones_like(route) for n in FACTORS}
        live = within_route(hard) * mask
        return {n: v * live for n, v in self.paid(gain, factors, hard, r.step).items()}

    def paid(self, gain: Array, factors: Mapping[str, Array], hard: Array, step: Any = 0) -> Parts:
        """What steps pay, by part; elementwise, all of one shape.

        gain : share of the route done by this step; factors : `FACTORS` by name, in [0, 1]
        hard : 0, 1 or 2; step : number of the update, for weights that are schedules

        Raises TypeError in a class that does not define it.
        """
        msg = f"{type(self).__name__} defines no paid(gain, factors, hard, step)"
        raise TypeError(msg)


@entry(
    "carl",
    kind="shaper",
    formula="r_t = scale (RC_t - RC_(t-1)) prod_k p_k - hint [collision or red light]",
    cards=("20",),
    section=SECTION,
    provenance="code",
)
@dataclass(frozen=True)
class Carl(Driving):
    """Progress in percent times the factors; collisions and red lights (`hard` 2) cost `hint`.

    scale : of the whole route (100, percent); hint : see above (1.0)
    monotone : steps back pay 0; False as released, where they cost as much as they gained

    Parts `route` and `infraction`, (..., B, G, T). The step that ends the episode still pays its
    progress, and the steps behind it nothing.
    """

    scale: Annotated[Any, NOT_NEGATIVE] = 100.0
    hint: Annotated[Any, NOT_NEGATIVE] = 1.0
    monotone: Annotated[Any, FLAG] = False

    def paid(self, gain: Array, factors: Mapping[str, Array], hard: Array, step: Any = 0) -> Parts:
        crash = r_xp(gain).astype(hard > 1.5, gain.dtype)
        return {
            "route": at(self.scale, step) * gain * product(factors, gain),
            "infraction": -at(self.hint, step) * crash,
        }


@entry(
    "carl_product",
    kind="shaper",
    formula="r_t = scale (d_t prod_k p_k [no hard] + terminal_penalty [hard])",
    cards=("20",),
    section=SECTION + " (regular accumulation)",
    provenance="code",
)
@dataclass(frozen=True)
class CarlProduct(Driving):
    """The published method on nuPlan: the share of the route times the factors.

    scale : of the whole route (100)
    terminal_penalty : paid on the hard step, at most 0 (0.0; that it is paid there alone is ours)
    monotone : as for `carl`

    Parts `route` and `infraction`, (..., B, G, T). A hard step pays no progress.
    """

    scale: Annotated[Any, NOT_NEGATIVE] = 100.0
    terminal_penalty: Annotated[Any, FINITE] = 0.0
    monotone: Annotated[Any, FLAG] = False

    def paid(self, gain: Array, factors: Mapping[str, Array], hard: Array, step: Any = 0) -> Parts:
        scale, ends = at(self.scale, step), r_xp(gain).astype(hard > 0, gain.dtype)
        return {
            "route": scale * gain * product(factors, gain) * (1 - ends),
            "infraction": scale * at(self.terminal_penalty, step) * ends,
        }


@entry(
    "carl_survival",
    kind="shaper",
    formula="r_t = scale (((1-s) d_t prod_k p_k + s/n) [no hard] + terminal_penalty [hard])",
    cards=("20",),
    section=SECTION + " (survival mode, not the default)",
    provenance="code",
)
@dataclass(frozen=True)
class CarlSurvival(CarlProduct):
    """`carl_product` with the share `survival` of the pay for being on the road at all.

    survival : s (0.6); n_iter : n, steps of an episode (150)

    Parts `route`, `survival`, `infraction`, (..., B, G, T). Standing still for a whole episode
    pays scale s: the trap is back.
    """

    survival: Annotated[Any, SHARE] = 0.6
    n_iter: Annotated[Any, POSITIVE] = 150.0

    def paid(self, gain: Array, factors: Mapping[str, Array], hard: Array, step: Any = 0) -> Parts:
        own, s = super().paid(gain, factors, hard, step), at(self.survival, step)
        free = r_xp(gain).astype(hard <= 0, gain.dtype)
        stays = at(self.scale, step) * s / at(self.n_iter, step) * free
        return {"route": (1 - s) * own["route"], "survival": stays, "infraction": own["infraction"]}


@entry(
    "carl_additive",
    kind="shaper",
    formula="r_t = scale off_route lane (5 d_t + (5 ttc + 4 speed + 2 comfort)/n)/16, 0 if hard",
    cards=("20",),
    section=SECTION + " (mode nuplan)",
    provenance="code",
)
@dataclass(frozen=True)
class CarlAdditive(Driving):
    """The weighted sum that the product replaces: progress, distance, speed and comfort.

    w_route, w_ttc, w_speed, w_comfort : weights (5, 5, 4, 2), divided by their sum
    scale : of a whole perfect route (100); n_iter : steps of an episode (150)

    Parts `route`, `ttc`, `speed`, `comfort`, (..., B, G, T). `ttc` and `comfort` count as 1 where
    they are 1 and as 0 else. Standing still for a whole episode pays scale 11/16.
    """

    w_route: Annotated[Any, NOT_NEGATIVE] = 5.0
    w_ttc: Annotated[Any, NOT_NEGATIVE] = 5.0
    w_speed: Annotated[Any, NOT_NEGATIVE] = 4.0
    w_comfort: Annotated[Any, NOT_NEGATIVE] = 2.0
    scale: Annotated[Any, NOT_NEGATIVE] = 100.0
    n_iter: Annotated[Any, POSITIVE] = 150.0
    monotone: Annotated[Any, FLAG] = False

    def paid(self, gain: Array, factors: Mapping[str, Array], hard: Array, step: Any = 0) -> Parts:
        xp = r_xp(gain)
        names = ("route", "ttc", "speed", "comfort")
        weights = {n: at(getattr(self, f"w_{n}"), step) for n in names}
        total, none = filled(sum(weights.values()), gain), xp.zeros_like(gain)
        gate = at(self.scale, step) * factors["lane"] * factors["off_route"] + none
        gate = xp.where(hard > 0, none, gate) / xp.where(total > 0, total, none + 1)
        whole = {n: xp.astype(factors[n] >= 1, gain.dtype) for n in ("ttc", "comfort")}
        each = {"speed": factors["speed"], **whole}
        each = {"route": gain, **{n: v / at(self.n_iter, step) for n, v in each.items()}}
        return {n: w * gate * each[n] for n, w in weights.items()}


# -- the same on texts -----------------------------------------------------------------------------
class TextFactors(Shaper):
    """Base of rewards of a text by right or not, format, length and repetition."""

    budget: Annotated[Any, NOT_NEGATIVE] = 0.5
    slack: Annotated[Any, NOT_NEGATIVE] = 0.25
    broken: Annotated[Any, SHARE] = 0.5
    repeating: Annotated[Any, SHARE] = 0.5
    needs: ClassVar[tuple[str, ...]] = ("correct", "length")
    wants: ClassVar[tuple[str, ...]] = ("format", "repeated")

    def factors(self, r: Rollouts) -> dict[str, Array]:
        """p_k (..., B, G) in [0, 1]: `format`, `length`, `repeated`."""
        xp, one = r.xp, r.xp.ones_like(r.length)
        over, slack = r.length - in_tokens(self.budget, r), in_tokens(self.slack, r)
        fall = 1 - xp.where(over > 0, over, 0 * one) / xp.where(slack > 0, slack, one)
        sharp = xp.where(over > 0, 0 * one, one)
        span = xp.where(slack > 0, xp.where(fall > 0, fall, 0 * one), sharp)
        kept = r.fields["format"] if r.has("format") else one
        again = r.fields["repeated"] if r.has("repeated") else 0 * one
        low, loop = filled(at(self.broken, r.step), one), filled(at(self.repeating, r.step), one)
        return {
            "format": low + (1 - low) * kept,
            "length": span,
            "repeated": 1 - (1 - loop) * again,
        }


@entry(
    "text_product",
    kind="shaper",
    formula="R = correct p_format p_length p_repeat, 0 if cut off",
    cards=("20",),
    section="transfer to texts; ours",
    provenance="derived",
)
@dataclass(frozen=True)
class TextProduct(TextFactors):
    """Whole reward of a text: right or not, times what was kept. In [0, 1], wrong ones 0.

    budget : length that is free, up to 1 a share of `max_length`, above 1 tokens (0.5)
    slack : p_length falls from 1 to 0 over so much more (0.25); 0: at once
    broken : p_format of a text that breaks the format (0.5); `format` absent: kept
    repeating : p_repeat of one that repeats itself (0.5); `repeated` absent: it doesn't

    One scalar: returned as several reward functions a trainer adds the factors, and that is the
    rival, `text_sum`. In a group that is all wrong every product is 0 and nobody is moved.
    """

    budget: Annotated[Any, NOT_NEGATIVE] = 0.5
    slack: Annotated[Any, NOT_NEGATIVE] = 0.25
    broken: Annotated[Any, SHARE] = 0.5
    repeating: Annotated[Any, SHARE] = 0.5

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        free = 1 - r.xp.astype(r.cut, r.correct.dtype)
        return {"product": r.correct * product(self.factors(r), r.correct) * free}


@entry(
    "text_sum",
    kind="shaper",
    formula="R = w_0 correct + w_1 p_format + w_2 p_length + w_3 p_repeat, 0 if cut off",
    cards=("20",),
    section="transfer to texts: the baseline; ours",
    provenance="derived",
)
@dataclass(frozen=True)
class TextSum(TextFactors):
    """Whole reward of a text as the usual sum of terms, those of its rival `text_product`.

    w_right, w_format, w_length, w_repeat : weights (5, 5, 4, 2 over 16, as nuPlan's score)

    A wrong text that keeps the rest is paid the share of their weights: 11/16.
    """

    w_right: Annotated[Any, NOT_NEGATIVE] = 0.3125
    w_format: Annotated[Any, NOT_NEGATIVE] = 0.3125
    w_length: Annotated[Any, NOT_NEGATIVE] = 0.25
    w_repeat: Annotated[Any, NOT_NEGATIVE] = 0.125
    budget: Annotated[Any, NOT_NEGATIVE] = 0.5
    slack: Annotated[Any, NOT_NEGATIVE] = 0.25
    broken: Annotated[Any, SHARE] = 0.5
    repeating: Annotated[Any, SHARE] = 0.5

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        free = 1 - r.xp.astype(r.cut, r.correct.dtype)
        own = (self.w_right, self.w_format, self.w_length, self.w_repeat)
        weights = [at(w, r.step) for w in own]
        terms = {"outcome": r.correct, **self.factors(r)}
        return {n: w * v * free for w, (n, v) in zip(weights, terms.items(), strict=True)}
