"""Probability mass under policy gradients: first exploit, later explore.

Softmax pi over answers of reward r, population mean baseline, a = r - E r. The gradient flow is

    z'_v = pi_v a_v,    pi'_v = pi_v (pi_v a_v - sum_u pi_u^2 a_u),    (E r)' = sum pi^2 a^2 >= 0,

sum z conserved: a rare answer hardly moves whatever its reward. With a likely good answer 1, a
likely bad 3, a rare best 2 (D = r1 - r3, D' = r2 - r1), the best one shrinks as
sqrt(pi1 pi3), turns where pi3/pi2 = 2 D'/D, at about (27/4) C with C = (D'/D) c,
c = pi2(0)^2/(pi1(0) pi3(0)), at t = (7/162)/(D' C), and takes over at t = 1/(6 D' C).

The two stages are claimed by paper 33, Theorem 1; the flow's asymptotics and the statements on
negative-only updates are derived. With rewards 0 and 1 there is no second stage.

Formulas: docs/theory/group.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.policies import softmax

Array = Any


@entry(
    "mass_dynamics",
    kind="theorem",
    cards=("33",),
    section="Theorem 1",
    provenance="second-hand",
    formula="dz_v/dt = pi_v (r_v - E r)",
)
def flow(z: Array, reward: Array) -> np.ndarray:
    """(K,) dz/dt = pi (r - E r), the expected on-policy update per unit learning rate."""
    pi = softmax(z)
    return pi * (reward - pi @ reward)


@entry(
    "mass_flow",
    kind="theorem",
    cards=("33",),
    provenance="derived",
    formula="z(t) of dz_v/dt = pi_v (r_v - E r)",
)
def integrate(start: Array, reward: Array, times: Array) -> np.ndarray:
    """(len(times), K) logits along the flow from probabilities `start`; stiff, rtol 1e-10.

    start, reward : (K,); times : (T,), from 0 on. Raises RuntimeError if the solver gives up, and
    ValueError for a start of probability 0, whose logit is no number.
    """
    from scipy.integrate import solve_ivp

    r, p = np.asarray(reward, dtype=float), np.asarray(start, dtype=float)
    if not (p > 0).all():
        msg = f"start={start} must be positive everywhere; leave out what is never sampled"
        raise ValueError(msg)
    if not np.max(times) > 0:
        return np.tile(np.log(p), (np.size(times), 1))
    found = solve_ivp(
        lambda _, z: flow(z, r),
        (0.0, float(np.max(times))),
        np.log(p),
        method="LSODA",
        t_eval=np.asarray(times, dtype=float),
        rtol=1e-10,
        atol=1e-12,
    )
    if not found.success:
        msg = f"the flow could not be integrated: {found.message}"
        raise RuntimeError(msg)
    return found.y.T


@dataclass(frozen=True)
class Turning:
    """Where the rare best answer stops shrinking (leading order in its probability)."""

    least: float
    at: float
    escape: float
    ratio: float  # pi3 / pi2 there


@entry(
    "turning_point",
    kind="theorem",
    cards=("33",),
    provenance="derived",
    formula="turns at (27/4) C, t = (7/162)/(D' C); takes over at 1/(6 D' C)",
)
def turning(start: Array, reward: Array) -> Turning:
    """The asymptotics for (good, best, bad) answers.

    start, reward : (3,). Raises ValueError unless the second answer is best and the third worst,
    and all three have a positive probability.
    """
    if not np.all(np.asarray(start) > 0):
        msg = f"start={start} must be positive everywhere: an answer never sampled never moves"
        raise ValueError(msg)
    p1, p2, p3 = np.asarray(start, dtype=float)
    r1, r2, r3 = np.asarray(reward, dtype=float)
    up, gap = r2 - r1, r1 - r3
    if not (up > 0 and gap > 0):
        msg = f"reward={reward}: the second answer must be best and the third worst"
        raise ValueError(msg)
    C = up / gap * p2**2 / (p1 * p3)
    return Turning(6.75 * C, 7 / 162 / (up * C), 1 / (6 * up * C), 2 * up / gap)


@entry(
    "effective_number",
    kind="theorem",
    cards=("33",),
    provenance="derived",
    formula="exp(-sum p log p)",
)
def effective_number(p: Array) -> np.ndarray:
    """exp(entropy) of the last axis, normalised: how many answers share the mass.

    p : (..., K) >= 0. Raises ValueError where all are 0.
    """
    p = np.asarray(p, dtype=float)
    if not (p.sum(-1) > 0).all():
        msg = "p sums to 0 along its last axis; some answer must have mass"
        raise ValueError(msg)
    p = p / p.sum(-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.exp(-np.where(p > 0, p * np.log(p), 0.0).sum(-1))
