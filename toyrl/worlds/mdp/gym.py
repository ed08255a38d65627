"""Tabular processes from and to Gymnasium.

Gymnasium's tabular environments (FrozenLake, CliffWalking, Taxi) keep their model in
`env.unwrapped.P[state][action]`, a list of (probability, next state, reward, terminated).
`gymnasium.make("toyrl.worlds.mdp.gym:toyrl/MDP-v0", mdp=...)` runs a process of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium import spaces

from toyrl.registry import entry

if TYPE_CHECKING:
    from toyrl.worlds.mdp.model import MDP

ID = "toyrl/MDP-v0"
GRID = ("....", ".#.X", ".#.G", "S...")


def from_gymnasium(env: Any, *, discount: float = 0.99, improper: bool = True) -> MDP:
    """The model of a tabular Gymnasium environment, as a sparse process (S, A as there).

    A state that every transition enters by ending the episode is terminal. Where a state is also
    entered without ending (Taxi's, from states never reached), ending transitions go to one more
    state, the last. Time limits are wrappers and no part of the model: they are left out.

    env : an environment whose `unwrapped` has `P`; `initial_state_distrib` is the start, else
        the start is uniform
    discount : in [0, 1]
    improper : as for `MDP`; True, as these environments let a policy walk into a wall for ever

    Raises TypeError for an environment without a model, ValueError for a model that breaks a law.
    """
    from scipy.sparse import csr_array

    from toyrl.worlds.mdp.model import MDP

    inner = getattr(env, "unwrapped", env)
    model = getattr(inner, "P", None)
    if not isinstance(model, Mapping):
        msg = (
            f"{type(inner).__name__} has no table P[state][action]; only tabular environments such "
            "as FrozenLake-v1, CliffWalking-v1 and Taxi can be read"
        )
        raise TypeError(msg)
    S, A = len(model), max(len(row) for row in model.values())
    listed = [
        (s * A + a, float(p), int(t), float(r), bool(end))
        for s, row in model.items()
        for a, outcomes in row.items()
        for p, t, r, end in outcomes
        if p > 0
    ]
    row, p, t, r, end = (np.array(x) for x in zip(*listed, strict=True))
    available = np.zeros((S, A), dtype=bool)
    available.ravel()[row] = True
    terminal = np.zeros(S, dtype=bool)
    terminal[t[end]] = True
    mixed = np.unique(t[~end & terminal[t] & ~terminal[row // A]])
    terminal[mixed] = False
    outside = end & ~terminal[t]
    n = S + bool(outside.any())
    t = np.where(outside, S, t)
    terminal = np.concatenate([terminal, np.ones(n - S, dtype=bool)])
    available = np.concatenate([available, np.ones((n - S, A), dtype=bool)])
    live = ~terminal[row // A]
    cells = (row[live], t[live])
    moves: Any = csr_array((p[live], cells), shape=(n * A, n))
    paid: Any = csr_array((p[live] * r[live], cells), shape=(n * A, n))
    moves.sum_duplicates()
    paid.sum_duplicates()  # the same cells in the same order
    paid.data /= moves.data
    start = np.append(getattr(inner, "initial_state_distrib", np.full(S, 1 / S)), [0.0] * (n - S))
    return MDP(
        moves,
        paid,
        discount,
        start=start,
        available=None if available.all() else available,
        terminal=terminal if terminal.any() else None,
        improper=improper and bool(terminal.any()),
    )


@entry("MDP-v0", kind="environment")
class TabularMDP(gymnasium.Env):
    """A tabular process, one action a step, each with its reward.

    The observation is the state's number. The reward of a step is the one of its transition where
    the process pays by transition, else the pair's. `info["action_mask"]` (A,) int8 marks the
    actions that can be taken. `terminated`: a terminal state was entered; there is no time limit,
    and no discount is applied.

    mdp : the process; None: a grid of 4 by 4 with a goal, a trap and a wall
    """

    metadata = {"render_modes": [], "render_fps": 4}

    def __init__(self, mdp: MDP | None = None) -> None:
        if mdp is None:
            from toyrl.worlds.mdp.random import gridworld

            mdp = gridworld(list(GRID), slip=0.1)
        self.mdp = mdp
        self.observation_space = spaces.Discrete(mdp.n_states)
        self.action_space = spaces.Discrete(mdp.n_actions)
        self.state = int(mdp.start.argmax())

    def _info(self) -> dict[str, Any]:
        return {"action_mask": self.mdp.usable[self.state].astype(np.int8)}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Draw a first state."""
        super().reset(seed=seed)
        self.state = int(self.np_random.choice(self.mdp.n_states, p=self.mdp.start))
        return self.state, self._info()

    def step(self, action: int) -> tuple[int, float, bool, bool, dict[str, Any]]:
        """Take one action.

        Raises ValueError for an action that can't be taken in this state.
        """
        a, s, mdp = int(action), self.state, self.mdp
        if not 0 <= a < mdp.n_actions or not mdp.usable[s, a]:
            msg = f"action={action} can't be taken in state {s}; see info['action_mask']"
            raise ValueError(msg)
        row = s * mdp.n_actions + a
        span = slice(mdp.pairs.indptr[row], mdp.pairs.indptr[row + 1])
        nexts, chances = mdp.pairs.indices[span], mdp.pairs.data[span]
        self.state = int(self.np_random.choice(nexts, p=chances / chances.sum()))
        paid = _paid(mdp, s, a, self.state)
        return self.state, paid, bool(mdp.is_terminal[self.state]), False, self._info()


def _paid(mdp: MDP, s: int, a: int, t: int) -> float:
    R = mdp.reward
    if not isinstance(R, np.ndarray):
        return float(R[s * mdp.n_actions + a, t])
    return float(R[(s, a, t)[: R.ndim]])


def register() -> None:
    """Register `toyrl/MDP-v0` with Gymnasium (once)."""
    if ID not in gymnasium.registry:
        gymnasium.register(id=ID, entry_point="toyrl.worlds.mdp.gym:TabularMDP")


register()
