"""Base policies set by what one can observe of a model: success rates and mean lengths.

A policy is fitted in a low-dimensional family of logits, STEP being the reference with logit 0:

    stopping (ANSWER, or END_THINK with two phases)
             a constant, a ramp of m over each interval between successive difficulties, and a
             shift where the done flag is up
    FILL     a constant, a slope in m / D, and a shift where the flag is up
    CHECK, REPEAT, and ANSWER in the answer phase: a constant each

by damped least squares (Levenberg-Marquardt with exact Jacobians), for many worlds at once. The
misfit is scaled by the tolerances below; a weak preference for even logits (`entropy_weight`)
chooses among the policies that fit. Not every combination is reachable: without a done flag and
without errors, right answers of one prompt type are always the longer ones unless rollouts are
truncated, since the policy stops at a higher m. The nearest policy found is then returned, and
`Achieved` says what was missed.

Where the difficulty of a prompt isn't known, success over the mix is a target in place of success
by difficulty.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.worlds.chain.least_squares import levenberg_marquardt
from toyrl.worlds.chain.model import ANSWER_PHASE, THINK, Chain

SUCCESS_TOLERANCE = 0.01  # absolute
LENGTH_TOLERANCE = 0.02  # relative
ENTROPY_WEIGHT = 1e-3
STARTS = 4
OVER_THE_MIX = ("success", "mean length of right", "mean length of wrong", "mean length")
"""Targets that follow success by difficulty."""


@dataclass(frozen=True, eq=False)
class Achieved:
    """What the fitted policies do, beside what was asked; W worlds, B difficulties.

    success (W, B) by difficulty, mix (W,) over the prompt mix; right, wrong, length (W,): mean
    tokens of right, wrong (truncated included) and all rollouts over the mix. `asked` holds the
    same stacked as (W, B + 4), NaN where free.
    """

    success: np.ndarray
    mix: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    length: np.ndarray
    asked: np.ndarray

    @property
    def values(self) -> np.ndarray:
        """(W, B + 4): success by difficulty, then over the mix, then right, wrong, length."""
        tail = np.stack([self.mix, self.right, self.wrong, self.length], axis=-1)
        return np.concatenate([self.success, tail], axis=-1)

    @property
    def missed(self) -> np.ndarray:
        """(W, B + 4) bool: asked and further off than the tolerance."""
        off = np.abs(self.values - self.asked)
        return np.asarray(off > _tolerances(self.asked))  # NaN: free, never missed

    @property
    def reached(self) -> np.ndarray:
        """(W,) bool: every target was met within tolerance.

        False is no proof that no policy meets them: far from the targets the search can stall
        short of the nearest policy; more `starts` help.
        """
        return np.asarray(~self.missed.any(axis=-1))

    def describe(self, world: int = 0) -> str:
        """One line for one world: each target that was asked, and what was reached."""
        B = self.success.shape[1]
        names = [f"success[{b}]" for b in range(B)]
        names += list(OVER_THE_MIX)
        rows = zip(names, self.values[world], self.asked[world], self.missed[world], strict=True)
        said = [
            f"{name} {value:.3g}" + (f", asked {want:.3g}: not reached" if miss else "")
            for name, value, want, miss in rows
            if not np.isnan(want)
        ]
        return "; ".join(said) or "no target was given"

    def __str__(self) -> str:
        return self.describe(0)


# -- public entry points ------------------------------------------------------------------------
def fit_base_policy(
    chain: Chain,
    *,
    success: Mapping[int, float] | Sequence[float] | None = None,
    mean_success: float | None = None,
    mean_length_right: float | None = None,
    mean_length_wrong: float | None = None,
    mean_length: float | None = None,
    entropy_weight: float = ENTROPY_WEIGHT,
) -> tuple[np.ndarray, Achieved]:
    """Logits (`chain.policy_shape`) whose success rates and mean lengths are those asked.

    success : rate by difficulty, as {difficulty: rate} or one per `chain.difficulties`
    mean_success : rate over the prompt mix
    mean_length_right, mean_length_wrong, mean_length : tokens, over the prompt mix
    entropy_weight : how strongly even logits are preferred among policies that fit

    Raises ValueError for targets outside their range; a target inside it that no policy of the
    family meets is missed, and `Achieved` says by how much.

    The logits are (phases, flags, D+1, A).
    """
    rates = np.full((1, len(chain.difficulties)), np.nan)
    if isinstance(success, Mapping):
        strange = set(success) - set(chain.difficulties)
        if strange:
            msg = f"success: no difficulty {sorted(strange)} in {chain.difficulties}"
            raise ValueError(msg)
        rates[0] = [success.get(d, np.nan) for d in chain.difficulties]
    elif success is not None:
        if len(success) != len(chain.difficulties):
            msg = f"success={tuple(success)} must give one rate per difficulty {chain.difficulties}"
            raise ValueError(msg)
        rates[0] = success
    theta, achieved = fit_many(
        chain,
        success=rates,
        mean_success=mean_success,
        mean_length_right=mean_length_right,
        mean_length_wrong=mean_length_wrong,
        mean_length=mean_length,
        entropy_weight=entropy_weight,
        starts=STARTS,
    )
    return theta[0], achieved


def fit_many(
    chain: Chain,
    *,
    difficulties: np.ndarray | None = None,
    shares: np.ndarray | None = None,
    success: np.ndarray | None = None,
    mean_success: Any = None,
    mean_length_right: Any = None,
    mean_length_wrong: Any = None,
    mean_length: Any = None,
    progress: Any = None,
    slip: Any = None,
    repair: Any = None,
    guess: Any = None,
    flag_noise: Any = None,
    entropy_weight: float = ENTROPY_WEIGHT,
    starts: int = 2,
) -> tuple[np.ndarray, Achieved]:
    """`fit_base_policy` for W worlds on one chain's structure: (W, *policy_shape) logits.

    difficulties, shares, success : (W, B) or (B,), NaN = free; other arguments (W,) or a
    scalar, None = the chain's own (targets: free). `starts` initial policies are tried in each.

    Raises ValueError for a chain with flag noise and for targets that can't be.
    """
    given = {
        "progress": progress,
        "slip": slip,
        "repair": repair,
        "guess": guess,
        "flag_noise": flag_noise,
    }
    numbers = {k: getattr(chain, k) if v is None else v for k, v in given.items()}
    if chain.flag_noise is None:
        if flag_noise is not None:
            msg = "flag_noise is given but this chain has no done flag; set chain.flag_noise"
            raise ValueError(msg)
        numbers["flag_noise"] = 0.0
    numbers["difficulties"] = np.atleast_2d(
        chain.difficulties if difficulties is None else difficulties
    )
    numbers["shares"] = np.atleast_2d(chain.shares if shares is None else shares)
    B = numbers["difficulties"].shape[-1]
    rates = np.atleast_2d(np.full(B, np.nan) if success is None else success)
    means = [
        np.atleast_1d(np.nan if x is None else x)
        for x in (mean_success, mean_length_right, mean_length_wrong, mean_length)
    ]
    W = max(len(np.atleast_1d(x)) for x in (*numbers.values(), rates, *means))
    numbers = {
        k: np.broadcast_to(np.asarray(v, dtype=float), (W, B) if np.ndim(v) == 2 else (W,))
        for k, v in numbers.items()
    }
    tail = np.stack([np.broadcast_to(x, (W,)) for x in means], axis=-1)
    asked = np.concatenate([np.broadcast_to(rates, (W, B)), tail], axis=-1).astype(float)
    _check(chain, asked)
    return _fit(chain, numbers, asked, entropy_weight, starts)


def _check(chain: Chain, asked: np.ndarray) -> None:
    rates, lengths = asked[:, :-3], asked[:, -3:]
    if np.any((rates < 0) | (rates > 1)):
        msg = f"success={rates[(rates < 0) | (rates > 1)][0]} is a rate, in [0, 1]"
        raise ValueError(msg)
    outside = (lengths < chain.tokens_per_action) | (lengths > chain.max_length)
    if np.any(outside):
        msg = (
            f"a mean length of {lengths[outside][0]:g} tokens is asked; this chain's rollouts "
            f"have {chain.tokens_per_action:g} to {chain.max_length:g}"
        )
        raise ValueError(msg)


def _tolerances(asked: np.ndarray) -> np.ndarray:
    """(W, B + 4) how far off a target may be."""
    rates = np.full_like(asked[:, :-3], SUCCESS_TOLERANCE)
    return np.concatenate([rates, LENGTH_TOLERANCE * asked[:, -3:]], axis=-1)


# -- the family of policies ---------------------------------------------------------------------
def policy_basis(chain: Chain, difficulties: np.ndarray) -> np.ndarray:
    """(W, P, *policy_shape): theta = sum_p coefficient[p] * basis[p]; difficulties (W, B).

    The first 1 + B coefficients are the stopping action's constant and ramps.
    """
    W = len(difficulties)
    shape = chain.policy_shape
    m = np.arange(chain.D + 1)
    knots = np.concatenate([np.zeros((W, 1)), np.sort(difficulties, axis=1)], axis=1)
    width = np.diff(knots, axis=1)
    ramps = np.clip((m - knots[:, :-1, None]) / np.maximum(width, 1)[..., None], 0, 1)
    ramps = ramps * (width > 0)[..., None]  # (W, B, D+1)
    stop = "END_THINK" if chain.phases == 2 else "ANSWER"
    flag_up = np.arange(chain.flags)[:, None] * np.ones_like(m)
    rows: list[tuple[str, int | None, Any]] = [(stop, THINK, 1.0)]
    rows += [(stop, THINK, ramps[:, b, None]) for b in range(ramps.shape[1])]
    if chain.flags == 2:
        rows.append((stop, THINK, flag_up))
    if "FILL" in chain.actions:
        rows += [("FILL", THINK, 1.0), ("FILL", THINK, m / chain.D)]
        if chain.flags == 2:
            rows.append(("FILL", THINK, flag_up))
        if chain.phases == 2:
            rows.append(("ANSWER", ANSWER_PHASE, 1.0))
    rows += [(a, THINK, 1.0) for a in ("CHECK", "REPEAT") if a in chain.actions]
    out = np.zeros((W, len(rows), *shape))
    for p, (name, phase, value) in enumerate(rows):
        out[:, p, phase, :, :, chain.actions.index(name)] = value
    return out


def _unevenness(chain: Chain, basis: np.ndarray) -> np.ndarray:
    """(W, P, P) factor F with |F p|^2 = mean over states of the variance of legal logits.

    To second order that variance is twice the KL of the policy from the even one.
    """
    legal = np.broadcast_to(chain.allowed()[:, None], chain.policy_shape)
    count = legal.sum(-1, keepdims=True)
    mean = (basis * legal).sum(-1, keepdims=True) / count
    centred = ((basis - mean) * legal / np.sqrt(count)).reshape(*basis.shape[:2], -1)
    gram = centred @ centred.swapaxes(-1, -2) / legal[..., 0].size
    gram += 1e-9 * np.eye(gram.shape[-1])  # ramps between equal difficulties are empty
    return np.linalg.cholesky(gram).swapaxes(-1, -2)


def _initial(chain: Chain, asked: np.ndarray, P: int, starts: int) -> np.ndarray:
    """(W, starts, P): stopping at the asked length, at once or rather late in m."""
    W, B = len(asked), asked.shape[1] - 4
    known = np.where(np.isnan(asked[:, -3:]), 0, 1)
    total = np.nansum(asked[:, -3:], axis=-1)
    length = np.where(known.any(-1), total / np.maximum(known.sum(-1), 1), chain.max_length / 3)
    hazard = np.clip(chain.tokens_per_action / length, 1e-3, 0.5)
    others = len(chain.actions) - 1
    level = np.log(hazard * others / (1 - hazard))
    out = np.zeros((W, starts, P))
    lower = np.array([0.0, 30.0, 5.0, 2.0])[np.arange(starts) % 4]
    out[..., 0] = level[:, None] - lower
    out[..., 1 : 1 + B] = 1.2 * lower[:, None] / B
    fill = {1: B + 1, 2: B + 2}[chain.flags]
    if "FILL" in chain.actions:
        out[..., fill] = np.array([0.0, -3.0, 0.0, -1.0])[np.arange(starts) % 4]
    return out


# -- least squares --------------------------------------------------------------------------------
def _fit(
    chain: Chain,
    numbers: Mapping[str, np.ndarray],
    asked: np.ndarray,
    entropy_weight: float,
    starts: int,
) -> tuple[np.ndarray, Achieved]:
    import jax

    from toyrl.pytree import activate

    activate()
    W, B = len(asked), asked.shape[1] - 4
    basis = policy_basis(chain, numbers["difficulties"])
    even = np.sqrt(entropy_weight) * _unevenness(chain, basis)
    scale = _tolerances(asked) / 5
    free = np.isnan(asked)
    start = _initial(chain, asked, basis.shape[1], starts).reshape(W * starts, -1)
    each = {k: np.repeat(v, starts, axis=0) for k, v in numbers.items()}
    rep = {"basis": basis, "even": even, "scale": scale, "asked": asked, "free": free}
    rep = {k: np.repeat(v, starts, axis=0) for k, v in rep.items()}
    program = _observables(chain, bool(np.any(numbers["slip"] > 0)))

    def residual(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with jax.enable_x64(True):
            value, slope = (np.asarray(x) for x in program(p, rep["basis"], each))
        r = np.where(rep["free"], 0.0, (value - rep["asked"]) / rep["scale"])
        J = np.where(rep["free"][..., None], 0.0, slope / rep["scale"][..., None])
        ridge = (rep["even"] @ p[..., None])[..., 0]
        return np.concatenate([r, ridge], -1), np.concatenate([J, rep["even"]], -2)

    p, cost = levenberg_marquardt(residual, start)
    best = cost.reshape(W, starts).argmin(axis=1) + starts * np.arange(W)
    with jax.enable_x64(True):
        value = np.asarray(program(p, rep["basis"], each)[0])[best]
    theta = np.einsum("wp,wpabmk->wabmk", p[best], basis)
    tail = value[:, B:].T
    return theta, Achieved(value[:, :B], *tail, asked=asked)


def _observables(chain: Chain, errors: bool) -> Callable[..., Any]:
    from toyrl.worlds.chain.program import layout_of

    return _compiled(layout_of(chain, errors=errors), float(chain.tokens_per_action))


@functools.lru_cache(maxsize=32)
def _compiled(layout: Any, tokens_per_action: float) -> Callable[..., Any]:
    """(p (W, P), basis, numbers) -> observables (W, B + 4) and their Jacobian (W, B + 4, P)."""
    import jax
    import jax.numpy as jnp

    from toyrl.worlds.chain.program import class_program

    H = layout.H
    t = tokens_per_action * np.arange(1, H + 1)
    length = np.concatenate([t, t, t[-1:]])

    def observe(p, basis, numbers):
        numbers = dict(numbers)
        shares = numbers.pop("shares")
        theta = jnp.tensordot(p, basis, 1)
        prob = class_program(layout, theta, numbers, fused=True)
        success = prob[:, :H].sum(-1)
        mix = shares @ prob
        right, wrong = mix[:H], mix[H:]
        tiny = 1e-30  # no right (or no wrong) rollouts at all: mean length 0
        means = [
            right.sum(),
            right @ length[:H] / (right.sum() + tiny),
            wrong @ length[H:] / (wrong.sum() + tiny),
            mix @ length,
        ]
        out = jnp.concatenate([success, jnp.stack(means)])
        return out, out

    def both(p, basis, numbers):
        jacobian, out = jax.jacrev(observe, has_aux=True)(p, basis, numbers)
        return out, jacobian

    return jax.jit(jax.vmap(both))
