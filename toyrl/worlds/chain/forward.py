"""Outcome-class probabilities of the chain by forward dynamic programming, in NumPy.

The plain reference: float64, one policy at a time, written to be read; and the same for a few
chains at once, where compiling would take longer than the answer. The differentiable JAX
form is `toyrl.worlds.chain.classes`, the compiled training loop `toyrl.dynamics.chain.exact`; tests
hold all against each other and against simulation.
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


def few_probabilities(
    chain: Chain,
    theta: np.ndarray,
    *,
    flag: np.ndarray,
    difficulties: np.ndarray,
    progress: np.ndarray,
    slip: np.ndarray,
    repair: np.ndarray,
    guess: np.ndarray,
) -> np.ndarray:
    """(W, B, K) class probabilities of W chains of one structure, each with its own numbers.

    theta : (W, *policy_shape) logits; flag : (W, B, 2, D+1) probability that the flag shows done
    difficulties : (W, B); progress, slip, repair, guess : (W,)
    """
    W, B = difficulties.shape
    P, M, H = chain.phases, chain.D + 1, chain.H
    pi = chain.policy(np.asarray(theta, dtype=np.float64))[:, None, :, :, None]
    shown = flag[:, :, None, :, :, None]  # pi (W, 1, P, flags, 1, M, A)
    act = (
        pi[:, :, :, 0]
        if chain.flags == 1
        else (1 - shown) * pi[:, :, :, 0] + shown * pi[:, :, :, 1]
    )
    act = np.broadcast_to(act, (W, B, P, 2, M, act.shape[-1]))
    q, s, fix, g = (x[:, None, None, None] for x in (progress, slip, repair, guess))
    up, m = q * (np.arange(M) < chain.D), np.arange(M)  # (W, 1, 1, M)
    move = np.zeros((W, B, P, 2, M, P, 2, M))
    right, wrong = np.zeros((2, W, B, P, 2, M))
    for i, name in enumerate(chain.actions):
        x = act[..., i]
        good, bad = x[:, :, :, 0], x[:, :, :, 1]  # (W, B, P, M) by the error bit
        if name == "ANSWER":
            knows = np.where(m >= difficulties[:, :, None, None], 1.0, g)
            right[:, :, :, 0] += good * knows
            right[:, :, :, 1] += bad * g
            wrong[:, :, :, 0] += good * (1 - knows)
            wrong[:, :, :, 1] += bad * (1 - g)
            continue
        for p in range(P):
            o, b = good[:, :, p], bad[:, :, p]
            go, err, mend = up[:, :, 0], s[:, :, 0], fix[:, :, 0]
            here, there = move[:, :, p, 0], move[:, :, p, 1]
            if name == "STEP":
                here[:, :, m, p, 0, m] += o * (1 - go) * (1 - err)
                here[:, :, m, p, 1, m] += o * (1 - go) * err
                here[:, :, m[:-1], p, 0, m[1:]] += (o * go * (1 - err))[..., :-1]
                here[:, :, m[:-1], p, 1, m[1:]] += (o * go * err)[..., :-1]
                there[:, :, m, p, 1, m] += b * (1 - go)
                there[:, :, m[:-1], p, 1, m[1:]] += (b * go)[..., :-1]
            elif name == "CHECK":
                here[:, :, m, p, 0, m] += o
                there[:, :, m, p, 0, m] += b * mend
                there[:, :, m, p, 1, m] += b * (1 - mend)
            else:
                to = ANSWER_PHASE if name == "END_THINK" else p
                here[:, :, m, to, 0, m] += o
                there[:, :, m, to, 1, m] += b
    states = P * 2 * M
    move = move.reshape(W, B, states, states)
    ends = np.stack([right, wrong], -1).reshape(W, B, states, 2)
    occupancy = np.zeros((W, B, 1, states))
    occupancy[..., 0] = 1.0
    out = np.zeros((W, B, chain.n_classes))
    for t in range(H):
        out[..., [t, H + t]] = (occupancy @ ends)[:, :, 0]
        occupancy = occupancy @ move
    out[..., 2 * H] = occupancy.sum((-1, -2))
    return out
