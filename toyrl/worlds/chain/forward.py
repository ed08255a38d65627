"""Outcome-class probabilities of the chain by forward dynamic programming, in NumPy.

The plain reference: float64, one policy at a time, written to be read. The differentiable JAX
form is `toyrl.worlds.chain.classes`, the compiled training loop `toyrl.dynamics.chain.exact`; tests
hold the three against each other and against simulation.
"""

from __future__ import annotations

import numpy as np

from toyrl.worlds.chain.model import ANSWER_PHASE, THINK, Chain


def step_matrix(chain: Chain, action: str) -> np.ndarray:
    """(2, D+1, 2, D+1): P(e', m' | e, m) under a non-terminal action; END_THINK keeps (e, m)."""
    D = chain.D
    out = np.zeros((2, D + 1, 2, D + 1))
    for e in range(2):
        for m in range(D + 1):
            if action == "STEP":
                for gain, p in ((1, chain.progress), (0, 1 - chain.progress)):
                    for err, s in ((1, chain.slip), (0, 1 - chain.slip)):
                        out[e, m, max(e, err), min(m + gain, D)] += p * s
            elif action == "CHECK" and e == 1:
                out[1, m, 0, m] += chain.repair
                out[1, m, 1, m] += 1 - chain.repair
            else:
                out[e, m, e, m] = 1.0
    return out


def class_probabilities(chain: Chain, theta: np.ndarray) -> np.ndarray:
    """(B, K) class probabilities for each difficulty under logits theta (`chain.policy_shape`)."""
    pi = chain.policy(np.asarray(theta, dtype=np.float64))
    moves = {a: step_matrix(chain, a) for a in chain.actions if a != "ANSWER"}
    H = chain.H
    out = np.zeros((len(chain.difficulties), chain.n_classes))
    for b, d in enumerate(chain.difficulties):
        # (phases, 2, D+1, A): the policy as the state sees it, the flag averaged out
        act = np.einsum("emz,pzma->pema", chain.flag_law(d), pi)
        right = chain.right_law(d)
        occupancy = np.zeros((chain.phases, 2, chain.D + 1))
        occupancy[THINK, 0, 0] = 1.0
        for t in range(H):
            after = np.zeros_like(occupancy)
            for i, name in enumerate(chain.actions):
                flow = occupancy * act[..., i]
                if name == "ANSWER":
                    out[b, t] += (flow * right).sum()
                    out[b, H + t] += (flow * (1 - right)).sum()
                elif name == "END_THINK":
                    after[ANSWER_PHASE] += flow[THINK]
                else:
                    after += np.einsum("pem,emfn->pfn", flow, moves[name])
            occupancy = after
        out[b, 2 * H] = occupancy.sum()
    return out
