"""What forecasters say of a transfer's runs before they are trained, from the base's rollouts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from toyrl.experiments.forecast.case import Told
from toyrl.experiments.forecast.horizon import FULL, Horizon, horizon
from toyrl.experiments.forecast.logged import Logged
from toyrl.experiments.transfer import evidence
from toyrl.experiments.transfer.calibrate import BaseLog
from toyrl.experiments.transfer.rewards import SuiteReward
from toyrl.expressions import parse_estimator
from toyrl.rollouts import Rollouts
from toyrl.worlds.behaviour.prior import TINY_UP_TO
from toyrl.worlds.behaviour.rollouts import SERVED

UNASKED = ("always-safe", "always-risky", "chain")
"""Constants, and what is sealed beside."""


def told(run: dict[str, Any], log: BaseLog, reward: SuiteReward) -> Told:
    """A run as forecasters are told of it.

    run : settings of a run (estimator, group_size, beta, limit); log : the base's rollouts
    """
    r = log.rollouts
    served = set(reward.graders()) <= set(SERVED)
    own = Rollouts(
        np.asarray(r.correct)[None],
        np.asarray(r.length)[None],
        float(run["limit"]),
        np.asarray(r.cut)[None],
        fields=_fields(log, reward if served else None),
    )
    text = evidence.paid(reward, log)
    seen = Logged(
        own,
        reward.values(r, log.rows)[None],
        parse_estimator(run["estimator"]),
        reward.shaper if served else None,
        text,
    )
    return Told(
        name=reward.name,
        rewards=(),
        accuracy=log.success,
        length=log.length,
        limit=float(run["limit"]),
        estimator=run["estimator"],
        group_size=run["group_size"],
        beta=run["beta"],
        horizon=_horizon(run, log),
        evidence=lambda _: seen,
    )


def _horizon(run: dict[str, Any], log: BaseLog) -> Horizon:
    """By the law of rates where the rate is one of full fine-tuning; a tiny model, and one whose
    rate was taken as large as holds, go as far as usual."""
    steps, rate = int(run["steps"]), float(run["rate"])
    if log.length < TINY_UP_TO or rate >= FULL:
        return Horizon(steps, source="the steps that this model can take")
    return horizon(steps, rate, int(run["completions"]))


def _fields(log: BaseLog, reward: SuiteReward | None) -> dict[str, np.ndarray]:
    """(1, B, G) what a reward reads that behaviours serve, and whether answers can be read."""
    graded = {} if reward is None else {k: g(log.rows) for k, g in reward.graders().items()}
    found = {"answered": evidence.formed(log), **graded}
    return {k: np.array(v, dtype=float).reshape(1, *log.rollouts.shape) for k, v in found.items()}


def said(run: dict[str, Any], log: BaseLog, reward: SuiteReward) -> dict[str, Any]:
    """`forecasts`: forecaster -> its answer, None where it is silent; `forecast`: the report's."""
    from toyrl.experiments.forecast.answer import answer
    from toyrl.experiments.forecast.board import FORECASTERS
    from toyrl.experiments.forecast.rivals import behaviour

    if not 0 < log.success < 1:  # such a base leaves nothing to forecast
        return {"forecasts": {}, "forecast": None}
    it = told(run, log, reward)
    answers = {f.name: f.of(it) for f in FORECASTERS if f.name not in UNASKED}
    runs = behaviour.trained(it)
    return {
        "forecasts": {k: None if a is None else _plain(asdict(a)) for k, a in answers.items()},
        "forecast": None if runs is None else answer(it, runs),
    }


def _plain(x: dict[str, Any]) -> dict[str, Any]:
    return {k: None if v is None or not np.isfinite(v) else round(v, 6) for k, v in x.items()}
