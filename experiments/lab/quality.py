"""How good an estimator's gradient is, exactly and sampled, with the work counted."""

from __future__ import annotations

from typing import Any

from toyrl.dynamics.groups import gradient_quality
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
