"""What a redistribution does to the policy gradient: its noise, and its mean.

T independent steps are right with chance q each, by a logit of their own, and pay 1 if right; the
gradient of step j is (x_j - q) A_j, its true mean v = q (1 - q).

    episodic           A_j = all of x: nothing is known but the return
    its own reward     A_j = x_j: a redistribution that is right, no reward-to-go
    residual at end    step rewards c x_k, the rest of the return on the last step, rewards to go

The episodic return less its mean and exact critics stand in `toyrl.theory.process.credit`.
Formulas: docs/theory/redistribution.md.

Source: derived, for paper 41 (section 5 c); q = 1/2 is the paper's toy.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np

from toyrl.ranges import COUNT, SHARE, checked
from toyrl.registry import entry


@entry(
    "episodic_gradient_variance",
    kind="theorem",
    cards=("41",),
    provenance="derived",
    section="section 5 c",
    formula="q (1-q)^2 (1 + 2 m + m2) + (1-q) q^2 m2 - v^2, m = (T-1) q, m2 = (T-1) v + m^2",
)
@checked
def episodic_gradient_variance(q: Annotated[float, SHARE], steps: Annotated[int, COUNT]) -> float:
    """Variance of a step's gradient when the whole return is everybody's reward, no baseline.

    q : chance of a right step; steps : T. At q = 1/2 it is (1 + 2 m + 2 m2)/8 - 1/16.

    Raises ValueError for numbers out of their ranges.
    """
    v = q * (1 - q)
    m = (steps - 1) * q
    m2 = (steps - 1) * v + m * m
    return v * ((1 - q) * (1 + 2 * m + m2) + q * m2 - v)


@entry(
    "own_reward_variance",
    kind="theorem",
    cards=("41",),
    provenance="derived",
    section="section 5 c",
    formula="q (1 - q)^3",
)
@checked
def own_reward_variance(q: Annotated[float, SHARE]) -> float:
    """Variance of a step's gradient when it is paid its own reward alone, no baseline.

    Less its mean q it is v (1 - 4 v), the last entry of `gae_credit_variance` at lam = 0: 0 at 1/2.

    Raises ValueError for numbers out of their ranges.
    """
    return q * (1 - q) ** 3


@entry(
    "residual_end_variance",
    kind="theorem",
    cards=("41",),
    provenance="derived",
    section="return-equivalence, ours",
    formula="Var g_j = v^2 ((T - j) + (1 - c)^2 (j - 1)) + v (1 - 4 v)",
)
@checked
def residual_end_variance(
    q: Annotated[float, SHARE], steps: Annotated[int, COUNT], kept: Annotated[float, SHARE]
) -> np.ndarray:
    """(T,) variance of each step's gradient: step rewards c x_k, the rest of the return at the end.

    kept : c, how much of each step's reward the model found. Rewards to go, less their mean. The
    gradient's mean is v at every step whatever c is; 0 is the return less its mean for all, 1 the
    true rewards to go.

    Raises ValueError for numbers out of their ranges.
    """
    v, j = q * (1 - q), np.arange(1, steps + 1)
    return v**2 * ((steps - j) + (1 - kept) ** 2 * (j - 1)) + v * (1 - 4 * v)


@entry(
    "spread_gradient_share",
    kind="theorem",
    cards=("41",),
    provenance="derived",
    section="return-equivalence, ours",
    formula="E g_j/v = c + (1 - c) (T - j + 1)/T",
)
@checked
def spread_gradient_share(
    steps: Annotated[int, COUNT], kept: Annotated[float, SHARE]
) -> np.ndarray:
    """(T,) share of each step's gradient that is left where the rest is spread evenly.

    kept : c, step rewards c x_k; rewards to go. 0 is the uniform redistribution, which leaves the
    last step 1/T of its gradient: a sum that equals the return is not enough.

    Raises ValueError for numbers out of their ranges.
    """
    j = np.arange(1, steps + 1)
    return kept + (1 - kept) * (steps - j + 1) / steps
