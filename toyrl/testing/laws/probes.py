"""Laws of distances to centroids, for probes of your own.

Each takes a learner with `fit(x, labels)` and texts x (N, D) with labels (N,) or (N, P); it returns
nothing where the law holds and one sentence where it does not.

Source: paper 32, derived.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.estimators.near import KeepNear
from toyrl.models.reward.centroids import keep_near
from toyrl.rollouts import Rollouts
from toyrl.testing.arrays import difference

Array = Any


def moves_change_no_distance(learner: Any, x: Array, labels: Array) -> str | None:
    """Texts and centroids turned and shifted together: the same distances; scaled: scaled ones."""
    x = np.asarray(x, dtype=float)
    before = learner.fit(x, labels).distances(x)
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(x.shape[1], x.shape[1])))[0]
    for name, scale, moved in (("turned", 1.0, x @ turn), ("shifted", 1.0, x + 3.0),
                               ("scaled", 2.5, 2.5 * x)):  # fmt: skip
        after = learner.fit(moved, labels).distances(moved)
        finite = np.isfinite(before)
        same = np.allclose(after[finite], scale * before[finite], rtol=1e-7, atol=1e-7)
        if not same or (np.isfinite(after) != finite).any():
            return f"distances are others after the representations were {name}"
    return None


def distances_are_least(learner: Any, x: Array, labels: Array) -> str | None:
    """d_min is the least d_p, none is below 0, and texts in another order are as far."""
    x = np.asarray(x, dtype=float)
    near = learner.fit(x, labels)
    d, least = near.distances(x), near.novelty(x)
    if (d < 0).any() or not np.array_equal(d.min(-1), least):
        return "a distance is below 0, or d_min is not the least"
    if not np.array_equal(near.novelty(x[::-1]), least[::-1]):
        return "the order of texts changes a distance"
    grid = np.quantile(least, [0.0, 0.3, 0.9, 1.0])
    kept = np.array([keep_near(least, m) for m in grid])
    return "a larger threshold keeps fewer" if (kept[1:] < kept[:-1]).any() else None


def dropped_rewards_are_unseen(estimator: KeepNear, reward: Array, r: Rollouts) -> str | None:
    """Rewards (B, G) of far rollouts, whatever they are, change no advantage, and theirs are 0."""
    reward = np.asarray(reward, dtype=float)
    distance = np.asarray(r.need("probe_distance", by="the law"), dtype=float)
    far = ~np.asarray(keep_near(distance, estimator.most))
    before = np.asarray(estimator.apply({"reward": reward}, r)[0])
    for other in (1e6, -1e6, np.nan):
        changed = np.where(far, other, reward)
        after = np.asarray(estimator.apply({"reward": changed}, r)[0])
        if difference(before, after) > 1:
            return "the reward of a far rollout moves an advantage"
    return "a far rollout has an advantage" if np.abs(before[far]).max(initial=0.0) > 0 else None
