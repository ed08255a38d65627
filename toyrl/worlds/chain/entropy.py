"""Token entropies of the chain's own policy, by phase: in closed form, exactly, and sampled.

    token_entropy(chain, theta)                    (phases, flags, D+1) nats in each state
    phase_entropy(chain, theta, d)                 means before and behind END_THINK, class by class
    PolicyEntropy.of(chain, theta, d)              the same as a latent, for rewards of classes
    sampled_entropy(trajectories, theta)           trajectories with `entropy` and `think_end`

An action is a token. END_THINK is the closing tag; a rollout that never takes it thinks throughout
(`toyrl.rollouts.phases`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from toyrl.rollouts import Rollouts
from toyrl.worlds.chain.forward import step_matrix
from toyrl.worlds.chain.latents.base import Kinds, Latent, Law
from toyrl.worlds.chain.model import ANSWER_PHASE, THINK, Chain

Array = Any


def token_entropy(chain: Chain, theta: Array) -> np.ndarray:
    """(phases, flags, D+1) entropy of the next action in nats, -sum pi log pi over legal ones.

    theta : `chain.policy_shape` logits
    """
    pi = chain.policy(np.asarray(theta, dtype=float))
    return -(pi * np.log(np.where(pi > 0, pi, 1.0))).sum(-1)


@dataclass(frozen=True, eq=False)
class PhaseEntropy:
    """Where thinking ends and how unsure both phases are, of one prompt under one policy.

    chance : (H + 1, K) of END_THINK being action k + 1 (k = H: never) and the rollout ending in
        the class
    thinking, answering : (H + 1, K) nats, mean entropy over the phase's tokens, averaged over the
        rollouts of that k and class; 0 where there are no such tokens or rollouts
    """

    chain: Chain
    chance: np.ndarray
    thinking: np.ndarray
    answering: np.ndarray


def phase_entropy(chain: Chain, theta: Array, difficulty: int) -> PhaseEntropy:
    """Exact by a forward pass that carries, beside each state's probability, summed entropies.

    theta : `chain.policy_shape` logits; difficulty : steps that the prompt needs
    """
    H = chain.H
    pi, right = chain.policy(np.asarray(theta, dtype=float)), chain.right_law(difficulty)
    flag = chain.flag_law(difficulty)
    moves = {a: step_matrix(chain, a) for a in chain.actions if a not in ("ANSWER", "END_THINK")}
    # act: an action's chance in a state; paid: the same times the entropy of the flag that is seen
    act = np.einsum("emz,pzma->pema", flag, pi)
    paid = np.einsum("emz,pzma,pzm->pema", flag, pi, token_entropy(chain, theta))
    # mass, sum over thinking, sum over the answer: by k (H: still thinking), error bit, progress
    now = np.zeros((3, H + 1, 2, chain.D + 1))
    now[0, H, 0, 0] = 1.0
    found = np.zeros((3, H + 1, chain.n_classes))
    closed = np.arange(H + 1) < H
    for t in range(H):
        after = np.zeros_like(now)
        for i, name in enumerate(chain.actions):
            flow, own = (_taken(x[..., i], now, closed) for x in (act, paid))
            if name == "ANSWER":
                flow = _counted(flow, own, last=True)
                found[..., t] += (flow * right).sum((-1, -2))
                found[..., H + t] += (flow * (1 - right)).sum((-1, -2))
            elif name == "END_THINK":
                after[:, t] += flow[:, H]
            else:
                flow = _counted(flow, own, last=t == H - 1)
                after += np.einsum("skem,emfn->skfn", flow, moves[name])
        now = after
    found[..., 2 * H] = now.sum((-1, -2))
    return _means(chain, found)


def _taken(chance: np.ndarray, now: np.ndarray, closed: np.ndarray) -> np.ndarray:
    """`now` times the chance (phases, 2, D+1) of an action in the phase that each k is in."""
    answer = chance[min(ANSWER_PHASE, len(chance) - 1)]
    return now * np.where(closed[:, None, None], answer, chance[THINK])


def _counted(flow: np.ndarray, own: np.ndarray, *, last: bool) -> np.ndarray:
    """The flow with this token's entropy in its phase's sum; the last token of a rollout that
    still thinks stands where the tag would, and counts nowhere."""
    if not last:
        flow[1, -1] += own[0, -1]
    flow[2, :-1] += own[0, :-1]
    return flow


def _means(chain: Chain, found: np.ndarray) -> PhaseEntropy:
    chance, H = found[0], chain.H
    k, tokens = np.arange(H + 1)[:, None], (chain.class_length() / chain.tokens_per_action)[None]
    size = np.stack([np.where(k < H, k, tokens - 1), np.where(k < H, tokens - 1 - k, 0)])
    there = (size > 0) & (chance > 0)
    means = np.where(there, found[1:] / np.where(there, size * chance, 1.0), 0.0)
    return PhaseEntropy(chain, chance, means[0], means[1])


@dataclass(frozen=True, eq=False)
class PolicyEntropy(Latent):
    """The chain's own entropies as a latent: each phase's mean on each of its tokens.

    Fields: `entropy`, `think_end`. Rewards that are linear in the means are exact, and so is every
    reward where the policy looks at the phase alone; else rollouts of a class with one k differ,
    and the reward of their mean stands for the mean of their rewards.

    Raises ValueError for a chain whose actions aren't one token long.
    """

    found: PhaseEntropy
    says: ClassVar[str] = "token entropies are those of the chain's own policy, means by phase"

    def __post_init__(self) -> None:
        if (per := self.found.chain.tokens_per_action) != 1:
            msg = f"tokens_per_action={per:g}: the policy's entropies are those of actions, one a "
            msg += "token; use a chain with tokens_per_action=1"
            raise ValueError(msg)

    @classmethod
    def of(cls, chain: Chain, theta: Array, difficulty: int) -> PolicyEntropy:
        """From the policy's logits; see `phase_entropy`."""
        return cls(phase_entropy(chain, theta, difficulty))

    def law(self, kinds: Kinds) -> Law:
        f, H = self.found, self.found.chain.H
        n = np.rint(kinds.length).astype(int)
        own = np.where(kinds.truncated, 2 * H, np.where(kinds.correct > 0, n - 1, H + n - 1))
        weight = f.chance[:, own].T
        total = weight.sum(-1, keepdims=True)
        never = np.arange(H + 1) == H  # a class that doesn't happen
        weight = np.where(total > 0, weight / np.where(total > 0, total, 1.0), never)
        place, k = np.arange(H), np.arange(H + 1)[:, None]
        before, behind = f.thinking[:, own].T[..., None], f.answering[:, own].T[..., None]
        return weight, {
            "entropy": np.where(place < k, before, np.where(place > k, behind, 0.0)),
            "think_end": np.broadcast_to((place == k) * 1.0, (len(n), H + 1, H)),
        }


def sampled_entropy(trajectories: Any, theta: Array, *, group_size: int | None = None) -> Rollouts:
    """Rollouts of these trajectories with `entropy`, `think_end` and `mask` (..., H), one a token.

    theta : the logits under which they were drawn

    Raises ValueError for a chain with a done flag, which trajectories don't keep.
    """
    t, chain = trajectories, trajectories.chain
    if chain.flags != 1:
        msg = f"flag_noise={chain.flag_noise}: trajectories don't say which flag was seen, so that "
        msg += "their entropies are unknown; use phase_entropy, or a chain without the flag"
        raise ValueError(msg)
    end = chain.actions.index("END_THINK") if chain.phases == 2 else None
    closing = (t.actions == end) if end is not None else np.zeros(t.actions.shape, dtype=bool)
    phase = np.cumsum(closing, axis=1) - closing
    entropy = token_entropy(chain, theta)[phase, 0, t.progress] * t.alive
    r = t.to_rollouts(group_size=group_size)
    wide = (*r.shape, chain.H)
    fields = {"entropy": entropy, "think_end": closing * 1.0}
    mask = t.alive.astype(float).reshape(wide)
    return r.with_(mask=mask, **{name: v.reshape(wide) for name, v in fields.items()})
