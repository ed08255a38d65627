"""Shapers made of shapers: sums, weights, gates, routes by task, clips, totals, level groups, parts
standardised over the batch, lengths of thinking.

Part names stay those of the members; a name that would occur twice gets `.2`, `.3`, ...
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from toyrl import stats
from toyrl.messages import shortened
from toyrl.ranges import DDOF, FINITE, NOT_NEGATIVE, Range
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.rollouts.phases import trace_length
from toyrl.shapers.base import Parts, Shaped, Shaper, at, sum_parts

Array = Any


def _own(child: Shaper, r: Rollouts, memory: Mapping[str, Array]) -> Shaped:
    answer = child.parts(r, memory)
    return answer if isinstance(answer, Shaped) else Shaped(answer, {})


@entry("sum", kind="shaper", formula="R = sum_k R_k", provenance="derived")
@dataclass(frozen=True)
class Sum(Shaper):
    """The sum of several shapers, parts kept apart."""

    terms: tuple[Shaper, ...] = ()
    needs: ClassVar[tuple[str, ...]] = ()

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Shaped:
        parts: Parts = {}
        remembered: Parts = {}
        for term in self.terms:
            answer = _own(term, r, memory)
            remembered.update(answer.memory)
            for name, value in answer.parts.items():
                unique, n = name, 1
                while unique in parts:
                    n += 1
                    unique = f"{name}.{n}"
                parts[unique] = value
        return Shaped(parts, remembered)

    def __add__(self, other: Shaper) -> Shaper:
        return Sum((*self.terms, other))


@entry("scaled", kind="shaper", formula="R = weight R_term", provenance="derived")
@dataclass(frozen=True)
class Scaled(Shaper):
    """A shaper times a weight (a number or a schedule)."""

    term: Shaper
    weight: Annotated[Any, FINITE] = 1.0
    needs: ClassVar[tuple[str, ...]] = ()

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Shaped:
        answer = _own(self.term, r, memory)
        weight = at(self.weight, r.step)
        return Shaped({k: weight * v for k, v in answer.parts.items()}, answer.memory)


@entry("gated", kind="shaper", formula="R = correct R_term", provenance="derived")
@dataclass(frozen=True)
class Gated(Shaper):
    """A shaper paid only to right rollouts: parts times `correct`."""

    term: Shaper
    needs: ClassVar[tuple[str, ...]] = ("correct",)

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Shaped:
        answer = _own(self.term, r, memory)
        gate = r.correct
        return Shaped(
            {
                k: v * (gate[..., None] if v.ndim > gate.ndim else gate)
                for k, v in answer.parts.items()
            },
            answer.memory,
        )


@entry(
    "on_trace",
    kind="shaper",
    formula="R = R_term at L = tokens before the closing tag",
    cards=("17",),
    section="overview figure, against section 3.3",
    provenance="text",
)
@dataclass(frozen=True)
class OnTrace(Shaper):
    """A shaper to which the thinking alone is the length: `on_trace(token_budget(256))`.

    Reads `think_end` (`toyrl.rollouts.phases`). A completion without a closing tag thinks
    throughout: its length is its own. The limit, `max_length`, stays that of the completion.
    """

    term: Shaper
    needs: ClassVar[tuple[str, ...]] = ("think_end", "mask")

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Shaped:
        mask, marks = (r.need(name, by="on_trace") for name in ("mask", "think_end"))
        return _own(self.term, r.with_(length=trace_length(mask, marks)), memory)


@entry("clipped", kind="shaper", formula="R = min(max(R_term, low), high)", provenance="derived")
@dataclass(frozen=True)
class Clipped(Shaper):
    """The total of a shaper, clipped to [low, high]; one part, named `clipped`.

    Raises ValueError for low above high.
    """

    term: Shaper
    low: Annotated[Any, Range("[-inf, inf]")] = 0.0
    high: Annotated[Any, Range("[-inf, inf]")] = 1.0
    needs: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        plain = isinstance(self.low, (int, float)) and isinstance(self.high, (int, float))
        if plain and self.low > self.high:
            msg = f"low={shortened(self.low)} is above high={shortened(self.high)}; exchange them"
            raise ValueError(msg)

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Shaped:
        answer = _own(self.term, r, memory)
        value, xp = sum_parts(answer.parts, r), r.xp
        low = xp.zeros_like(value) + at(self.low, r.step)
        high = xp.zeros_like(value) + at(self.high, r.step)
        return Shaped({"clipped": xp.minimum(xp.maximum(value, low), high)}, answer.memory)


@entry("total", kind="shaper", formula="R = sum_t R_term,t", provenance="derived")
@dataclass(frozen=True)
class Total(Shaper):
    """What a shaper pays a rollout in all: one part, `total`, for trainers that take one number.

    Where in the rollout something was paid is lost.
    """

    term: Shaper
    needs: ClassVar[tuple[str, ...]] = ()

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Shaped:
        answer = _own(self.term, r, memory)
        return Shaped({"total": sum_parts(answer.parts, r)}, answer.memory)

    def all_token_level(self) -> bool:
        """False: the total is one number a rollout."""
        return False


@entry(
    "settled",
    kind="shaper",
    formula="R = R_term, or its mean over the group where its std there is below least",
    cards=("28",),
    section="soft rewards that hardly differ; an addition",
    provenance="derived",
)
@dataclass(frozen=True)
class Settled(Shaper):
    """A reward made level in groups where it hardly varies; one part, named `settled`.

    Scores of a model are never equal, so that dividing by a group's standard deviation blows up
    differences that say nothing. Here a group whose total varies by less than `least` (the sample's
    standard deviation, >= 0, in units of the reward) is paid its mean: every centred estimator then
    gives it advantages of 0. 0 changes nothing.
    """

    term: Shaper
    least: Annotated[Any, NOT_NEGATIVE] = 1e-3
    needs: ClassVar[tuple[str, ...]] = ()
    scope: ClassVar[str] = "group"

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Shaped:
        answer = _own(self.term, r, memory)
        value, xp = sum_parts(answer.parts, r), r.xp
        spread = stats.std(value, r.w, ddof=1.0, size=r.group_size)
        level = stats.mean(value, r.w) + xp.zeros_like(value)
        flat = spread + xp.zeros_like(value) < at(self.least, r.step)
        return Shaped({"settled": xp.where(flat, level, value)}, answer.memory)

    def all_token_level(self) -> bool:
        """False: what is compared is one number a rollout."""
        return False


@entry(
    "on_task",
    kind="shaper",
    formula="R = R_term 1[task = k]",
    cards=("50",),
    section="each kind of task by its own reward",
    provenance="derived",
)
@dataclass(frozen=True)
class OnTask(Shaper):
    """A shaper paid on one kind of task alone: `on_task(outcome(), 0) + on_task(cooper(), 1)`.

    Such a sum pays every rollout by the reward of its own task, and its parts stay apart. No NaN
    crosses over from another task, and a task that no term names is paid 0, never by another's.

    task : the number of the kind, 0, 1, ..., as in the field `task`
    """

    term: Shaper
    task: Annotated[int, Range("[0, inf)", whole=True)] = 0
    needs: ClassVar[tuple[str, ...]] = ("task",)

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Shaped:
        answer, xp = _own(self.term, r, memory), r.xp
        here = r.need("task", by="on_task") == self.task
        return Shaped(
            {
                k: xp.where(here[..., None] if v.ndim > here.ndim else here, v, xp.zeros_like(v))
                for k, v in answer.parts.items()
            },
            answer.memory,
        )


@entry(
    "standardised",
    kind="shaper",
    formula="R = sum_k (R_k - mean R_k)/(std R_k + eps), over the batch",
    provenance="derived",
)
@dataclass(frozen=True)
class Standardised(Shaper):
    """Every part of a shaper less its mean over the whole batch, over its standard deviation there.

    So no part's scale decides, while prompts still differ (an estimator that normalises each group
    takes that away again). Parts keep their names, (..., B, G); what was paid token by token counts
    as its sum. A part that is level over the batch is 0.

    ddof : of the standard deviation; eps : added to it, >= 0, in units of the part
    """

    term: Shaper
    ddof: Annotated[float, DDOF] = 1.0
    eps: Annotated[float, NOT_NEGATIVE] = 0.0
    needs: ClassVar[tuple[str, ...]] = ()
    scope: ClassVar[str] = "batch"

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Shaped:
        answer, xp = _own(self.term, r, memory), r.xp
        parts: Parts = {}
        for name, own in answer.parts.items():
            value = sum_parts({name: own}, r)
            flat = (*value.shape[:-2], 1, value.shape[-2] * value.shape[-1])
            w = xp.reshape(r.w + xp.zeros_like(value), flat)
            w = xp.where(xp.isnan(xp.reshape(value, flat)), xp.zeros_like(w), w)
            centre = stats.mean(xp.reshape(value, flat), w)
            spread = stats.std(xp.reshape(value, flat), w, ddof=self.ddof)
            varies = spread > 0
            scale = xp.where(varies, spread + self.eps, xp.ones_like(spread))
            level = xp.where(xp.isnan(value), value, xp.zeros_like(value))
            parts[name] = xp.where(varies, (value - centre) / scale, level)
        return Shaped(parts, answer.memory)

    def all_token_level(self) -> bool:
        """False: what is compared is one number a rollout."""
        return False
