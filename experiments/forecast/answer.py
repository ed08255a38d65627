"""A forecast as it is reported: the run's end with intervals, the way there, what was assumed.

forecast: {horizon: {updates, nats, source},
           accuracy_change, length_factor: {mean, low, high},
           p_loss_base, p_loss_outcome, p_loss_5, p_behind_10,
           best: {accuracy_change, at}, truncated, assumed: {accuracy, length, limit, ...}}
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtr

from toyrl.experiments.forecast.case import Told
from toyrl.experiments.forecast.rivals import behaviour
from toyrl.experiments.forecast.word import BEHIND, LOSS

SOURCE = "in behaviour worlds, whose nats are those that behaviours hold"
DIGITS = 4


def answer(told: Told, runs: behaviour.Runs) -> dict[str, Any]:
    """The forecast, JSON-able.

    horizon : updates, nats a rollout from the base (median), source; accuracy_change and
    length_factor : mean, low, high (5 % and 95 %); p_loss_base, p_loss_outcome : probabilities
    that accuracy ends below the base's, and below that of training on correctness alone;
    p_loss_5, p_behind_10 : that it ends 5 points below the one, 10 points below the other;
    best : the best moment on the way, as a share of the run; truncated : share at the end;
    pass_at_8 : chance that one of eight answers is right, at the base and at the end;
    assumed : what was told of the base
    """
    said, path, base = behaviour.of(runs), runs.reward, behaviour.base_of(told)
    change, alone, luck = path.change, runs.outcome.change, runs.luck
    return {
        "horizon": {
            "updates": told.horizon.updates,
            "nats": _number(np.median(path.kl[-1])),
            "source": f"{told.horizon.source}; {SOURCE}",
        },
        "accuracy_change": _three(said.accuracy, said.low, said.high),
        "p_loss_base": _number(said.below_base),
        "p_loss_outcome": _number(said.below_correctness),
        "p_loss_5": _number(ndtr((-LOSS - change) / luck).mean()),
        "p_behind_10": _number(ndtr((alone - BEHIND - change) / (luck * 2**0.5)).mean()),
        "length_factor": _three(said.length, *np.quantile(path.factor, [0.05, 0.95])),
        "best": _best(path),
        "truncated": _number(path.cut[-1].mean()),
        "pass_at_8": {
            "base": _number(path.any_of[0].mean()),
            "end": _number(path.any_of[-1].mean()),
        },
        "outcome_only": {
            "accuracy_change": _number(alone.mean()),
            "length_factor": _number(np.exp(np.log(runs.outcome.factor).mean())),
        },
        "assumed": {
            "accuracy": _number(base.accuracy),
            "length": _number(base.length),
            "limit": base.limit,
            "own_rollouts": bool(base.shown),
        },
    }


def _best(path: Any) -> dict[str, float]:
    """The moment whose mean accuracy over worlds is highest."""
    gained = (path.accuracy - path.accuracy[0]).mean(1)
    k = int(np.argmax(gained))
    return {"accuracy_change": _number(gained[k]), "at": _number(path.step[k])}


def _three(mean: Any, low: Any, high: Any) -> dict[str, float]:
    return {"mean": _number(mean), "low": _number(low), "high": _number(high)}


def _number(x: Any) -> float:
    return round(float(x), DIGITS)
