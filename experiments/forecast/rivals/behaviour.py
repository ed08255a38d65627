"""Behaviour worlds as a forecaster: worlds of such a base, trained under the reward and under
correctness alone, and how often each ends below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import ndtr

from toyrl.estimators.base import Estimator
from toyrl.experiments.forecast.case import Forecast, Forecaster, Told
from toyrl.experiments.forecast.evidence import Described
from toyrl.experiments.forecast.logged import Logged
from toyrl.experiments.forecast.rivals import rules
from toyrl.experiments.validate.reward_law.law import UserReward
from toyrl.expressions import parse_estimator
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.shapers.outcome import Outcome
from toyrl.worlds.behaviour import prior
from toyrl.worlds.behaviour.rollouts import UnseenError
from toyrl.worlds.behaviour.training import Path, Plan, Serve, train
from toyrl.worlds.behaviour.worlds import Worlds, fitted
from toyrl.worlds.logged import conditioning

WORLDS = 32
NOTHING: tuple[tuple[str, ...], Serve] = ((), lambda _: {})


@dataclass(frozen=True)
class Model:
    """What is forecast with.

    kind : of base, or None: by its mean length; off : mechanisms left out (`prior.OFF`)
    still : behaviours that don't move; distance : factor of the runs' length
    """

    worlds: int = WORLDS
    kind: str | None = None
    off: tuple[str, ...] = ()
    still: tuple[str, ...] = ()
    distance: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Runs:
    """Two runs of the same worlds: under the reward and under correctness alone."""

    worlds: Worlds
    reward: Path
    outcome: Path = field(repr=False)

    @property
    def luck(self) -> np.ndarray:
        """(W,) standard deviation of a run's end about its world's."""
        return self.worlds.numbers["luck"][:, 0, 0]


@dataclass(frozen=True)
class Base:
    """What is known of a base: accuracy, mean length and limit in tokens, and, where there are
    rollouts of its own, their statistics (name, value, standard error).

    agreed : share of wrong answers that are the common one, and its standard error; None: the prior
    """

    accuracy: float
    length: float
    limit: float
    shown: tuple[tuple[str, float, float], ...] = ()
    agreed: tuple[float, float] | None = None


def base_of(told: Told) -> Base:
    """The base as it was described, or as its own rollouts show it."""
    e = told.seen
    described = Base(told.accuracy, told.length, told.limit)
    if not isinstance(e, Logged):
        return described
    try:
        own = e.like
    except ValueError:  # rollouts of one kind show no base
        return described
    shown = tuple((name, *both) for name, both in own.statistics.items())
    return Base(own.accuracy, own.length, own.limit, shown, e.agreed)


@lru_cache(maxsize=64)
def _worlds(m: Model, b: Base) -> Worlds:
    if b.shown:
        like = conditioning.Told(b.accuracy, b.length, b.limit, {n: (x, e) for n, x, e in b.shown})
        numbers = _like(m, like)
        if b.agreed is not None:
            numbers = conditioning.agreeing(numbers, *b.agreed)
    else:
        numbers = prior.drawn(m.worlds, m.kind, b.length, m.seed)
    for name in m.off:
        numbers = prior.without(numbers, name)
    numbers["distance"] = numbers["distance"] * m.distance
    return fitted(numbers, accuracy=b.accuracy, length=b.length, limit=b.limit, seed=m.seed)


def _like(m: Model, like: conditioning.Told) -> dict[str, np.ndarray]:
    found = conditioning.conditioned(like, kind=m.kind, n=m.worlds, seed=m.seed)
    return dict(found.numbers)


@lru_cache(maxsize=64)
def _outcome(m: Model, b: Base, estimator: str, plan: Plan) -> Path:
    return train(_worlds(m, b), Outcome(), parse_estimator(estimator), plan)


def trained(told: Told, model: Model | None = None) -> Runs | None:
    """The runs; None where the reward reads what no behaviour serves, or can't be had."""
    m, paid = model or Model(), reward_of(told)
    if paid is None:
        return None
    m = replace(m, distance=m.distance * told.horizon.reach)
    base, plan = base_of(told), _plan(told, m)
    w = _worlds(m, base)
    own = replace(plan, labels=told.seen is None or told.seen.labels, judge=told.judges or None)
    try:
        path = train(w, paid[0], parse_estimator(told.estimator), own, serve=paid[1])
    except UnseenError:
        return None
    return Runs(w, path, _outcome(m, base, told.estimator, plan))


def _plan(told: Told, m: Model) -> Plan:
    return Plan(
        group_size=told.group_size,
        beta=told.beta,
        updates=float(told.horizon.updates),
        still=m.still,
        seed=m.seed,
    )


def changed(told: Told, runs: Runs, whole: Change, estimator: Estimator | None = None) -> Runs:
    """The same worlds under another reward: whole(reward as given, correctness), (W, B, G) each.

    runs : of the reward as given, whose outcome run stands beside where the estimator stays
    """
    paid = reward_of(told)
    assert paid is not None, told.name
    plan, by = _plan(told, Model()), estimator or parse_estimator(told.estimator)
    own = replace(plan, judge=told.judges or None)
    path = train(runs.worlds, Changed(paid[0], whole), by, own, serve=paid[1])
    alone = runs.outcome if estimator is None else train(runs.worlds, Outcome(), by, plan)
    return Runs(runs.worlds, path, alone)


Change = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Changed(Shaper):
    """A reward made of another one and of correctness, for worlds alone."""

    inner: Shaper
    whole: Any

    def parts(self, r: Rollouts, memory: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """One part, (..., B, G)."""
        return {"changed": self.whole(self.inner.reward(r, memory), r.correct)}


def reward_of(told: Told) -> tuple[Shaper, tuple[tuple[str, ...], Serve]] | None:
    """The reward, and what serves the values of its text terms; None where neither is known."""
    e = told.seen
    if isinstance(e, Described):
        return e.law.shaper, _served(e)
    if isinstance(e, Logged) and e.text is not None:
        return e.shaper or UserReward(), _served(e)
    if isinstance(e, Logged) and e.shaper is not None:
        return e.shaper, _served(e)
    return None


def _served(e: Described | Logged) -> tuple[tuple[str, ...], Serve]:
    """Fields that are graded on texts: the value of text terms, and learned scores."""
    read = dict(e.scores) | ({} if e.text is None else {"user_reward": e.text.of})
    return tuple(read), lambda p: {name: f(p) for name, f in read.items()}


def of(runs: Runs) -> Forecast:
    """Mean over worlds, each with a normal spread about its end."""
    change, alone = runs.reward.change, runs.outcome.change
    luck = runs.luck
    low, high = np.quantile(change, [0.05, 0.95])
    return Forecast(
        below_base=float(ndtr(-change / luck).mean()),
        below_correctness=float(ndtr((alone - change) / (luck * 2**0.5)).mean()),
        accuracy=float(change.mean()),
        length=float(np.exp(np.log(runs.reward.factor).mean())),
        low=float(low - 1.645 * luck.mean()),
        high=float(high + 1.645 * luck.mean()),
    )


def forecast(told: Told, model: Model | None = None) -> Forecast | None:
    """The forecast; None where there is none."""
    if model is not None:
        runs = trained(told, model)
        return None if runs is None else of(runs)
    kept = vars(told)  # of the usual model once: it is asked for alone and pooled
    if "behaviour" not in kept:
        runs = trained(told)
        kept["behaviour"] = None if runs is None else of(runs)
    return kept["behaviour"]


ABLATIONS: Mapping[str, Model] = {
    **{f"without {name}": Model(off=(name,)) for name in prior.OFF},
    **{f"{name} held": Model(still=(name,)) for name in ("depth", "padding")},
    "half as far": Model(distance=0.5),
    "twice as far": Model(distance=2.0),
}
"""The same worlds with one mechanism off."""


def pooled(told: Told) -> Forecast | None:
    """The mean of this forecast and the rules', lengths as logarithms; the other of a silent
    one."""
    own, other = forecast(told), rules.forecast(told)
    if own is None or other is None:
        return own or other

    def mean(name: str) -> float | None:
        both = [getattr(f, name) for f in (own, other)]
        return None if None in both else sum(both) / 2

    lengths = [f.length for f in (own, other) if f.length is not None]
    names = ("below_base", "below_correctness", "accuracy", "low", "high")
    return Forecast(
        **{name: mean(name) for name in names},
        length=float(np.exp(np.mean(np.log(lengths)))) if lengths else None,
    )


FORECASTERS = (
    Forecaster(
        "behaviour",
        f"{WORLDS} worlds of behaviours of such a base, trained under the reward and under "
        "correctness alone: how often they end below, what accuracy and length come to",
        forecast,
    ),
    Forecaster("pooled", "the mean of `behaviour` and `rules`", pooled),
)
