"""What a forecast by behaviour worlds costs: CPU seconds to fit them and to train them.

    python benchmarks/behaviour.py [--worlds 32 --updates 100]

One thread; a line a reward, after checking that the same run again gives the same numbers.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from toyrl import parse, parse_estimator
from toyrl.worlds.behaviour import prior
from toyrl.worlds.behaviour.training import Plan, train
from toyrl.worlds.behaviour.worlds import fitted

REWARDS = (
    ("outcome()", "grpo"),
    ("outcome() - 0.5*linear_length()", "grpo"),
    ("efficient_reasoning(alpha=0.2)", "grpo"),
    ("grpo_lambda(lam=0.2)", "grpo_batch"),
    ("kimi()", "rloo"),
)


def main() -> None:
    """Print the table."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--worlds", type=int, default=32)
    ask.add_argument("--updates", type=int, default=100)
    given = ask.parse_args()
    plan = Plan(steps=given.updates)
    start = time.process_time()
    w = fitted(
        prior.drawn(given.worlds, "thinking", 6000.0), accuracy=0.5, length=6000.0, limit=16384.0
    )
    print(f"fit of {given.worlds} worlds: {time.process_time() - start:.2f} CPU s")
    for reward, estimator in REWARDS:
        one = train(w, parse(reward), parse_estimator(estimator), plan)
        start = time.process_time()
        two = train(w, parse(reward), parse_estimator(estimator), plan)
        seconds = time.process_time() - start
        np.testing.assert_array_equal(one.accuracy, two.accuracy)
        print(f"{reward:36s} {estimator:12s} {given.updates} updates: {seconds:.2f} CPU s")


if __name__ == "__main__":
    main()
