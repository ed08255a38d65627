"""An estimator's gradient and how good it is, exactly and sampled, with the work counted."""

from __future__ import annotations

from collections.abc import Iterable
from math import comb
from typing import Any

import numpy as np

from toyrl.dynamics.groups import class_weights, gradient_quality
from toyrl.dynamics.groups import token_quality as by_token
from toyrl.dynamics.groups.compositions import row_count
from toyrl.estimators.base import Estimator
from toyrl.experiments.core import Check
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.experiments.lab.chains import STEP
from toyrl.experiments.lab.routes import ENUMERATED, SIGMAS, SIMULATED
from toyrl.rollouts import Rollouts
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.chain.paths import Paths, paths_of
from toyrl.worlds.chain.simulate import sample_trajectories

TOKEN = 4
"""Units of one token of a group's member: about 0.4 microseconds, for its score by every logit."""


def quality(classes: Rollouts, parts: Any, estimator: Estimator, *objective: Any, group_size: int,
            samples: int = 0, seed: int = 0) -> gradient_quality.Quality:  # fmt: skip
    """`gradient_quality.gradient_quality`: a unit for each class of a kind of group, or for each
    sampled member."""
    prompts, kinds = classes.shape
    rows = samples * group_size if samples else row_count(kinds, 0, group_size) * kinds
    spend(prompts * (UPDATE + rows))
    return gradient_quality.gradient_quality(
        classes, parts, estimator, *objective, group_size=group_size, samples=samples, seed=seed
    )


def weights(classes: Rollouts, parts: Any, estimator: Estimator, *objective: Any, group_size: int,
            **options: Any) -> class_weights.ClassWeights:  # fmt: skip
    """`class_weights.class_weights` by compositions: a unit for each class of a kind of group."""
    _enumerate(classes, group_size)
    return class_weights.class_weights(classes, parts, estimator, *objective,
                                       group_size=group_size, method="compositions",
                                       **options)  # fmt: skip


def signal(classes: Rollouts, parts: Any, estimator: Estimator, group_size: int,
           **options: Any) -> class_weights.Signal:  # fmt: skip
    """`class_weights.signal`, counted as its enumeration."""
    _enumerate(classes, group_size)
    return class_weights.signal(classes, parts, estimator, group_size, **options)


def _enumerate(classes: Rollouts, group_size: int) -> None:
    prompts, kinds = classes.shape
    spend(prompts * (UPDATE + row_count(kinds, 0, group_size) * kinds))


def token_quality(paths: Paths, estimator: Estimator, *, group_size: int = 2, groups: Any = None,
                  **options: Any) -> by_token.TokenQuality:  # fmt: skip
    """`token_quality.token_quality`: `TOKEN` units for each token of each member of a group.

    options : batch, fields, shaper, objective
    """
    members = group_size * comb(len(paths) + group_size - 1, group_size)
    if groups is not None:
        members = groups.size
    spend(UPDATE + members * paths.chain.H * TOKEN)
    return by_token.token_quality(paths, estimator, group_size=group_size, groups=groups, **options)


def agreement(names: tuple[str, str], pairs: Iterable[tuple[Any, Any]], groups: int, *,
              least: float = 0.0, routes: tuple[str, ...] = (ENUMERATED, SIMULATED)
              ) -> list[Check]:  # fmt: skip
    """Means and variances of gradients, enumerated against those of `groups` sampled groups.

    names : of the worst mean in standard errors, at most `SIGMAS`, and of the worst relative error
        of a variance, at most 10/sqrt(groups)
    pairs : qualities, enumerated and sampled; a variance counts where at least `least` groups have
        a gradient, for one that rests on a handful of them is not estimated
    """
    worst, spread = 0.0, 0.0
    for q, drawn in pairs:
        error = np.sqrt(np.maximum(q.variance, 1e-30) / groups)
        worst = max(worst, float((np.linalg.norm(drawn.mean - q.mean, axis=-1) / error).max()))
        ratio = drawn.variance / np.where(q.variance > 0, q.variance, 1.0)
        seen = (1 - q.silent) * groups >= least
        spread = max(spread, float(np.abs(np.where(seen, ratio, 1.0) - 1).max()))
    return [
        Check(names[0], worst, SIGMAS, routes=routes),
        Check(names[1], spread, float(10 / np.sqrt(groups)), routes=routes),
    ]


def drawn_paths(chain: Chain, theta: Any, difficulty: int, n: int, seed: int, *,
                flags: int | None = None) -> Paths:  # fmt: skip
    """n simulated trajectories as paths; flags : another seed for what the simulator averages."""
    t = sample_trajectories(chain, theta, difficulty, n, seed)
    spend(float(t.length.sum()) * STEP)
    return paths_of(t, theta, seed=seed if flags is None else flags)
