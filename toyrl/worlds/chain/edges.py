"""Token-level credit on the chain: state occupancies and action advantages, exactly.

A token is an edge from a state (t, phase, e, m) by an action. With per-token advantages the
expected update is sum over edges of P(edge) A(edge) grad log pi(action | what the policy sees).
Here A is the action's value less the mean over actions in the same state and flag, the policy
gradient theorem's choice; the reward may be terminal, paid per action, or a potential. With
`discount` and `lam` the value is instead what GAE's recursion expects of an edge, so `gradient` is
the expected update of GAE or of discounted returns, whatever their bias.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toyrl.worlds.chain.forward import step_matrix
from toyrl.worlds.chain.model import ANSWER_PHASE, THINK, Chain


@dataclass(frozen=True)
class EdgeTable:
    """Edges of one prompt (difficulty) under one policy.

    occupancy (H, phases, 2, D+1, flags) : P(in this state at step t, seeing this flag)
    value (H, phases, 2, D+1, A) : expected reward to come after the action, its own included
    advantage (H, phases, 2, D+1, flags, A) : value less its mean over the policy's actions
    policy (phases, flags, D+1, A)
    """

    occupancy: np.ndarray
    value: np.ndarray
    advantage: np.ndarray
    policy: np.ndarray

    @property
    def gradient(self) -> np.ndarray:
        """(phases, flags, D+1, A) gradient of the expected reward by the policy's logits."""
        flow = np.einsum("tpemz,tpemza->pzma", self.occupancy, self.advantage)
        return flow * self.policy


def edge_table(
    chain: Chain,
    theta: np.ndarray,
    difficulty: int,
    reward: np.ndarray,
    *,
    per_action: np.ndarray | None = None,
    potential: np.ndarray | None = None,
    discount: float = 1.0,
    lam: float = 1.0,
) -> EdgeTable:
    """Occupancy and advantage of every edge for a prompt of this difficulty.

    reward : (K,) paid at the end, by outcome class
    per_action : broadcastable to (H, phases, 2, D+1, A), paid when the action is taken
    potential : (H, phases, 2, D+1) of the state before step t; an edge is paid the potential of
        the state it leads to, less that of its own; the end has potential 0. This leaves every
        advantage as it was (Ng, Harada, Russell 1999, Theorem 1).
    discount, lam : in [0, 1]; with a critic's values as the potential an edge is paid
        delta = reward + discount * potential(next) - potential(own), and its value is
        E[delta + discount * lam * value(next)]: GAE (Schulman et al. 2016, Eqs. 11-16). Without a
        potential and with lam = 1 it is the discounted return to come.

    Raises ValueError for a reward of another shape.
    """
    pi = chain.policy(np.asarray(theta, dtype=float))
    flag = chain.flag_law(difficulty)
    act = np.einsum("emz,pzma->pema", flag, pi)
    shape = (chain.H, chain.phases, 2, chain.D + 1)
    reward = np.asarray(reward, dtype=float)
    if reward.shape != (chain.n_classes,):
        msg = f"reward has shape {reward.shape}; the chain has {chain.n_classes} classes"
        raise ValueError(msg)
    bonus = 0.0 if per_action is None else np.asarray(per_action, dtype=float)
    bonus = np.broadcast_to(bonus, (*shape, len(chain.actions)))
    phi = np.zeros(shape) if potential is None else np.broadcast_to(potential, shape)
    moves = {a: step_matrix(chain, a) for a in chain.actions if a != "ANSWER"}

    occupancy = _occupancy(chain, act, moves)
    right = chain.right_law(difficulty)
    value = _values(chain, act, moves, reward, right, bonus, phi, discount, discount * lam)
    mean = np.einsum("pzma,tpema->tpemz", pi, value)
    ok = (pi > 0).transpose(0, 2, 1, 3)[:, None]  # illegal actions have no advantage
    advantage = np.where(ok, value[..., None, :] - mean[..., None], 0.0)
    return EdgeTable(occupancy[..., None] * flag, value, advantage, pi)


def _occupancy(chain: Chain, act: np.ndarray, moves: dict[str, np.ndarray]) -> np.ndarray:
    """(H, phases, 2, D+1) P(still going and in this state before step t)."""
    out = np.zeros((chain.H, chain.phases, 2, chain.D + 1))
    out[0, THINK, 0, 0] = 1.0
    for t in range(chain.H - 1):
        for i, name in enumerate(chain.actions):
            flow = out[t] * act[..., i]
            if name == "END_THINK":
                out[t + 1, ANSWER_PHASE] += flow[THINK]
            elif name != "ANSWER":
                out[t + 1] += np.einsum("pem,emfn->pfn", flow, moves[name])
    return out


def _values(
    chain: Chain,
    act: np.ndarray,
    moves: dict[str, np.ndarray],
    reward: np.ndarray,
    right: np.ndarray,
    bonus: np.ndarray,
    phi: np.ndarray,
    discount: float,
    carried: float,
) -> np.ndarray:
    """(H, phases, 2, D+1, A) backward in time; past the last step the rollout is truncated."""
    H = chain.H
    out = np.empty(bonus.shape)
    # What the next state adds: its value and potential, discounted; truncation pays at once.
    after = np.full(bonus.shape[1:-1], reward[2 * H])
    for t in range(H - 1, -1, -1):
        for i, name in enumerate(chain.actions):
            if name == "ANSWER":
                out[t, ..., i] = right * reward[t] + (1 - right) * reward[H + t]
            elif name == "END_THINK":
                out[t, ..., i] = after[ANSWER_PHASE]
            else:
                out[t, ..., i] = np.einsum("emfn,pfn->pem", moves[name], after)
        out[t] += bonus[t] - phi[t][..., None]
        after = carried * (out[t] * act).sum(-1) + discount * phi[t]
    return out
