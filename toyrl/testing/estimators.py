"""Laws of advantage estimators: contracts that every one keeps, properties that some are made for.

A case's reward parts are its correctness and a coarse length penalty, so that ties are common.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from toyrl.estimators.base import Estimator
from toyrl.rollouts import Rollouts
from toyrl.testing import arrays
from toyrl.testing.arrays import difference
from toyrl.testing.cases import Case, cases

BOUND = 1e5
"""Advantages beyond this come of a division by rounding: rewards here are below 10."""


def affine_difference(
    estimator: Estimator, reward: np.ndarray, r: Rollouts, *, scale: float, shift: float
) -> float:
    """How far scale * reward + shift moves the advantages, in units of the tolerance.

    At most 1 for every reward and scale > 0: the estimator is affine invariant, so that a weight
    common to all terms, and a constant, are without effect (std-normalised groups with eps = 0).

    reward : (B, G).
    """
    before = estimator.apply({"reward": reward}, r)[0]
    after = estimator.apply({"reward": scale * reward + shift}, r)[0]
    return difference(np.asarray(before), np.asarray(after))


def parts_of(r: Rollouts) -> dict[str, np.ndarray]:
    """Two reward parts with many ties.

    name -> (B, G).
    """
    return {"outcome": r.correct + 0.0, "length": -0.25 * np.round(r.length / 2)}


def _advantages(e: Estimator, r: Rollouts, parts: dict[str, np.ndarray] | None = None) -> Any:
    return np.asarray(e.apply(parts_of(r) if parts is None else parts, r)[0], dtype=float)


# -- contracts -------------------------------------------------------------------------------------
def finite(e: Estimator, case: Case) -> str | None:
    """Advantages are finite and of bounded size."""
    a = _advantages(e, case.rollouts)
    if not np.all(np.isfinite(a)):
        return f"an advantage is not finite: {a.tolist()}"
    largest = float(np.max(np.abs(a), initial=0.0))
    return f"an advantage reaches {largest:.3g}" if largest > BOUND else None


def order(e: Estimator, case: Case) -> str | None:
    """Permuting a group permutes its advantages."""
    r, rows = case.rollouts, list(case.order)
    parts = {k: v[:, rows] for k, v in parts_of(r).items()}
    moved = _advantages(e, arrays.take(r, rows), parts)
    if difference(_advantages(e, r)[:, rows], moved) > 1:
        return f"the advantages depend on the order {rows} of the group"
    return None


def padding(e: Estimator, case: Case) -> str | None:
    """Rollouts of weight 0 get 0 and change nothing."""
    r, n = case.rollouts, case.rollouts.shape[1]
    wide = arrays.padded(r, [case.at[1]], length=float(r.max_length))
    parts = {k: np.concatenate([v, v[:, :1] + 5.0], axis=1) for k, v in parts_of(r).items()}
    got = _advantages(e, wide, parts)
    if np.any(got[:, n:] != 0):
        return f"a rollout of weight 0 gets the advantage {got[:, n:].ravel()[0]:.4g}"
    moved = difference(got[:, :n], _advantages(e, r)) > 1
    return "a rollout of weight 0 moves the others' advantages" if moved else None


def nan_reward(e: Estimator, case: Case) -> str | None:
    """A NaN reward is an absent rollout: advantage 0, its siblings as without it."""
    r, at = case.rollouts, case.at
    broken = {k: v.copy() for k, v in parts_of(r).items()}
    broken["outcome"][at] = np.nan
    got = _advantages(e, r, broken)
    if np.any(got[at] != 0):
        return f"a rollout of NaN reward gets the advantage {np.ravel(got[at])[0]:.4g}"
    gone = _advantages(e, arrays.without(r, at))
    return "a NaN reward moves its siblings' advantages" if difference(got, gone) > 1 else None


def multiplicity(e: Estimator, case: Case) -> str | None:
    """Weight n gives the advantages of n equal rollouts."""
    spelled, origin = arrays.repeated(case.rollouts)
    want, got = _advantages(e, case.rollouts), _advantages(e, spelled)
    for b, rows in enumerate(origin):
        if difference(want[b, rows], got[b, : len(rows)]) > 1:
            return f"prompt {b}: weights and repeated rollouts give different advantages"
    return None


# -- properties ------------------------------------------------------------------------------------
def centred(e: Estimator, case: Case) -> str | None:
    """The advantages of a group sum to 0."""
    r = case.rollouts
    total = (_advantages(e, r) * r.w).sum(-1)
    worst = float(np.abs(total).max())
    return f"the advantages of a group sum to {worst:.3g}" if worst > 1e-6 else None


def shift(e: Estimator, case: Case) -> str | None:
    """A constant added to all rewards changes nothing."""
    r = case.rollouts
    reward = sum(parts_of(r).values())
    moved = affine_difference(e, np.asarray(reward), r, scale=1.0, shift=2.0) > 1
    return "a constant added to all rewards moves the advantages" if moved else None


def scale(e: Estimator, case: Case) -> str | None:
    """Rewards three times as large give the same advantages."""
    r = case.rollouts
    reward = sum(parts_of(r).values())
    moved = affine_difference(e, np.asarray(reward), r, scale=3.0, shift=0.0) > 1
    return "rewards three times as large move the advantages" if moved else None


def tied_is_silent(e: Estimator, case: Case) -> str | None:
    """A group of equal rewards gets advantages of exactly 0."""
    r = case.rollouts
    got = _advantages(e, r, {"outcome": np.full(r.shape, 0.1)})
    return f"equal rewards give advantages up to {np.abs(got).max():.3g}" if np.any(got) else None


@dataclass(frozen=True)
class EstimatorLaw:
    """A law with its name; `contract` laws hold for every usable estimator."""

    name: str
    statement: str
    law: Callable[[Estimator, Case], str | None]
    contract: bool
    weights: str | None = None

    def applies(self, _estimator: Estimator) -> bool:
        """To all."""
        return True

    def cases(self, e: Estimator) -> st.SearchStrategy[Case]:
        """Rollouts with what the estimator reads."""
        needs = tuple(sorted({"correct", "length", *e.needs}))
        return cases(needs, weights=self.weights)


ESTIMATOR_LAWS = {
    law.name: law
    for law in (
        EstimatorLaw("finite", "advantages are finite and bounded", finite, True),
        EstimatorLaw("order", "permuting a group permutes its advantages", order, True),
        EstimatorLaw("padding", "rollouts of weight 0 get 0 and change nothing", padding, True),
        EstimatorLaw("nan_reward", "a NaN reward is an absent rollout", nan_reward, True),
        EstimatorLaw(
            "multiplicity",
            "weight n counts like n equal rollouts",
            multiplicity,
            True,
            "multiplicity",
        ),
        EstimatorLaw("centred", "the advantages of a group sum to 0", centred, False),
        EstimatorLaw("shift", "a constant reward changes nothing", shift, False),
        EstimatorLaw("scale", "the reward's scale changes nothing", scale, False),
        EstimatorLaw("tied_is_silent", "equal rewards give exactly 0", tied_is_silent, False),
    )
}
