"""Win rates as advantages: whole batches at once against a double loop over each group's pairs.

    python benchmarks/win_rates.py [--prompts 4096] [--size 64] [--looped 64] [--repeats 5]

Tables of wins (one winner a pair) and scores (ties half a win to each), in the same process on the
same numbers, after a check that they agree. The loop runs on the first `looped` prompts and its
time is scaled to all of them; `--looped 4096` runs it whole. The floor is NumPy's own mean over the
table. Ratios within one run are what to read.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.mdp import in_turns
from benchmarks.timing import show
from toyrl.estimators.group import PRESETS
from toyrl.objectives.pairs import table_rates, win_rates
from toyrl.rollouts import Rollouts


def looped_table(table: np.ndarray) -> np.ndarray:
    """(B, G) advantages of wins (B, G, G), pair by pair."""
    B, G, _ = table.shape
    rate = np.zeros((B, G))
    for b in range(B):
        group = table[b].tolist()
        for i in range(G):
            won = 0.0
            for j in range(G):
                if i != j:
                    won += (group[i][j] + 1 - group[j][i]) / 2
            rate[b, i] = won / (G - 1)
    return _advantages(rate)


def looped_scores(score: np.ndarray) -> np.ndarray:
    """(B, G) advantages of scores (B, G), pair by pair."""
    B, G = score.shape
    rate = np.zeros((B, G))
    for b in range(B):
        group = score[b].tolist()
        for i in range(G):
            won = 0.0
            for j in range(G):
                if i != j:
                    won += 1.0 if group[i] > group[j] else 0.5 if group[i] == group[j] else 0.0
            rate[b, i] = won / (G - 1)
    return _advantages(rate)


def _advantages(rate: np.ndarray) -> np.ndarray:
    """Less the mean, over the sample's standard deviation."""
    return (rate - rate.mean(-1, keepdims=True)) / rate.std(-1, ddof=1, keepdims=True)


def drawn(prompts: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Wins (B, G, G) with one winner a pair, and scores (B, G) of which some tie."""
    rng = np.random.default_rng(0)
    up = np.triu(np.ones((size, size), bool), 1)
    win = np.where(up, rng.random((prompts, size, size)) < 0.7, False)
    table = win + np.where(up, ~win, False).swapaxes(-1, -2)
    return table.astype(float), rng.integers(0, 3 * size, (prompts, size)).astype(float)


def times(kind: str, prompts: int, size: int, looped: int, repeats: int) -> dict[str, float]:
    """Milliseconds of advantages from "tables" or from "scores": ours, the loop, the floor."""
    table, score = drawn(prompts, size)
    given = table if kind == "tables" else score
    r = Rollouts(np.zeros_like(score), np.ones_like(score), 1.0)
    rates: Any = table_rates if kind == "tables" else win_rates
    loop = looped_table if kind == "tables" else looped_scores

    def ours() -> np.ndarray:
        return np.asarray(PRESETS["grpo_exact"].apply({"reward": rates(given, r)}, r)[0])

    few = min(looped, prompts)
    np.testing.assert_allclose(ours()[:few], loop(given[:few]), atol=1e-10)
    calls = {
        "ours": ours,
        "double loop": lambda: loop(given[:few]),
        "mean over the table alone": lambda: table.mean(-1),
    }
    found = in_turns(calls, repeats)
    found["double loop"] *= prompts / few
    return found


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    for name, value in (("prompts", 4096), ("size", 64), ("looped", 64), ("repeats", 5)):
        parser.add_argument(f"--{name}", type=int, default=value)
    told = parser.parse_args()
    for kind in ("tables", "scores"):
        show(
            f"{told.prompts} prompts, groups of {told.size}, from {kind}",
            times(kind, told.prompts, told.size, told.looped, told.repeats),
        )


if __name__ == "__main__":
    main()
