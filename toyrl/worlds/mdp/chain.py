"""The reasoning chain as a tabular process, equal to its class engine to rounding.

A state is (prompt type, step t, phase, error bit e, progress m, flag z, counters): all that the
rest of a rollout depends on, and what the policy sees. The flag is noise redrawn each step, so it
is part of the state before each action. A rollout ends in one of three terminal states, `RIGHT`,
`WRONG` or `TRUNCATED`; entering it pays what the reward gives the outcome class.

The chain's own policies see (phase, flag, m) only; `ChainMDP.policy` lays such a table out over the
states. The optimal policy of the process sees everything: its value is an upper bound for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from toyrl.worlds.chain.forward import step_matrix
from toyrl.worlds.chain.model import ANSWER_PHASE, COUNTERS, THINK, Chain
from toyrl.worlds.mdp.model import MDP

if TYPE_CHECKING:
    from toyrl.shapers.base import Shaper

__all__ = ["LABELS", "ChainMDP", "from_chain"]

LABELS = ("difficulty", "t", "phase", "e", "m", "flag")
RIGHT, WRONG, TRUNCATED = -3, -2, -1  # the last three states


@dataclass(frozen=True, eq=False)
class ChainMDP:
    """A chain laid out as a process.

    mdp : the process; its last three states end a rollout (right, wrong, truncated)
    chain : where it comes from
    labels : (S - 3, 6 + counters) whole numbers, `LABELS` and then the counters, a row a state;
        difficulty is the index of the prompt type
    classes : (S, A, 3) index of the outcome class that an action ends in (right, wrong, truncated)
    n_classes : K
    """

    mdp: MDP
    chain: Chain
    labels: np.ndarray
    classes: np.ndarray
    n_classes: int

    @cached_property
    def _into(self) -> np.ndarray:
        """(S, A, 3) chance that an action ends right, wrong, truncated."""
        return self.mdp.pairs[:, RIGHT:].toarray().reshape(*self.classes.shape)

    def policy(self, theta: Any) -> np.ndarray:
        """(S, A) the chain's policy under logits theta (`chain.policy_shape`)."""
        table = self.chain.policy(np.asarray(theta, dtype=np.float64))
        _, _, phase, _, m, flag = self.labels.T[:6]
        out = np.zeros((self.mdp.n_states, len(self.chain.actions)))
        out[:-3] = table[phase, flag, m]
        return out

    def pair_reward(self, paid: Any) -> np.ndarray:
        """(S, A) expected reward of each pair for another reward (K,) or (B, K) of the classes.

        Raises ValueError for another shape.
        """
        table = np.asarray(paid, dtype=np.float64)
        shape = (len(self.chain.difficulties), self.n_classes)
        if table.shape not in (shape, shape[1:]):
            msg = f"paid has shape {table.shape}; it must be {shape[1:]} or {shape}"
            raise ValueError(msg)
        into = self._into
        table = np.broadcast_to(table, shape)
        out = np.zeros(self.classes.shape[:2])
        prize = table[self.labels[:, 0, None, None], self.classes[:-3]]
        out[:-3] = np.where(into[:-3] > 0, into[:-3] * prize, 0.0).sum(-1)
        return out

    def shaper_reward(self, shaper: Shaper) -> np.ndarray:
        """(S, A) expected reward of each pair for a catalogue reward of rollouts.

        Fields that outcome classes lack come from declared latents and are averaged in a class.

        Raises ValueError for a reward that looks at siblings (`toyrl.distance` freezes them as base
        policies write them) and for a process whose states carry counters.
        """
        from toyrl.worlds.chain.reward_table import DIFFICULTIES, RewardTable

        if self.n_classes != self.chain.n_classes:
            msg = "the states carry counters; lay the chain out without them, or use pair_reward"
            raise ValueError(msg)
        if shaper.all_scope() != "rollout":
            msg = (
                f"shaper={shaper!r} looks at its {shaper.all_scope()}, so it is no function of "
                "state and action; toyrl.distance(..., env='chain') freezes siblings for it"
            )
            raise ValueError(msg)
        rows = np.asarray(self.chain.difficulties) - DIFFICULTIES[0]
        return self.pair_reward(RewardTable(self.chain, shaper).table()[rows])

    def class_probabilities(self, occupancy: np.ndarray) -> np.ndarray:
        """(B, K) from the occupancy (S, A) at discount 1: how often each class ends a rollout.

        Within a prompt type, by the shares of the chain.
        """
        flow = (occupancy[..., None] * self._into)[:-3]
        B = len(self.chain.shares)
        place = self.labels[:, 0, None, None] * self.n_classes + self.classes[:-3]
        out = np.bincount(place.ravel(), flow.ravel(), minlength=B * self.n_classes)
        share = np.asarray(self.chain.shares)[:, None]
        return out.reshape(B, -1) / np.where(share > 0, share, 1.0)


def from_chain(
    chain: Chain,
    reward: Any = None,
    *,
    counters: Sequence[str] = (),
    cap: int = 16,
    discount: float = 1.0,
) -> ChainMDP:
    """The chain over its mix of prompts as an acyclic process, reachable states only.

    reward : (K,) or (B, K) paid at the end by outcome class, in the order of `ClassSpace` with
        these counters; None: 1 for a right answer
    counters, cap : counts that the states carry, saturating at cap (H at most); one of an action
        that the chain lacks is 0 and is left out, as `ClassSpace` does
    discount : in [0, 1]

    Raises ValueError for a reward of another shape and for unknown counters.
    """
    unknown = [c for c in counters if c not in COUNTERS]
    if unknown:
        msg = f"counters={unknown} are unknown; choose from {tuple(COUNTERS)}"
        raise ValueError(msg)
    counters = [c for c in dict.fromkeys(counters) if COUNTERS[c] in chain.actions]
    H, cap = chain.H, min(cap, chain.H)
    bins = (cap + 1) ** len(counters)
    shape = (len(chain.difficulties), (2 * H + 1) * bins)
    if reward is None:
        reward = np.repeat(chain.class_correct(), bins)
    paid = np.asarray(reward, dtype=np.float64)
    if paid.shape not in (shape, shape[1:]):
        msg = f"reward has shape {paid.shape}; it must be {shape[1:]} or {shape}"
        raise ValueError(msg)
    paid = np.broadcast_to(paid, shape)
    return _laid_out(chain, paid, _local(chain, counters, cap), len(counters), bins, discount)


@dataclass(frozen=True, eq=False)
class _Local:
    """One step, whatever t: X states within a step.

    labels (X, 5 + counters) without t; moves (X*A, X) CSR; right (X, A) chance of a right answer,
    NaN where no answer is given; legal (X, A); bin (X, A) of the counters after the action;
    start (X,).
    """

    labels: np.ndarray
    moves: Any
    right: np.ndarray
    legal: np.ndarray
    bin: np.ndarray
    start: np.ndarray


def _local(chain: Chain, counters: Sequence[str], cap: int) -> _Local:
    from scipy.sparse import coo_array

    n_bins = (cap + 1) ** len(counters)
    grid = (len(chain.difficulties), chain.phases, 2, chain.D + 1, chain.flags, n_bins)
    b, p, e, m, z, c = (x.ravel() for x in np.indices(grid))
    X, A = b.size, len(chain.actions)
    flag = np.stack([chain.flag_law(d) for d in chain.difficulties])  # (B, 2, D+1, flags)
    answer = np.stack([chain.right_law(d) for d in chain.difficulties])
    sizes = (cap + 1,) * len(counters)
    counts = np.empty((0, b.size), dtype=np.int64)
    if counters:
        counts = np.stack(np.unravel_index(c, sizes))
    right = np.full((X, A), np.nan)
    after_bin = np.zeros((X, A), dtype=np.int64)
    rows, columns, chances = [], [], []
    for i, name in enumerate(chain.actions):
        new = counts.copy()
        for k, counter in enumerate(counters):
            if COUNTERS[counter] == name:
                new[k] = np.minimum(new[k] + 1, cap)
        code = np.ravel_multi_index(tuple(new), sizes) if counters else c
        after_bin[:, i] = code
        if name == "ANSWER":
            right[:, i] = answer[b, e, m]
            continue
        law = step_matrix(chain, name)
        phase = np.full_like(p, ANSWER_PHASE) if name == "END_THINK" else p
        for e2, m2 in np.ndindex(2, chain.D + 1):
            chance = law[e, m, e2, m2]
            for z2 in range(chain.flags):
                at = np.flatnonzero(chance * flag[b, e2, m2, z2])
                where = (b[at], phase[at], e2, m2, z2, code[at])
                rows.append(at * A + i)
                columns.append(np.ravel_multi_index(where, grid))
                chances.append(chance[at] * flag[b[at], e2, m2, z2])
    entries = (np.concatenate(chances), (np.concatenate(rows), np.concatenate(columns)))
    moves = coo_array(entries, shape=(X * A, X)).tocsr()
    legal = chain.allowed()[p, m]
    first = (p == THINK) & (e == 0) & (m == 0) & (c == 0)
    start = np.where(first, np.asarray(chain.shares)[b] * flag[b, 0, 0, z], 0.0)
    labels = np.stack([b, p, e, m, z, *counts], axis=1)
    return _Local(labels, moves, right, legal, after_bin, start)


def _laid_out(
    chain: Chain, paid: np.ndarray, one: _Local, n_counters: int, bins: int, discount: float
) -> ChainMDP:
    """One copy of the step for each t, without what is never reached."""
    from scipy.sparse import csr_array, vstack

    H, A = chain.H, len(chain.actions)
    move = one.moves.multiply(one.legal.reshape(-1, 1)).tocsr()
    alive = _alive(move, one.start, A, H)
    first = np.concatenate([[0], np.cumsum([len(x) for x in alive])])
    S = int(first[-1]) + 3
    blocks, classes, available = [], np.zeros((S, A, 3), dtype=np.int64), np.ones((S, A), bool)
    reward_rows = []
    for t, here in enumerate(alive):
        span = slice(first[t], first[t + 1])
        ends = _ends(one, here, last=t == H - 1)
        kinds = np.array([t, H + t, 2 * H]) * bins
        classes[span] = kinds + one.bin[here][..., None]
        available[span] = one.legal[here]
        rows = move[(here[:, None] * A + np.arange(A)).ravel()]
        inner = _shifted(rows, alive[t + 1], first[t + 1], S) if t < H - 1 else None
        outer = _ending(ends.reshape(-1, 3), S)
        blocks.append(outer if inner is None else inner + outer)
        prize = paid[one.labels[here, 0][:, None, None], classes[span]]
        reward_rows.append(_ending(np.where(ends > 0, prize, 0.0).reshape(-1, 3), S))
    empty = csr_array((3 * A, S))
    start = np.zeros(S)
    start[: first[1]] = one.start[alive[0]]
    terminal = np.arange(S) >= S - 3
    moves, reward = vstack([*blocks, empty], "csr"), vstack([*reward_rows, empty], "csr")
    both: tuple[Any, ...] = (moves, reward)
    for rows in both:
        rows.sum_duplicates()
    # it ends and adds up by construction: what looks for that is left out, and with it Numba
    made = MDP.trusted if discount == 1 else MDP
    mdp = made(moves, reward, discount, start=start, available=available, terminal=terminal)
    time = np.repeat(np.arange(H), [len(x) for x in alive])
    labels = one.labels[np.concatenate(alive)]
    labels = np.concatenate([labels[:, :1], time[:, None], labels[:, 1:]], axis=1)
    assert labels.shape[1] == len(LABELS) + n_counters
    return ChainMDP(mdp, chain, labels, classes, (2 * H + 1) * bins)


def _alive(move: Any, start: np.ndarray, actions: int, horizon: int) -> list[np.ndarray]:
    """Local states that can be reached, at each of the steps."""
    from scipy.sparse import csr_array

    X = len(start)
    onward = csr_array((move.data, move.indices, move.indptr[::actions]), shape=(X, X))
    alive = [np.flatnonzero(start > 0)]
    for _ in range(horizon - 1):
        seen = np.zeros(X)
        seen[alive[-1]] = 1.0
        alive.append(np.flatnonzero(onward.T @ seen > 0))
    return alive


def _ends(one: _Local, here: np.ndarray, *, last: bool) -> np.ndarray:
    """(N, A, 3) chance to end right, wrong and truncated by an action from these states."""
    legal, right = one.legal[here], one.right[here]
    answers = legal & ~np.isnan(right)
    ends = np.zeros((*legal.shape, 3))
    ends[..., 0] = np.where(answers, np.nan_to_num(right), 0.0)
    ends[..., 1] = np.where(answers, 1 - ends[..., 0], 0.0)
    if last:
        ends[..., 2] = legal & ~answers
    return ends


def _shifted(rows: Any, kept: np.ndarray, offset: int, S: int) -> Any:
    """Rows over local states as rows over the process: local state kept[i] is offset + i."""
    from scipy.sparse import csr_array

    columns = np.searchsorted(kept, rows.indices) + offset
    return csr_array((rows.data, columns, rows.indptr), shape=(rows.shape[0], S))


def _ending(ends: np.ndarray, S: int) -> Any:
    """(N, S) sparse rows with these three entries in the last columns."""
    from scipy.sparse import csr_array

    N = len(ends)
    columns = np.tile(np.arange(S - 3, S), N)
    out = csr_array((ends.ravel(), columns, np.arange(0, 3 * N + 1, 3)), shape=(N, S))
    out.eliminate_zeros()
    return out
