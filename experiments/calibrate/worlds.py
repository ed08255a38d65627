"""Worlds that look like a log, for `validate --worlds FILE`: read, and trained on a reward."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toyrl.estimators.base import Estimator
from toyrl.experiments.errors import UsageError
from toyrl.schemas import SchemaError
from toyrl.shapers.outcome import Outcome
from toyrl.worlds.behaviour.training import Plan, train
from toyrl.worlds.behaviour.worlds import Worlds
from toyrl.worlds.logged.artefact import Read, worlds_of

if TYPE_CHECKING:
    from toyrl.experiments.forecast.case import Told
    from toyrl.experiments.forecast.rivals.behaviour import Runs
    from toyrl.experiments.validate.settings import Settings


def read(path: Path) -> Read:
    """A file of `toyrl calibrate`; UsageError for any other."""
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _read(path: Path, _written: int) -> Read:
    try:
        return worlds_of(path)
    except SchemaError as error:
        msg = f"calibrated: {error}"
        raise UsageError(msg) from error


def base_of_file(s: Settings) -> Settings:
    """The settings with the accuracy, length and limit of the log behind their worlds, where they
    name a file and do not say these themselves."""
    if s.calibrated is None:
        return s
    found = read(s.calibrated)
    return s.with_log(found.limit, found.length, found.accuracy)


def runs(told: Told, path: Path) -> Runs | None:
    """A file's worlds trained on the reward and on correctness alone; None for a reward that reads
    what no behaviour serves."""
    from toyrl.experiments.forecast.rivals import behaviour
    from toyrl.expressions import parse_estimator
    from toyrl.worlds.behaviour.rollouts import UnseenError

    paid, found = behaviour.reward_of(told), read(path)
    if paid is None:
        return None
    n = len(found.weights)
    w = _taken(found.worlds, found.equal(n)) if np.ptp(found.weights) > 0 else found.worlds
    w = farther(w, told.horizon.reach)
    plan = Plan(group_size=told.group_size, beta=told.beta, updates=float(told.horizon.updates),
                judge=told.judges or None)  # fmt: skip
    try:
        return trained(replace(w, limit=told.limit), paid, parse_estimator(told.estimator), plan)
    except UnseenError:
        return None


def trained(w: Worlds, paid: Any, estimator: Estimator, plan: Plan) -> Runs:
    """Both runs of the same worlds, the second on true labels; paid : (shaper, what serves its
    fields)."""
    from toyrl.experiments.forecast.rivals.behaviour import Runs

    path = train(w, paid[0], estimator, plan, serve=paid[1])
    return Runs(w, path, train(w, Outcome(), estimator, replace(plan, judge=None)))


def farther(w: Worlds, factor: float) -> Worlds:
    """The same worlds, whose runs go this many times as far."""
    return replace(w, numbers={**w.numbers, "distance": w.numbers["distance"] * factor})


def _taken(w: Worlds, places: Any) -> Worlds:
    """The worlds at these places."""
    numbers = {name: x[places] for name, x in w.numbers.items()}
    return replace(
        w, numbers=numbers, ability=w.ability[places], core=w.core[places], easy=w.easy[places]
    )
