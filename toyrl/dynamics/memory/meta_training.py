"""Meta-training: an agent that only maximises return, on blocks of one hidden task each.

Tabular Q-learning of

    Q(h, a) = E[r + g max_a' Q(h', a')],   g = gamma_episode inside a block, 0 at its end,

where h is what the agent remembers of the block. Behaviour is uniform (off-policy) and there is no
bonus; the policy is greedy, ties at random. Three conditions can be taken away, one by one: the
structure (`repeats=False`: each pull meets another task), the memory (`memory=0`) and the credit
over repeats (`gamma_episode=0`). The greedy policy is evaluated exactly, on the beliefs.

In a bandit an episode is one pull, so that the discount within an episode never matters; the clock
(pulls left) is no memory of what happened, and always seen.

Source: Rentschler and Roberts 2025, paper 48 (there a transformer; the table is E5 of our notes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from toyrl.dynamics.tabular.experience import Steps
from toyrl.dynamics.tabular.q_learning import learn_rows
from toyrl.stats import picked
from toyrl.worlds.search.beliefs import Beliefs, beliefs, greedy, total
from toyrl.worlds.search.hidden_tasks import Prior

Memory = str | int


@dataclass(frozen=True, eq=False)
class MemoryPolicy:
    """A table of values over what is remembered, and the policy that is greedy on it.

    process : the beliefs on which it is evaluated
    rows : of each layer but the last, (M_t,) row of the table that each belief is remembered as
    table : (R, K) values
    """

    process: Beliefs
    rows: tuple[np.ndarray, ...]
    table: np.ndarray

    @property
    def chances(self) -> list[np.ndarray]:
        """(M_t, K) chances of the arms, layer by layer; exact ties alike."""
        return greedy([self.table[row] for row in self.rows], tie=0.0)

    def total(self, *, repeats: bool = True) -> float:
        """Expected pay of a block, exactly; repeats=False: where each pull meets another task."""
        return total(self.process, self.chances, repeats=repeats)

    def play(self, rng: np.random.Generator, blocks: int, *, repeats: bool = True
             ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        """(arms, pay), each (blocks, n), of blocks with tasks drawn from the prior."""
        return played(self.process, self.chances, rng, blocks, repeats=repeats)


def meta_train(
    prior: Prior,
    pulls: int,
    rng: np.random.Generator,
    blocks: int,
    *,
    gamma_episode: float = 1.0,
    memory: Memory = "counts",
    repeats: bool = True,
    power: float = 0.8,
) -> MemoryPolicy:
    """Learn from so many blocks of n pulls.

    gamma_episode : in [0, 1], credit across the pulls of a block
    memory : "counts" (successes and failures of each arm), or a number X: the last X pulls
    repeats : False draws a new task for each pull
    power : in (1/2, 1], steps are visits^-power

    Raises ValueError for blocks below 1, a power or discount out of its range, unknown memory.
    """
    if blocks < 1 or not 0.5 < power <= 1:
        msg = f"blocks={blocks} must be 1 or more, power={power} lie in (1/2, 1]"
        raise ValueError(msg)
    process = beliefs(prior, pulls, window=_window(memory))
    rows = remembered(process, memory)
    states, arms, won = _played(process, rng, blocks, None, repeats)
    size, K = 1 + int(rows[-1].max()), prior.arms
    at = np.stack([rows[t][states[:, t]] for t in range(pulls)], 1)
    ended = np.broadcast_to(np.arange(pulls) == pulls - 1, at.shape)
    onward = np.zeros_like(at)
    onward[:, :-1] = at[:, 1:]
    pay, none = won * prior.pay[arms], np.zeros(at.size, dtype=np.int64)
    steps = Steps(at.ravel(), arms.ravel(), onward.ravel(), pay.ravel(), ended.ravel(), none)
    rate = visits(steps.state * K + steps.action) ** -power
    return MemoryPolicy(process, rows, learn_rows((size, K), steps, rate=rate,
                                                  discount=gamma_episode))  # fmt: skip


def played(
    process: Beliefs, chances: Sequence[np.ndarray], rng: np.random.Generator, blocks: int, *,
    repeats: bool = True,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """(arms, pay), each (blocks, n), of a policy on beliefs: chances (M_t, K) of arms a layer."""
    _, arms, won = _played(process, rng, blocks, chances, repeats)
    return arms, won * process.prior.pay[arms]


def remembered(process: Beliefs, memory: Memory) -> tuple[np.ndarray, ...]:
    """Of each layer but the last, (M_t,) numbers: beliefs that are remembered alike share one.

    Raises ValueError for unknown memory, or one that the process doesn't keep.
    """
    X, out, first = _window(memory), [], 0
    kept = process.layers[0].window.shape[1]
    if kept < X:
        msg = f"memory={memory!r} reads the last {X} pulls; these beliefs keep {kept}"
        raise ValueError(msg)
    for layer in process.layers[:-1]:
        seen = layer.counts.reshape(len(layer), -1) if memory == "counts" else layer.window[:, :X]
        found, row = np.unique(seen, axis=0, return_inverse=True) if seen.size else ([0], 0)
        out.append(first + np.broadcast_to(np.reshape(row, -1), (len(layer),)))
        first += len(found)
    return tuple(out)


def visits(pair: np.ndarray) -> np.ndarray:
    """(N,) how often each entry of pair (N,) has been seen so far, itself included."""
    order = np.argsort(pair, kind="stable")
    ordered = pair[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    place = np.arange(len(pair))
    count = np.empty(len(pair))
    count[order] = place - np.repeat(starts, np.diff(np.r_[starts, len(pair)])) + 1
    return count


# -- inside ----------------------------------------------------------------------------------------
def _window(memory: Memory) -> int:
    if memory == "counts":
        return 0
    if isinstance(memory, int) and memory >= 0:
        return memory
    msg = f"memory={memory!r} must be 'counts', or how many pulls are remembered (0: none)"
    raise ValueError(msg)


def _played(
    process: Beliefs, rng: np.random.Generator, blocks: int,
    chances: Sequence[np.ndarray] | None, repeats: bool,
) -> tuple[np.ndarray, ...]:  # fmt: skip
    """Places in the layers, arms and successes, each (blocks, n).

    chances : (M_t, K) of the arms in each layer; None: any arm alike
    """
    prior, n = process.prior, process.pulls
    K, each = prior.arms, np.arange(blocks)
    states, arms = np.zeros((blocks, n), dtype=np.int64), np.zeros((blocks, n), dtype=np.int64)
    won, at = np.zeros((blocks, n), dtype=bool), np.zeros(blocks, dtype=np.int64)
    theta = prior.draw(rng, blocks)
    for t, layer in enumerate(process.layers[:-1]):
        if not repeats and t:
            theta = prior.draw(rng, blocks)
        if chances is None:
            arm = rng.integers(K, size=blocks)
        else:
            arm = picked(chances[t][at], rng.random(blocks))
        hit = rng.random(blocks) < theta[each, arm]
        states[:, t], arms[:, t], won[:, t] = at, arm, hit
        at = layer.after[at, arm, np.where(hit, 0, 1)]
    return states, arms, won
