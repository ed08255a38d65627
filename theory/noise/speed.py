"""How long training takes under flipped verdicts, and what a scale-free optimiser hides.

On the logit bandit the expected update is dtheta/dt = c p(1 - p): the noisy path is the clean one
at the speed c. Adam, a sign or a normalised gradient divide the factor c away as long as a batch's
gradient stands out of its noise; a step in the direction of the sign goes, on average, the share
P(right sign) - P(wrong sign) of its full length. So runs with Adam look robust up to a flip rate at
which the batch's signal falls to about its noise, and plain steps show 1/c from the start.

Formulas: docs/theory/noise.md.

Source: derived, for the curves of paper 25.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.group.variance import omega
from toyrl.theory.noise.channel import signal as signal_left
from toyrl.theory.noise.gradient import noisy_omega

Array = Any


@entry(
    "logit_flow_time",
    kind="theorem",
    cards=("25",),
    provenance="derived",
    formula="[2x + 2 sinh x from logit p0 to logit p1]/c",
)
def logit_flow_time(p_from: Array, p_to: Array, signal: Array = 1.0) -> np.ndarray:
    """Time of dtheta/dt = c p(1 - p), p = sigmoid(theta), from one success rate to another.

    Psi(x) = 2x + 2 sinh x has Psi' = 1/(p(1 - p)); 2 sinh(logit p) = p/(1-p) - (1-p)/p.

    p_from, p_to in [0, 1] and the signal c broadcast. 0 from p to itself; inf where it takes for
    ever, signed: a negative time never comes (the flow runs the other way).

    Raises ValueError for a success rate outside [0, 1].
    """
    from scipy.special import logit

    a, b, c = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in (p_from, p_to, signal)))
    if not np.all((a >= 0) & (a <= 1) & (b >= 0) & (b <= 1)):
        msg = f"p_from={a.tolist()}, p_to={b.tolist()} must lie in [0, 1]: they are probabilities"
        raise ValueError(msg)

    def psi(p: np.ndarray) -> np.ndarray:
        inside = (p > 0) & (p < 1)
        x = np.where(inside, p, 0.5)
        return np.where(
            inside, 2 * logit(x) + x / (1 - x) - (1 - x) / x, np.where(p > 0.5, np.inf, -np.inf)
        )

    same = a == b
    way = np.where(same, 0.0, psi(np.where(same, 0.5, b)) - psi(np.where(same, 0.5, a)))
    still = c == 0
    never = np.where(same, 0.0, np.where(b > a, np.inf, -np.inf))
    return np.where(still, never, way / np.where(still, 1.0, c))[()]


@entry(
    "grpo_flow_time",
    kind="theorem",
    cards=("25",),
    provenance="derived",
    formula="int dtheta / (c omega_G(p~) p (1 - p))",
)
def grpo_flow_time(
    p_from: float,
    p_to: float,
    false_negative: float,
    false_positive: float,
    group_size: float,
    *,
    by: str = "output",
) -> float:
    """Time of the logit's expected path under GRPO with flipped verdicts; scalars.

    by : "output", where dtheta/dt = c omega_G(p~) p(1 - p) (`noisy_omega`) and a hard prompt waits
        longer than 1/c times; "prompt", where it is c omega_G(p) p(1 - p), exactly 1/c times
    0 < p_from, p_to < 1; group_size >= 2 or inf. Signed, inf at c = 0. By Gauss and Legendre in the
    logit.

    Raises ValueError for success rates not inside (0, 1), rates outside [0, 1], another `by`, and a
    group of one.
    """
    from scipy.special import expit, logit

    if not (0 < p_from < 1 and 0 < p_to < 1) or by not in ("output", "prompt"):
        msg = f"p_from={p_from}, p_to={p_to}, by={by!r}: rates inside (0, 1), by output or prompt"
        raise ValueError(msg)
    c = float(signal_left(false_negative, false_positive))
    x, w = np.polynomial.legendre.leggauss(80)
    low, high = float(logit(p_from)), float(logit(p_to))
    p = expit((low + high) / 2 + (high - low) / 2 * x)
    if by == "output":
        force = noisy_omega(p, false_negative, false_positive, group_size)
    else:
        force = c * omega(p, group_size)
    if c == 0:
        return 0.0 if low == high else float(np.copysign(np.inf, high - low))
    return float((w / (force * p * (1 - p))).sum() * (high - low) / 2)


@entry(
    "batch_signal_to_noise",
    kind="theorem",
    cards=("25",),
    provenance="derived",
    formula="c sqrt(B m / (M - c^2 m))",
)
def batch_snr(second_moment: Array, squared_mean: Array, signal: Array, prompts: Array
              ) -> np.ndarray:  # fmt: skip
    """Mean over standard deviation of a batch's gradient of one logit, verdicts flipped by prompt.

    second_moment M = E g^2, squared_mean m = (E g)^2 of the clean gradient of one prompt; signal c
    in [-1, 1]; prompts B >= 1; all broadcast. inf where nothing is random.

    Raises ValueError for M < m.
    """
    M, m = np.asarray(second_moment, dtype=float), np.asarray(squared_mean, dtype=float)
    c = np.asarray(signal, dtype=float)
    if not np.all((m <= M) & (m >= 0)):
        msg = f"second_moment={M.tolist()} must be at least squared_mean={m.tolist()} >= 0"
        raise ValueError(msg)
    mean, variance = c * np.sqrt(m), M - c**2 * m
    found = np.sqrt(np.asarray(prompts)) * mean / np.sqrt(np.where(variance > 0, variance, 1.0))
    certain = np.where(mean == 0, 0.0, np.copysign(np.inf, mean))
    return np.where(variance > 0, found, certain)


@entry(
    "sign_step",
    kind="theorem",
    cards=("25",),
    provenance="derived",
    formula="erf(snr/sqrt(2))",
)
def sign_step(snr: Array) -> np.ndarray:
    """Mean step of a sign optimiser over its length under normal noise: erf(snr/sqrt(2)).

    snr : mean over standard deviation, any shape. Near 1 from snr = 2 on, where the factor c is
    hidden; 0.8 snr for small snr, where it shows.
    """
    from scipy.special import erf

    return erf(np.asarray(snr, dtype=float) / np.sqrt(2))
