"""Thoughts of 1 to 12 tokens: entropies, what they are paid, training of where to stop.

Position n has a stop logit of its own, the last one is forced. Every thinking token has the same
entropy and a sure "commit" token ends the thought, so that its mean entropy grows with length.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.estimators.group import PRESETS
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.experiments.lab.bandits import follow, sigmoid
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.groups import advantages
from toyrl.rollouts import Rollouts

LONGEST, SIZE, STEPS, RATE = 12, 8, 400, 1.0
THOUGHT, ANSWER = 1.2, 0.2
"""Nats of a thinking token and of an answer token."""
N = np.arange(1, LONGEST + 1)
RIGHT = np.where(N < 3, 0.3, 0.9)
"""Chance of being right with each length."""
START = float(np.log(0.15 / 0.85))


def thoughts(n: Any, correct: Any, answer: Any = ANSWER, commit: bool = True) -> Rollouts:
    """(1, K) rollouts that think n tokens, commit, close the tag and answer in one token."""
    n = np.asarray(n)[:, None]
    place = np.arange(LONGEST + 3)
    end = n + commit
    entropy = np.where(place < n, THOUGHT, np.where(place == end + 1, np.c_[answer], 0.0))
    mask = (place < end + 2) * 1.0
    fields = {"entropy": entropy[None], "think_end": (place == end)[None] * 1.0}
    return Rollouts(np.asarray(correct)[None], mask.sum(-1)[None], LONGEST + 3.0, mask=mask[None],
                    fields=fields)  # fmt: skip


def payments(shapers: list[Any]) -> np.ndarray:
    """(A, 2, 12) what a wrong and a right rollout of each length are paid; None: the outcome."""
    r = thoughts(np.tile(N, 2), np.repeat([0.0, 1.0], LONGEST))
    return np.array([(r.correct if s is None else s.reward(r)).reshape(2, -1) for s in shapers])


def lengths(stop: np.ndarray) -> np.ndarray:
    """(..., 12) chance of each length; the last one is forced."""
    left = np.cumprod(1 - stop[..., :-1], axis=-1)
    return np.concatenate([stop[..., :1], left[..., :-1] * stop[..., 1:-1], left[..., -1:]], -1)


def pull(weight: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """(..., 12) sum of weights (..., 12) by length times d log chance/d logit; the last is idle."""
    on = np.flip(np.cumsum(np.flip(weight, -1), -1), -1) - weight  # of those that went on
    out = weight * (1 - stop) - on * stop
    out[..., -1] = 0.0
    return out


def train(paid: np.ndarray, runs: int, seed: int) -> np.ndarray:
    """(A, runs, 12) chances of lengths after sampled groups; the same numbers for all A."""
    rng, arm = draws(seed, 2), np.arange(len(paid))[:, None, None]

    def step(x: np.ndarray, _: int) -> np.ndarray:
        stop = sigmoid(x)
        u, v = rng.random((2, runs, SIZE))
        n = (u[..., None] > np.cumsum(lengths(stop), -1)[..., None, :-1]).sum(-1)
        a = advantages(PRESETS["grpo_population"], paid[arm, (v < RIGHT[n]) * 1, n])
        spend(UPDATE + x.size * 4)
        own = (n[..., None] == np.arange(LONGEST)) * a[..., None]
        return x + RATE * pull(own.mean(-2), stop)

    start = np.full((len(paid), runs, LONGEST), START)
    return lengths(sigmoid(follow(step, start, STEPS)[-1]))


def expect(paid: np.ndarray) -> np.ndarray:
    """(A, 12) the same under expected updates of very large groups."""
    share = np.stack([1 - RIGHT, RIGHT])

    def step(x: np.ndarray, _: int) -> np.ndarray:
        stop = sigmoid(x)
        law = lengths(stop)[:, None] * share
        mean = (law * paid).sum((1, 2), keepdims=True)
        spread = np.sqrt((law * (paid - mean) ** 2).sum((1, 2), keepdims=True))
        a = np.where(spread > 1e-9, (paid - mean) / np.where(spread > 1e-9, spread, 1), 0)
        return x + RATE * pull((law * a).sum(1), stop)

    start = np.full((len(paid), LONGEST), START)
    return lengths(sigmoid(follow(step, start, STEPS)[-1]))
