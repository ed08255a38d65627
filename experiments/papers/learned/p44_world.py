"""Demonstrations whose steps are known: each raises five features of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.models.steps.rewards import StepDiscovery, StepRewards, stacked

STEPS, FEATURES, OWN = 4, 50, 5


def frames(rng: Any, noise: float, step: np.ndarray) -> np.ndarray:
    """(T, 50) frames of these steps (T,): 1 on the step's own features, else 0, and noise."""
    raised = np.arange(FEATURES) // OWN == step[:, None]
    return raised + noise * rng.standard_normal(raised.shape)


def demonstration(rng: Any, noise: float, sizes: Sequence[int] | None = None
                  ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """((T, 50) frames, (3,) true cuts); sizes : frames of each step, None: 4 to 11 at random."""
    size = np.asarray(rng.integers(4, 12, STEPS) if sizes is None else sizes)
    step = np.repeat(np.arange(STEPS), size)
    return frames(rng, noise, step), np.cumsum(size)[:-1]


def demonstrations(rng: Any, noise: float, count: int, sizes: Sequence[int] | None = None
                   ) -> list[tuple[np.ndarray, np.ndarray]]:  # fmt: skip
    """`count` of `demonstration`."""
    return [demonstration(rng, noise, sizes) for _ in range(count)]


def fitted(rng: Any, *, alpha: float = 5.0) -> tuple[StepRewards, np.ndarray, np.ndarray]:
    """A model of five demonstrations at noise 0.1, their frames, and the true step of each."""
    demos = demonstrations(rng, 0.1, 5)
    x, which = stacked([x for x, _ in demos])
    step = np.concatenate([np.searchsorted(c, np.arange(len(x)), "right") for x, c in demos])
    return StepDiscovery(STEPS, features=OWN, alpha=alpha).fit(x, which), x, step
