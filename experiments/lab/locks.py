"""Learners on the combination lock, many runs of them, with the work counted."""

from __future__ import annotations

import numpy as np

from toyrl.dynamics.tabular.lock_learning import CaptionBonus, LockLearner, learn_lock
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.experiments.lab.draws import draws
from toyrl.worlds.search.lock import POKE, Lock

STEP = 0.6
"""Units of a step of the compiled learner: about 60 ns."""


def lock_runs(lock: Lock, bonus: CaptionBonus, learner: LockLearner, runs: int, seed: int
              ) -> np.ndarray:  # fmt: skip
    """(runs, episodes) 1 where an episode reached the top; every run has bits of its own."""
    found = []
    for i in range(runs):
        own = Lock(lock.levels, lock.horizon, lock.tags, lock.gold_level, seed=i)
        reached, _ = learn_lock(own, bonus, learner, draws(seed, i))
        spend(UPDATE + STEP * learner.episodes * lock.horizon)
        found.append(reached * 1.0)
    return np.array(found)


def random_reach(lock: Lock) -> float:
    """Chance that uniformly random actions reach the top within the horizon, exactly."""
    law, moves = np.eye(lock.levels + 1)[0], np.zeros((lock.levels + 1, lock.levels + 1))
    for action in (0, 1, POKE):
        level = np.arange(lock.levels)
        after, _ = lock.moved(level, np.full(lock.levels, action))
        moves[level, after] += 1 / 3
    moves[-1, -1] = 1.0
    for _ in range(lock.horizon):
        law = law @ moves
    return float(law[-1])


def smoothed(reached: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """(episodes (E/width,), mean over runs and blocks of so many episodes)."""
    runs, episodes = reached.shape
    blocks = reached[:, : episodes // width * width].reshape(runs, -1, width)
    return (np.arange(blocks.shape[1]) + 0.5) * width, blocks.mean((0, 2))
