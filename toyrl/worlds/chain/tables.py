"""The chain's step as a table: per hidden state, the joint law of action, outcome and next state.

Alias tables turn that law into one random number and one table row per step
(`toyrl.worlds.chain.simulate`). What no policy changes is kept per chain, so that training, which
needs new tables for each update, pays for the probabilities alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numba
import numpy as np

from toyrl.worlds.chain.model import ANSWER_PHASE, Chain

GAIN, SLIP, REPAIR, RIGHT = 8, 16, 32, 64  # event bits beside the action's index (0..7)
SLOTS = 16  # alias slots per state; a state has at most 11 outcomes
END = -1  # next state of an ANSWER, and the action after the end


@dataclass(frozen=True)
class Law:
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


@lru_cache(maxsize=256)
def _world(chain: Chain, difficulty: int) -> tuple[np.ndarray, ...]:
    """What no policy changes, each (S, SLOTS): action, its outcome's probability, next, code."""
    right = chain.right_law(difficulty)
    grid = (chain.phases, 2, chain.D + 1)
    shape = (math.prod(grid), SLOTS)
    action, chance = np.zeros(shape, dtype=np.int64), np.zeros(shape)
    after, code = np.full(shape, END), np.zeros(shape, np.int8)
    for s, (p, e, m) in enumerate(np.ndindex(grid)):
        slot = 0
        for i, name in enumerate(chain.actions):
            for prob, then, bits in _outcomes(chain, name, p, e, m, float(right[e, m])):
                action[s, slot], chance[s, slot], code[s, slot] = i, prob, i | bits
                if then is not None:
                    after[s, slot] = np.ravel_multi_index(then, grid)
                slot += 1
    return action, chance, after, code


def step_law(chain: Chain, theta: Any, difficulty: int) -> Law:
    """The joint law of action and outcome in every state, possible ones first."""
    pi = chain.policy(np.asarray(theta, dtype=np.float64))
    act = np.einsum("emz,pzma->pema", chain.flag_law(difficulty), pi)
    action, chance, after, code = _world(chain, difficulty)
    prob = np.take_along_axis(act.reshape(len(action), -1), action, axis=1) * chance
    order = np.argsort(prob <= 0, axis=1, kind="stable")
    prob, after, code = (np.take_along_axis(x, order, axis=1) for x in (prob, after, code))
    some = prob > 0
    zero = np.zeros((), dtype=np.int8)
    return Law(np.where(some, prob, 0.0), np.where(some, after, END), np.where(some, code, zero))


def alias_tables(law: Law) -> tuple[np.ndarray, np.ndarray]:
    """Walker's alias tables: thresholds (S, SLOTS) uint64 in 60 bits, and packed outcomes.

    packed (S, SLOTS, 2) int32: (next state + 1) << 8 | code, for the slot itself and its alias.
    """
    word = ((law.after + 1) << 8 | law.code).astype(np.int32)
    scaled = law.prob / law.prob.sum(-1, keepdims=True) * SLOTS
    other = _pair(scaled, law.prob)
    packed = np.stack([word, np.take_along_axis(word, other, axis=1)], axis=-1)
    # 2^60 - 1 at most, so that the comparison stays within 60 bits
    cut = np.minimum(np.clip(scaled, 0, 1) * 2.0**60, 2.0**60 - 1).astype(np.uint64)
    return cut, packed


@numba.njit(cache=True)
def _pair(scaled, prob):  # pragma: no cover (compiled)
    """(S, SLOTS) the alias of each slot; `scaled` (probability times SLOTS) becomes thresholds."""
    S, K = scaled.shape
    other = np.empty((S, K), np.int64)
    small = np.empty(K, np.int64)
    large = np.empty(K, np.int64)
    for s in range(S):
        smalls = 0
        larges = 0
        for k in range(K):
            other[s, k] = k
            if scaled[s, k] < 1:
                small[smalls] = k
                smalls += 1
            else:
                large[larges] = k
                larges += 1
        while smalls > 0 and larges > 0:
            smalls -= 1
            k = small[smalls]
            big = large[larges - 1]
            other[s, k] = big
            scaled[s, big] -= 1 - scaled[s, k]
            if scaled[s, big] < 1:
                larges -= 1
                small[smalls] = big
                smalls += 1
        # what is left is 1 up to rounding; a slot of probability 0 must never be chosen
        for i in range(smalls + larges):
            k = small[i] if i < smalls else large[i - smalls]
            if prob[s, k] > 0:
                scaled[s, k] = 1.0
            else:
                other[s, k] = prob[s].argmax()
    return other
