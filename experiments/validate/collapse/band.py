"""The band of a reward: where training goes in the worlds in which it keeps accuracy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from toyrl.bands import Band, band_of
from toyrl.dynamics.chain import exact
from toyrl.experiments.forecast.word import LOSS
from toyrl.experiments.validate.collapse.train_worlds import RATE
from toyrl.worlds.behaviour.training import Path

FEWEST = 8
"""Worlds that a forecast's band is made of, at least."""
CHECKPOINTS = 24
WORLDS = 128


def band(pipeline: Any) -> Band | None:
    """The band of a pipeline that has run: of its forecast, or where there is none of the chain's
    worlds; None where neither says anything, or too few worlds keep their accuracy."""
    if pipeline.runs is not None:
        return foreseen(pipeline.reward.name, pipeline.runs.reward)
    runner, facts = pipeline.runner, pipeline.facts
    if runner.law.scope != "rollout" or not hasattr(runner.estimator, "baseline"):
        return None
    kept = facts.judged.learnable & ~facts.judged.collapsed
    rows = np.flatnonzero(kept)[:WORLDS]
    worlds = pipeline.worlds.take(rows)
    reward = runner.reward(worlds)
    gain, accuracy, length = _trajectories(runner, worlds, reward)
    return band_of(pipeline.reward.name, gain, accuracy, length)


def foreseen(name: str, path: Path) -> Band | None:
    """The band of the worlds of a forecast that keep their accuracy (to `LOSS`); None of fewer than
    `FEWEST`: there is no good run to stay near."""
    kept = path.change >= -LOSS
    if kept.sum() < FEWEST:
        return None
    change, factor = path.accuracy - path.accuracy[0], path.length / path.length[0]
    return band_of(name, *(x[:, kept].T for x in (path.gained, change, factor)))


def _trajectories(runner: Any, worlds: Any, reward: np.ndarray) -> tuple[np.ndarray, ...]:
    """(W, C+1) reward gain in base standard deviations, accuracy change, length factor."""
    chain, shares = runner.law.chain, worlds.batch.shares
    theta = worlds.theta
    done = np.zeros(len(worlds), dtype=np.int64)
    rows = []

    def observe(theta: np.ndarray) -> np.ndarray:
        prob = exact.class_probabilities(worlds.batch, theta)
        mix = prob * shares[..., None]
        mean = (mix * reward).sum((-1, -2))
        spread = np.sqrt(np.maximum((mix * reward**2).sum((-1, -2)) - mean**2, 0.0))
        right = (mix @ chain.class_correct()).sum(-1)
        return np.stack([mean, spread, right, (mix @ chain.class_length()).sum(-1)])

    rows.append(observe(theta))
    for c in range(1, CHECKPOINTS + 1):
        # Early training is fast: checkpoints lie at squares.
        target = (worlds.updates * (c / CHECKPOINTS) ** 2).astype(np.int64)
        made = exact.train(
            worlds.batch,
            theta,
            reward,
            updates=target - done,
            rate=RATE,
            estimator=runner.estimator,
            objective=runner.objective,
            reward_variance=runner.variance(worlds),
            reference_length=worlds.reference_length(runner.objective),
            loss=replace(runner.loss, reference=worlds.theta),
        )
        theta, done = made.theta, target
        rows.append(observe(theta))
    x = np.stack(rows, axis=-1)  # (4, W, C+1)
    start = x[..., :1]
    gain = (x[0] - start[0]) / np.maximum(start[1], 1e-12)
    return gain, x[2] - start[2], x[3] / start[3]
