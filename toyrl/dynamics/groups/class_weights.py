"""Class weights w_k = E[A c | own rollout is class k], the whole of an estimator's expected update.

A is the advantage and c the objective's factor per sequence. Together they give the update
sum_b share_b sum_k w_bk grad prob_bk. Methods:

    infinite      group_size = inf: the estimator once, on classes weighted by probability; exact
    compositions  every multiset of classes; exact, up to `ROWS` multisets a prompt
    linear        no division by the group's std: closed form; exact, rollout-scope rewards
    quadrature    group std, rollout-scope rewards: a double integral, to about 1e-9
    sampled       sibling sets from frozen uniforms; with standard errors

Statistics of the whole batch (a batch mean or std, DAPO's mean length) are taken in the limit of
many prompts: from the mix of all prompts, weighted by their shares.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from toyrl import stats
from toyrl.dynamics.groups.class_problem import METHODS, ROWS, SUM, Problem
from toyrl.dynamics.groups.compositions import Moments
from toyrl.dynamics.groups.siblings import draw_classes, frozen_uniforms
from toyrl.estimators.base import Estimator
from toyrl.objectives.base import Objective
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper, sum_parts

__all__ = ("METHODS", "ROWS", "SUM", "ClassWeights", "Signal", "class_weights", "signal")


@dataclass(frozen=True)
class ClassWeights:
    """w (B, K) in units of the advantage times the objective's factor, and how it was found.

    method : one of `METHODS` other than auto
    stderr : (B, K) standard error where sampled (inf for a class that no group drew), else None
    """

    w: np.ndarray
    method: str
    stderr: np.ndarray | None = None


def class_weights(
    rollouts: Rollouts,
    parts: Callable[[Rollouts], Parts] | Shaper,
    estimator: Estimator,
    objective: Objective = SUM,
    *,
    group_size: float = math.inf,
    method: str = "auto",
    samples: int = 4096,
    seed: int = 0,
) -> ClassWeights:
    """Expected advantage of each class, times the objective's factor per sequence.

    Parameters
    ----------
    rollouts : (B, K)        every class once; weight = class probability, or prompt share times
                             probability (a prompt's share is the sum of its weights)
    parts : shaper or function of rollouts giving reward parts (..., B, G). A plain function is
                             taken to look at its group, unless it has `scope = "rollout"`
    group_size : whole number >= 1, or inf
    method : "auto" takes the first of infinite, compositions, linear, quadrature, sampled that
                             applies; another method of `METHODS` is used or refused
    samples, seed : groups a prompt and their seed, for "sampled"

    Raises ValueError for a method that cannot apply, and for weights that are no probabilities.
    """
    problem = Problem.of(rollouts, parts, estimator, group_size)
    chosen = problem.choose(method)
    # A factor per sequence does not depend on siblings, or (DAPO's mean length) on the mix alone.
    c = np.asarray(objective.sequence_weight(problem.rollouts), dtype=float)
    if chosen == "infinite":
        return ClassWeights(c * problem.infinite(), chosen)
    if chosen == "compositions":
        return ClassWeights(c * problem.compositions().first, chosen)
    if chosen == "linear":
        return ClassWeights(c * problem.linear(), chosen)
    if chosen == "quadrature":
        return ClassWeights(c * problem.quadrature(), chosen)
    w, stderr = problem.sampled(samples, seed)
    return ClassWeights(c * w, chosen, np.abs(c) * stderr)


@dataclass(frozen=True)
class Signal:
    """What a group of rollouts tells the policy, per prompt, each (B,).

    advantage_variance : Var(A) over rollouts and their siblings
    zero_signal : P(all rewards of a group are equal), under which centred estimators give 0
    snr : (E[A | right] - E[A | wrong])^2 / Var(A), the share of the advantages' spread that
        speaks of correctness; 0 where Var(A) is 0 or right or wrong rollouts never occur
    sign_error : P(A < 0 | own rollout right); NaN where none is right
    method : infinite | compositions | sampled
    """

    advantage_variance: np.ndarray
    zero_signal: np.ndarray
    snr: np.ndarray
    sign_error: np.ndarray
    method: str


def signal(
    rollouts: Rollouts,
    reward: np.ndarray | Callable[[Rollouts], Parts] | Shaper,
    estimator: Estimator,
    group_size: float,
    *,
    samples: int = 4096,
    seed: int = 0,
) -> Signal:
    """Variance, direction and sign of the advantages under groups of `group_size`.

    rollouts : (B, K) classes with weights as for `class_weights`
    reward : (B, K) total rewards (NaN: unscorable), or what `class_weights` takes as parts

    The zero-signal share of rewards per class is exact, sum_r p_r^G over distinct rewards. The
    moments are exact up to `ROWS` multisets a prompt, else from `samples` groups a prompt.
    """
    parts = reward if callable(reward) or isinstance(reward, Shaper) else _Paid(reward)
    problem = Problem.of(rollouts, parts, estimator, group_size)
    chosen = problem.choose("auto")
    if chosen == "infinite":
        a = problem.infinite()
        return _describe(problem, Moments(a, a**2, (a < 0) * 1.0), chosen)
    if chosen == "compositions" and problem.fixed is not None:
        return _describe(problem, problem.compositions(), chosen)
    return _sampled_signal(problem, samples, seed)


def batch_moments(
    rollouts: Rollouts,
    parts: Callable[[Rollouts], Parts] | Shaper,
    estimator: Estimator,
    group_size: float,
    *,
    by_length: bool = False,
    samples: int = 4096,
    seed: int = 0,
) -> tuple[float, float]:
    """Mean and variance of the advantages over a batch of very many prompts.

    rollouts : (B, K) classes with weights as for `class_weights`, as are the other arguments
    by_length : rollouts weigh by their length, as in a mean over tokens

    Rollouts whose reward is NaN count with advantage 0. Exact up to `ROWS` multisets a prompt,
    else from `samples` groups a prompt.
    """
    problem = Problem.of(rollouts, parts, estimator, group_size)
    chosen = problem.choose("auto")
    if chosen == "infinite" or (chosen == "compositions" and problem.fixed is not None):
        a = problem.infinite() if chosen == "infinite" else None
        m = problem.compositions() if a is None else Moments(a, a**2, a)
        w, length = problem.rollouts.w, problem.rollouts.length
    else:
        a, _, r = _sampled(problem, samples, seed)
        m, w = Moments(a, a**2, a), np.broadcast_to(problem.share[:, None], a.shape)
        length = r.length.reshape(a.shape)
    w = (w * length if by_length else w).reshape(1, -1)
    centre = float(stats.mean(m.first.reshape(1, -1), w)[0, 0])
    second = float(stats.mean(m.second.reshape(1, -1), w)[0, 0])
    variance = second - centre**2
    return centre, variance if variance > 64 * np.finfo(float).eps * second else 0.0


@dataclass(frozen=True)
class _Paid:
    """A reward that is a number per class."""

    reward: np.ndarray
    scope = "rollout"

    def __call__(self, r: Rollouts) -> Parts:
        return {"reward": np.asarray(self.reward, dtype=float) + 0 * r.correct}


def _describe(problem: Problem, m: Moments, method: str) -> Signal:
    """The signal from moments per class."""
    right = problem.rollouts.correct
    tie = problem.tied()
    zero = np.full(len(right), math.nan) if tie is None else tie
    return _summary(problem.prob, right, m, zero, method)


def _summary(w: np.ndarray, right: np.ndarray, m: Moments, zero: np.ndarray, method: str) -> Signal:
    """The signal of rows (B, N) with weights w, correctness and moments."""

    def mean(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        return stats.mean(x, w)[..., 0]

    centre, second = mean(m.first, w), mean(m.second, w)
    variance = second - centre**2
    variance = np.where(variance > 64 * np.finfo(float).eps * second, variance, 0.0)
    some = (right * w).sum(-1) > 0
    both = some & (((1 - right) * w).sum(-1) > 0) & (variance > 0)
    gap = mean(m.first, w * right) - mean(m.first, w * (1 - right))
    return Signal(
        advantage_variance=variance,
        zero_signal=zero,
        snr=np.where(both, gap**2 / np.where(both, variance, 1.0), 0.0),
        sign_error=np.where(some, mean(m.negative, w * right), math.nan),
        method=method,
    )


def _sampled(problem: Problem, samples: int, seed: int) -> tuple[np.ndarray, Parts, Rollouts]:
    """Advantages (B, samples * G) of sampled groups, their reward parts and rollouts."""
    B, G = len(problem.prob), int(problem.group_size)
    uniforms = frozen_uniforms(B, samples, G, seed=seed)
    parts, r = problem.gather_samples(draw_classes(problem.prob[None], uniforms))
    return np.asarray(problem.estimator.apply(parts, r)[0], dtype=float).reshape(B, -1), parts, r


def _sampled_signal(problem: Problem, samples: int, seed: int) -> Signal:
    a, parts, r = _sampled(problem, samples, seed)
    B = len(a)
    total = sum_parts(parts, r)
    present = np.where(np.isnan(total), 0.0, 1.0)
    tied = stats.tied(np.nan_to_num(total), present).reshape(B, samples).mean(-1)
    exact = problem.tied()
    return _summary(
        np.ones_like(a),
        r.correct.reshape(B, -1),
        Moments(a, a**2, (a < 0) * 1.0),
        tied if exact is None else exact,
        "sampled",
    )
