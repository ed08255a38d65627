"""Exact numbers of every prefix: reach, value, Q, advantage, spread, length, entropy, divergence.

The token written is the action, and the next prefix follows from it for sure, so that

    Q(s, t) = r(s, t) + discount V(st),   V(s) = sum over t of pi(t | s) Q(s, t),   A = Q - V,

and the advantage of a token equals its temporal difference: r + discount V(st) - V(s) is no
estimate here. Everything is one sweep over the layers, up from the leaves or down from the root.

Arrays are (N,), or (..., N) for a batch of rewards. Entry n of V is about the prefix of node n;
entry n of Q, advantage and occupancy is about the token that leads there, and 0 at the root.
`policy` is the log-probabilities (N,) of another policy on the tree, `reward` other rewards
(..., N) in the place of the tree's own, `discount` another discount.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.worlds.tree.model import Tree, log_policy
from toyrl.worlds.tree.sweeps import backward, forward, parents

__all__ = [
    "advantage",
    "common_prefix",
    "leaf_law",
    "leaf_returns",
    "length_moments",
    "occupancy",
    "paid",
    "policy_return",
    "q_values",
    "reach",
    "rest_entropy",
    "rest_kl",
    "return_moments",
    "sample_leaves",
    "success",
    "token_entropy",
    "token_kl",
    "value",
]


# -- rewards --------------------------------------------------------------------------------------
def paid(tree: Tree, reward: Any = None) -> np.ndarray:
    """(..., N) the tree's rewards, or those given.

    Raises ValueError for another shape, numbers that are not finite, or a reward at the root.
    """
    if reward is None:
        return tree.reward
    given = np.asarray(reward, dtype=np.float64)
    if given.shape[-1:] != (tree.n_nodes,):
        msg = (
            f"reward has shape {given.shape}; the tree has {tree.n_nodes} nodes: (..., N), and "
            "tree.at_leaves makes one of numbers by leaf"
        )
        raise ValueError(msg)
    if not np.isfinite(given).all() or given[..., 0].any():
        msg = "reward must be finite, and 0 at the root, to which no token leads"
        raise ValueError(msg)
    return given


# -- values ---------------------------------------------------------------------------------------
def reach(tree: Tree, policy: Any = None) -> np.ndarray:
    """(N,) probability that a sequence begins with the prefix; 1 at the root."""
    return np.exp(forward(tree, 1.0, log_policy(tree, policy)))


def leaf_law(tree: Tree, policy: Any = None) -> np.ndarray:
    """(L,) probability of each sequence."""
    return reach(tree, policy)[tree.leaves]


def leaf_returns(tree: Tree, reward: Any = None, *, discount: float | None = None) -> np.ndarray:
    """(..., L) discounted reward of each sequence.

    A reward per token changes no preference among sequences where these are all the same.
    """
    gamma = tree.discount if discount is None else discount
    power = float(gamma) ** np.maximum(tree.depth - 1, 0)
    return forward(tree, 1.0, power * paid(tree, reward))[..., tree.leaves]


def occupancy(tree: Tree, policy: Any = None, *, discount: float | None = None) -> np.ndarray:
    """(N,) discount^(place of the token, from 0) times the chance that it is written there.

    The return of the policy is the sum of occupancy times reward.
    """
    gamma = tree.discount if discount is None else discount
    out = reach(tree, policy) * float(gamma) ** np.maximum(tree.depth - 1, 0)
    out[0] = 0.0
    return out


def value(
    tree: Tree, reward: Any = None, policy: Any = None, *, discount: float | None = None
) -> np.ndarray:
    """(..., N) expected discounted reward to come after each prefix; 0 at leaves.

    What stands on the last token belongs to Q of that token: V of a finished text is 0.
    """
    gamma = tree.discount if discount is None else discount
    return backward(tree, np.exp(log_policy(tree, policy)), paid(tree, reward), gamma)


def q_values(
    tree: Tree, reward: Any = None, policy: Any = None, *, discount: float | None = None
) -> np.ndarray:
    """(..., N) reward of the token and what is to come after it, discounted."""
    gamma = tree.discount if discount is None else discount
    out = paid(tree, reward) + gamma * value(tree, reward, policy, discount=gamma)
    out[..., 0] = 0.0
    return out


def advantage(
    tree: Tree, reward: Any = None, policy: Any = None, *, discount: float | None = None
) -> np.ndarray:
    """(..., N) Q of the token less V of the prefix before it."""
    gamma = tree.discount if discount is None else discount
    v = value(tree, reward, policy, discount=gamma)
    out = paid(tree, reward) + gamma * v - parents(tree, v)
    out[..., 0] = 0.0
    return out


def policy_return(
    tree: Tree, reward: Any = None, policy: Any = None, *, discount: float | None = None
) -> np.ndarray:
    """(...) expected discounted return from the root, a scalar array for a single reward."""
    return value(tree, reward, policy, discount=discount)[..., 0]


def return_moments(
    tree: Tree, reward: Any = None, policy: Any = None, *, discount: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (..., N) of the discounted reward to come after each prefix.

    Var(s) = sum of pi(t | s) [A(s, t)^2 + discount^2 Var(st)] (Sobel 1982).
    """
    gamma = tree.discount if discount is None else discount
    v = value(tree, reward, policy, discount=gamma)
    a = paid(tree, reward) + gamma * v - parents(tree, v)
    return v, backward(tree, np.exp(log_policy(tree, policy)), a * a, gamma * gamma)


def success(tree: Tree, policy: Any = None) -> np.ndarray:
    """(N,) chance that a sequence with this prefix ends in a right answer.

    At a leaf it is the leaf's own.

    Raises ValueError as `Tree.success` does.
    """
    right = tree.at_leaves(tree.success)
    return backward(tree, np.exp(log_policy(tree, policy)), right) + right


def length_moments(tree: Tree, policy: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (N,) of the number of tokens still to come."""
    one = np.ones(tree.n_nodes)
    one[0] = 0.0
    return return_moments(tree, one, policy, discount=1.0)


# -- entropy and divergence -----------------------------------------------------------------------
def token_entropy(tree: Tree, policy: Any = None) -> np.ndarray:
    """(N,) entropy of the next token in nats; 0 at leaves."""
    lp = log_policy(tree, policy)
    return tree.children(_times(np.exp(lp), -lp))


def rest_entropy(tree: Tree, policy: Any = None) -> np.ndarray:
    """(N,) entropy of all that is still to come, in nats; at the root, of the sequences."""
    p = np.exp(log_policy(tree, policy))
    return token_entropy(tree, policy) + backward(tree, p, token_entropy(tree, policy))


def token_kl(tree: Tree, reference: Any, policy: Any = None) -> np.ndarray:
    """(N,) KL(policy || reference) of the next token in nats; inf where the reference lacks it.

    reference : (N,) log-probabilities

    Raises ValueError where either is no law over siblings.
    """
    p, q = log_policy(tree, policy), log_policy(tree, reference)
    with np.errstate(invalid="ignore"):  # -inf less -inf, under a weight of 0
        ratio = p - q
    # rounding alone makes it negative
    return np.maximum(tree.children(_times(np.exp(p), ratio)), 0.0)


def rest_kl(tree: Tree, reference: Any, policy: Any = None) -> np.ndarray:
    """(N,) KL(policy || reference) of all that is still to come, in nats; 0 at leaves.

    The chain rule: KL of the next token, and what is to be expected after it. inf where a
    continuation of positive probability has none under the reference.

    Raises ValueError where either is no law over siblings.
    """
    p, here = np.exp(log_policy(tree, policy)), token_kl(tree, reference, policy)
    finite = np.where(np.isfinite(here), here, 0.0)
    lost = ~np.isfinite(here)
    out = finite + backward(tree, p, finite)
    if lost.any():
        out[lost | (backward(tree, p, lost * 1.0) > 0)] = np.inf
    return out


def _times(weight: np.ndarray, x: np.ndarray) -> np.ndarray:
    """weight x, 0 where the weight is."""
    with np.errstate(invalid="ignore"):
        return np.where(weight > 0, weight * x, 0.0)


# -- sequences ------------------------------------------------------------------------------------
def sample_leaves(tree: Tree, rng: np.random.Generator, n: int, policy: Any = None) -> np.ndarray:
    """(n,) sequences drawn token by token, as numbers of leaves 0..L-1."""
    p = np.exp(log_policy(tree, policy))
    p[0] = 0.0
    upper = np.cumsum(p)
    place = np.arange(tree.n_nodes)
    first, last = (tree.children(place, how, empty=0) for how in (np.minimum, np.maximum))
    at = np.zeros(n, dtype=np.int64)
    going = np.arange(n)
    while going.size:
        here = at[going]
        base, top = upper[first[here] - 1], upper[last[here]]
        aim = base + rng.random(going.size) * (top - base)
        # strictly below the top, so that a last child of probability 0 is not hit by rounding
        aim = np.minimum(aim, np.nextafter(top, -np.inf))
        at[going] = np.searchsorted(upper, aim, side="right")
        going = going[~tree.is_leaf[at[going]]]
    return np.searchsorted(tree.leaves, at)


def common_prefix(tree: Tree, first: Any, second: Any) -> np.ndarray:
    """Tokens that two sequences share from the start, whole numbers.

    first, second : numbers of leaves 0..L-1, broadcast against one another, any shape
    """
    a, b = tree.paths[np.asarray(first)], tree.paths[np.asarray(second)]
    return ((a == b) & (a >= 0)).sum(-1)
