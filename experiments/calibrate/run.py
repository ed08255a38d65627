"""From a log to its calibration: the log trained on itself, worlds like it, and both joined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from toyrl.experiments.calibrate.handover import Forecast, joined
from toyrl.experiments.calibrate.read import CORRECTNESS, Material, material, source_of
from toyrl.experiments.calibrate.result import Calibration
from toyrl.experiments.calibrate.worlds import farther, trained
from toyrl.experiments.errors import UsageError
from toyrl.experiments.forecast.horizon import horizon
from toyrl.experiments.validate.judged import likely
from toyrl.experiments.validate.settings import Settings
from toyrl.worlds.behaviour import prior
from toyrl.worlds.behaviour.training import Plan
from toyrl.worlds.logged import training
from toyrl.worlds.logged.conditioning import DRAWN, KEPT, Conditioned, conditioned, told_of
from toyrl.worlds.logged.reach import Reach, reach

FEW = 30
"""Prompts below which bands over them are said to be too narrow."""
LOOKS = 20
LEAST, SHARE = 32, DRAWN // KEPT


def run(
    reward: Any,
    settings: Settings,
    *,
    group_size: int | None,
    features: Sequence[str] = (),
    worlds: int = DRAWN,
    tell: Callable[[str], None] = lambda _: None,
    command: str = "",
) -> Calibration:
    """Calibrate on `settings.rollouts`.

    group_size : of the planned run, None: that of the log
    worlds : drawn from the prior, of which one in `SHARE` is kept

    Raises UsageError for a log or reward that can't be used, and for a log without right or
    without wrong rollouts.
    """
    path = settings.rollouts
    if path is None:
        msg = "rollouts is not given; name a log"
        raise UsageError(msg)
    m = material(reward, settings, features, tell)
    try:
        told = told_of(m.rollouts, seed=settings.seed)
    except ValueError as error:
        raise UsageError(str(error)) from error
    source = source_of(m.log, Path(path))
    tell(f"training {source['rows']} rollouts of {source['prompts']} prompts on themselves")
    speed = tilt_speed(told.length)
    found, caused = _reach(m, group_size, speed)
    tell("drawing worlds that look like the log")
    drawn = max(worlds, LEAST)
    like = conditioned(told, n=drawn // SHARE, drawn=drawn, seed=settings.seed)
    forecast = None
    if m.paid is not None:
        tell("training worlds beyond the log")
        forecast = _beyond(m, like, found, group_size)
    return Calibration(
        source=source,
        reward=m.reward,
        estimator=settings.estimator,
        group_size=group_size,
        beta=settings.beta,
        tilt=speed,
        units=dict(m.base.units),
        flat=m.base.flat,
        reach=found,
        caused=caused,
        rollouts=m.base.size[2],
        like=like,
        forecast=forecast,
        silent=m.unpaid,
        notes=_notes(m, source, group_size),
        command=command,
    )


def tilt_speed(length: float) -> float:
    """How fast the log odds of right rollouts move, in steps of a feature: the square of behaviour
    worlds' `teachable`, at the middle of its range for this mean length (tokens)."""
    row = next(r for r in prior.RANGES if r.name == "teachable")
    own = prior.shares(length)
    middle = {k: np.log(getattr(row, k)).mean() for k in prior.KINDS}
    return float(np.exp(2 * sum(own.get(k, 0.0) * middle[k] for k in prior.KINDS)))


def _reach(m: Material, group_size: int | None, speed: float) -> tuple[Reach, float]:
    """The path that the log supports; and the change of accuracy at its end where every feature
    moves freely, as if it made answers right."""
    s = m.settings
    plan = training.Plan(group_size=group_size, beta=s.beta, tilt=speed, seed=s.seed)
    try:
        given = (m.shaper, m.estimator, plan)
        found = reach(m.base, *given, objective=m.objective, seed=s.seed)
        free = replace(m.base, alike=np.zeros_like(m.base.alike))
        path = training.train(free, *given, objective=m.objective)
    except (KeyError, ValueError) as error:
        msg = f"the log can't be trained on {m.reward}: {error.args[0]}"
        raise UsageError(msg) from error
    change = path.accuracy[:, 0] - path.accuracy[0, 0]
    return found, float(np.interp(found.end, np.maximum.accumulate(path.nats[:, 0]), change))


def _beyond(
    m: Material, like: Conditioned, found: Reach, group_size: int | None
) -> Forecast | None:
    s = m.settings
    far = horizon(s.updates, s.learning_rate, s.completions)
    size, updates = group_size or _usual(m), float(far.updates)
    plan = Plan(group_size=size, beta=s.beta, updates=updates, looks=LOOKS, seed=s.seed,
                judge=likely(s) or None)  # fmt: skip
    runs = trained(farther(like.worlds(), far.reach), m.paid, m.estimator, plan)
    alone = None if m.reward == CORRECTNESS else runs.outcome
    return joined(found, runs.reward, alone, runs.luck)


def _usual(m: Material) -> int:
    """The log's group size, in [2, 64]."""
    return int(np.clip(np.median(m.base.counts), 2, 64))


def _notes(m: Material, source: dict[str, Any], group_size: int | None) -> tuple[str, ...]:
    out = list(m.log.notes)
    prompts, n = source["prompts"], float(np.median(m.base.counts))
    if prompts < FEW:
        out.append(f"{prompts} prompts only: bands over so few are too narrow")
    if n < 2:
        out.append("most prompts have one rollout: nothing can be compared within them")
    elif group_size is not None and group_size > n:
        out.append(
            f"groups of {group_size} are made of {n:g} logged rollouts: they hold both right and "
            "wrong answers less often than fresh ones would"
        )
    return tuple(out)
