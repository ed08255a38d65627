"""Exact finite-group class weights against Monte Carlo at equal error.

    python benchmarks/class_weights.py [--samples 4096] [--repeats 3]

Group-std normalisation on outcome minus length, three problems: 6 random classes by enumeration
(`compositions`), the chain's 81 classes and 256 random ones by `quadrature`. Monte Carlo is the
library's own vectorised sampler of groups (`sampled`). Per problem:

    rms              Monte Carlo's error over classes by probability with n = `--samples` groups
    z                one such error in its own standard errors. Draws are stratified, which the
                     standard error does not know: below 1 where the exact value is right
    slope            of log error in log n, n to 16 n; -1/2 is the law that the next two rest on
    to 1e-3          Monte Carlo's time to an rms error of 1e-3 over the exact method's time
    to equal error   the same to the exact method's own error, far beyond what could be run

The exact methods' own error is the difference of quadrature and enumeration on the 6 classes at the
same group size, at least 1e-15. A slope off -1/2 or a z above 1.5 stops the benchmark.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.dynamics.groups.class_weights import ClassWeights, class_weights
from toyrl.estimators.group import PRESETS
from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import class_rollouts
from toyrl.shapers.base import Parts
from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.model import HELLO, HELLO_LOGITS

GRPO = PRESETS["grpo_exact"]
MORE = 16  # times as many groups, for the slope
SEEDS = 8


class Paid:
    """A reward that is a number per class."""

    scope = "rollout"

    def __init__(self, reward: np.ndarray) -> None:
        self.reward = reward

    def __call__(self, r: Rollouts) -> Parts:
        return {"reward": self.reward + 0 * r.correct}


@dataclass(frozen=True)
class Problem:
    """Classes with a reward, and the exact method for them."""

    name: str
    rollouts: Rollouts
    paid: Paid
    group_size: int
    method: str

    def solve(self, method: str, **settings: Any) -> ClassWeights:
        """Class weights by a method of `class_weights`."""
        size = self.group_size
        return class_weights(
            self.rollouts, self.paid, GRPO, group_size=size, method=method, **settings
        )


@dataclass(frozen=True)
class Row:
    """What was measured; times in seconds, `to_*` as multiples of the exact method's time."""

    exact: float
    sampled: float
    rms: float
    z: float
    slope: float
    own_error: float
    to_thousandth: float
    to_equal: float


def chain(size: int) -> Problem:
    """The hello-world chain's classes and outcome minus 0.3 length / limit."""
    prob = class_probabilities(HELLO, HELLO.logits(**HELLO_LOGITS))
    wide = np.broadcast_to(HELLO.class_length(), prob.shape)
    correct = np.broadcast_to(HELLO.class_correct(), prob.shape)
    r = HELLO.rollouts(prob)
    paid = Paid(correct - 0.3 * wide / HELLO.max_length)
    return Problem(f"chain, 81 classes, G = {size}", r, paid, size, "quadrature")


def random_classes(k: int, size: int, method: str) -> Problem:
    """k classes with random rewards and probabilities."""
    rng = np.random.default_rng(0)
    prob = rng.dirichlet(np.ones(k))[None]
    correct = (rng.random((1, k)) < 0.5) * 1.0
    r = class_rollouts(prob, correct=correct, length=np.ones(k), max_length=1.0)
    paid = Paid(correct + 0.1 * rng.standard_normal((1, k)))
    return Problem(f"random, {k} classes, G = {size}", r, paid, size, method)


def own_error(size: int) -> float:
    """Largest difference of the two exact methods on 6 classes in groups of `size`."""
    p = random_classes(6, size, "compositions")
    gap = p.solve("compositions").w - p.solve("quadrature").w
    return max(float(np.abs(gap).max()), 1e-15)


def timed(p: Problem, method: str, repeats: int, **settings: Any) -> tuple[float, ClassWeights]:
    """(best seconds, answer)."""
    best, answer = np.inf, None
    for _ in range(max(repeats, 1)):
        start = time.perf_counter()
        answer = p.solve(method, **settings)
        best = min(best, time.perf_counter() - start)
    assert answer is not None
    return best, answer


def measure(p: Problem, samples: int, repeats: int) -> Row:
    """One row; AssertionError where Monte Carlo and the exact method do not fit together."""
    p.solve(p.method)  # compiles, fills caches
    exact_seconds, exact = timed(p, p.method, repeats)
    prob = p.rollouts.w / p.rollouts.w.sum(-1, keepdims=True)

    def rms(drawn: ClassWeights) -> float:
        return float(np.sqrt((prob * (drawn.w - exact.w) ** 2).sum(-1).mean()))

    seconds, drawn = timed(p, "sampled", repeats, samples=samples)
    error = float(np.mean([rms(p.solve("sampled", samples=samples, seed=s)) for s in range(SEEDS)]))
    finer = float(np.mean([rms(p.solve("sampled", samples=MORE * samples, seed=s))
                           for s in range(SEEDS, 2 * SEEDS)]))  # fmt: skip
    slope = float(np.log(finer / error) / np.log(MORE))
    assert drawn.stderr is not None
    # A class that few groups drew has no standard error to speak of.
    often = prob * samples * p.group_size > 50
    z = float(np.sqrt(((drawn.w - exact.w)[often] ** 2 / drawn.stderr[often] ** 2).mean()))
    if not -0.65 < slope < -0.35 or not z < 1.5:
        msg = f"{p.name}: error falls as n^{slope:.2f}, {z:.1f} standard errors from the exact"
        raise AssertionError(msg)
    own = own_error(p.group_size)
    return Row(
        exact_seconds, seconds, error, z, slope, own,
        to_thousandth=seconds * (error / 1e-3) ** 2 / exact_seconds,
        to_equal=seconds * (error / own) ** 2 / exact_seconds,
    )  # fmt: skip


def main() -> None:
    """Print the table."""
    ask = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    ask.add_argument("--samples", type=int, default=4096)
    ask.add_argument("--repeats", type=int, default=3)
    a = ask.parse_args()
    problems = (
        random_classes(6, 8, "compositions"),
        chain(8),
        random_classes(256, 16, "quadrature"),
    )
    heads = ("exact ms", "own error", f"ms at {a.samples}", "rms", "z", "slope", "to 1e-3",
             "to equal error")  # fmt: skip
    print(f"{'':28s}" + "".join(f"{h:>11s}" for h in heads[:-1]) + f"  {heads[-1]}")
    for p in problems:
        x = measure(p, a.samples, a.repeats)
        print(
            f"{p.name:28s}{1e3 * x.exact:11.1f}{x.own_error:11.1e}{1e3 * x.sampled:11.1f}", end=""
        )
        print(f"{x.rms:11.1e}{x.z:11.2f}{x.slope:11.2f}{x.to_thousandth:10.1f}x", end="")
        print(f"  {x.to_equal:.0e}x")


if __name__ == "__main__":
    main()
