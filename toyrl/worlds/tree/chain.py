"""The reasoning chain unrolled: a token is an action and what came of it.

What the chain draws beside the policy (the flag seen, whether a step made progress or an error,
whether an answer was right) is part of the token, so that a prefix fixes the state: an edge has the
probability pi(action | state, flag) times that of the flag and the outcome. The tree grows by a
power of its height; it is the truth for small chains, where `toyrl.worlds.chain.edges` sums over
states.

The logits of the chain's policy are shared by many edges. A gradient by them pools the flow of
credit over edges by the state, flag and action in `labels`: `ChainTree.pooled`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.worlds.chain.forward import step_matrix
from toyrl.worlds.chain.model import ANSWER_PHASE, THINK, Chain
from toyrl.worlds.tree.build import LIMIT
from toyrl.worlds.tree.credit import Credit
from toyrl.worlds.tree.model import Tree
from toyrl.worlds.tree.values import reach

__all__ = ["LABELS", "ChainTree", "unrolled"]

LABELS = ("phase", "error", "progress", "flag", "action")


@dataclass(frozen=True, eq=False)
class ChainTree:
    """A chain unrolled for one prompt type.

    tree : the prefix tree; sequences in their order of leaves
    chain : where it comes from; policy : (phases, flags, D+1, A) its probabilities
    labels : (N, 5) whole numbers, `LABELS` of each edge: state before the token, flag, action; the
        root's row is -1
    classes : (L,) outcome class of each sequence, in the order of `ClassSpace` without counters
    """

    tree: Tree
    chain: Chain
    policy: np.ndarray
    labels: np.ndarray
    classes: np.ndarray

    def pooled(self, credit: Credit) -> np.ndarray:
        """(phases, flags, D+1, A) expected update of the chain's logits under a credit of tokens.

        At discount 1 and with the true advantage this is the gradient of the expected reward.
        """
        flow = (reach(self.tree) * credit.mean)[1:]
        phase, _, progress, flag, action = self.labels[1:].T
        out = np.zeros(self.policy.shape)
        np.add.at(out, (phase, flag, progress, action), flow)
        return out - self.policy * out.sum(-1, keepdims=True)

    def class_probabilities(self) -> np.ndarray:
        """(K,) probability of each outcome class."""
        chance = reach(self.tree)[self.tree.leaves]
        return np.bincount(self.classes, chance, self.chain.n_classes)


def unrolled(
    chain: Chain,
    theta: Any,
    difficulty: int,
    reward: Any = None,
    *,
    discount: float = 1.0,
    limit: int = LIMIT // 40,
) -> ChainTree:
    """Every sequence of actions and outcomes of a prompt of this difficulty, as a tree.

    theta : `chain.policy_shape` logits
    reward : (K,) by outcome class, paid on the last token; None: 1 for a right answer
    limit : largest number of nodes

    Raises ValueError for a reward of another shape, or more nodes than `limit`.
    """
    pay = chain.class_correct() if reward is None else np.asarray(reward, dtype=float)
    if pay.shape != (chain.n_classes,):
        msg = f"reward has shape {pay.shape}; the chain has {chain.n_classes} classes"
        raise ValueError(msg)
    policy = chain.policy(np.asarray(theta, dtype=float))
    parent, all_, kind = _grown(chain, _moves(chain, policy, difficulty), limit)
    over = kind >= 0
    tree = Tree(
        parent,
        all_.code,
        np.log(all_.chance),
        np.where(over, pay[kind], 0.0),
        discount,
        truncated=kind == 2 * chain.H,
        correct=np.where(over, chain.class_correct()[kind], 0.0),
    )
    return ChainTree(tree, chain, policy, all_.labels, kind[tree.leaves])


@dataclass(frozen=True, eq=False)
class _Move:
    """What can follow a state: J tokens.

    labels (J, 5); code (J,) the token; chance (J,) > 0; after (J, 3) phase, error, progress;
    right (J,) 1 or 0 for answers, else -1.
    """

    labels: np.ndarray
    code: np.ndarray
    chance: np.ndarray
    after: np.ndarray
    right: np.ndarray


_ROOT = _Move(np.full((1, 5), -1), np.array([-1]), np.ones(1), np.zeros((1, 3), int), -np.ones(1))


def _grown(
    chain: Chain, moves: dict[tuple[int, int, int], _Move], limit: int
) -> tuple[np.ndarray, _Move, np.ndarray]:
    """Parents (N,), the token that led to each node, and the class (N,) it ends in, -1 for none."""
    parents, layers, kinds = [np.array([-1])], [_ROOT], [np.array([-1])]
    open_, state, N = np.zeros(1, dtype=np.int64), _ROOT.after, 1
    for t in range(chain.H):
        rows = [moves[p, e, m] for p, e, m in state.tolist()]
        size = np.array([len(r.chance) for r in rows])
        if N + size.sum() > limit:
            msg = (
                f"max_actions={chain.H} gives more than limit={limit} nodes; shorten the chain, "
                "drop actions or the flag, or use toyrl.worlds.chain.edges"
            )
            raise ValueError(msg)
        new = _joined(rows)
        last = 2 * chain.H if t == chain.H - 1 else -1
        kind = np.where(new.right < 0, last, np.where(new.right > 0, t, chain.H + t))
        parents.append(np.repeat(open_, size))
        layers.append(new)
        kinds.append(kind)
        going = kind < 0
        open_, state = N + np.flatnonzero(going), new.after[going]
        N += len(kind)
        if not going.any():
            break
    return np.concatenate(parents), _joined(layers), np.concatenate(kinds)


def _joined(rows: Sequence[_Move]) -> _Move:
    names = ("labels", "code", "chance", "after", "right")
    return _Move(*(np.concatenate([getattr(r, name) for r in rows]) for name in names))


def _moves(chain: Chain, policy: np.ndarray, difficulty: int) -> dict[tuple[int, int, int], _Move]:
    """Tokens by (phase, error, progress)."""
    law = {a: step_matrix(chain, a) for a in chain.actions if a != "ANSWER"}
    flags, right = chain.flag_law(difficulty), chain.right_law(difficulty)
    grid = (chain.flags, len(chain.actions), 2, 2, chain.D + 1)  # flag, action, right, e, m after
    out = {}
    for p, e, m in np.ndindex(chain.phases, 2, chain.D + 1):
        found = []
        for z, a in np.ndindex(chain.flags, len(chain.actions)):
            chance, name = flags[e, m, z] * policy[p, z, m, a], chain.actions[a]
            if name == "ANSWER":
                each = [(chance * (right[e, m] if k else 1 - right[e, m]), k, e, m) for k in (0, 1)]
            else:
                each = [
                    (chance * law[name][e, m, f, n], -1, f, n) for f, n in np.ndindex(2, grid[4])
                ]
            phase = ANSWER_PHASE if name == "END_THINK" else p
            for share, k, f, n in each:
                if share > 0:
                    code = np.ravel_multi_index((z, a, max(k, 0), f, n), grid)
                    found.append((share, code, k, (p, e, m, z, a), (phase, f, n)))
        share, code, k, labels, after = zip(*found, strict=True)
        out[p, e, m] = _Move(*map(np.array, (labels, code, share, after, k)))
    return out


assert THINK == 0  # the root's state is (THINK, no error, no progress)
