"""Distances between rewards as orders of policies, on one scale: 0 the same order, 2 the opposite.

A canonical form takes out what can't change the order, a norm takes out the scale,

    s(R) = c(R) / n(c(R)),  0 where c(R) is 0,      d(R, Q) = m(s(R) - s(Q)),

and with the same norm for n and m the distance lies in [0, 2]: 0 for equivalent rewards, 1 from a
reward that orders nothing, sqrt 2 for uncorrelated ones in a 2-norm, 2 for the opposite one.
EPIC's and DARD's published numbers are half of it, their Pearson form sqrt((1 - rho)/2).

Formulas: docs/theory/distance.md.

Source: STARC (Skalse et al. 2024, paper 27, sections 2 and 3); EPIC (Gleave et al. 2021); DARD
(Wulfe et al. 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.distance.canonical import CANONICAL, TOLERANCE, Canonical, Canonicaliser
from toyrl.worlds.mdp.forms import NORMS, SparseForm
from toyrl.worlds.mdp.model import MDP

__all__ = ["PRESETS", "Metric", "distance", "distance_matrix", "standardise"]

Array = Any
NEAR = 1e-6  # squared distances below this are taken from the difference, not from products
NONE = "none"  # no normalisation


@dataclass(frozen=True)
class Metric:
    """A distance: canonical form, normalisation, and the norm of the difference.

    canonical : one of `toyrl.theory.distance.canonical.CANONICAL`
    norm : one of `toyrl.worlds.mdp.forms.NORMS`, or "none" for no normalisation
    difference : one of the same, None for that of `norm` (l2 where that is "none")

    Derived, as the module says. Raises ValueError for an unknown name.
    """

    canonical: str = "minimal_weighted"
    norm: str = "l2_weighted"
    difference: str | None = None

    def __post_init__(self) -> None:
        allowed = {"canonical": CANONICAL, "norm": (*NORMS, NONE), "difference": (*NORMS, None)}
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                told = ", ".join(str(v) for v in values)
                msg = f"{name}={getattr(self, name)!r} is unknown; choose from {told}"
                raise ValueError(msg)

    @property
    def last(self) -> str:
        """The norm of the difference."""
        return self.difference or ("l2" if self.norm == NONE else self.norm)


PRESETS = {
    "starc": Metric(),
    "val": Metric("val", "l2"),
    "minimal": Metric("minimal", "l2"),
    "val_potential": Metric("val_potential", "l2"),
    "npec": Metric("minimal_potential", "l2"),
    "epic": Metric("epic", "l2"),
    "dard": Metric("dard", "l2"),
    "none": Metric("none", "l2"),
}


@entry(
    "standardised_reward",
    kind="theorem",
    cards=("27",),
    section="section 3",
    provenance="code",
    formula="s = c(R) / n(c(R)), 0 where c(R) is 0",
)
def standardise(
    mdp: MDP,
    reward: Array = None,
    metric: str | Metric = "starc",
    *,
    policy: Array = None,
    states: Array = None,
) -> Array:
    """(S, A, S) canonical reward of norm 1, or 0 for a reward that orders nothing.

    reward, policy, states : as `canonicalise` takes them, (S, A, S) or less
    metric : one of `PRESETS`, or a `Metric`

    Raises ValueError as `canonicalise` does, and for an unknown metric.
    """
    chosen = _metric(metric)
    (c,) = Canonicaliser(mdp, chosen.canonical, policy, states)([reward])
    return c.tensor() * _inverse(_size(c, chosen))


@entry(
    "reward_distance",
    kind="theorem",
    cards=("27",),
    section="section 3",
    provenance="code",
    formula="d = m(s(R) - s(Q)), in [0, 2]",
)
def distance(
    mdp: MDP,
    first: Array,
    second: Array = None,
    metric: str | Metric = "starc",
    *,
    policy: Array = None,
    states: Array = None,
    tolerance: float = TOLERANCE,
) -> Array:
    """Scalar distance of two rewards in [0, 2]; a float, or an array of JAX for rewards of JAX.

    first, second : (S,), (S, A), (S, A, S) or sparse (S*A, S), each; None for the process's own
    metric : one of `PRESETS`, or a `Metric`; [0, 2] holds where both norms are the same
    policy, states, tolerance : as `Canonicaliser` takes them, (S, A) or (A,), and (S,)

    Two rewards that order nothing are at 0, one that orders nothing is at 1 from any that does.

    Raises ValueError and RuntimeError as `canonicalise` does, ValueError for an unknown metric.
    """
    chosen = _metric(metric)
    one, two = Canonicaliser(mdp, chosen.canonical, policy, states, tolerance)([first, second])
    return _plain(_between(one, two, _size(one, chosen), _size(two, chosen), chosen))


@entry(
    "reward_distance_matrix",
    kind="theorem",
    cards=("27",),
    section="section 3",
    provenance="derived",
    formula="d(i, j)^2 = 2 - 2 <s_i, s_j> in a 2-norm",
)
def distance_matrix(
    mdp: MDP,
    rewards: Sequence[Any],
    others: Sequence[Any] | None = None,
    metric: str | Metric = "starc",
    *,
    policy: Array = None,
    states: Array = None,
    tolerance: float = TOLERANCE,
) -> np.ndarray:
    """(B, B) distances of rewards on one process, or (B, K) from B rewards to K others.

    rewards, others : B and K rewards, in any forms that `distance` takes
    metric, policy, states, tolerance : as for `distance`, (S, A) or (A,), and (S,)

    The process is factorised once; in a 2-norm all distances are one product of matrices, and
    those near 0 are taken again from the difference, which keeps their digits.

    Raises ValueError and RuntimeError as `distance` does.
    """
    chosen = _metric(metric)
    rewards, own = list(rewards), others is None
    every = rewards if others is None else [*rewards, *others]
    forms = Canonicaliser(mdp, chosen.canonical, policy, states, tolerance)(every)
    sizes = [_size(c, chosen) for c in forms]
    n = len(rewards)
    left, right = range(n), range(n) if own else range(n, len(forms))
    out = np.full((n, len(right)), np.nan)
    if forms and _by_products(chosen, forms[0]):
        scaled = np.stack(
            [
                np.asarray(c.form.vector(chosen.norm) * _inverse(x))
                for c, x in zip(forms, sizes, strict=True)
            ]
        )
        norms = (scaled * scaled).sum(-1)
        square = norms[:n, None] + norms[list(right)] - 2 * scaled[:n] @ scaled[list(right)].T
        out = np.where(square > NEAR, np.sqrt(np.maximum(square, 0.0)), np.nan)
    for i in left:
        for k, j in enumerate(right):
            if i == j:
                out[i, k] = 0.0
            elif own and j < i:
                out[i, k] = out[j, i]
            elif np.isnan(out[i, k]):
                out[i, k] = _between(forms[i], forms[j], sizes[i], sizes[j], chosen)
    return out


# -- helpers --------------------------------------------------------------------------------------
def _metric(metric: str | Metric) -> Metric:
    if isinstance(metric, Metric):
        return metric
    if metric not in PRESETS:
        msg = f"metric={metric!r} is unknown; choose from {', '.join(PRESETS)}, or give a Metric"
        raise ValueError(msg)
    return PRESETS[metric]


def _size(c: Canonical, metric: Metric) -> Any:
    return 1.0 if metric.norm == NONE else c.norm(metric.norm)


def _inverse(size: Any) -> Any:
    """1 / size, 0 for 0; with a derivative in both cases."""
    return (size > 0) / (size + (size == 0))


def _between(one: Canonical, two: Canonical, own: Any, its: Any, metric: Metric) -> Any:
    if _by_products(metric, one) and isinstance(own, float) and own > 0 and its > 0:
        product = one.form.vector(metric.norm) @ two.form.vector(metric.norm)
        square = 2 - 2 * float(product / own / its)
        if square > NEAR:
            return square**0.5
    apart = one.form.minus(two.form, _inverse(own), _inverse(its))
    return apart.norm(metric.last)


def _by_products(metric: Metric, c: Canonical) -> bool:
    """Whether distances are products of vectors."""
    alike = metric.norm == metric.last and metric.norm in ("l2", "l2_weighted")
    return alike and not isinstance(c.form, SparseForm)


def _plain(found: Any) -> Any:
    return float(found) if isinstance(found, (float, np.floating, np.ndarray)) else found
