"""Traces paid by their longest correct prefix: what could be derived, and no more.

    trace_prefix    alpha * (states before the first wrong one) / (states of the program)
    prefix_steps    the same on its tokens: alpha / states for each step up to the first wrong one
    step_bag        the rival: alpha / states for each right step, wherever it stands

All three are bounded by alpha whatever is written. The rival pays states that could not have been
derived from what stands before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from array_api_compat import array_namespace

from toyrl.ranges import FINITE, SHARE
from toyrl.registry import entry
from toyrl.rollouts import Rollouts
from toyrl.rollouts.steps import steps_before
from toyrl.shapers.base import Parts, Shaper, at
from toyrl.shapers.process.summaries import StepShaper

Array = Any


@entry(
    "trace_prefix",
    kind="shaper",
    formula="alpha (longest correct prefix)/(states) + bonus [right]",
    cards=("26",),
    section="verifier of traces, ours",
    provenance="reconstructed",
)
@dataclass(frozen=True)
class TracePrefix(Shaper):
    """Whole reward: the share of the trace's longest correct prefix, and the outcome.

    alpha : of the share; bonus : of a right answer. In [0, alpha + bonus]

    Reads `trace_prefix`, which `toyrl.graders.traces.TraceVerifier` finds. The paper trains on
    traces and pays for none: the reward is this project's extension of it.
    """

    alpha: Annotated[Any, FINITE] = 1.0
    bonus: Annotated[Any, FINITE] = 1.0
    needs: ClassVar[tuple[str, ...]] = ("correct", "trace_prefix")

    def parts(self, r: Rollouts, memory: Mapping[str, Array]) -> Parts:
        del memory
        share = r.need("trace_prefix", by="trace_prefix")
        return {
            "trace": at(self.alpha, r.step) * share,
            "outcome": at(self.bonus, r.step) * r.correct,
        }


def unbroken(good: Array, wrong: Array) -> Array:
    """(..., B, G, T) 1 on the last token of each good step before the first wrong one, else 0.

    good, wrong : (..., B, G, T), 1 on the last tokens of good and of wrong steps
    """
    xp = array_namespace(good, wrong)
    broken = xp.cumulative_sum(wrong, axis=-1)
    return xp.where(broken > 0.5, xp.zeros_like(good), good)


class _Counted(StepShaper):
    """Right steps, paid alpha / states each, at most `states` of them."""

    threshold: Annotated[Any, SHARE] = 0.5
    needs: ClassVar[tuple[str, ...]] = ("step_scores", "mask", "trace_states")
    token_level: ClassVar[bool] = True

    def paid(self, scores: Array, ends: Array, r: Rollouts) -> Array:
        xp = r.xp
        zero = xp.zeros_like(ends)
        level = at(self.threshold, r.step)
        wrong = xp.where((ends > 0) & (scores < level), zero + 1, zero)
        good = self.counted(xp.where((ends > 0) & (scores > level), zero + 1, zero), wrong)
        n = r.need("trace_states", by=type(self).__name__)[..., None]
        within = steps_before(good) < n
        return xp.where((good > 0) & within, good / xp.maximum(n, zero + 1), zero)

    def counted(self, good: Array, wrong: Array) -> Array:
        """Which good steps count; all (..., B, G, T)."""
        del wrong
        return good


@entry(
    "prefix_steps",
    kind="shaper",
    formula="d_k = (alpha/n) [s_k > threshold, no s_j < threshold before], n of them",
    cards=("26",),
    section="verifier of traces by step, ours",
    provenance="reconstructed",
)
@dataclass(frozen=True)
class PrefixSteps(_Counted):
    """A term per step: `alpha` over the program's states, up to the first step below `threshold`.

    A step at the threshold is no state, such as a word between two: not paid, and no end.

    In all at most alpha: the number of states n comes from the program (`trace_states`), so that
    more steps pay nothing.
    """

    alpha: Annotated[Any, FINITE] = 1.0
    threshold: Annotated[Any, SHARE] = 0.5
    token_level: ClassVar[bool] = True

    def counted(self, good: Array, wrong: Array) -> Array:
        return unbroken(good, wrong)


@entry(
    "step_bag",
    kind="shaper",
    formula="d_k = (alpha/n) [s_k > threshold], the first n good ones",
    cards=("26",),
    section="rival of the prefix, ours",
    provenance="reconstructed",
)
@dataclass(frozen=True)
class BagOfSteps(_Counted):
    """A term per step: `alpha` over the program's states for each good step, wherever it stands.

    In all at most alpha; steps behind a wrong one are paid too.
    """

    alpha: Annotated[Any, FINITE] = 1.0
    threshold: Annotated[Any, SHARE] = 0.5
    token_level: ClassVar[bool] = True
