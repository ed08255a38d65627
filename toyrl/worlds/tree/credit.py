"""Credit of tokens, and what a policy gradient makes of it: expected update and its variance.

A sampled sequence y moves the logits of the edges by sum over t of c_t(y) grad log pi(y_t | y_<t).
A rule of credit says what c_t is:

    outcome         the return of the whole sequence, the same on every token
    reward_to_go    the reward from the token on
    true_advantage  Q - V of the token under the policy
    gae             sum of (discount lam)^u delta_(t+u) with a critic's values (Schulman 2016, 16)
    segments        of the steps between cuts: rewards of the step, and the difference of the
                    values at its ends, the same on all tokens of the step

Given the token and the prefix, c_t is a number or has a spread that comes from the rest of the
sequence. Its mean and variance there (`Credit`) are all that the update's mean and variance need:
gradients at different prefixes lie in different coordinates. At discount 1 all rules but a wrong
critic's have the same expected update, the gradient of the return; they differ in variance.

Below discount 1 trainers leave out the factor discount^t that the gradient of the return carries.
`expected_update` does as they do, `policy_gradient` is the true one.

Source: derived; policy gradient theorem (Sutton et al. 2000, Theorem 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.worlds.tree.model import Tree, log_policy
from toyrl.worlds.tree.sweeps import backward, forward, parents
from toyrl.worlds.tree.values import (
    advantage,
    occupancy,
    paid,
    q_values,
    reach,
    return_moments,
    value,
)

__all__ = [
    "Credit",
    "expected_update",
    "gae",
    "leaf_update",
    "outcome",
    "policy_gradient",
    "reward_to_go",
    "segments",
    "true_advantage",
    "update_variance",
]


@dataclass(frozen=True, eq=False)
class Credit:
    """What a rule credits a token with, given the token and the prefix before it.

    mean : (..., N) its expectation over the rest of the sequence; 0 at the root
    variance : (..., N) its variance over the rest; 0 for a rule that looks at the prefix alone
    """

    mean: np.ndarray
    variance: np.ndarray


# -- rules ----------------------------------------------------------------------------------------
def outcome(tree: Tree, reward: Any = None, policy: Any = None, *, baseline: Any = 0.0) -> Credit:
    """The discounted return of the whole sequence less a baseline, on every token.

    reward : (..., N), None: the tree's; policy : (N,) log-probabilities, None: the tree's
    baseline : a scalar, or (..., N) read at the prefix before the token
    """
    power = float(tree.discount) ** np.maximum(tree.depth - 1, 0)
    before = parents(tree, forward(tree, 1.0, power * paid(tree, reward)))
    rest = reward_to_go(tree, reward, policy)
    return _less(tree, before + power * rest.mean, power * power * rest.variance, baseline)


def reward_to_go(
    tree: Tree, reward: Any = None, policy: Any = None, *, baseline: Any = 0.0
) -> Credit:
    """The discounted reward from the token on less a baseline; arguments as for `outcome`.

    Means and variances are (..., N).
    """
    gamma = tree.discount
    mean, spread = return_moments(tree, reward, policy)
    return _less(tree, paid(tree, reward) + gamma * mean, gamma * gamma * spread, baseline)


def true_advantage(tree: Tree, reward: Any = None, policy: Any = None) -> Credit:
    """Q - V of the token, (..., N), which has no spread; arguments as for `outcome`."""
    a = advantage(tree, reward, policy)
    return Credit(a, np.zeros_like(a))


def gae(
    tree: Tree,
    critic: Any,
    lam: float,
    reward: Any = None,
    policy: Any = None,
) -> Credit:
    """Generalised advantage estimates from a critic's values, right or wrong.

    critic : (..., N) value of the prefix of each node; read as 0 at leaves, where a text is over
    lam : in [0, 1]; 1 is the reward to go less the critic, 0 the temporal difference
    reward, policy : as for `outcome`

    Raises ValueError for lam outside [0, 1].
    """
    if not 0 <= lam <= 1:
        msg = f"lam={lam:g} must lie in [0, 1]"
        raise ValueError(msg)
    v = np.where(tree.is_leaf, 0.0, np.asarray(critic, dtype=np.float64))
    delta = paid(tree, reward) + tree.discount * v - parents(tree, v)
    delta[..., 0] = 0.0
    carried = tree.discount * lam
    mean, spread = return_moments(tree, delta, policy, discount=carried)
    return _less(tree, delta + carried * mean, carried * carried * spread, 0.0)


def segments(tree: Tree, cuts: Any, reward: Any = None, policy: Any = None) -> Credit:
    """Credit of whole steps: what a step was paid, and by how much the value rose over it.

    cuts : (N,) bool, the nodes where a step ends; the root and leaves are cuts in any case. All
        nodes: the true advantage of every token. None but those: the outcome less its expectation
    reward, policy : as for `outcome`

    A step from prefix s to s' after k tokens is credited with sum of discount^i r_i +
    discount^k V(s') - V(s), V the exact values: on each of its tokens (..., N).
    """
    cut = np.asarray(cuts, dtype=bool) | tree.is_leaf
    cut[0] = True
    gamma, r = tree.discount, paid(tree, reward)
    v = value(tree, r, policy)
    q = q_values(tree, r, policy)
    begins = parents(tree, cut)  # tokens that come first in their step
    power = forward(tree, np.where(begins, 0.0, gamma), np.where(begins, 1.0, 0.0))
    start = _carried(tree, begins, v)
    # what the step was paid before this token
    so_far = forward(tree, ~begins, power * r)
    before = np.where(begins, 0.0, parents(tree, so_far))
    a = q - parents(tree, v)
    p = np.exp(log_policy(tree, policy))
    spread = backward(tree, p, a * a, gamma * gamma * ~cut) * ~cut
    return _less(tree, before + power * q - start, (power * gamma) ** 2 * spread, 0.0)


def _carried(tree: Tree, begins: np.ndarray, v: np.ndarray) -> np.ndarray:
    """(..., N) v of the prefix in which the token's step began."""
    return forward(tree, ~begins, np.where(begins, parents(tree, v), 0.0))


def _less(tree: Tree, mean: np.ndarray, variance: Any, baseline: Any) -> Credit:
    given = np.asarray(baseline, dtype=np.float64)
    mean = mean - (parents(tree, given) if given.ndim else given)
    mean[..., 0] = 0.0
    spread = np.array(np.broadcast_to(variance, mean.shape))
    spread[..., 0] = 0.0
    return Credit(mean, spread)


# -- updates --------------------------------------------------------------------------------------
def policy_gradient(tree: Tree, reward: Any = None, policy: Any = None) -> np.ndarray:
    """(..., N) gradient of the expected discounted return by the logits of the edges.

    Occupancy times advantage: sum of d(s, t) A(s, t) grad log pi(t | s).
    reward, policy : as for `outcome`
    """
    return occupancy(tree, policy) * advantage(tree, reward, policy)


def expected_update(tree: Tree, credit: Credit, policy: Any = None) -> np.ndarray:
    """(..., N) mean of one sequence's update of the logits of the edges; 0 at the root."""
    return _by_logits(tree, reach(tree, policy) * credit.mean, policy)


def update_variance(tree: Tree, credit: Credit, policy: Any = None) -> np.ndarray:
    """(..., N) variance of one sequence's update of each logit; its sum is the total variance.

    The mean of n sequences has this variance divided by n.
    """
    mean = expected_update(tree, credit, policy)
    second = reach(tree, policy) * (credit.variance + credit.mean**2)
    # squares are summed before they are subtracted: rounding alone makes this negative
    return np.maximum(_second(tree, second, policy) - mean**2, 0.0)


def leaf_update(tree: Tree, credit: Any, policy: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (N,) of one sequence's update, for credit given sequence by sequence.

    credit : (L, T) of each token of each sequence, T >= H, in the order of `tree.leaves`: what an
        estimator returns for `toyrl.worlds.tree.convert.tree_rollouts`. Not read behind an end

    Raises ValueError for another shape.
    """
    given = np.asarray(credit, dtype=np.float64)
    if given.ndim != 2 or len(given) != tree.n_leaves or given.shape[1] < tree.height:
        msg = f"credit has shape {given.shape}; it must be ({tree.n_leaves}, {tree.height})"
        raise ValueError(msg)
    inside = tree.paths >= 0
    node = tree.paths[inside]
    chance = np.broadcast_to(reach(tree, policy)[tree.leaves][:, None], inside.shape)[inside]
    c = given[:, : tree.height][inside]
    mean = _by_logits(tree, np.bincount(node, chance * c, tree.n_nodes), policy)
    second = np.bincount(node, chance * c * c, tree.n_nodes)
    return mean, np.maximum(_second(tree, second, policy) - mean**2, 0.0)


def _by_logits(tree: Tree, flow: np.ndarray, policy: Any) -> np.ndarray:
    """(..., N) sum over tokens of flow grad log pi: each sibling's own, less its share of all."""
    p = np.exp(log_policy(tree, policy))
    out = flow - p * parents(tree, tree.children(flow))
    out[..., 0] = 0.0
    return out


def _second(tree: Tree, flow: np.ndarray, policy: Any) -> np.ndarray:
    """(..., N) second moments: sum over siblings of flow (1[own] - p)^2."""
    p = np.exp(log_policy(tree, policy))
    out = flow * (1 - 2 * p) + p * p * parents(tree, tree.children(flow))
    out[..., 0] = 0.0
    return out
