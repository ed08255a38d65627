"""A verifier that errs, as a channel: what its verdict still says about right and wrong.

A right rollout is rejected with probability phi_+ (`false_negative`), a wrong one accepted with
phi_- (`false_positive`); a symmetric flip rate phi is both. Then

    E[verdict | r] = phi_- + c r,      c = 1 - phi_+ - phi_-,

so under every baseline that the verdict itself does not move, the expected policy gradient is c
times the clean one: as it is for c > 0, none at c = 0, turned round for c < 0. Whether a verdict is
drawn anew for each rollout or once for a whole prompt makes no difference to that mean.

Formulas: docs/theory/noise.md.

Source: paper 25, sections 2 and 3 (flips of the reward); the formulas are derived.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "verifier_signal",
    kind="theorem",
    cards=("25",),
    provenance="derived",
    formula="c = 1 - phi_+ - phi_-",
)
def signal(false_negative: Array, false_positive: Array) -> np.ndarray:
    """c in [-1, 1]: what is left of a verdict's signal, the factor on the expected gradient.

    Both rates lie in [0, 1] and broadcast. Raises ValueError for one outside.
    """
    up = _share("false_negative", false_negative)
    return 1 - up - _share("false_positive", false_positive)


@entry(
    "noisy_success",
    kind="theorem",
    cards=("25",),
    provenance="derived",
    formula="p~ = phi_- + c p",
)
def noisy_success(p: Array, false_negative: Array, false_positive: Array) -> np.ndarray:
    """p~: the chance that a rollout is accepted, where p of them are right.

    All in [0, 1]; they broadcast. Repeated, it tends to `fixed_point`, and for c >= 0 it lies
    between p and that. Raises ValueError for an argument outside [0, 1].
    """
    p, wrong = _share("p", p), _share("false_positive", false_positive)
    # As a mean of two rates: never outside [0, 1] by rounding.
    return p * (1 - _share("false_negative", false_negative)) + (1 - p) * wrong


@entry(
    "verifier_fixed_point",
    kind="theorem",
    cards=("25",),
    provenance="derived",
    formula="phi_- / (phi_+ + phi_-)",
)
def fixed_point(false_negative: Array, false_positive: Array) -> np.ndarray:
    """The success rate that the channel leaves as it is; both rates in [0, 1]; they broadcast.

    Raises ValueError for rates outside [0, 1] and for a verifier that never errs, which leaves all.
    """
    up, down = _share("false_negative", false_negative), _share("false_positive", false_positive)
    if np.any(up + down == 0):
        msg = "false_negative and false_positive are both 0: every success rate stays as it is"
        raise ValueError(msg)
    return down / (up + down)


@entry(
    "critical_flip_rate",
    kind="theorem",
    cards=("25",),
    provenance="derived",
    formula="phi_-* = 1 - phi_+ - 1/budget",
)
def critical_rate(false_negative: Array = 0.0, budget: Array = np.inf) -> np.ndarray:
    """The largest rate of false positives that can be borne, given that of false negatives.

    budget : >= 1, times the updates that clean verdicts need; plain gradient steps take 1/c times
        as many. inf asks only that the direction stays right: phi_+ + phi_- < 1.

    Below 0 where the false negatives alone are too many. Arguments broadcast.

    Raises ValueError for a rate outside [0, 1] and a budget below 1.
    """
    budget = np.asarray(budget, dtype=float)
    if not np.all(budget >= 1):
        msg = f"budget={budget.tolist()} must be at least 1, in units of the clean run's updates"
        raise ValueError(msg)
    return 1 - _share("false_negative", false_negative) - 1 / budget


@entry(
    "critical_symmetric_flip_rate",
    kind="theorem",
    cards=("25",),
    provenance="derived",
    formula="phi* = (1 - 1/budget)/2",
)
def critical_symmetric_rate(budget: Array = np.inf) -> np.ndarray:
    """The largest symmetric flip rate at which c >= 1/budget; 1/2 for an endless budget.

    budget : >= 1, of any shape, as in `critical_rate`. Raises ValueError for one below 1.
    """
    return critical_rate(0.0, budget) / 2


def _share(name: str, value: Array) -> np.ndarray:
    """The argument as an array in [0, 1]."""
    found = np.asarray(value, dtype=float)
    if not np.all((found >= 0) & (found <= 1)):
        msg = f"{name}={found.tolist()} must lie in [0, 1]: it is a probability"
        raise ValueError(msg)
    return found
