"""Paying for steps on a chain that may be padded: everything in closed form.

At each step the policy pads with chance u (the process reward model scores that c_pad, and nothing
else happens) or solves the question (score c_sol, the end, outcome 1); the last of `horizon` steps
has to solve. A rollout of K steps has K - 1 pads. What the five schemes pay a step of score c:

    outcome     nothing
    sum         c
    clip        min(c - eta, 0)
    delta       c less the next step's; the last but one its own, the last nothing
    clip_delta  the same, of min(c - eta, 0)

all times alpha, and the outcome 1 on the last step.

Formulas: docs/theory/process.md.

Source: paper 09 (Clip and Delta) for the schemes; the chain and its closed forms derived.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np

from toyrl.messages import shortened
from toyrl.ranges import COUNT, FINITE, NOT_NEGATIVE, POSITIVE, SHARE, checked, one_of
from toyrl.registry import entry

Array = Any
SCHEMES = ("outcome", "sum", "clip", "delta", "clip_delta")
SCHEME = one_of(*SCHEMES)


@entry(
    "credited",
    kind="theorem",
    cards=("09",),
    provenance="second-hand",
    section="section 4",
    formula="c (sum, delta), min(c - eta, 0) (clip, clip_delta)",
)
def credited(scheme: str, score: Array, eta: float = 0.0) -> Array:
    """What a step of this score is worth before Delta is applied, the shape of `score`: 0, the
    score, or min(score - eta, 0).

    Raises ValueError for a scheme that does not exist.
    """
    if scheme not in SCHEMES:
        msg = f"scheme={shortened(scheme)} is not one of {', '.join(SCHEMES)}"
        raise ValueError(msg)
    if scheme == "outcome":
        return 0.0 * np.asarray(score)
    clips = scheme in ("clip", "clip_delta")
    return np.minimum(np.asarray(score) - eta, 0.0) if clips else np.asarray(score)


@entry(
    "padded_total",
    kind="theorem",
    cards=("09",),
    provenance="derived",
    section="section 4; farming curve",
    formula="R(K) = 1 + alpha ((K - 1) c_pad + c_sol) (sum), 1 + alpha c_pad [K >= 2] (delta)",
)
@checked
def padded_total(
    scheme: Annotated[str, SCHEME],
    K: Array,
    *,
    alpha: Annotated[float, FINITE],
    c_pad: Annotated[float, SHARE],
    c_sol: Annotated[float, SHARE],
    eta: Annotated[float, SHARE] = 0.0,
) -> np.ndarray:
    """Return of a rollout of K >= 1 steps, the outcome 1 included; the shape of K.

    A line of slope alpha c_pad under the sum; at most 1 under Clip and Clip-Delta; 1 or one other
    number under Delta.

    Raises ValueError for a scheme that does not exist, scores outside [0, 1] and K below 1.
    """
    K = np.asarray(K, dtype=float)
    if (K < 1).any():
        msg = f"K={shortened(K.tolist())} holds a rollout of no step; it has at least 1"
        raise ValueError(msg)
    pad, sol = (float(credited(scheme, c, eta)) for c in (c_pad, c_sol))
    if scheme in ("delta", "clip_delta"):
        return 1 + alpha * pad * (K >= 2)
    return 1 + alpha * ((K - 1) * pad + sol)


@entry(
    "padding_incentive",
    kind="theorem",
    cards=("09",),
    provenance="derived",
    section="return-to-go",
    formula="D_k = alpha c_pad (1 - u^(H-k))/(1 - u) (sum), alpha c_pad (delta)",
)
@checked
def padding_incentive(
    scheme: Annotated[str, SCHEME],
    u: Annotated[Any, SHARE],
    horizon: Annotated[int, COUNT],
    *,
    alpha: Annotated[float, FINITE],
    c_pad: Annotated[float, SHARE],
    eta: Annotated[float, SHARE] = 0.0,
) -> np.ndarray:
    """(..., horizon - 1) what padding at step k brings over solving there, in return-to-go.

    u : (...) chance of padding in [0, 1]; k = 1..horizon - 1

    As u -> 1 the first is alpha c_pad (horizon - 1) under the sum, and stays alpha c_pad under
    Delta. c_sol plays no part: whenever it comes, it comes once.

    Raises ValueError for a scheme that does not exist and numbers out of their ranges.
    """
    chance = np.asarray(u, dtype=float)[..., None]
    pad = float(credited(scheme, c_pad, eta))
    left = np.arange(horizon - 1, 0, -1)  # horizon - k: steps that could still be pads
    if scheme in ("delta", "clip_delta"):
        return alpha * pad * np.ones(np.broadcast_shapes(chance.shape, left.shape))
    powers = chance ** np.arange(max(horizon - 1, 0))
    return alpha * pad * np.cumsum(powers, axis=-1)[..., ::-1]


@entry(
    "padding_gradient",
    kind="theorem",
    cards=("09",),
    provenance="derived",
    section="policy gradient with return-to-go",
    formula="g = sum_(k=1)^(H-1) u^(k-1) u (1 - u) D_k, u = sigmoid(theta)",
)
@checked
def padding_gradient(
    scheme: Annotated[str, SCHEME],
    u: Annotated[Any, SHARE],
    horizon: Annotated[int, COUNT],
    *,
    alpha: Annotated[float, FINITE],
    c_pad: Annotated[float, SHARE],
    eta: Annotated[float, SHARE] = 0.0,
) -> np.ndarray:
    """Expected policy gradient in the logit of u, credit by return-to-go; the shape of u.

    Positive under the sum and under Delta, at most 0 under Clip and Clip-Delta: only the threshold
    takes away what padding pays, Delta bounds it.

    Raises ValueError for a scheme that does not exist and numbers out of their ranges.
    """
    chance = np.asarray(u, dtype=float)[..., None]
    gain = padding_incentive(scheme, u, horizon, alpha=alpha, c_pad=c_pad, eta=eta)
    reach = chance ** np.arange(max(horizon - 1, 0)) * chance * (1 - chance)
    return (reach * gain).sum(-1)


@entry(
    "tilted_steps",
    kind="theorem",
    cards=("09",),
    provenance="derived",
    section="optimum of the total under a KL penalty",
    formula="E[K] under pi*(K) ~ pi_0(K) e^(R(K)/beta)",
)
@checked
def tilted_steps(
    scheme: Annotated[str, SCHEME],
    u: Annotated[float, SHARE],
    horizon: Annotated[int, COUNT],
    *,
    beta: Annotated[float, POSITIVE],
    alpha: Annotated[float, FINITE],
    c_pad: Annotated[float, SHARE],
    c_sol: Annotated[float, SHARE],
    eta: Annotated[float, SHARE] = 0.0,
) -> float:
    """Mean number of steps of the policy that maximises total reward less beta times its KL.

    u : chance of padding of the base policy, whose law of K is u^(K-1)(1 - u), the rest at horizon

    Raises ValueError for numbers out of their ranges.
    """
    from toyrl.theory.policies import tilt

    K = np.arange(1, horizon + 1)
    base = u ** (K - 1.0) * np.where(horizon > K, 1 - u, 1.0)
    reward = padded_total(scheme, K, alpha=alpha, c_pad=c_pad, c_sol=c_sol, eta=eta)
    return float(tilt(base, reward, 1 / beta) @ K)


@entry(
    "unbounded_tilted_steps",
    kind="theorem",
    cards=("09",),
    provenance="derived",
    section="optimum of the summed scores under a KL penalty",
    formula="E[K] = 1/(1 - rho), rho = u e^(alpha c_pad/beta)",
)
@checked
def unbounded_tilted_steps(
    u: Annotated[float, SHARE],
    *,
    alpha: Annotated[float, FINITE],
    c_pad: Annotated[float, SHARE],
    beta: Annotated[float, POSITIVE],
) -> float:
    """`tilted_steps` of the sum without a horizon; inf from `explosion_weight` on.

    Raises ValueError for numbers out of their ranges.
    """
    log_ratio = (math.log(u) if u > 0 else -math.inf) + alpha * c_pad / beta
    return math.inf if log_ratio >= 0 else 1 / -math.expm1(log_ratio)


@entry(
    "explosion_weight",
    kind="theorem",
    cards=("09",),
    provenance="derived",
    section="optimum of the summed scores under a KL penalty",
    formula="alpha* = beta log(1/u)/c_pad",
)
@checked
def explosion_weight(
    u: Annotated[float, SHARE],
    *,
    c_pad: Annotated[float, SHARE],
    beta: Annotated[float, NOT_NEGATIVE],
) -> float:
    """The weight of summed scores from which on a KL penalty no longer bounds the length.

    inf where padding scores nothing or is never tried.

    Raises ValueError for numbers out of their ranges.
    """
    if c_pad == 0 or u == 0:
        return math.inf
    return beta * -math.log(u) / c_pad
