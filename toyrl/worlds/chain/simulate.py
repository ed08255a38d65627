"""Trajectories of the chain by simulation: fast, reproducible, and conditional on a class.

Each state's next action, its outcome and the next state form one small law (the done flag is
averaged out), kept as an alias table, so that a step costs one random number and one table row.
Random numbers are splitmix64 of (seed, trajectory, step): a trajectory does not depend on the
number of threads nor on how many others are drawn.

Sampling within a class (right or wrong, so many actions) is exact, not by rejection: each step's
law is tilted by the probability that the class is still reached, from a backward DP.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import class_rollouts
from toyrl.worlds.chain.model import COUNTERS, Chain
from toyrl.worlds.chain.tables import (
    END,
    GAIN,
    REPAIR,
    RIGHT,
    SLIP,
    Law,
    alias_tables,
    step_law,
)

ALONE = 1 << 20
"""Steps below which one thread is used: waking the others costs more, most of all on busy cores."""


@dataclass(frozen=True, eq=False)
class Trajectories:
    """N trajectories of one difficulty; arrays over steps are (N, H), padded after the end.

    codes : int8, action index + event bits, END after the end
    length : (N,) int, actions; H where truncated
    correct : (N,) float; truncated : (N,) bool
    """

    chain: Chain
    difficulty: int
    codes: np.ndarray
    length: np.ndarray
    correct: np.ndarray
    truncated: np.ndarray

    def __len__(self) -> int:
        return len(self.length)

    @property
    def alive(self) -> np.ndarray:
        """(N, H) bool: an action was taken here."""
        return self.codes != END

    @property
    def actions(self) -> np.ndarray:
        """(N, H) int8 index into `chain.actions`, -1 after the end."""
        return np.where(self.alive, self.codes & 7, END).astype(np.int8)

    def _event(self, bit: int) -> np.ndarray:
        return self.alive & ((self.codes & bit) != 0)

    @property
    def gained(self) -> np.ndarray:
        """(N, H) bool: this STEP made progress (also where progress is saturated at D)."""
        return self._event(GAIN)

    @property
    def slipped(self) -> np.ndarray:
        """(N, H) bool: this STEP made an error where there was none."""
        return self._event(SLIP)

    @property
    def repaired(self) -> np.ndarray:
        """(N, H) bool: this CHECK cleared the error."""
        return self._event(REPAIR)

    @property
    def progress(self) -> np.ndarray:
        """(N, H) int: m before each action."""
        after = np.minimum(np.cumsum(self.gained, axis=1), self.chain.D)
        return np.concatenate([np.zeros_like(after[:, :1]), after[:, :-1]], axis=1)

    @property
    def error(self) -> np.ndarray:
        """(N, H) bool: the error bit before each action."""
        after = np.cumsum(self.slipped.astype(int) - self.repaired, axis=1)
        return np.concatenate([np.zeros_like(after[:, :1]), after[:, :-1]], axis=1) > 0

    @property
    def guessed(self) -> np.ndarray:
        """(N,) bool: answered while unfinished or in error (right only by luck)."""
        last = (np.arange(len(self)), self.length - 1)
        known = (self.progress[last] >= self.difficulty) & ~self.error[last]
        return ~self.truncated & ~known

    def names(self, i: int) -> list[str]:
        """The i-th trajectory's actions by name."""
        return [self.chain.actions[c & 7] for c in self.codes[i, : self.length[i]]]

    def count(self, action: str) -> np.ndarray:
        """(N,) how often the named action was taken; 0 if the chain lacks it."""
        if action not in self.chain.actions:
            return np.zeros(len(self))
        here = self.actions == self.chain.actions.index(action)
        return here.sum(axis=1).astype(float)

    def class_index(self) -> np.ndarray:
        """(N,) index among the chain's classes without counters."""
        H = self.chain.H
        answered = np.where(self.correct > 0, self.length - 1, H + self.length - 1)
        return np.where(self.truncated, 2 * H, answered)

    def to_rollouts(
        self, *, group_size: int | None = None, counters: tuple[str, ...] = tuple(COUNTERS)
    ) -> Rollouts:
        """Rollouts (N / G, G), all of one difficulty, with the counters as fields."""
        G = group_size or len(self)
        if len(self) % G:
            msg = f"group_size={G} does not divide the {len(self)} trajectories"
            raise ValueError(msg)

        def grouped(x: np.ndarray) -> np.ndarray:
            return x.reshape(-1, G)

        return class_rollouts(
            None,
            correct=grouped(self.correct),
            length=grouped(self.length * float(self.chain.tokens_per_action)),
            truncated=grouped(self.truncated),
            max_length=self.chain.max_length,
            fields={name: grouped(self.count(COUNTERS[name])) for name in counters},
            group_size=None,
        )


@numba.njit(inline="always")
def _mix(z: Any) -> Any:
    """splitmix64's output function."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@numba.njit(inline="always")
def _stream(seed: Any, i: Any) -> Any:
    """Start of trajectory i's own counter."""
    return _mix(seed + np.uint64(0x9E3779B97F4A7C15) * np.uint64(2 * i + 1))


@numba.njit(parallel=True, cache=True)
def _simulate(cut, packed, seed, codes, length, correct):  # pragma: no cover (compiled)
    n, H = codes.shape
    golden = np.uint64(0x9E3779B97F4A7C15)
    for i in numba.prange(n):
        z = _stream(seed, i)
        state = 0
        t = 0
        right = 0.0
        while t < H:
            z += golden
            u = _mix(z)
            k = np.int64(u >> np.uint64(60))
            low = u & np.uint64(0x0FFFFFFFFFFFFFFF)
            word = packed[state, k, 0 if low < cut[state, k] else 1]
            codes[i, t] = word & 127
            t += 1
            state = (word >> 8) - 1
            if state < 0:
                right = 1.0 if word & 64 else 0.0
                break
        length[i] = t if state < 0 else H + 1
        for rest in range(t, H):
            codes[i, rest] = -1
        correct[i] = right


@numba.njit(parallel=True, cache=True)
def _simulate_within(cdf, after, code, seed, codes):  # pragma: no cover (compiled)
    n = codes.shape[0]
    T = cdf.shape[0]
    golden = np.uint64(0x9E3779B97F4A7C15)
    for i in numba.prange(n):
        z = _stream(seed, i)
        state = 0
        for t in range(T):
            z += golden
            u = np.float64(_mix(z) >> np.uint64(11)) * 2.0**-53 * cdf[t, state, -1]
            k = 0
            while cdf[t, state, k] <= u:
                k += 1
            codes[i, t] = code[state, k]
            state = after[state, k]


@contextmanager
def threads_for(work: int) -> Iterator[None]:
    """All of Numba's threads for `work` steps of at least `ALONE`, else one; restored on exit."""
    before = numba.get_num_threads()
    if work < ALONE:
        numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def sample_trajectories(
    chain: Chain,
    theta: Any,
    difficulty: int,
    n: int,
    seed: int,
    *,
    given_class: tuple[float, float] | None = None,
) -> Trajectories:
    """Draw n trajectories of a prompt of this difficulty, reproducibly.

    theta : `chain.policy_shape` logits
    given_class : (correct, length in tokens): sample exactly within that class; length None is
        the truncated class. Raises ValueError if the class has probability 0.
    """
    if not 1 <= difficulty <= chain.D:
        msg = f"difficulty={difficulty} must be in 1..{chain.D}, the chain's depth"
        raise ValueError(msg)
    law = step_law(chain, theta, difficulty)
    codes = np.full((n, chain.H), END, dtype=np.int8)
    key = np.uint64(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
    if given_class is not None:
        return _within(chain, law, difficulty, codes, key, given_class)
    length = np.empty(n, dtype=np.int64)
    correct = np.empty(n)
    with threads_for(codes.size):
        _simulate(*alias_tables(law), key, codes, length, correct)
    truncated = length > chain.H
    return Trajectories(chain, difficulty, codes, np.minimum(length, chain.H), correct, truncated)


def _within(
    chain: Chain,
    law: Law,
    difficulty: int,
    codes: np.ndarray,
    key: np.uint64,
    given: tuple[float, float | None],
) -> Trajectories:
    right, tokens = given
    steps = chain.H if tokens is None else round(tokens / chain.tokens_per_action)
    exact = tokens is None or math.isclose(steps * chain.tokens_per_action, tokens, rel_tol=1e-9)
    if not exact or not 1 <= steps <= chain.H or (tokens is None and right):
        msg = (
            f"given_class={given}: length must be a multiple of {chain.tokens_per_action:g} up to"
            f" {chain.max_length:g} tokens, or None with correct=0 for truncation"
        )
        raise ValueError(msg)
    reach = _reach(law, steps, right=None if tokens is None else bool(right))
    # tilted[t, s, k]: outcome k in state s at step t, and the class still reached afterwards
    nothing = np.zeros((steps, 1))
    ahead = np.concatenate([reach[1:], nothing], axis=1)[:, law.after]  # after = -1: 0
    tilted = law.prob * ahead
    if tokens is not None:
        tilted[-1] = law.prob * _ends(law, bool(right))
    if not reach[0, 0] > 0:
        msg = f"given_class={given} has probability 0 under this policy at difficulty {difficulty}"
        raise ValueError(msg)
    cdf = np.cumsum(tilted, axis=-1)
    with threads_for(codes.size):
        _simulate_within(cdf, law.after, law.code, key, codes)
    n = len(codes)
    return Trajectories(
        chain,
        difficulty,
        codes,
        np.full(n, steps),
        np.full(n, float(right)),
        np.full(n, tokens is None),
    )


def _ends(law: Law, right: bool) -> np.ndarray:
    """(S, SLOTS) 1 where the outcome is an answer of that kind."""
    answer = (law.after == END) & (law.prob > 0)
    return answer & (((law.code & RIGHT) != 0) == right)


def _reach(law: Law, steps: int, *, right: bool | None) -> np.ndarray:
    """(steps+1, S): probability from step t on of the class; None: of no answer within steps.

    Each row is rescaled by its largest entry (only ratios within a row are used), so that rare
    classes don't underflow.
    """
    S = len(law.prob)
    out = np.ones((steps + 1, S))
    last = steps
    if right is not None:
        out[steps] = 0.0
        out[steps - 1] = (law.prob * _ends(law, right)).sum(-1)
        last = steps - 1
    for t in range(last - 1, -1, -1):
        ahead = np.append(out[t + 1], 0.0)
        out[t] = (law.prob * ahead[law.after]).sum(-1)
        out[t] /= out[t].max() or 1.0
    return out
