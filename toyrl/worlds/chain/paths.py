"""Every trajectory of a small chain, with its probability: the truth that token credit is held to.

A path is the sequence of hidden states, flags and actions with the outcome; a chain of a few
actions has some hundred. What a token-level estimator reads (mask, a critic's values, step scores)
is a function of the path, so its groups can be enumerated where no class of outcomes will do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import drawn_rollouts
from toyrl.worlds.chain.forward import step_matrix
from toyrl.worlds.chain.model import ANSWER_PHASE, Chain

LIMIT = 20_000
END = -1
TOKEN = ("phase", "error", "progress", "flag", "action", "error_after")


@dataclass(frozen=True, eq=False)
class Paths:
    """N trajectories of one prompt; arrays over tokens are (N, H).

    prob (N,) : probability of each path; 1/N for sampled ones
    correct (N,) in {0, 1}; length (N,) actions; truncated (N,) bool
    phase, error, progress, flag (N, H) : the state before each action and the flag seen there
    action (N, H) : index into `chain.actions`, -1 after the end
    error_after (N, H) : the error bit after the action
    policy : (phases, flags, D+1, A) probabilities the actions were drawn from
    """

    chain: Chain
    difficulty: int
    policy: np.ndarray
    prob: np.ndarray
    correct: np.ndarray
    length: np.ndarray
    truncated: np.ndarray
    phase: np.ndarray
    error: np.ndarray
    progress: np.ndarray
    flag: np.ndarray
    action: np.ndarray
    error_after: np.ndarray

    def __len__(self) -> int:
        return len(self.prob)

    @property
    def alive(self) -> np.ndarray:
        """(N, H) bool: an action was taken here."""
        return self.action != END

    def at_states(self, table: np.ndarray) -> np.ndarray:
        """(N, H) of a table (H, phases, 2, D+1), read in the state before each action; 0 behind."""
        step = np.arange(self.chain.H)
        return np.where(self.alive, table[step, self.phase, self.error, self.progress], 0.0)

    def at_edges(self, table: np.ndarray) -> np.ndarray:
        """(N, H) of a table (H, phases, 2, D+1, flags, A), as `EdgeTable.advantage`; 0 behind."""
        step = np.arange(self.chain.H)
        where = (step, self.phase, self.error, self.progress, self.flag, self.action)
        return np.where(self.alive, table[where], 0.0)

    def scores(self) -> np.ndarray:
        """(N, H, P) grad log pi of each action by the P logits in order; 0 after the end."""
        phases, flags, rows, actions = self.policy.shape
        flat = self.policy.reshape(-1, actions)
        row = (self.phase * flags + self.flag) * rows + self.progress
        chosen = np.arange(actions) == self.action[..., None]
        move = np.where(self.alive[..., None], chosen - flat[row], 0.0)
        own = row[..., None] == np.arange(len(flat))
        wide = own[..., None] * move[..., None, :]
        return wide.reshape(*self.action.shape, phases * flags * rows * actions)

    def rollouts(self, index: np.ndarray | None = None, **fields: np.ndarray) -> Rollouts:
        """Rollouts of the paths `index` (..., G), or of all (1, N); one token per action.

        fields : (N, ...) each, gathered along
        """
        at = np.arange(len(self))[None] if index is None else index
        r = drawn_rollouts(
            at,
            correct=self.correct,
            length=self.length * self.chain.tokens_per_action,
            truncated=self.truncated,
            max_length=self.chain.max_length,
        )
        own = {name: value[at] for name, value in fields.items()}
        return r.with_(mask=self.alive[at].astype(float), fields={**r.fields, **own})


def enumerate_paths(chain: Chain, theta: Any, difficulty: int, *, limit: int = LIMIT) -> Paths:
    """Every path of positive probability of a prompt of this difficulty.

    theta : `chain.policy_shape` logits
    Raises ValueError beyond `limit` paths; the count grows as a power of `max_actions`.
    """
    policy = chain.policy(np.asarray(theta, dtype=float))
    found: dict[tuple, float] = defaultdict(float)
    for key, p in _walk(chain, policy, difficulty):
        found[key] += p
        if len(found) > limit:
            msg = (
                f"max_actions={chain.H} gives more than limit={limit} paths; shorten the chain, "
                "drop actions or the flag, or sample with paths_of"
            )
            raise ValueError(msg)
    tokens = np.zeros((len(found), chain.H, len(TOKEN)), dtype=np.int64)
    tokens[..., TOKEN.index("action")] = END
    for row, (path, _) in zip(tokens, found, strict=True):
        row[: len(path)] = path
    answer = np.array([outcome for _, outcome in found])
    return Paths(
        chain,
        difficulty,
        policy,
        prob=np.fromiter(found.values(), dtype=float, count=len(found)),
        correct=(answer == 1) * 1.0,
        length=np.array([len(path) for path, _ in found]),
        truncated=answer < 0,
        **{name: tokens[..., i] for i, name in enumerate(TOKEN)},
    )


def _walk(chain: Chain, policy: np.ndarray, difficulty: int) -> Iterator[tuple[tuple, float]]:
    """((tokens, outcome), probability); outcome 1 right, 0 wrong, -1 truncated."""
    moves = {a: step_matrix(chain, a) for a in chain.actions if a != "ANSWER"}
    flags, right = chain.flag_law(difficulty), chain.right_law(difficulty)
    open_: list[tuple[tuple, tuple[int, int, int], float]] = [((), (0, 0, 0), 1.0)]
    while open_:
        path, (p, e, m), chance = open_.pop()
        if len(path) == chain.H:
            yield (path, -1), chance
            continue
        for z, a in zip(*np.nonzero(flags[e, m][:, None] * policy[p, :, m]), strict=True):
            here = chance * flags[e, m, z] * policy[p, z, m, a]
            name, token = chain.actions[a], (p, e, m, int(z), int(a))
            if name == "ANSWER":
                for outcome, share in ((1, right[e, m]), (0, 1 - right[e, m])):
                    if share > 0:
                        yield ((*path, (*token, e)), outcome), here * share
                continue
            phase = ANSWER_PHASE if name == "END_THINK" else p
            for f, n in zip(*np.nonzero(moves[name][e, m]), strict=True):
                step = (*path, (*token, int(f)))
                open_.append((step, (phase, int(f), int(n)), here * moves[name][e, m, f, n]))


def paths_of(trajectories: Any, theta: Any, *, seed: int = 0) -> Paths:
    """Sampled trajectories (`toyrl.worlds.chain.simulate`) as paths, each with probability 1/N.

    The simulator averages the flag out; it is drawn here from its law given state and action.
    """
    t, chain = trajectories, trajectories.chain
    policy = chain.policy(np.asarray(theta, dtype=float))
    action = t.actions.astype(np.int64)
    if "END_THINK" in chain.actions:
        ended = np.cumsum(action == chain.actions.index("END_THINK"), axis=1)
        phase = np.concatenate([np.zeros_like(ended[:, :1]), ended[:, :-1]], axis=1)
    else:
        phase = np.zeros_like(action)
    error, progress = t.error.astype(np.int64), t.progress.astype(np.int64)
    law = chain.flag_law(t.difficulty)[error, progress] * policy[phase, :, progress, action]
    uniform = np.random.default_rng([seed, 2]).random(action.shape) * law.sum(-1)
    flag = (uniform[..., None] >= np.cumsum(law, axis=-1)).sum(-1).clip(0, chain.flags - 1)
    return Paths(
        chain,
        t.difficulty,
        policy,
        prob=np.full(len(t), 1 / len(t)),
        correct=t.correct,
        length=t.length,
        truncated=t.truncated,
        phase=phase,
        error=error,
        progress=progress,
        flag=flag,
        action=action,
        error_after=((t.error | t.slipped) & ~t.repaired).astype(np.int64),
    )
