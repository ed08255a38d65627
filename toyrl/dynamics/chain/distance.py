"""KL divergence of chain policies from a base, in nats a completion, exactly.

By the chain rule the divergence of whole trajectories is the expected sum, over the states that
the policy visits, of the divergence of its choice there from the base's.
"""

from __future__ import annotations

import numpy as np

from toyrl.dynamics.chain.exact import Batch
from toyrl.worlds.chain.forward import step_matrix


def trajectory_kl(batch: Batch, theta: np.ndarray, base: np.ndarray) -> np.ndarray:
    """(W, B) KL(theta || base) of trajectories, for each prompt type.

    theta, base : (W, *policy_shape) logits
    """
    chain = batch.chain
    own, there = chain.policy(theta), chain.policy(base)
    with np.errstate(divide="ignore", invalid="ignore"):
        local = np.where(own > 0, own * (np.log(own) - np.log(there)), 0.0).sum(-1)
    flags, moves = _tables(batch)
    # act (W, B, phases, e, m, A), spent (W, B, phases, e, m): the flag averaged out
    act = np.einsum("wbemz,wpzma->wbpema", flags, own)
    spent = np.einsum("wbemz,wpzm->wbpem", flags, local)
    W, B = batch.difficulties.shape
    occupancy = np.zeros((W, B, chain.phases, 2, chain.D + 1))
    occupancy[:, :, 0, 0, 0] = 1.0
    total = np.zeros((W, B))
    for _ in range(chain.H):
        total += (occupancy * spent).sum((-1, -2, -3))
        after = np.zeros_like(occupancy)
        for i, name in enumerate(chain.actions):
            flow = occupancy * act[..., i]
            if name == "END_THINK":
                after[:, :, 1] += flow[:, :, 0]
            elif name != "ANSWER":
                after += np.einsum("wbpem,wemfn->wbpfn", flow, moves[name])
        occupancy = after
    return total


def _tables(batch: Batch) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Laws of the flag (W, B, e, m, flags) and of each action (W, e, m, e', m')."""
    chains = [batch.chain_at(i) for i in range(len(batch))]
    flags = np.stack([np.stack([c.flag_law(d) for d in c.difficulties]) for c in chains])
    names = [a for a in batch.chain.actions if a not in ("ANSWER", "END_THINK")]
    return flags, {a: np.stack([step_matrix(c, a) for c in chains]) for a in names}
