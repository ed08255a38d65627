"""Exact Bayes-adaptive values of K Bernoulli arms: seconds, beliefs a second, and play beside them.

    python benchmarks/bayes_adaptive.py [--blocks 100000]

Each line: the sweep's CPU seconds and beliefs, its value, and the mean of so many blocks played by
the stored policy with its standard error. Compilation is left out. Four arms to 50 pulls are
refused, with the reason and the size. A last line has the steps a second of the same bandits played
as environments, all blocks in one call, observations of the counts included.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from toyrl.theory.bandits.bayes_adaptive import bayes_adaptive_value, bayes_policy, belief_states
from toyrl.worlds.search.hidden_tasks import BetaArms
from toyrl.worlds.search.meta_bandits import MetaBanditVector

SIZES = ((2, 50), (3, 50), (4, 25))
REFUSED = (4, 50)


def line(arms: int, pulls: int, blocks: int) -> str:
    """One size, as text."""
    start = time.process_time()
    value = bayes_adaptive_value(arms, pulls)
    took, states = time.process_time() - start, belief_states(arms, pulls)
    paid = bayes_policy(arms, pulls).play(np.random.default_rng(0), blocks)
    mean, error = paid.mean(), paid.std() / np.sqrt(blocks)
    return (
        f"{arms} arms, {pulls} pulls: {took:7.3f} s, {states:>11,} beliefs, "
        f"{states / took / 1e6:5.0f} million/s, value {value:.6f}, played {mean:.4f} +- {error:.4f}"
        f" ({abs(mean - value) / error:.1f} errors apart)"
    )


def steps_a_second(blocks: int, pulls: int = 100) -> float:
    """Steps of `MetaBanditVector` a CPU second, arms drawn beforehand."""
    env = MetaBanditVector(blocks, BetaArms(2), pulls=pulls)
    arms = np.random.default_rng(0).integers(2, size=(pulls, blocks))
    env.reset(seed=0)
    start = time.process_time()
    for a in arms:
        env.step(a)
    return arms.size / (time.process_time() - start)


def main() -> None:
    """Print the lines."""
    p = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    p.add_argument("--blocks", type=int, default=100_000)
    blocks = p.parse_args().blocks
    line(2, 3, 10)  # compiles
    for arms, pulls in SIZES:
        print(line(arms, pulls, blocks))
    try:
        bayes_adaptive_value(*REFUSED)
    except ValueError as refused:
        print(f"{REFUSED[0]} arms, {REFUSED[1]} pulls: refused: {refused}")
    print(f"two arms as 4096 environments: {steps_a_second(4096) / 1e6:.0f} million steps/s")


if __name__ == "__main__":
    main()
