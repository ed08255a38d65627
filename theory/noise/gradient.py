"""What flipped verdicts do to a group's gradient: its mean across prompts, and its variance.

p is a prompt's success rate, p~ the rate of accepted rollouts, c the channel's signal
(`channel.signal`), G the group size. A flip is drawn

    by output   for each rollout anew, or
    by prompt   once for all rollouts of a prompt (symmetric rate phi, c = 1 - 2 phi).

By prompt a group's rewards become 1 - r together, which negates every centred advantage exactly,
whatever it is divided by: g~ = s g with E[s] = c, s^2 = 1. Hence E[g~] = c E[g], E[g~^2] = E[g^2]
and Var[g~] = Var[g] + (1 - c^2) E[g]^2: the last term does not fall with G. By output the verdicts
of a group average out, and the variance vanishes as 1/G. That is the whole difference, for the mean
factor c is the same; but a division by the group's standard deviation sees the flipped rewards:

    E[g] = c h_G(p~) grad p     instead of     h_G(p) grad p

with h_G the difficulty weight `group.variance.omega`. A hard prompt (h large) loses far more than
c. So GRPO keeps a prompt's direction, and changes that of the sum over prompts.

Proof of the last: given the verdicts v, the rollouts are independent, and E[psi | v] is
E[psi | v = 1] or E[psi | v = 0], whose difference is c grad p / (p~ (1 - p~)). The expected update
is therefore that of a policy with success rate p~ whose gradient is c grad p.

Gradients are those of the logit bandit, grad p = p(1 - p), as in `group.variance`.

Formulas: docs/theory/noise.md.

Source: paper 25 (flips by prompt; by output "does not effectively introduce noise"); derived.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.group.variance import gradient_variance, gradient_weight, omega
from toyrl.theory.noise.channel import noisy_success, signal

Array = Any


@entry(
    "noisy_omega",
    kind="theorem",
    cards=("25",),
    provenance="derived",
    formula="E[g] = c omega_G(p~) grad p",
)
def noisy_omega(
    p: Array,
    false_negative: Array,
    false_positive: Array,
    group_size: float,
    *,
    ddof: int = 1,
) -> np.ndarray:
    """Weight of a prompt under group-std normalisation when verdicts are flipped by output.

    c omega_G(p~), which is omega_G(p) without flips. p and the rates in [0, 1] broadcast; ddof as
    in `omega`. A prompt at p~ = 0 or 1 in an infinite group has the weight c inf, 0 at c = 0.

    Raises ValueError for a rate outside [0, 1] and for a group of one.
    """
    c = signal(false_negative, false_positive)
    weight = omega(noisy_success(p, false_negative, false_positive), group_size, ddof=ddof)
    return np.where(c == 0, 0.0, np.where(c == 0, 1.0, c) * weight)


@entry(
    "signal_kept",
    kind="theorem",
    cards=("25",),
    provenance="derived",
    formula="c omega_G(p~) / omega_G(p)",
)
def signal_kept(
    p: Array, false_negative: Array, false_positive: Array, group_size: float
) -> np.ndarray:
    """Share of a prompt's clean GRPO update that is left; c is the share under REINFORCE.

    0 in the limit of p = 0 or 1 and an infinite group. p and the rates in [0, 1] broadcast.

    Raises ValueError for a rate outside [0, 1] and for a group of one.
    """
    clean = omega(p, group_size)
    left = noisy_omega(p, false_negative, false_positive, group_size)
    both = np.isinf(clean) & np.isinf(left)  # p~ = p there: nothing is flipped
    ratio = np.where(both, 1.0, left) / np.where(both, 1.0, clean)
    return np.where(both, signal(false_negative, false_positive), ratio)


@entry(
    "variance_by_prompt",
    kind="theorem",
    cards=("25",),
    provenance="derived",
    formula="Var[g] + (1 - c^2) E[g]^2",
)
def variance_by_prompt(estimator: str, p: Array, flip: Array, group_size: int) -> np.ndarray:
    """Var of one group's gradient when all its verdicts are flipped together, at the rate `flip`.

    estimator : rloo, dr_grpo or grpo (centred: a flip negates the advantages)
    p, flip : in [0, 1]; they broadcast. The second term is the floor (`noise_floor`) that no group
        size lowers.

    Raises ValueError for REINFORCE, which has no baseline to turn round, for a rate outside [0, 1],
    and for RLOO and GRPO in a group of one.
    """
    if estimator == "reinforce":
        msg = "estimator='reinforce' is not centred: a flipped group isn't its negative; take rloo"
        raise ValueError(msg)
    c = signal(flip, flip)
    p = np.asarray(p, dtype=float)
    mean = gradient_weight(estimator, p, group_size) * p * (1 - p)
    return gradient_variance(estimator, p, group_size) + (1 - c**2) * mean**2


@entry(
    "variance_by_output",
    kind="theorem",
    cards=("25",),
    provenance="derived",
    formula="((m22 - m11^2) + (p q p~ q~ + m11^2)/(G-1))/G",
)
def variance_by_output(
    p: Array, false_negative: Array, false_positive: Array, group_size: int
) -> np.ndarray:
    """Var of one RLOO group's gradient when each verdict is flipped for itself: falls as 1/G.

    The gradient is the unbiased sample covariance of verdict v and outcome r, whose variance is
    ((m22 - m11^2) + (m20 m02 + m11^2)/(G - 1))/G with the central moments m11 = c p q,
    m20 = p q, m02 = p~ q~ and m22 = E[(r - p)^2 (v - p~)^2].

    p and the rates in [0, 1] broadcast. Raises ValueError for a rate outside [0, 1] and for a group
    of one.
    """
    if not group_size >= 2:
        msg = f"group_size={group_size}: rloo compares with siblings; use 2 or more"
        raise ValueError(msg)
    accepted = noisy_success(p, false_negative, false_positive)
    up, down = np.asarray(false_negative, dtype=float), np.asarray(false_positive, dtype=float)
    p = np.asarray(p, dtype=float)
    q, rejected = 1 - p, 1 - accepted
    m11 = signal(up, down) * p * q
    m22 = p * q**2 * ((1 - up) * rejected**2 + up * accepted**2)
    m22 = m22 + q * p**2 * (down * rejected**2 + (1 - down) * accepted**2)
    pairs = (p * q * accepted * rejected + m11**2) / (group_size - 1)
    return (m22 - m11**2 + pairs) / group_size


@entry(
    "noise_floor",
    kind="theorem",
    cards=("25",),
    provenance="derived",
    formula="(1 - c^2) m",
)
def noise_floor(squared_mean: Array, flip: Array) -> np.ndarray:
    """Variance that flips by prompt leave however large the group: (1 - c^2) |E g|^2.

    By output it is 0. squared_mean : |E g|^2 >= 0 of the clean gradient; flip in [0, 1]; broadcast.

    Raises ValueError for a rate outside [0, 1].
    """
    return (1 - signal(flip, flip) ** 2) * np.asarray(squared_mean, dtype=float)


@entry(
    "prompts_ratio",
    kind="theorem",
    cards=("25",),
    provenance="derived",
    formula="N(phi)/N(0) = (M - c^2 m)/(c^2 (M - m))",
)
def prompts_ratio(second_moment: Array, squared_mean: Array, flip: Array) -> np.ndarray:
    """How many times the prompts a batch needs for the same relative error, flipped by prompt.

    second_moment M = E|g|^2 and squared_mean m = |E g|^2 of the clean gradient of one prompt,
    M >= m >= 0; flip in [0, 1]; all broadcast. Near 1/c^2 for noisy gradients (M >> m), inf at
    c = 0 and where the clean gradient has no noise of its own (M = m) but the flips have.

    Raises ValueError for M < m and a rate outside [0, 1].
    """
    M, m = np.asarray(second_moment, dtype=float), np.asarray(squared_mean, dtype=float)
    if not np.all((m <= M) & (m >= 0)):
        msg = f"second_moment={M.tolist()} must be at least squared_mean={m.tolist()} >= 0"
        raise ValueError(msg)
    c2 = signal(flip, flip) ** 2
    need, have = M - c2 * m, c2 * (M - m)
    return np.where(
        have > 0, need / np.where(have > 0, have, 1.0), np.where((need > 0) | (c2 == 0), np.inf, 1)
    )


@entry(
    "reinforce_relative_variance",
    kind="theorem",
    cards=("25",),
    provenance="derived",
    formula="E[((v - p~) psi)^2]/(c p q)^2 - 1",
)
def relative_variance(p: Array, false_negative: Array, false_positive: Array) -> np.ndarray:
    """Var/mean^2 of one rollout's gradient (v - p~) psi, its baseline the rate of accepted ones.

    inf where nothing is learned: c = 0, p = 0 or 1. p and the rates in [0, 1] broadcast.

    Raises ValueError for an argument outside [0, 1].
    """
    b = noisy_success(p, false_negative, false_positive)
    up, down = np.asarray(false_negative, dtype=float), np.asarray(false_positive, dtype=float)
    p = np.asarray(p, dtype=float)
    q = 1 - p
    mean = signal(up, down) * p * q
    second = p * q**2 * ((1 - up) * (1 - b) ** 2 + up * b**2)
    second = second + q * p**2 * (down * (1 - b) ** 2 + (1 - down) * b**2)
    some = mean != 0
    return np.where(some, second / np.where(some, mean, 1.0) ** 2 - 1, np.inf)
