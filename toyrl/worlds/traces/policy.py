"""A table as a policy: chances of (digit, carry) by key, sampled digit by digit and trained.

A known key answers as it was taught; an unseen one draws one of 2 * base pairs evenly. Rewards on
its rollouts: the outcome, and the share of states before the first wrong one (`prefix`).

Source: paper 26, section 5 of the project's notes (initialisation and outcome reward); derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.rollouts import Rollouts
from toyrl.worlds.traces.addition import carries
from toyrl.worlds.traces.learners import UNSEEN, Table

SURE = 12.0
"""Logit of a known answer over the others: wrong by 1.2e-4 at 20 outputs."""


@dataclass(frozen=True, eq=False)
class Played:
    """N sampled additions of n digits.

    keys, out : (N, n) row of the policy's table, output 2 * digit + carry; right : (N, n) bool
    """

    keys: np.ndarray
    out: np.ndarray
    right: np.ndarray

    @property
    def prefix(self) -> np.ndarray:
        """(N,) share of states before the first wrong one."""
        return np.asarray(np.cumprod(self.right, axis=1).mean(axis=1))

    @property
    def correct(self) -> np.ndarray:
        """(N,) 1.0 where every state is right, so that the answer is."""
        return np.asarray(self.right.all(axis=1), dtype=float)

    def rollouts(self, group: int) -> Rollouts:
        """Rollouts (N / group, group) with the field `trace_prefix`; a state is a token."""
        shape, n = (-1, group), self.out.shape[1]
        correct = self.correct.reshape(shape)
        return Rollouts(correct, np.full_like(correct, n), float(n),
                        fields={"trace_prefix": self.prefix.reshape(shape)})  # fmt: skip


def logits_of(table: Table, length: int) -> np.ndarray:
    """(rows, 2 * base) logits: a table's answers are sure, unseen keys know nothing.

    table.known : (K,) or (places, K); length : places that "position" is given rows for; rows are
        keys, or place * keys + key

    Raises ValueError for a table of whole inputs or blocks.
    """
    if table.learner.variant not in ("tail", "position"):
        msg = f"variant={table.learner.variant!r} is no policy here; use tail or position"
        raise ValueError(msg)
    own = table.learner
    known = np.asarray(table.known)
    if own.variant == "position":
        more = np.full((max(0, length - len(known)), own.n_keys), UNSEEN)
        known = np.concatenate([known, more])[:length]
    flat = known.reshape(-1)
    out = np.zeros((len(flat), 2 * own.base))
    seen = np.flatnonzero(flat != UNSEEN)
    out[seen, flat[seen]] = SURE
    return out


def play(logits: Any, a: Any, b: Any, base: int, u: Any) -> Played:
    """Sampled additions; logits : (rows, 2 * base), a, b : (N, n) digits, u : (N, n) uniform draws.

    With rows of one state (2 base^2) the place doesn't matter, with n times as many it does. The
    policy goes on with its own carry; a state is right if it is so for the true one.
    """
    from scipy.special import softmax

    logits, a, b, u = (np.asarray(v) for v in (logits, a, b, u))
    n, size = a.shape[1], 2 * base * base
    placed = len(logits) > size
    cdf = np.cumsum(softmax(logits, axis=-1), axis=-1)
    true = carries(a, b, base)
    keys, out = np.zeros(a.shape, dtype=np.int64), np.zeros(a.shape, dtype=np.int64)
    right, carry = np.zeros(a.shape, dtype=bool), np.zeros(len(a), dtype=np.int64)
    for i in range(n):
        key = (a[:, i] * base + b[:, i]) * 2 + carry + (i * size if placed else 0)
        drawn = np.minimum((cdf[key] <= u[:, i, None]).sum(-1), 2 * base - 1)
        want = 2 * ((a[:, i] + b[:, i] + true[:, i]) % base) + true[:, i + 1]
        keys[:, i], out[:, i] = key, drawn
        right[:, i] = (drawn == want) & (carry == true[:, i])
        carry = drawn % 2
    return Played(keys, out, right)


def gradient(logits: Any, played: Played, advantage: Any) -> np.ndarray:
    """(rows, 2 * base) policy gradient: each state's score times its rollout's advantage (N,).

    Mean over the rollouts; logits : (rows, 2 * base).
    """
    from scipy.special import softmax

    logits = np.asarray(logits)
    weight = np.repeat(np.asarray(advantage, dtype=float), played.out.shape[1]) / len(played.out)
    keys, out = played.keys.ravel(), played.out.ravel()
    step = np.zeros_like(logits)
    np.add.at(step, (keys, out), weight)
    total = np.zeros(len(logits))
    np.add.at(total, keys, weight)
    return step - total[:, None] * softmax(logits, axis=-1)
