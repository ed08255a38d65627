"""What the likelihood of a user's next words says about the user's satisfaction.

s is the chance that the user is satisfied with a response. A scorer that mixes the words of
satisfied and dissatisfied users, p(f) = s p(f | satisfied) + (1 - s) p(f | not), with a, b the
chances of approval and c, d those of disapproval, gives

    FLR(s) = log(b + (a - b) s) - log(d - (d - c) s),     increasing where a > b and c < d.

Whatever moves both sides of a response alike cancels; noise of single follow-ups is averaged.

Formulas: docs/theory/learned.md.

Source: derived, for paper 49.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry

Array = Any


@entry(
    "follow_up_reward",
    kind="theorem",
    cards=("49",),
    provenance="derived",
    formula="FLR(s) = log(b + (a - b) s) - log(d - (d - c) s)",
)
def follow_up_reward(
    satisfied: Array, approving: tuple[float, float], disapproving: tuple[float, float]
) -> np.ndarray:
    """FLR in nats of responses that satisfy with chance s; with b = c = 0 logit(s) + log(a/d).

    satisfied : any shape, in [0, 1]
    approving, disapproving : (chance if satisfied, chance if not), (a, b) and (c, d), in [0, 1]

    -inf or inf where one side can't be said. Raises ValueError for a chance that is none, and
    where neither side can be said.
    """
    good, bad = _mixed(satisfied, approving, disapproving)
    with np.errstate(divide="ignore"):
        return np.log(good) - np.log(bad)


@entry(
    "follow_up_slope",
    kind="theorem",
    cards=("49",),
    provenance="derived",
    formula="FLR'(s) = (a - b)/(b + (a - b) s) + (d - c)/(d - (d - c) s)",
)
def follow_up_slope(
    satisfied: Array, approving: tuple[float, float], disapproving: tuple[float, float]
) -> np.ndarray:
    """dFLR/ds, any shape; above 0 where a > b and c < d. Arguments as in `follow_up_reward`.

    Raises ValueError as `follow_up_reward` does, and for a side that can't be said.
    """
    good, bad = _mixed(satisfied, approving, disapproving)
    if not ((good > 0) & (bad > 0)).all():
        msg = "approving and disapproving must both be possible at every satisfied; no slope there"
        raise ValueError(msg)
    (a, b), (c, d) = approving, disapproving
    return (a - b) / good + (d - c) / bad


@entry(
    "contrast_accuracy",
    kind="theorem",
    cards=("49",),
    provenance="derived",
    formula="Phi(gap / sqrt(2 omega^2 (1/n+ + 1/n-)))",
)
def contrast_accuracy(gap: Array, noise: Array, approving: Array, disapproving: Array
                      ) -> np.ndarray:  # fmt: skip
    """Chance that the better of two responses gets the higher FLR; broadcast.

    gap : its true FLR less the other's, nats; noise : standard deviation of a follow-up's l, nats
    approving, disapproving : numbers of follow-ups, at least 1
    What moves all follow-ups of a response alike isn't in it. 1/2 for gap and noise 0.

    Raises ValueError for a number of follow-ups below 1 and for a noise below 0.
    """
    up, down = _count("approving", approving), _count("disapproving", disapproving)
    return _ordered(gap, _deviation("noise", noise) ** 2 * (1 / up + 1 / down))


@entry(
    "positive_only_accuracy",
    kind="theorem",
    cards=("49",),
    provenance="derived",
    formula="Phi(gap / sqrt(2 (tau^2 + omega^2/n+)))",
)
def positive_only_accuracy(gap: Array, nuisance: Array, noise: Array = 0.0, approving: Array = 1
                           ) -> np.ndarray:  # fmt: skip
    """The same for approval alone, broadcast: what moves a response's follow-ups alike stays.

    gap : of the true l of approval; nuisance : its deviation between responses; nats; others as in
    `contrast_accuracy`. 1/2 in the limit of a large nuisance.

    Raises ValueError for a number of follow-ups below 1 and for a deviation below 0.
    """
    each = _deviation("noise", noise) ** 2 / _count("approving", approving)
    return _ordered(gap, _deviation("nuisance", nuisance) ** 2 + each)


@entry(
    "mining_gap",
    kind="theorem",
    cards=("49",),
    provenance="derived",
    formula="E[max - min of k uniforms] = (k - 1)/(k + 1)",
)
def mining_gap(k: Array) -> np.ndarray:
    """Mean satisfaction of the best less that of the worst of k responses, s uniform on [0, 1].

    k : responses a prompt, any shape, at least 1. Any increasing score mines the same pairs; 7/9 at
        k = 8

    Raises ValueError for a k below 1.
    """
    k = _count("k", k)
    return 1 - 2 / (k + 1)


def _mixed(satisfied: Array, approving: tuple[float, float], disapproving: tuple[float, float]
           ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """p(approval), p(disapproval) under the mixture."""
    s = np.asarray(satisfied, dtype=float)
    for name, x in (("satisfied", s), ("approving", approving), ("disapproving", disapproving)):
        x = np.asarray(x, dtype=float)
        if not ((x >= 0) & (x <= 1)).all():
            msg = f"{name}={x.tolist()} must be chances, in [0, 1]"
            raise ValueError(msg)
    good, bad = (s * x[0] + (1 - s) * x[1] for x in (approving, disapproving))
    if ((good == 0) & (bad == 0)).any():
        msg = (
            f"approving={approving} and disapproving={disapproving}: neither is ever said at some "
        )
        msg += "satisfied; one of the two must be possible"
        raise ValueError(msg)
    return good, bad


def _ordered(gap: Array, variance: np.ndarray) -> np.ndarray:
    """P(gap + N(0, 2 variance) > 0), ties half."""
    from scipy.special import ndtr

    gap, wide = np.broadcast_arrays(np.asarray(gap, dtype=float), np.sqrt(2 * variance))
    still = wide == 0
    sure = (1 + np.sign(gap)) / 2
    return np.where(still, sure, ndtr(gap / np.where(still, 1.0, wide)))


def _count(name: str, x: Array) -> np.ndarray:
    x = np.asarray(x, dtype=float)
    if not (x >= 1).all():
        msg = f"{name}={x.tolist()} must be at least 1: a mean over none is undefined"
        raise ValueError(msg)
    return x


def _deviation(name: str, x: Array) -> np.ndarray:
    x = np.asarray(x, dtype=float)
    if not (x >= 0).all():
        msg = f"{name}={x.tolist()} must be at least 0, in nats"
        raise ValueError(msg)
    return x
