"""Length as the only action: what a reward pays for every length, and the best one.

A rollout of n tokens is right with probability p(n). The reward of each (length, outcome) comes
from the shaper itself, so that a closed form can be held against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from toyrl.estimators.base import Estimator
from toyrl.estimators.group import PRESETS
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.experiments.lab.bandits import ascend, follow
from toyrl.experiments.lab.groups import picked
from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import with_answered
from toyrl.rollouts.memory import ON_ARRAYS
from toyrl.shapers.base import Shaper
from toyrl.theory.policies import softmax

Array = Any
GRPO = PRESETS["grpo"]


def payments(shaper: Shaper, lengths: Array, limit: float, success: Array | None = None, *,
             memory: Mapping[str, float] | None = None, step: float = 0, **fields: float
             ) -> np.ndarray:  # fmt: skip
    """(2, N) what a right and a wrong rollout of each length (N,) are paid; all have answered.

    success : (N,) chance of being right with each length, a group of that length alone, as a
        policy that always writes n tokens has it; None: one group holds all 2 N rollouts
    memory : the prompt's numbers, by slot; fields : numbers, the same for all
    """
    n = np.asarray(lengths, dtype=float)
    correct, length = np.tile([[1.0], [0.0]], n.size), np.tile(n, (2, 1))
    weight = None
    if success is None:
        correct, length = correct.reshape(1, -1), length.reshape(1, -1)
    else:
        correct, length = correct.T, length.T
        p = np.asarray(success, dtype=float)[:, None]
        weight = np.concatenate([p, 1 - p], axis=1)
    own = with_answered({k: np.full_like(correct, v) for k, v in fields.items()}, None, correct)
    size = None if success is None else np.inf
    r = Rollouts(correct, length, float(limit), weight=weight, step=step, group_size=size,
                 fields=own)  # fmt: skip
    kept = {k: np.full_like(correct[:, :1], v) for k, v in (memory or {}).items()}
    spend(UPDATE + correct.size)
    value = np.asarray(shaper.reward(r, kept))
    return value.reshape(2, -1) if success is None else value.T


def expected(shaper: Shaper, lengths: Array, success: Array, limit: float, **options: Any
             ) -> np.ndarray:  # fmt: skip
    """(N,) expected reward of always writing each length, in groups of that length.

    success : (N,) chance that it is right; options : of `payments`
    """
    right, wrong = payments(shaper, lengths, limit, success, **options)
    return success * right + (1 - success) * wrong


def best(lengths: Array, value: Array) -> float:
    """The length of the largest value, the shortest of several."""
    return float(np.asarray(lengths)[int(np.argmax(value))])


def climbed(value: Array, updates: int, *, rate: float = 0.5, start: Array | None = None
            ) -> np.ndarray:  # fmt: skip
    """(updates + 1, ..., N) policies over lengths by mirror ascent on the reward (..., N).

    Logits gain rate (value - mean value) an update, from `start` (None: uniform); in closed form
    the policy after t of them is softmax(start + rate t value).
    """
    value = np.asarray(value, dtype=float)
    logits = np.zeros(value.shape) if start is None else start

    def change(pi: np.ndarray, _: int) -> np.ndarray:
        return rate * (value - (pi * value).sum(-1, keepdims=True))

    return ascend(change, logits, updates)


# -- training -------------------------------------------------------------------------------------
def train_lengths(shaper: Shaper, lengths: Array, success: Array, limit: float, start: Array, *,
                  updates: int, runs: int, rng: Any, estimator: Estimator = GRPO, size: int = 8,
                  rate: float = 0.5, memory: Mapping[str, float] | None = None
                  ) -> tuple[np.ndarray, dict[str, np.ndarray]]:  # fmt: skip
    """(updates + 1, runs, N) policies over lengths, and memory (updates + 1, runs) by slot.

    One sampled group of `size` an update; each run is one prompt, visited at every update, whose
    memory starts at `memory` (else where its slots do).
    success : (N,) chance that a length is right; start : (N,) logits
    """
    slots, n = shaper.all_memory(), np.asarray(lengths, dtype=float)
    begun = [np.full((runs, 1), (memory or {}).get(s.name, s.initial)) for s in slots]

    def kept(state: np.ndarray) -> dict[str, np.ndarray]:
        return {s.name: state[:, i : i + 1] for i, s in enumerate(slots)}

    def visited(old: Mapping[str, np.ndarray], new: Mapping[str, np.ndarray]) -> dict[str, Any]:
        return {s.name: ON_ARRAYS[s.op](old[s.name], new[s.name]) for s in slots}

    def step(state: np.ndarray, k: int) -> np.ndarray:
        old, z = kept(state), state[:, len(slots) :]
        pi = softmax(z)
        drawn = picked(pi, rng.random((runs, size)))
        right = (rng.random(drawn.shape) < success[drawn]) * 1.0
        r = Rollouts(right, n[drawn], float(limit), step=k)
        answer = shaper.apply(r, old)
        new = z + rate * moved(pi, drawn, estimator.apply(answer.parts, r)[0] / size)
        spend(drawn.size)
        return np.concatenate([*visited(old, answer.memory).values(), new], axis=1)

    first = np.concatenate([*begun, np.tile(np.asarray(start, dtype=float), (runs, 1))], axis=1)
    path = follow(step, first, updates)
    told = {s.name: path[:, :, i] for i, s in enumerate(slots)}
    return softmax(path[:, :, len(slots) :]), told


def moved(policy: Array, drawn: Array, credit: Array) -> np.ndarray:
    """(runs, N) sum over the drawn lengths (runs, ...) of credit (runs, ...) times the score."""
    force = np.zeros_like(policy)
    run = np.arange(len(policy)).reshape(-1, *[1] * (np.ndim(drawn) - 1))
    np.add.at(force, (np.broadcast_to(run, np.shape(drawn)), drawn), credit)
    return force - policy * force.sum(-1, keepdims=True)


def share_lengths(shaper: Shaper, lengths: Array, success: Array, limit: float, start: Array, *,
                  updates: int, runs: int, rng: Any, estimator: Estimator = GRPO, size: int = 8,
                  rate: float = 0.5) -> np.ndarray:  # fmt: skip
    """(updates + 1, runs, N) policies over lengths that the B prompts of a batch share.

    A group of `size` for each prompt an update, prompts in another order each time.
    success : (B, N) chance that a length is right; start : (N,) logits
    """
    n, success = np.asarray(lengths, dtype=float), np.asarray(success, dtype=float)
    batch = len(success)

    def step(z: np.ndarray, k: int) -> np.ndarray:
        pi = softmax(z)
        drawn = picked(pi[:, None], rng.random((runs, batch, size)))
        prompt = rng.permuted(np.tile(np.arange(batch), (runs, 1)), axis=1)[..., None]
        right = (rng.random(drawn.shape) < success[prompt, drawn]) * 1.0
        r = Rollouts(right, n[drawn], float(limit), step=k)
        credit = estimator.apply(shaper.apply(r).parts, r)[0] / (size * batch)
        spend(drawn.size)
        return z + rate * moved(pi, drawn, credit)

    return softmax(follow(step, np.tile(np.asarray(start, dtype=float), (runs, 1)), updates))


def share_lengths_expected(shaper: Shaper, lengths: Array, success: Array, limit: float,
                           start: Array, *, updates: int, estimator: Estimator = GRPO,
                           rate: float = 0.5) -> np.ndarray:  # fmt: skip
    """(updates + 1, N) the policy of `share_lengths` with groups without end, and no draws."""
    n, success = np.asarray(lengths, dtype=float), np.asarray(success, dtype=float)
    right = np.tile(np.repeat([1.0, 0.0], n.size), (len(success), 1))
    length = np.tile(n, (len(success), 2))
    share = np.concatenate([success, 1 - success], axis=1)

    def change(pi: np.ndarray, k: int) -> np.ndarray:
        weight = np.tile(pi, 2) * share
        r = Rollouts(right, length, float(limit), weight=weight, step=k, group_size=np.inf)
        a = estimator.apply(shaper.apply(r).parts, r)[0] * weight
        force = a.reshape(-1, 2, n.size).sum(1).mean(0)
        spend(weight.size)
        return rate * (force - pi * force.sum())

    return ascend(change, start, updates)
