"""Training on a log: natural policy gradients over the policies that it supports.

Every step takes the user's reward and estimator on groups of the log's own rollouts
(`redraw`), the objective's weights of long and short rollouts, and the KL to the base. It is the
natural gradient in theta: the advantages' projection on the features under the present policy,

    d theta = F^-1 E[a (f - E f)],   F = E[(f - E f)(f - E f)'],

all prompts together. Of a feature that is moved alike, E is that of its own kind, right or wrong,
and a step leaves the mass of either kind as it is. The log odds of each prompt's right rollouts
follow their plain gradient, the covariance of advantage and correctness, slower by the factor
`tilt`: an answer is harder to learn than a length (behaviour worlds: the square of `teachable`).

Without features every rollout is one of its own (d z = a): the path's slope at the base is then the
drift of the first update, and without division by a standard deviation it is the tilted path
pi_0 exp(t r).

Steps are of one length in the policy's own metric, so the path says where training goes, by its
distance from the base, and not how many updates that takes. `stop` says when it ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from toyrl.estimators.base import Estimator
from toyrl.objectives.surrogate import Surrogate
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.worlds.behaviour.training import merge
from toyrl.worlds.logged.base import Array, Base, form, moved, nats, support
from toyrl.worlds.logged.redraw import drawn

RIDGE = 1e-6
"""Added to F in units of a feature's variance, for features that say the same."""
AT_ONCE = 100_000
"""Rollouts that a step grades, about: small logs draw more groups a prompt."""
MOST_GROUPS = 8
FADED = 0.02
"""Share of the largest slope so far below which a batch has come to its end."""
PACE = 0.5
"""Bound on a step times beta: the pull back to the base is followed, not overshot."""
TINY = 1e-12


@dataclass(frozen=True)
class Plan:
    """How the log is trained.

    group_size : rollouts a prompt, whole, None: as many as the log has of it
    beta : weight of the KL to the base, reward per nat of a rollout
    tilt : speed of the log odds of a prompt's right rollouts, over that of a standard score
    step : length of a step in standard scores; steps : at most
    stop : share of the base's effective sample size at which the path ends; it ends before where
        the slope has faded to `FADED` of its largest
    groups : "redrawn" (`redraw`); "whole": fractions of rollouts, the limit of very many, where a
        group that held both answers always does
    """

    group_size: int | None = None
    beta: float = 0.0
    tilt: float = 0.02
    step: float = 0.08
    steps: int = 60
    stop: float = 0.2
    groups: Literal["redrawn", "whole"] = "redrawn"
    updates: float = 200.0
    seed: int = 0


@dataclass(frozen=True)
class Path:
    """R batches on the way, the base first: (K, R) arrays.

    nats : KL a rollout from the base; support : effective sample size over the base's
    accuracy, length (tokens), form, cut : means over prompts
    idle : share of groups that give no signal, NaN at the last place
    theta : (K, R, features), summed steps in standard scores; tilt : (K, R) mean over prompts
    """

    nats: Array
    support: Array
    accuracy: Array
    length: Array
    form: Array
    cut: Array
    idle: Array
    theta: Array
    tilt: Array


def train(
    base: Base,
    shaper: Shaper,
    estimator: Estimator,
    plan: Plan | None = None,
    *,
    objective: Surrogate | None = None,
) -> Path:
    """Follow the training of every batch of the log.

    objective : how the loss averages over tokens; None: all rollouts alike

    Raises KeyError where the reward or the estimator reads a field that the rollouts lack,
    ValueError for one that pays or weighs single tokens.
    """
    plan = plan or Plan()
    if estimator.token_level or shaper.all_token_level():
        msg = "the reward or the estimator looks at single tokens, and a log's policy moves whole "
        msg += "rollouts; there is no path"
        raise ValueError(msg)
    rng = np.random.default_rng([plan.seed, 3])
    state = _State.of(base, shaper)
    weights = _weights(base, objective)
    rows = []
    first, alive = np.zeros((base.size[0], 1, 1)), np.ones(base.size[0], dtype=bool)
    for t in range(plan.steps):
        prob, ratio = moved(base.share, state.z)
        step = t * plan.updates / plan.steps
        advantage, idle = _advantages(base, shaper, estimator, plan, state, prob, step, rng)
        rows.append(_looked(base, state, prob, ratio, idle))
        slope = weights * advantage - plan.beta * ratio
        alike, free, theta, tilt = _direction(base, prob, slope, plan.tilt)
        way = alike + free
        size = np.sqrt((prob * way**2).sum(-1).mean(-1))[:, None, None]
        first = np.maximum(first, size)
        alive = (size[:, 0, 0] > np.maximum(FADED * first[:, 0, 0], TINY)) & alive
        alive = (rows[-1]["support"] > plan.stop) & alive
        if not alive.any():
            break
        rate = plan.step / np.maximum(size, TINY)
        if plan.beta > 0:
            rate = np.minimum(rate, PACE / plan.beta)
        rate = rate * alive[:, None, None]
        state.z = state.z + rate * free + _kept_apart(base, prob, rate * alike)
        state.theta = state.theta + rate[:, :, 0] * theta
        state.tilt = state.tilt + rate[:, :, 0] * tilt
    else:
        prob, ratio = moved(base.share, state.z)
        rows.append(_looked(base, state, prob, ratio, np.full(base.size[0], np.nan)))
    return Path(**{name: np.stack([row[name] for row in rows]) for name in rows[0]})


@dataclass
class _State:
    """What moves: z (R, B, n), theta (R, K), tilt (R, B), and what is kept between updates."""

    z: Array
    theta: Array
    tilt: Array
    memory: dict[str, Array]
    kept: Mapping[str, Array]

    @classmethod
    def of(cls, base: Base, shaper: Shaper) -> _State:
        batches, prompts, _ = base.size
        memory = {m.name: np.full((batches, prompts, 1), m.initial) for m in shaper.all_memory()}
        shape = (batches, base.features.shape[-1])
        return cls(np.zeros(base.size), np.zeros(shape), np.zeros((batches, prompts)), memory, {})


def _advantages(
    base: Base,
    shaper: Shaper,
    estimator: Estimator,
    plan: Plan,
    state: _State,
    prob: Array,
    step: float,
    rng: np.random.Generator,
) -> tuple[Array, Array]:
    """Mean advantage of each rollout where it stands in a group, (R, B, n), and the share (R,) of
    groups without signal."""
    group = base.counts if plan.group_size is None else float(plan.group_size)
    if plan.groups == "whole":
        found = (prob * group)[None]
    else:
        groups = int(np.clip(AT_ONCE // prob.size, 1, MOST_GROUPS))
        found = drawn(prob, group, groups, rng)
    total, idle = np.zeros(prob.shape), np.zeros(prob.shape[0])
    new: dict[str, Array] = {}
    for weight in found:
        r = replace(base.rollouts, weight=weight, step=step)
        shaped = shaper.apply(r, state.memory)
        a, state.kept = estimator.apply(shaped.parts, r, state.kept)
        a = np.where(weight > 0, np.nan_to_num(np.asarray(a, dtype=float)), 0.0)
        total += weight * a
        idle += np.all(a == 0, axis=-1).mean(-1)
        new = shaped.memory
    merge(state.memory, new, shaper)
    expected = prob * group * len(found)
    return np.where(expected > TINY, total / np.maximum(expected, TINY), 0.0), idle / len(found)


def _direction(
    base: Base, prob: Array, slope: Array, speed: float
) -> tuple[Array, Array, Array, Array]:
    """The natural step: of z (R, B, n), what is moved alike and what freely; of theta (R, K); of
    the mean tilt (R, B)."""
    k = base.features.shape[-1]
    alike = np.zeros(base.size)
    if k:
        f = _centred(base, prob)
        g = np.einsum("rbn,rbn,rbnk->rk", prob, slope, f) / base.size[1]
        fisher = np.einsum("rbn,rbnj,rbnk->rjk", prob, f, f, optimize=True) / base.size[1]
        theta = np.linalg.solve(fisher + RIDGE * np.eye(k), g[..., None])[..., 0]
        alike = (f * (theta * base.alike)[:, None, None]).sum(-1)
        free = (f * (theta * ~base.alike)[:, None, None]).sum(-1)
    else:
        theta = np.zeros((base.size[0], 0))
        free = slope - (prob * slope).sum(-1, keepdims=True)
    right = np.asarray(base.rollouts.correct, dtype=float)
    right = right - (prob * right).sum(-1, keepdims=True)
    tilt = speed * (prob * slope * right).sum(-1)
    return alike, free + tilt[..., None] * right, theta, tilt


def _kinds(base: Base) -> tuple[Array, Array]:
    """(R, B, n) masks of right and of wrong rollouts."""
    right = np.asarray(base.rollouts.correct) > 0.5
    return right, ~right


def _centred(base: Base, prob: Array) -> Array:
    """Features less their mean under the policy, of their own kind where they are moved alike."""
    mean = (prob[..., None] * base.features).sum(-2, keepdims=True)
    out = base.features - mean
    if base.alike.any():
        for kind in _kinds(base):
            p = (prob * kind)[..., None]
            mass = np.maximum(p.sum(-2, keepdims=True), TINY)
            own = base.features - (p * base.features).sum(-2, keepdims=True) / mass
            out = np.where(base.alike & kind[..., None], own, out)
    return out


def _kept_apart(base: Base, prob: Array, step: Array) -> Array:
    """A step of z (R, B, n) that leaves the mass of right and of wrong rollouts as it is."""
    out = step
    if base.alike.any():
        for kind in _kinds(base):
            p = prob * kind
            mass = p.sum(-1, keepdims=True)
            grown = (p * np.exp(step)).sum(-1, keepdims=True)
            some = mass > TINY
            shift = np.log(np.where(some, grown, 1.0) / np.where(some, mass, 1.0))
            out = np.where(kind, step - shift, out)
    return out


def _weights(base: Base, objective: Surrogate | None) -> Array:
    """(R, B, n) factors of rollouts in the loss, 1 on average: by length where it divides by it."""
    if objective is None:
        return np.ones(base.size)
    r = replace(base.rollouts, weight=np.ones(base.size))
    own = np.asarray(objective.share(r, r.length), dtype=float)
    mean = (base.share * own).sum(-1, keepdims=True).mean(-2, keepdims=True)
    return own / np.where(mean > 0, mean, 1.0)


def _looked(base: Base, state: _State, prob: Array, ratio: Array, idle: Array) -> dict[str, Array]:
    r: Rollouts = base.rollouts

    def mean(x: Array) -> Array:
        return (prob * x).sum(-1).mean(-1)

    return {
        "nats": nats(prob, ratio),
        "support": support(prob, base.share),
        "accuracy": mean(r.correct),
        "length": mean(r.length),
        "form": mean(form(r)),
        "cut": mean(r.cut * 1.0),
        "idle": idle,
        "theta": state.theta,
        "tilt": state.tilt.mean(-1),
    }
