"""Very small and very large values: judged at scale 1, and what the estimator makes of them.

Trainers hold rewards in float32, so what that can't hold is refused. Within it a scale is no fault
of a reward's shape, but thresholds, roundings and worlds are made for values around 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from toyrl.estimators.base import Estimator
from toyrl.experiments.validate.findings import Finding
from toyrl.rewards.errors import RewardError
from toyrl.rewards.user import UserReward
from toyrl.rollouts.classes import class_rollouts

USUAL = (1e-3, 1e6)
"""Spreads of values that are judged as they are."""
SMALLEST = float(np.finfo(np.float32).tiny)
SQUARED = float(np.finfo(np.float32).max) ** 0.5
HEARD = 0.5  # of the advantages at scale 1, from where an estimator's eps does no harm
FAR = 1e3  # times as large as 1, where an eps is nothing and advantages are at their scale


def fit(reward: UserReward, values: Iterable[float]) -> bool:
    """Multiply the reward by a power of ten that brings its values' spread near 1.

    values : that it gave to texts right and wrong; True if it was multiplied, which is once only

    Raises RewardError (size) for values so near to each other that float32 holds them equal to 0.
    """
    spread = spread_of(values)
    if reward.unit != 1.0 or spread == 0 or USUAL[0] <= spread <= USUAL[1]:
        return False
    if spread < SMALLEST:
        msg = (
            f"{reward.name} pays values that differ by at most {spread:.3g}, less than the "
            f"smallest number of float32 ({SMALLEST:.3g}), in which trainers hold rewards: "
            "multiply it"
        )
        raise RewardError(kind="size", message=msg)
    reward.unit = 10.0 ** -round(math.log10(spread))
    return True


def spread_of(values: Iterable[float]) -> float:
    """Largest minus least of the finite values; 0 without any."""
    known = [v for v in values if math.isfinite(v)]
    return max(known) - min(known) if known else 0.0


def findings(spread: float, unit: float, estimator: Estimator, name: str) -> list[Finding]:
    """What an estimator makes of a reward whose values are of an unusual size.

    spread : of the values as given; unit : what they were multiplied by; name : of the estimator
    """
    if unit == 1.0 or spread == 0:
        return []
    heard, grows = _response(estimator, spread), _response(estimator, FAR)
    if heard is None or grows is None:
        return []
    size = f"Its values differ by at most {spread:.3g}"
    judged = f"Everything else was judged with values multiplied by {unit:g}."
    if grows > math.sqrt(FAR):
        text = (
            f"{size}, and the advantages of {name} are of that size too: the learning rate has to "
            f"make up for it, as Adam does by itself. {judged}"
        )
        return [_finding("warn", text, spread, fix=f"multiply the reward by {unit:g}")]
    if spread > SQUARED:
        text = (
            f"{size}: in float32 their squares overflow, so a trainer's standard deviation may be "
            f"infinite. {judged}"
        )
        return [_finding("warn", text, spread, fix=f"multiply the reward by {unit:g}")]
    if heard >= HEARD:
        text = f"{size}; {name} divides by their spread, so their scale is of no matter. {judged}"
        return [_finding("info", text, spread)]
    eps = _eps(estimator)
    text = (
        f"{size}, below the eps{f' of {eps:g}' if eps else ''} that {name} adds to their standard "
        f"deviation: advantages are {heard:.2g} of those at scale 1, and next to nothing is "
        f"learned. {judged}"
    )
    fix = f"multiply the reward by {unit:g}, or take an estimator without eps, such as grpo_exact"
    return [_finding("fail", text, spread, bound=eps, fix=fix)]


def _finding(status: str, text: str, value: float, **more: Any) -> Finding:
    return Finding(1, "contract/scale", status, text, value=value, **more)


def _response(estimator: Estimator, scale: float) -> float | None:
    """Advantages of half a group paid `scale` and half 0, in those at scale 1; None where the
    estimator needs more than that."""
    right = np.array([[1.0, 0.0] * 4])
    length = np.full(right.shape, 8.0)
    r = class_rollouts(None, correct=right, length=length, max_length=16.0, group_size=None)
    try:
        here, one = (
            float(np.abs(np.asarray(estimator.apply({"reward": right * x}, r)[0])).max())
            for x in (scale, 1.0)
        )
    except (KeyError, ValueError, TypeError):
        return None
    return here / one if one > 0 else None


def _eps(estimator: Any) -> float | None:
    """The largest eps among an estimator's fields and those of the estimators inside it."""
    found = []
    for name in getattr(estimator, "__dataclass_fields__", ()):
        value = getattr(estimator, name)
        if name == "eps":
            found.append(float(value))
        elif isinstance(value, Estimator):
            found.append(_eps(value) or 0.0)
    return max(found, default=0.0) or None
