"""The slow routes: every sequence by recursion, every number by its definition, in plain Python."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from toyrl.worlds.tree.model import Tree

# sums over at most 27 sequences of 3 tokens, rewards at most 2: values below 6, squares below 36
CLOSE = {"rtol": 0, "atol": 1e-13}


def offspring(tree: Tree) -> dict[int, list[int]]:
    """Children of each node, [] for leaves."""
    out: dict[int, list[int]] = {n: [] for n in range(tree.n_nodes)}
    for n, above in enumerate(tree.parent.tolist()):
        if n:
            out[above].append(n)
    return out


def sequences(tree: Tree) -> list[list[int]]:
    """The nodes behind each token of each sequence, in the order of leaves."""
    below = offspring(tree)

    def walk(n: int, path: list[int]) -> list[list[int]]:
        if not below[n]:
            return [path]
        return [s for c in below[n] for s in walk(c, [*path, c])]

    return sorted(walk(0, []), key=lambda path: path[-1])


def chances(tree: Tree, log_prob: np.ndarray) -> np.ndarray:
    """(L,) probability of each sequence."""
    return np.array([np.prod(np.exp(log_prob[path])) for path in sequences(tree)])


def expectation(
    tree: Tree, log_prob: np.ndarray, node: int, worth: Callable[[list[int]], float]
) -> float:
    """E[worth(tokens behind the node)] over continuations of a prefix."""
    below, p = offspring(tree), np.exp(log_prob)

    def walk(n: int, path: list[int]) -> float:
        if not below[n]:
            return worth(path)
        return sum(float(p[c]) * walk(c, [*path, c]) for c in below[n] if p[c] > 0)

    return walk(node, [])


def discounted(reward: np.ndarray, discount: float) -> Callable[[list[int]], float]:
    """Discounted sum of the rewards of tokens."""
    return lambda path: sum(discount**k * float(reward[n]) for k, n in enumerate(path))


def values(tree: Tree, log_prob: np.ndarray, reward: np.ndarray) -> np.ndarray:
    """(N,) V of each prefix."""
    worth = discounted(reward, tree.discount)
    return np.array([expectation(tree, log_prob, n, worth) for n in range(tree.n_nodes)])


def scores(tree: Tree, log_prob: np.ndarray, path: list[int]) -> np.ndarray:
    """(T, N) gradient of the log-probability of each token by all logits."""
    out = np.zeros((len(path), tree.n_nodes))
    for t, n in enumerate(path):
        siblings = tree.parent == tree.parent[n]
        out[t, siblings] = -np.exp(log_prob[siblings])
        out[t, n] += 1
    return out


def update(
    tree: Tree, log_prob: np.ndarray, credit: Callable[[list[int]], list[float]]
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance (N,) of sum over t of credit_t(y) grad log pi(y_t), over all sequences."""
    every = sequences(tree)
    moves = np.stack([np.array(credit(y)) @ scores(tree, log_prob, y) for y in every])
    p = chances(tree, log_prob)[:, None]
    mean = (p * moves).sum(0)
    return mean, (p * (moves - mean) ** 2).sum(0)
