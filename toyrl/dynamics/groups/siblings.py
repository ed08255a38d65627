"""Finite groups by sampling with frozen uniforms, for many worlds at once.

For a group size G without a closed form, sibling sets are drawn from the class probabilities by
the inverse CDF of uniforms that are drawn once. The answer is then a deterministic, piecewise
constant function of the policy: curves repeat and bisection works.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from toyrl.estimators.base import Estimator
from toyrl.objectives.base import Objective
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts


def frozen_uniforms(n_prompts: int, groups: int, group_size: int, *, seed: int) -> np.ndarray:
    """(B, S, G) uniforms, stratified over each prompt's S*G draws and shuffled.

    Stratification keeps the classes' empirical frequencies within 1/(S G) of their probability;
    the shuffle keeps siblings independent of their place.
    """
    rng = np.random.default_rng(seed)
    n = groups * group_size
    strata = (np.arange(n) + rng.random((n_prompts, n))) / n
    return rng.permuted(strata, axis=1).reshape(n_prompts, groups, group_size)


def draw_classes(prob: np.ndarray, uniforms: np.ndarray) -> np.ndarray:
    """(W, B, S, G) class indices drawn from prob (W, B, K) by the inverse CDF."""
    W, B, K = prob.shape
    cdf = np.cumsum(prob, axis=-1)
    cdf /= cdf[..., -1:]
    # One sorted search serves all rows: row i's CDF is lifted to (i, i+1].
    rows = np.arange(W * B).reshape(W, B)
    lifted = (cdf + rows[..., None]).ravel()
    wanted = uniforms[None] + rows[..., None, None]
    index = np.searchsorted(lifted, wanted.ravel(), side="right").reshape(wanted.shape)
    return np.minimum(index - rows[..., None, None] * K, K - 1)


def sibling_weights(
    prob: np.ndarray,
    gather: Callable[[np.ndarray], tuple[Parts, Rollouts]],
    estimator: Estimator,
    objective: Objective,
    uniforms: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Class weights w (W, B, K) = E[A c | own class k] over sampled groups, and their stderr.

    prob : (W, B, K) class probabilities
    gather : class indices (W, B, S, G) -> (reward parts, rollouts), both shaped (W, B*S, G), so
        that batch statistics pool over a world's prompts
    uniforms : (B, S, G) from `frozen_uniforms`

    The returned weights reproduce the sampled update exactly: prob * w is the mean over groups
    of the advantages that fell on class k. Classes that no group drew have weight 0. The
    standard error is that of prob * w over groups, divided by prob.
    """
    W, B, K = prob.shape
    S, G = uniforms.shape[1:]
    index = draw_classes(prob, uniforms)
    parts, rollouts = gather(index)
    advantage, _ = estimator.apply(parts, rollouts)
    value = np.asarray(advantage * objective.sequence_weight(rollouts)).reshape(W, B, S * G)
    flat = (np.arange(W * B).reshape(W, B, 1) * K + index.reshape(W, B, S * G)).ravel()
    size = W * B * K
    first = np.bincount(flat, value.ravel(), minlength=size).reshape(W, B, K) / (S * G)
    second = np.bincount(flat, value.ravel() ** 2, minlength=size).reshape(W, B, K) / (S * G)
    error = np.sqrt(np.maximum(second - first**2, 0) / (S * G))
    safe = np.where(prob > 0, prob, 1.0)
    return np.where(prob > 0, first / safe, 0.0), np.where(prob > 0, error / safe, 0.0)
