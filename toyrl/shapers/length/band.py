"""A length to be met within a range: all of the pay inside it, less on both sides.

    band_score = 1 in [lower, upper], n/lower below, (last - n)/(last - upper) above, in [0, 1]

One scale for tokens or words. LongWriter-Zero has the range that a judge predicts and the limit as
`last`; a tolerance delta around a target l* is lower = (1 - delta) l*, upper = (1 + delta) l* and
last = 2 l* (ACE-RL's linear shape, reconstructed).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl import stats
from toyrl.ranges import NOT_NEGATIVE, POSITIVE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, at, filled, in_tokens

Array = Any


def band_score(length: Array, lower: Any, upper: Any, last: Any) -> Array:
    """1 inside [lower, upper], falling in straight lines to 0 at length 0 and at `last`.

    length : any shape, >= 0; lower, upper, last : numbers or arrays that broadcast, in its unit.
    A lower edge of 0 pays short lengths in full; with `last` at the upper edge or below it the fall
    is a jump. Not symmetric: how steep the far side is depends on `last`.
    """
    xp = stats.array_namespace(length)
    zero, one = xp.zeros_like(length), xp.ones_like(length)
    lower, upper, last = (zero + x for x in (lower, upper, last))
    below = xp.where(lower > 0, length / xp.where(lower > 0, lower, one), one)
    room = xp.where(last > upper, last - upper, one)
    above = xp.where(last > upper, xp.maximum((last - length) / room, zero), zero)
    return xp.where(length > upper, above, xp.minimum(below, one))


@entry(
    "length_band",
    kind="shaper",
    formula="R = alpha (1 in [lower, upper], L/lower below, (limit - L)/(limit - upper) above)",
    cards=("10",),
    section="length reward; what it counts is reconstructed",
    provenance="second-hand",
)
@dataclass(frozen=True)
class LengthBand(Shaper):
    """A term: `alpha` for a length within the band, paid to right and wrong rollouts alike.

    lower, upper : edges, up to 1 a share of `max_length`, above 1 tokens; arrays (B, 1) give each
        prompt a range of its own
    limit : tokens at which the pay reaches 0 (None: `max_length`)
    alpha : weight, >= 0
    Part `length_band` in [0, alpha], (..., B, G).
    """

    lower: Annotated[Any, NOT_NEGATIVE] = 0.25
    upper: Annotated[Any, NOT_NEGATIVE] = 0.5
    alpha: Annotated[Any, NOT_NEGATIVE] = 1.0
    limit: Annotated[float | None, POSITIVE.or_none] = None

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        last = filled(r.max_length if self.limit is None else self.limit, r.length)
        lower, upper = in_tokens(self.lower, r), in_tokens(self.upper, r)
        score = band_score(r.length, lower, upper, last)
        return {"length_band": at(self.alpha, r.step) * score}


@entry(
    "word_band",
    kind="shaper",
    formula="R = alpha (1 in [lower, upper], W/lower below, (last - W)/(last - upper) above)",
    cards=("10",),
    section="length reward, in words; that the answer part counts is reconstructed",
    provenance="second-hand",
)
@dataclass(frozen=True)
class WordBand(Shaper):
    """A term: `length_band` in words of the answer part (field `words`), as published.

    lower, upper : edges in words; arrays (B, 1) give each prompt a range of its own
    last : words at which the pay reaches 0
    alpha : weight, >= 0
    Part `word_band` in [0, alpha], (..., B, G).
    """

    lower: Annotated[Any, NOT_NEGATIVE] = 400.0
    upper: Annotated[Any, NOT_NEGATIVE] = 600.0
    last: Annotated[Any, POSITIVE] = 1400.0
    alpha: Annotated[Any, NOT_NEGATIVE] = 1.0
    needs: ClassVar[tuple[str, ...]] = ("words",)

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        words = r.need("words", by="word_band")
        lower, upper, last = (at(x, r.step) for x in (self.lower, self.upper, self.last))
        return {"word_band": at(self.alpha, r.step) * band_score(words, lower, upper, last)}
