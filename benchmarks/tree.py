"""Prefix trees: one sweep against plain recursion and the process's solver; the strategy's rate.

    python benchmarks/tree.py [--vocabulary 8] [--height 6] [--repeats 5]

All run in the same process on the same tree, after a check that they give the same answer. Times
are medians of runs that take turns, compilation and building left out; ratios within one run are
what to read. The strategy's rate is that of `hypothesis.strategies.binary` of as many bytes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.mdp import agree, in_turns
from benchmarks.timing import rate, show
from toyrl.testing import trees
from toyrl.worlds.mdp.solve import evaluate
from toyrl.worlds.tree import sweeps
from toyrl.worlds.tree.build import complete_tree
from toyrl.worlds.tree.convert import to_mdp
from toyrl.worlds.tree.log import from_sequences
from toyrl.worlds.tree.model import Tree
from toyrl.worlds.tree.values import value


def recursive(tree: Tree) -> np.ndarray:
    """(N,) values as one writes them first: a function that calls itself on the children."""
    below: list[list[int]] = [[] for _ in range(tree.n_nodes)]
    for n, above in enumerate(tree.parent.tolist()):
        if n:
            below[above].append(n)
    p, r, out = np.exp(tree.log_prob).tolist(), tree.reward.tolist(), np.zeros(tree.n_nodes)

    def walk(n: int) -> float:
        v = sum(p[c] * (r[c] + tree.discount * walk(c)) for c in below[n])
        out[n] = v
        return v

    walk(0)
    return out


def by_layers(tree: Tree) -> np.ndarray:
    """(N,) values by the sweep over layers, whatever the size."""
    kept, sweeps.LARGE = sweeps.LARGE, tree.n_nodes + 1
    try:
        return value(tree)
    finally:
        sweeps.LARGE = kept


def value_times(tree: Tree, repeats: int) -> dict[str, float]:
    """Milliseconds to the value of every prefix."""
    process = to_mdp(tree)
    policy = process.policy()
    runs: dict[str, Callable[[], Any]] = {
        "ours": lambda: value(tree),
        "layers, NumPy": lambda: by_layers(tree),
        "process, its solver": lambda: evaluate(process.mdp, policy).value,
        "recursive Python": lambda: recursive(tree),
    }
    agree({name: run() for name, run in runs.items()}, value(tree))
    return in_turns(runs, repeats)


def logged(n: int, length: int) -> Tree:
    """The tree of n random texts over three tokens: long branches that never meet again."""
    rng = np.random.default_rng(0)
    texts = rng.integers(0, 3, size=(n, length))
    return from_sequences(texts.tolist(), rng.integers(0, 2, size=n)).tree


def strategy_rates(examples: int, repeats: int) -> list[tuple[float, float]]:
    """(examples a second of `trees()`, of `binary` of the same size), CPU time, by turns."""
    size = 4 + 3 * 40  # the bytes of `trees()`: three a node of the complete tree

    plain = st.binary(min_size=size, max_size=size)
    return [(rate(trees(), examples), rate(plain, examples)) for _ in range(repeats)]


def main() -> None:
    """Print the tables."""
    p = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    p.add_argument("--vocabulary", type=int, default=8)
    p.add_argument("--height", type=int, default=6)
    p.add_argument("--repeats", type=int, default=5)
    p.add_argument("--examples", type=int, default=2000)
    a = p.parse_args()
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(a.height, a.vocabulary))
    for height in (4, a.height):
        whole = complete_tree(logits[:height], height)
        whole = whole.with_(reward=whole.at_leaves(rng.normal(size=whole.n_leaves)))
        title = f"complete tree, {a.vocabulary} tokens, height {height}, {whole.n_nodes} nodes"
        show(title, value_times(whole, a.repeats))
    tree = logged(256, 200)
    show(f"log of 256 texts of 200 tokens, {tree.n_nodes} nodes", value_times(tree, a.repeats))
    rates = strategy_rates(a.examples, a.repeats)
    ratio = statistics.median(ours / plain for ours, plain in rates)
    best = max(ours for ours, _ in rates), max(plain for _, plain in rates)
    print(
        f"strategy trees(): {best[0]:.0f}/s, binary of its size {best[1]:.0f}/s, ratio {ratio:.2f}"
    )


if __name__ == "__main__":
    main()
