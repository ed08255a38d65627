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
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np

from toyrl.envs.chain import ANSWER_PHASE, COUNTERS, Chain
from toyrl.rollouts import Rollouts

GAIN, SLIP, REPAIR, RIGHT = 8, 16, 32, 64  # event bits beside the action's index (0..7)
SLOTS = 16  # alias slots per state; a state has at most 11 outcomes
END = -1  # next state of an ANSWER, and the action after the end


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

        return Rollouts(
            correct=grouped(self.correct),
            length=grouped(self.length * float(self.chain.tokens_per_action)),
            truncated=grouped(self.truncated),
            max_length=self.chain.max_length,
            fields={name: grouped(self.count(COUNTERS[name])) for name in counters},
        )


@dataclass(frozen=True)
class _Law:
    """Per state (p, e, m), flat: outcome probabilities, next states and codes, all (S, SLOTS)."""

    prob: np.ndarray
    after: np.ndarray
    code: np.ndarray


def _outcomes(chain: Chain, name: str, p: int, e: int, m: int, right: float) -> list[tuple]:
    """(probability, next (p, e, m) or None, event bits) of an action in a state."""
    q, s = chain.progress, chain.slip
    if name == "ANSWER":
        return [(right, None, RIGHT), (1 - right, None, 0)]
    if name == "END_THINK":
        return [(1.0, (ANSWER_PHASE, e, m), 0)]
    if name == "CHECK" and e:
        return [(chain.repair, (p, 0, m), REPAIR), (1 - chain.repair, (p, 1, m), 0)]
    if name != "STEP":
        return [(1.0, (p, e, m), 0)]
    out = []
    for gain, pg in ((1, q), (0, 1 - q)):
        for err, ps in ((1, s), (0, 1 - s)) if not e else ((0, 1.0),):
            bits = GAIN * gain | SLIP * err
            out.append((pg * ps, (p, e | err, min(m + gain, chain.D)), bits))
    return out


def _law(chain: Chain, theta: Any, difficulty: int) -> _Law:
    """The joint law of action and outcome in every state."""
    pi = chain.policy(np.asarray(theta, dtype=np.float64))
    act = np.einsum("emz,pzma->pema", chain.flag_law(difficulty), pi)
    right = chain.right_law(difficulty)
    grid = (chain.phases, 2, chain.D + 1)
    S = math.prod(grid)
    law = _Law(np.zeros((S, SLOTS)), np.full((S, SLOTS), END), np.zeros((S, SLOTS), np.int8))
    for s, (p, e, m) in enumerate(np.ndindex(grid)):
        slot = 0
        for i, name in enumerate(chain.actions):
            for prob, after, bits in _outcomes(chain, name, p, e, m, float(right[e, m])):
                if act[p, e, m, i] * prob > 0:
                    law.prob[s, slot] = act[p, e, m, i] * prob
                    law.code[s, slot] = i | bits
                    if after is not None:
                        law.after[s, slot] = np.ravel_multi_index(after, grid)
                    slot += 1
    return law


def _alias(law: _Law) -> tuple[np.ndarray, np.ndarray]:
    """Walker's alias tables: thresholds (S, SLOTS) uint64 in 60 bits, and packed outcomes.

    packed (S, SLOTS, 2) int32: (next state + 1) << 8 | code, for the slot itself and its alias.
    """
    S = len(law.prob)
    threshold = np.zeros((S, SLOTS))
    packed = np.zeros((S, SLOTS, 2), dtype=np.int32)
    word = ((law.after + 1) << 8 | law.code).astype(np.int32)
    for s in range(S):
        scaled = law.prob[s] / law.prob[s].sum() * SLOTS
        other = np.arange(SLOTS)
        small = [k for k in range(SLOTS) if scaled[k] < 1]
        large = [k for k in range(SLOTS) if scaled[k] >= 1]
        while small and large:
            k, big = small.pop(), large[-1]
            other[k] = big
            scaled[big] -= 1 - scaled[k]
            if scaled[big] < 1:
                small.append(large.pop())
        # what is left is 1 up to rounding; a slot of probability 0 must never be chosen
        for k in small + large:
            if law.prob[s, k] > 0:
                scaled[k] = 1.0
            else:
                other[k] = int(law.prob[s].argmax())
        threshold[s] = np.clip(scaled, 0, 1)
        packed[s, :, 0], packed[s, :, 1] = word[s], word[s, other]
    # 2^60 - 1 at most, so that the comparison stays within 60 bits
    cut = np.minimum(threshold * 2.0**60, 2.0**60 - 1).astype(np.uint64)
    return cut, packed


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
    law = _law(chain, theta, difficulty)
    codes = np.full((n, chain.H), END, dtype=np.int8)
    key = np.uint64(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
    if given_class is not None:
        return _within(chain, law, difficulty, codes, key, given_class)
    length = np.empty(n, dtype=np.int64)
    correct = np.empty(n)
    _simulate(*_alias(law), key, codes, length, correct)
    truncated = length > chain.H
    return Trajectories(chain, difficulty, codes, np.minimum(length, chain.H), correct, truncated)


def _within(
    chain: Chain,
    law: _Law,
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


def _ends(law: _Law, right: bool) -> np.ndarray:
    """(S, SLOTS) 1 where the outcome is an answer of that kind."""
    answer = (law.after == END) & (law.prob > 0)
    return answer & (((law.code & RIGHT) != 0) == right)


def _reach(law: _Law, steps: int, *, right: bool | None) -> np.ndarray:
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
