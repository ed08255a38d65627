"""Exact finite-group class weights against Monte Carlo at equal error.

    python benchmarks/class_weights.py [--group-size 8] [--samples 4096]

Group-std normalisation on outcome minus length. `quadrature` runs on the chain's 81 classes and on
K = 256 random ones with G = 16; `compositions` checks it on a small problem in the same run.
Monte Carlo's time at the exact methods' error is extrapolated by its 1/sqrt(n) law.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from toyrl.dynamics.class_weights import class_weights
from toyrl.dynamics.forward import class_probabilities
from toyrl.envs.chain import HELLO, HELLO_LOGITS
from toyrl.estimators.group import PRESETS
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts

GRPO = PRESETS["grpo_exact"]


class Paid:
    """A reward that is a number per class."""

    scope = "rollout"

    def __init__(self, reward: np.ndarray) -> None:
        self.reward = reward

    def __call__(self, r: Rollouts) -> Parts:
        return {"reward": self.reward + 0 * r.correct}


def chain() -> tuple[Rollouts, Paid]:
    """The hello-world chain's classes and outcome minus 0.3 length / limit."""
    prob = class_probabilities(HELLO, HELLO.logits(**HELLO_LOGITS))
    wide = np.broadcast_to(HELLO.class_length(), prob.shape)
    correct = np.broadcast_to(HELLO.class_correct(), prob.shape)
    r = Rollouts(correct, wide, HELLO.max_length, weight=prob / len(prob))
    return r, Paid(correct - 0.3 * wide / HELLO.max_length)


def random_classes(k: int) -> tuple[Rollouts, Paid]:
    """k classes with random rewards and probabilities."""
    rng = np.random.default_rng(0)
    prob = rng.dirichlet(np.ones(k))[None]
    correct = (rng.random((1, k)) < 0.5) * 1.0
    r = Rollouts(correct, np.ones((1, k)), 1.0, weight=prob)
    return r, Paid(correct + 0.1 * rng.standard_normal((1, k)))


def timed(*arguments, repeats: int = 3, **settings):
    """(best seconds, answer)."""
    best, answer = np.inf, None
    for _ in range(repeats):
        start = time.perf_counter()
        answer = class_weights(*arguments, **settings)
        best = min(best, time.perf_counter() - start)
    return best, answer


def row(name: str, problem: tuple[Rollouts, Paid], size: int, samples: int, error: float) -> None:
    """One line of the table."""
    r, paid = problem
    exact_seconds, exact = timed(r, paid, GRPO, group_size=size, method="quadrature")
    seconds, drawn = timed(
        r, paid, GRPO, group_size=size, method="sampled", samples=samples, repeats=1
    )
    prob = r.w / r.w.sum(-1, keepdims=True)
    rms = float(np.sqrt((prob * (drawn.w - exact.w) ** 2).sum(-1).mean()))
    equal = seconds * (rms / error) ** 2
    print(f"{name:26s} {1e3 * exact_seconds:8.1f} {1e3 * seconds:9.1f} {rms:9.1e}", end=" ")
    print(f"{equal / exact_seconds:12.1e}")


def main() -> None:
    """Print the table."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--group-size", type=int, default=8)
    ask.add_argument("--samples", type=int, default=4096)
    a = ask.parse_args()
    r, paid = random_classes(6)
    settings = {"group_size": a.group_size}
    enumerated = class_weights(r, paid, GRPO, method="compositions", **settings).w
    integral = class_weights(r, paid, GRPO, method="quadrature", **settings).w
    error = max(float(np.abs(enumerated - integral).max()), 1e-15)
    print(f"quadrature against enumeration, 6 classes, G = {a.group_size}: {error:.1e}")
    print(f"{'':26s} {'exact ms':>8s} {'sampled ms':>9s} {'rms error':>9s} {'equal error':>12s}")
    row(f"chain, K = 81, G = {a.group_size}", chain(), a.group_size, a.samples, error)
    row("random, K = 256, G = 16", random_classes(256), 16, a.samples, error)


if __name__ == "__main__":
    main()
