"""Forecasters of one idea each: what any better one has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toyrl.experiments.forecast.case import Case, Forecast, Forecaster, Told
from toyrl.experiments.transfer.predict import sign_of, tilted

NATS = 3.0
"""KL from the base, a completion, at which the tilted rollouts are read."""
SURE, UNSURE = 1.0, 0.5


def _always(p: float) -> Forecast:
    return Forecast(below_base=p, below_correctness=p, accuracy=0.0, length=1.0)


def _length_sign(told: Told) -> Forecast | None:
    """The sign of corr(reward, length) among right rollouts."""
    e = told.seen
    if e is None:
        return None
    r = e.now.rollouts
    right = np.asarray(r.correct) > 0.5
    sign = sign_of(e.now.rewards[right], np.asarray(r.length, dtype=float)[right])
    p = SURE if sign < 0 else 0.0
    return Forecast(p, p, accuracy=0.05 * sign, length=float(np.exp(0.5 * sign)))


def _one_step(told: Told) -> Forecast | None:
    """The first update's drift."""
    f = told.facts
    if f is None:
        return None
    p = SURE if f.drift_accuracy < 0 else 0.0
    return Forecast(p, p, accuracy=f.drift_accuracy, length=float(np.exp(f.drift_length)))


def _tilted(told: Told) -> Forecast | None:
    """The base's rollouts reweighted by exp(reward / beta) until they are `NATS` away."""
    e = told.seen
    if e is None:
        return None
    r = e.now.rollouts
    prompts = e.now.rewards.shape[1]
    by_prompt = [
        np.moveaxis(np.asarray(x, dtype=float), 1, 0).reshape(prompts, -1)
        for x in (e.now.rewards, r.correct, r.length)
    ]
    values, correct, length = by_prompt
    accuracy, log_length = tilted(values, correct, length, NATS)
    p = SURE if accuracy < 0 else 0.0
    return Forecast(p, p, accuracy=accuracy, length=float(np.exp(log_length)))


def _pays_wrong_nothing(told: Told) -> Forecast | None:
    """Safe if no wrong answer is paid more than another."""
    e = told.seen
    if e is None:
        return None
    wrong = e.of_wrong()
    p = SURE if float(np.nanmax(wrong) - np.nanmin(wrong)) > 1e-9 else 0.0
    return Forecast(p, p)


def _chain(told: Told) -> Forecast | None:
    """What the ledger's worlds showed, or the sealed prediction of a measured run."""
    return told.known.get("chain") or told.known.get("toy")


def mean_share(cases: Sequence[Case]) -> Forecaster:
    """Always the share of losses, and the mean change, among the runs of all other sources."""

    def of(told: Told) -> Forecast | None:
        own = {c.source for c in cases if c.told.name == told.name}
        rest = [c.outcome for c in cases if c.source not in own and not c.control]
        lost = [o.lost for o in rest if o.lost is not None]
        behind = [o.lost_to_correctness for o in rest if o.lost_to_correctness is not None]
        lengths = [np.log(o.length) for o in rest if o.length is not None]
        return Forecast(
            below_base=float(np.mean(lost)) if lost else None,
            below_correctness=float(np.mean(behind)) if behind else None,
            length=float(np.exp(np.mean(lengths))) if lengths else None,
        )

    says = "always the share of losses and the mean length factor among runs of other sources"
    return Forecaster("mean-share", says, of)


FORECASTERS = (
    Forecaster("always-safe", "nothing is ever lost", lambda _: _always(0.0)),
    Forecaster("always-risky", "everything is lost", lambda _: _always(1.0)),
    Forecaster(
        "length-sign",
        "a loss where right rollouts are paid more for being short: the sign of their correlation "
        "of reward with length",
        _length_sign,
    ),
    Forecaster("one-step", "the drift of accuracy and length in the first update", _one_step),
    Forecaster(
        "tilted",
        f"the base's rollouts reweighted by exp(reward / beta) until they are {NATS:g} nats away",
        _tilted,
    ),
    Forecaster(
        "pays-wrong-nothing", "safe if all wrong answers are paid alike", _pays_wrong_nothing
    ),
    Forecaster(
        "chain",
        "shares of worlds of the reasoning chain that end below their base and below "
        "correctness-only training, as the ledger or the sealed predictions of a study have them",
        _chain,
    ),
)
