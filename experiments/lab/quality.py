"""An estimator's gradient and how good it is, exactly and sampled, with the work counted."""

from __future__ import annotations

from typing import Any

from toyrl.dynamics.groups import class_weights, gradient_quality
from toyrl.dynamics.groups.compositions import row_count
from toyrl.estimators.base import Estimator
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.rollouts import Rollouts


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
