"""What a forecaster is told of a training run, what it answers, and what came of the run.

A forecaster is a function from `Told` to `Forecast` with a name. It never sees an outcome. Runs
come from published papers (`published`) and from `toyrl transfer` (`measured`); both are `Case`s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from toyrl.experiments.forecast.horizon import USUAL_RUN, Horizon

if TYPE_CHECKING:
    from toyrl.experiments.forecast.evidence import Evidence
    from toyrl.experiments.forecast.facts import Facts
    from toyrl.worlds.chain.latents.judge_errors import JudgeErrors


@dataclass(frozen=True)
class Told:
    """A run before it is trained.

    name : of the case, for messages
    rewards : specifications as on the command line of `validate`
    accuracy : the base's mean success rate in (0, 1); length : its mean completion, tokens
    limit : completion limit in tokens
    estimator, group_size, beta : as in `Settings`
    horizon : how long and how far it goes
    settings : the same as fields of `Settings`, for forecasters that run `validate`
    evidence : makes rollouts of such a base with the reward's values on them
    judges : whose verdicts stand for the truth: likely forms of one judge, shared out over the
        worlds; (): labels are right
    known : forecasts made and sealed earlier, forecaster -> its answer
    """

    name: str
    rewards: tuple[str, ...]
    accuracy: float
    length: float
    limit: float
    estimator: str = "grpo"
    group_size: int = 8
    beta: float = 0.0
    horizon: Horizon = USUAL_RUN
    settings: Mapping[str, Any] = field(default_factory=dict)
    evidence: Callable[[Told], Evidence | None] = field(default=lambda _: None, repr=False)
    judges: tuple[JudgeErrors, ...] = ()
    known: Mapping[str, Forecast] = field(default_factory=dict, repr=False)

    @cached_property
    def seen(self) -> Evidence | None:
        """Rollouts and rewards, made once and shared by all forecasters; None: not to be had."""
        return self.evidence(self)

    @cached_property
    def facts(self) -> Facts | None:
        """Exact functionals of the reward on those rollouts; None where there are none."""
        from toyrl.experiments.forecast.facts import facts

        return None if self.seen is None else facts(self.seen)


@dataclass(frozen=True)
class Forecast:
    """A forecaster's answer; None for what it has no opinion on.

    below_base : P(the run ends below the accuracy of its base)
    below_correctness : P(it ends below correctness-only training of the same base)
    accuracy : expected change of accuracy against the base, in shares (0.05 is five points)
    length : expected factor of the mean length
    low, high : 5 % and 95 % of the change of accuracy
    """

    below_base: float | None = None
    below_correctness: float | None = None
    accuracy: float | None = None
    length: float | None = None
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        for name in ("below_base", "below_correctness"):
            p = getattr(self, name)
            if p is not None and not 0 <= p <= 1:
                msg = f"{name}={p!r} is no probability; give a number in [0, 1], or None"
                raise ValueError(msg)
        if self.length is not None and not (self.length > 0 and math.isfinite(self.length)):
            msg = f"length={self.length!r} is no factor; give a number above 0, or None"
            raise ValueError(msg)


@dataclass(frozen=True)
class Outcome:
    """What came of a run; None for what is not known.

    base : change of accuracy against the base, in shares
    correctness : change against correctness-only training of the same base
    length : factor of the mean length
    below_base : whether it ended below its base, where a paper says so without a number
    """

    base: float | None = None
    correctness: float | None = None
    length: float | None = None
    below_base: bool | None = None

    @property
    def lost(self) -> bool | None:
        """Whether it ended below its base."""
        return self.below_base if self.base is None else self.base < 0

    @property
    def lost_to_correctness(self) -> bool | None:
        """Whether it ended below correctness-only training."""
        return None if self.correctness is None else self.correctness < 0

    @property
    def order(self) -> float | None:
        """What runs of one base are ordered by: the change against it; a loss without a number is
        below every number."""
        if self.base is not None:
            return self.base
        return -math.inf if self.below_base else None


@dataclass(frozen=True)
class Walk:
    """A measured run on its way: at these updates, from the base (update 0) on."""

    updates: tuple[int, ...]
    accuracy: tuple[float, ...]
    length: tuple[float, ...]


@dataclass(frozen=True)
class Case:
    """A run with its outcome.

    family : runs of one base under one recipe, whose rewards are contrasted with each other
    source : where it is from: a paper's number, or the name of a study
    control : correctness-only itself
    ends : (change of accuracy, log length factor) of each seed; () where only a mean is known
    walks : of each seed, the measured way
    """

    told: Told
    outcome: Outcome
    family: str
    source: str
    control: bool = False
    ends: tuple[tuple[float, float], ...] = ()
    walks: tuple[Walk, ...] = ()


@dataclass(frozen=True)
class Forecaster:
    """A named way to answer.

    says : one sentence on how, for the page
    of : the answer; None where it can't say anything of such a run
    """

    name: str
    says: str
    of: Callable[[Told], Forecast | None]
