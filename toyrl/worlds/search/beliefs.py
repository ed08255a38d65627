"""The Bayes-adaptive process of a meta-bandit: every belief that a block can reach, exactly.

A belief is what the counts of a block say about its task; layer t holds those after t pulls, and
each arm leads to one after a success and one after a failure, with the posterior's chance. Acting
greedily on

    Q_t(c, k) = m_k (pay_k + g V_(t+1)(success)) + (1 - m_k) g V_(t+1)(failure)

is Bayes-optimal for the discount g from one pull to the next. Any policy that reads the counts or
the last X pulls is evaluated by the same sweep, and `to_mdp` hands the process to the solvers of
`toyrl.worlds.mdp`. For K equal Beta arms and many pulls `toyrl.theory.bandits` sweeps 10^7 beliefs
and more without building them.

Source: Bellman equation of the Bayes-adaptive process (Martin 1967; Duff 2002); paper 48, Eq. 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from toyrl.worlds.search.hidden_tasks import Prior, noted

if TYPE_CHECKING:
    from toyrl.worlds.mdp.model import MDP

MOST = 2_000_000
TIE = 1e-10


@dataclass(frozen=True, eq=False)
class Layer:
    """The M beliefs after t pulls.

    counts : (M, K, 2) successes and failures
    window : (M, X) the last pulls, latest first, 1 + 2 arm + failed; 0 before the first
    mean : (M, K) chances of success
    after : (M, K, 2) places in the next layer after a success and a failure; empty at the end
    """

    counts: np.ndarray
    window: np.ndarray
    mean: np.ndarray
    after: np.ndarray

    def __len__(self) -> int:
        return len(self.counts)


@dataclass(frozen=True, eq=False)
class Beliefs:
    """Layers 0..n of the beliefs of a prior's blocks, from `beliefs`."""

    prior: Prior
    layers: tuple[Layer, ...]

    @property
    def pulls(self) -> int:
        """n."""
        return len(self.layers) - 1

    @property
    def states(self) -> int:
        """Beliefs of all layers, those after the last pull included."""
        return sum(map(len, self.layers))


def beliefs(prior: Prior, pulls: int, *, window: int = 0, most: int = MOST) -> Beliefs:
    """Every belief within n pulls, together with the last X pulls where a policy reads those.

    window : X; most : beliefs beyond which it refuses

    Raises ValueError for pulls below 1, a window below 0, and more beliefs than `most`.
    """
    if pulls < 1 or window < 0:
        msg = f"pulls={pulls} must be 1 or more, window={window} 0 or more"
        raise ValueError(msg)
    K = prior.arms
    counts, seen = np.zeros((1, K, 2), dtype=np.int32), np.zeros((1, window), dtype=np.int32)
    layers, states = [], 1
    for t in range(pulls):
        M = len(counts)
        row, arm, lost = (x.ravel() for x in np.indices((M, K, 2)))
        later = noted(prior, counts[row], arm, lost == 0).reshape(len(row), -1)
        pull = (1 + 2 * arm + lost)[:, None]
        rows = np.concatenate([later, pull, seen[row]], 1)[:, : 2 * K + window]
        found, place = np.unique(rows, axis=0, return_inverse=True)
        states += len(found)
        if states > most:
            msg = (
                f"{states} beliefs after {t + 1} of {pulls} pulls of {K} arms; the limit is "
                f"most={most}. Take fewer pulls, raise `most`, or for Beta arms alone "
                "toyrl.theory.bandits.bayes_adaptive"
            )
            raise ValueError(msg)
        layers.append(Layer(counts, seen, prior.mean(counts), place.reshape(M, K, 2)))
        counts, seen = found[:, : 2 * K].reshape(-1, K, 2), found[:, 2 * K :]
    end = Layer(counts, seen, prior.mean(counts), np.zeros((len(counts), K, 0), dtype=int))
    return Beliefs(prior, (*layers, end))


def bayes_q(process: Beliefs, discount: float = 1.0) -> list[np.ndarray]:
    """(M_t, K) values of the arms in each layer, the largest that any policy reaches.

    Raises ValueError for a discount outside [0, 1].
    """
    if not 0 <= discount <= 1:
        msg = f"discount={discount} must lie in [0, 1]"
        raise ValueError(msg)
    value = np.zeros(len(process.layers[-1]))
    out: list[np.ndarray] = []
    for layer in reversed(process.layers[:-1]):
        q = _ahead(layer.mean, process.prior.pay, discount * value[layer.after])
        out.append(q)
        value = q.max(-1)
    return out[::-1]


def greedy(q: Sequence[np.ndarray], tie: float = TIE) -> list[np.ndarray]:
    """(M_t, K) chances of the arms: the best ones alike. q : (M_t, K) each layer's values."""
    best = [x >= x.max(-1, keepdims=True) - tie for x in q]
    return [x / x.sum(-1, keepdims=True) for x in best]


def total(process: Beliefs, policy: Sequence[np.ndarray], *, repeats: bool = True) -> float:
    """Expected pay of a block, not discounted, of a policy: (M_t, K) chances of the arms a layer.

    repeats : False where each pull meets a task of its own: the beliefs are formed, but every arm
        pays as the prior says

    Raises ValueError for a policy of other shapes.
    """
    shapes = [layer.mean.shape for layer in process.layers[:-1]]
    if [np.shape(w) for w in policy] != shapes:
        msg = f"policy has shapes {[np.shape(w) for w in policy]}; these beliefs have {shapes}"
        raise ValueError(msg)
    value, prior = np.zeros(len(process.layers[-1])), process.layers[0].mean
    for layer, w in zip(reversed(process.layers[:-1]), reversed(policy), strict=True):
        mean = layer.mean if repeats else np.broadcast_to(prior, layer.mean.shape)
        value = (w * _ahead(mean, process.prior.pay, value[layer.after])).sum(-1)
    return float(value[0])


def to_mdp(process: Beliefs, discount: float = 1.0) -> MDP:
    """The Bayes-adaptive process as a sparse tabular one, beliefs layer after layer.

    Those after the last pull are terminal; the start is the first belief; a pull's expected pay is
    its reward. Discount in [0, 1].
    """
    from scipy.sparse import csr_array

    from toyrl.worlds.mdp.model import MDP

    K = process.prior.arms
    first = np.cumsum([0, *map(len, process.layers)])
    rows, columns, chances = [], [], []
    paid = np.zeros((process.states, K))
    for t, layer in enumerate(process.layers[:-1]):
        state = first[t] + np.arange(len(layer))
        pair = (state[:, None] * K + np.arange(K))[..., None]
        rows.append(np.broadcast_to(pair, layer.after.shape).ravel())
        columns.append((first[t + 1] + layer.after).ravel())
        chances.append(np.stack([layer.mean, 1 - layer.mean], -1).ravel())
        paid[state] = layer.mean * process.prior.pay
    cells = (np.concatenate(rows), np.concatenate(columns))
    shape = (process.states * K, process.states)
    moves: Any = csr_array((np.concatenate(chances), cells), shape=shape)
    moves.sum_duplicates()
    moves.eliminate_zeros()
    terminal = np.arange(process.states) >= first[-2]
    start = np.zeros(process.states)
    start[0] = 1.0
    return MDP(moves, paid, discount, start=start, terminal=terminal)


def _ahead(mean: np.ndarray, pay: np.ndarray, later: np.ndarray) -> np.ndarray:
    """(M, K) of means (M, K) and what comes after a success and a failure, (M, K, 2)."""
    return mean * (pay + later[..., 0]) + (1 - mean) * later[..., 1]
