"""How good an estimator's gradient is: bias, variance and signal of one group's estimate, exactly.

A softmax policy over the outcome classes of a prompt, with one logit per class, has
grad log prob_k = e_k - prob. A group of G rollouts with advantages A_i and the objective's factors
c_i estimates the gradient of the expected outcome by

    g = (1/G) sum_i A_i c_i (e_{k_i} - prob).

Every multiset of classes is enumerated with its multinomial probability, so mean and covariance of
g are exact; where there are too many, groups are sampled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.dynamics.groups.class_problem import ROWS, SUM, Problem
from toyrl.dynamics.groups.compositions import multisets, row_count
from toyrl.dynamics.groups.siblings import draw_classes, frozen_uniforms
from toyrl.estimators.base import Estimator
from toyrl.objectives.base import Objective
from toyrl.rollouts import Rollouts


@dataclass(frozen=True)
class Quality:
    """One group's gradient estimate per prompt; K class logits, norms are Euclidean.

    mean, true (B, K) : its expectation, and the gradient of P(right)
    angle (B,) : between the two, in degrees; NaN where either vanishes
    norm_ratio (B,) : |mean| / |true|
    variance (B,) : trace of the covariance; mse (B,) : variance + |mean - true|^2
    snr (B,) : |mean|^2 / (variance G), signal to noise per rollout; inf without noise
    silent (B,) : P(g = 0)
    right_down (B,) : P(A < 0 | own rollout right); NaN where none is right
    method : "enumerated" or "sampled"
    """

    mean: np.ndarray
    true: np.ndarray
    variance: np.ndarray
    silent: np.ndarray
    right_down: np.ndarray
    group_size: int
    method: str

    @property
    def angle(self) -> np.ndarray:
        """(B,) degrees."""
        norms = np.linalg.norm(self.mean, axis=-1) * np.linalg.norm(self.true, axis=-1)
        dot = (self.mean * self.true).sum(-1)
        cosine = np.where(norms > 0, dot / np.where(norms > 0, norms, 1.0), np.nan)
        return np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))

    @property
    def norm_ratio(self) -> np.ndarray:
        """(B,) 1 for an unbiased estimate."""
        true = np.linalg.norm(self.true, axis=-1)
        mean = np.linalg.norm(self.mean, axis=-1)
        return np.where(true > 0, mean / np.where(true > 0, true, 1.0), np.nan)

    @property
    def mse(self) -> np.ndarray:
        """(B,) mean squared distance from the true gradient."""
        return self.variance + ((self.mean - self.true) ** 2).sum(-1)

    @property
    def snr(self) -> np.ndarray:
        """(B,) per rollout, so that group sizes compare."""
        power = (self.mean**2).sum(-1)
        noise = self.variance * self.group_size
        return np.where(noise > 0, power / np.where(noise > 0, noise, 1.0), math.inf)


def gradient_quality(
    rollouts: Rollouts,
    parts: Any,
    estimator: Estimator,
    objective: Objective = SUM,
    *,
    group_size: int,
    samples: int = 0,
    seed: int = 0,
) -> Quality:
    """Quality of one group's gradient for each prompt.

    rollouts (B, K) classes with weight = share times probability; parts as for `class_weights`.
    samples : groups a prompt to draw instead of enumerating; 0 enumerates, and draws 4,096 where
        there are more than `ROWS` multisets

    Statistics of a whole batch (a batch mean or std) are those of many prompts.
    """
    problem = Problem.of(rollouts, parts, estimator, float(group_size))
    K = problem.prob.shape[1]
    if not samples and row_count(K, 0, group_size) > ROWS:
        samples = 4096
    factor = np.broadcast_to(
        np.asarray(objective.sequence_weight(problem.rollouts), dtype=float), problem.prob.shape
    )
    correct = problem.rollouts.correct
    if samples:
        found = _sampled(problem, factor, group_size, samples, seed)
    else:
        found = [_enumerated(problem, b, factor[b], group_size) for b in range(len(problem.prob))]
    mean, variance, silent, down = (np.stack(x) for x in zip(*found, strict=True))
    p = problem.prob
    true = p * (correct - (p * correct).sum(-1, keepdims=True))
    return Quality(
        mean, true, variance, silent, down, group_size, "sampled" if samples else "enumerated"
    )


def _enumerated(problem: Problem, b: int, factor: np.ndarray, G: int) -> tuple[Any, ...]:
    p, correct = problem.prob[b], problem.rollouts.correct[b]
    possible = np.flatnonzero(p > 0)
    counts = np.zeros((math.comb(len(possible) + G - 1, G), len(p)), dtype=np.int64)
    counts[:, possible] = multisets(len(possible), G)
    log_factorial = np.array([math.lgamma(n + 1) for n in range(G + 1)])
    log_p = np.log(np.where(p > 0, p, 1.0))
    chance = np.exp(log_factorial[G] - log_factorial[counts].sum(-1) + counts @ log_p)
    index = np.broadcast_to(np.arange(len(p)), (len(counts), 1, len(p)))
    parts, r = problem.gather(b, index, counts[:, None].astype(float))
    a = np.asarray(problem.estimator.apply(parts, r)[0], dtype=float)[:, 0]
    a = np.where(counts > 0, a, 0.0)
    return _moments(chance, counts, a, factor, p, correct, G)


def _sampled(
    problem: Problem, factor: np.ndarray, G: int, samples: int, seed: int
) -> list[tuple[Any, ...]]:
    B, K = problem.prob.shape
    index = draw_classes(problem.prob[None], frozen_uniforms(B, samples, G, seed=seed))
    parts, r = problem.gather_samples(index)
    a = np.asarray(problem.estimator.apply(parts, r)[0], dtype=float).reshape(B, samples, G)
    out = []
    for b in range(B):
        row = index[0, b] + K * np.arange(samples)[:, None]
        counts = np.bincount(row.ravel(), minlength=samples * K).reshape(samples, K)
        total = np.bincount(row.ravel(), a[b].ravel(), minlength=samples * K).reshape(samples, K)
        each = total / np.where(counts > 0, counts, 1)
        even = np.full(samples, 1 / samples)
        right = problem.rollouts.correct[b]
        out.append(_moments(even, counts, each, factor[b], problem.prob[b], right, G))
    return out


def _moments(
    chance: np.ndarray,
    counts: np.ndarray,
    a: np.ndarray,
    factor: np.ndarray,
    p: np.ndarray,
    correct: np.ndarray,
    G: int,
) -> tuple[np.ndarray, float, float, float]:
    """(mean gradient, trace of its covariance, P(silent), P(right and pushed down) share)."""
    share = counts * a * factor / G
    g = share - share.sum(-1, keepdims=True) * p
    mean = chance @ g
    variance = float(chance @ (g**2).sum(-1) - (mean**2).sum())
    right = chance @ (counts * correct)
    down = chance @ (counts * correct * (a < 0))
    alone = float(down.sum() / right.sum()) if right.sum() > 0 else math.nan
    return mean, max(variance, 0.0), float(chance @ np.all(share == 0, axis=-1)), alone
