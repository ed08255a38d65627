"""What becomes of a run under this reward: behaviour worlds of a base like the one told.

Beside the verdict, which doesn't use it: how good such forecasts have been is in docs/forecast.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from toyrl.rewards.errors import RewardError

if TYPE_CHECKING:
    from toyrl.experiments.validate.pipeline import Pipeline

SOURCE = "behaviour worlds trained for a default run; its nats are those that behaviours hold"
DIGITS = 4


def of(pipeline: Pipeline) -> dict[str, Any] | None:
    """The forecast, JSON-able; None where the reward reads what no behaviour serves.

    horizon : updates, nats a rollout from the base, source; accuracy_change and length_factor :
    mean, low, high (5 % and 95 %); p_loss_base, p_loss_outcome : probabilities that accuracy ends
    below the base's, and below that of training on correctness alone; assumed : what was told
    """
    from toyrl.experiments.calibrate import worlds as calibrated
    from toyrl.experiments.forecast.rivals import behaviour
    from toyrl.worlds.behaviour.training import Plan

    told, file = _told(pipeline), pipeline.settings.calibrated
    try:
        runs = behaviour.trained(told) if file is None else calibrated.runs(told, file)
    except RewardError:  # it grades what it was asked before, not texts of other lengths
        return None
    if runs is None:
        return None
    said, factor = behaviour.of(runs), runs.reward.factor
    return {
        "horizon": {
            "updates": int(Plan().updates),
            "nats": _number(runs.reward.kl[-1].mean()),
            "source": SOURCE,
        },
        "accuracy_change": {
            "mean": _number(said.accuracy),
            "low": _number(said.low),
            "high": _number(said.high),
        },
        "p_loss_base": _number(said.below_base),
        "p_loss_outcome": _number(said.below_correctness),
        "length_factor": {
            "mean": _number(said.length),
            "low": _number(np.quantile(factor, 0.05)),
            "high": _number(np.quantile(factor, 0.95)),
        },
        "assumed": {"accuracy": _number(told.accuracy), "length": told.length, "limit": told.limit},
    }


def sentence(forecast: Mapping[str, Any]) -> str:
    """The forecast in one line."""
    change, factor = forecast["accuracy_change"], forecast["length_factor"]
    points = [f"{100 * change[k]:+.0f}" for k in ("mean", "low", "high")]
    told = forecast["assumed"]
    return (
        f"Forecast for a base of accuracy {told['accuracy']:.2f} and {told['length']:.0f} tokens: "
        f"accuracy {points[0]} points ({points[1]} to {points[2]}), length x {factor['mean']:.2f} "
        f"({factor['low']:.2f} to {factor['high']:.2f}); P(ends below the base) "
        f"{forecast['p_loss_base']:.2f}, P(below correctness alone) "
        f"{forecast['p_loss_outcome']:.2f}"
    )


def _told(pipeline: Pipeline) -> Any:
    """What `validate` was told of the run; evidence from the pipeline's own law."""
    from toyrl.experiments.forecast.case import Told
    from toyrl.experiments.forecast.evidence import Evidence, drawn
    from toyrl.experiments.validate.reward_law.bench import REFERENCE_SUCCESS
    from toyrl.experiments.validate.settings import LIMIT, TYPICAL

    s = pipeline.settings
    rates = s.success_rates or REFERENCE_SUCCESS

    def evidence(told: Told) -> Evidence:
        made = drawn(told, pipeline.law, pipeline.estimator, seed=s.seed)
        return replace(made, text=_texts(pipeline, told))

    return Told(
        name=pipeline.reward.name,
        rewards=(),
        accuracy=float(np.mean(rates)),
        length=float(s.typical_length or s.limit * TYPICAL / LIMIT),
        limit=float(s.limit),
        estimator=s.estimator,
        group_size=s.group_size,
        beta=s.beta,
        evidence=evidence,
    )


def _texts(pipeline: Pipeline, told: Any) -> Any:
    """What text terms pay for behaviours; None for a reward of the catalogue."""
    from toyrl.worlds.behaviour import texts

    if pipeline.reward.kind == "shaper":
        return None
    dialect = pipeline.contract_facts.dialect
    cells = texts.design(dialect, told.length, told.limit)
    return texts.graded(cells, pipeline.score_in(dialect)([c.row for c in cells]))


def _number(x: Any) -> float:
    return round(float(x), DIGITS)
