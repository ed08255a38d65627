"""What is kept for forecasters: the base's rollouts with every reward, and the runs' ways."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from toyrl.experiments.transfer.calibrate import BaseLog
from toyrl.experiments.transfer.rewards import SuiteReward

DIGITS = 5  # significant, of a reward's value
PLACES = 5  # behind the point, of a measured accuracy


def rollouts_of(log: BaseLog, rewards: Sequence[SuiteReward]) -> dict[str, Any]:
    """The base's rollouts, group by group, and what each reward pays them; None: unscorable.

    group : rollouts a prompt; correct, length, truncated : lists; values : reward -> list
    """
    r = log.rollouts
    return {
        "group": int(r.shape[-1]),
        "correct": [int(x) for x in np.ravel(r.correct)],
        "length": [int(x) for x in np.ravel(r.length)],
        "truncated": [int(x) for x in np.ravel(r.cut)],
        "values": {
            reward.name: [_number(x) for x in np.ravel(reward.values(r, log.rows)).tolist()]
            for reward in rewards
        },
    }


def ways_of(curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """reward -> the measured way of each run: updates, accuracy, length and KL at each look."""
    return {name: [_way(curve["points"]) for curve in group] for name, group in curves.items()}


def _way(points: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    return {
        "updates": [int(p["step"]) for p in points],
        **{
            key: [round(float(p[key]), PLACES) for p in points]
            for key in ("accuracy", "length", "kl")
        },
    }


def _number(x: float) -> float | None:
    return float(f"{x:.{DIGITS}g}") if math.isfinite(x) else None
