"""Random and regular processes: dense Dirichlet rows, garnets, corridors, grids.

Each takes a NumPy generator first where it is random.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from toyrl.ranges import COUNT, FINITE, FLAG, POSITIVE, SHARE, Range, checked, one_of
from toyrl.worlds.mdp.model import MDP

BELOW_1 = Range("[0, 1)").so("without a terminal state nothing would end at 1")

__all__ = ["corridor", "garnet", "gridworld", "random_mdp"]


@checked
def random_mdp(
    rng: np.random.Generator,
    n_states: Annotated[int, COUNT],
    n_actions: Annotated[int, COUNT],
    *,
    discount: Annotated[float, BELOW_1] = 0.9,
    concentration: Annotated[float, POSITIVE] = 1.0,
    reward: Annotated[str, one_of("s", "sa", "sas")] = "sas",
) -> MDP:
    """Dense transitions with Dirichlet rows, Gaussian rewards, uniform start.

    concentration : of the Dirichlet law; below 1 rows are nearly deterministic
    reward : "s", "sa" or "sas", what the rewards depend on: (S,), (S, A) or (S, A, S)

    Raises ValueError for arguments out of their ranges.
    """
    S, A = n_states, n_actions
    shapes = {"s": (S,), "sa": (S, A), "sas": (S, A, S)}
    weight = rng.standard_gamma(concentration, size=(S, A, S))
    # a tiny concentration can give a row of zeros, which then goes anywhere with equal chances
    weight += np.where(weight.sum(-1, keepdims=True) > 0, 0.0, 1.0)
    return MDP(weight / weight.sum(-1, keepdims=True), rng.normal(size=shapes[reward]), discount)


@checked
def garnet(
    rng: np.random.Generator,
    n_states: Annotated[int, COUNT],
    n_actions: Annotated[int, COUNT],
    branching: Annotated[int, COUNT] = 5,
    *,
    discount: Annotated[float, BELOW_1] = 0.99,
) -> MDP:
    """A sparse process with `branching` random successors a pair and Gaussian rewards (S, A).

    Successors are drawn without regard to one another, so a pair may have fewer; probabilities are
    the gaps between sorted uniform numbers (Archibald, McKinnon and Thomas 1995).

    Raises ValueError for arguments out of their ranges.
    """
    from scipy.sparse import csr_array

    rows = n_states * n_actions
    cuts = np.sort(rng.random((rows, branching - 1)), axis=1)
    edges = np.concatenate([np.zeros((rows, 1)), cuts, np.ones((rows, 1))], axis=1)
    data = np.diff(edges, axis=1).ravel()
    indices = rng.integers(n_states, size=data.size, dtype=np.int32)
    starts = np.arange(0, data.size + 1, branching, dtype=np.int32)
    moves = csr_array((data, indices, starts), shape=(rows, n_states))
    return MDP(moves, rng.normal(size=(n_states, n_actions)), discount)


@checked
def corridor(
    n_states: Annotated[int, Range("[2, inf)", whole=True)],
    *,
    discount: Annotated[float, SHARE] = 0.99,
    slip: Annotated[float, SHARE] = 0.1,
    episodic: Annotated[bool, FLAG] = False,
) -> MDP:
    """States in a row, actions left and right, 1 for acting in the last one; start in the first.

    slip : chance of moving the other way; walls keep in place
    episodic : the last state is terminal and entering it pays 1

    Raises ValueError for arguments out of their ranges, and for discount 1 where nothing ends.
    """
    from scipy.sparse import csr_array

    S = n_states
    here = np.arange(S)
    sides = np.stack([np.maximum(here - 1, 0), np.minimum(here + 1, S - 1)], axis=1)
    chance = np.array([[1 - slip, slip], [slip, 1 - slip]])
    indices = np.repeat(sides[:, None], 2, axis=1)
    data = np.broadcast_to(chance, indices.shape)
    starts = np.arange(0, 4 * S + 1, 2)
    moves = csr_array((data.ravel(), indices.ravel(), starts), shape=(2 * S, S))
    moves.sum_duplicates()
    reward: Any = np.zeros((S, 2))
    terminal = None
    if episodic:
        terminal = here == S - 1
        moves.data[moves.indptr[2 * (S - 1)] :] = 0.0
        moves.eliminate_zeros()
        arrive = moves.tocoo()
        keep = arrive.col == S - 1
        entered = (np.ones(int(keep.sum())), (arrive.row[keep], arrive.col[keep]))
        reward = csr_array(entered, shape=moves.shape)
    else:
        reward[-1] = 1.0
    return MDP(moves, reward, discount, start=(here == 0).astype(float), terminal=terminal)


@checked
def gridworld(
    rows: list[str],
    *,
    discount: Annotated[float, SHARE] = 0.95,
    slip: Annotated[float, SHARE] = 0.0,
    step_reward: Annotated[float, FINITE] = 0.0,
) -> MDP:
    """A grid in characters: "#" wall, "S" start, "G" goal (pays 1, ends), "X" trap (-1, ends).

    States are the cells that are no wall, row by row; actions up, down, left, right. A slip
    goes to one of the two sides; walls and edges keep in place.

    Raises ValueError for rows of different lengths, a grid without "S", and arguments out of their
    ranges.
    """
    if len({len(row) for row in rows}) != 1 or not any("S" in row for row in rows):
        msg = f"rows={rows} must be of one length and hold a start, 'S'"
        raise ValueError(msg)
    cells = [(i, j) for i, row in enumerate(rows) for j, x in enumerate(row) if x != "#"]
    number = {cell: s for s, cell in enumerate(cells)}
    kind = [rows[i][j] for i, j in cells]
    S, ways = len(cells), ((-1, 0), (1, 0), (0, -1), (0, 1))
    moves, reward = np.zeros((S, 4, S)), np.zeros((S, 4, S))
    pays = np.array([{"G": 1.0, "X": -1.0}.get(x, 0.0) for x in kind])
    for s, (i, j) in enumerate(cells):
        if kind[s] in "GX":
            continue
        for a, way in enumerate(ways):
            for (di, dj), p in _slips(way, slip):
                moves[s, a, number.get((i + di, j + dj), s)] += p
            reward[s, a] = np.where(moves[s, a] > 0, pays + step_reward, 0.0)
    start = np.array([x == "S" for x in kind], dtype=float)
    terminal = np.array([x in "GX" for x in kind])
    return MDP(moves, reward, discount, start=start / start.sum(), terminal=terminal)


def _slips(way: tuple[int, int], slip: float) -> list[tuple[tuple[int, int], float]]:
    """The cell aimed at and its two sides, with their chances."""
    i, j = way
    return [(way, 1 - slip), ((j, i), slip / 2), ((-j, -i), slip / 2)]
