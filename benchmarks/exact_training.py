"""Exact training over a prior of worlds: the compiled loop against a vmapped `lax.scan` in JAX.

    python benchmarks/exact_training.py [--worlds 256] [--updates 4000] [--peer-updates 100]

Both train H = 40, D = 8 chains with a done flag on outcome minus length under group-std
normalisation, in float64 and one process, and must agree on the class probabilities after
`--peer-updates` updates. Prints milliseconds per world-run, compilation apart, and their ratio.
"""

from __future__ import annotations

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np

from toyrl.dynamics.chain import exact
from toyrl.dynamics.chain.prior import prior
from toyrl.estimators.group import PRESETS
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.pytree import activate
from toyrl.worlds.chain.classes import class_probabilities
from toyrl.worlds.chain.model import Chain

GOAL = 10.0  # ms per world-run of 4,000 updates, two cores
RATE = 0.3
CHAIN = Chain(max_actions=40, tokens_per_action=12.8, flag_noise=0.1)


def ours(worlds, reward, updates: int, tolerance: float) -> tuple[float, np.ndarray]:
    """Seconds and class probabilities."""
    start = time.perf_counter()
    done = exact.train(
        worlds.batch,
        worlds.theta,
        reward,
        updates=updates,
        rate=RATE,
        estimator=PRESETS["grpo_exact"],
        objective=PolicyGradient("sum"),
        tolerance=tolerance,
    )
    return time.perf_counter() - start, exact.class_probabilities(worlds.batch, done.theta)


def peer(worlds, reward, updates: int) -> tuple[float, np.ndarray]:
    """The same by autodiff through the class program, vmapped over worlds, in a `lax.scan`."""
    b = worlds.batch

    def update(theta, numbers, shares, r):
        prob, pull = jax.vjp(lambda t: class_probabilities(b.chain, t, numbers=numbers), theta)
        mean = (prob * r).sum(-1, keepdims=True)
        std = jnp.sqrt((prob * (r - mean) ** 2).sum(-1, keepdims=True))
        weights = shares[:, None] * (r - mean) / jnp.where(std > 0, std, 1.0)
        return theta + RATE * pull(weights)[0]

    @jax.jit
    def run(theta, numbers, shares, r):
        def one(t, n, s, rr):
            body = lambda x, _: (update(x, n, s, rr), None)  # noqa: E731
            return jax.lax.scan(body, t, None, length=updates)[0]

        return jax.vmap(one)(theta, numbers, shares, r)

    names = ("progress", "slip", "repair", "guess", "flag_noise", "difficulties")
    arguments = (worlds.theta, {n: getattr(b, n) for n in names}, b.shares, reward)
    run(*arguments)[0].block_until_ready()
    start = time.perf_counter()
    theta = np.asarray(run(*arguments))
    return time.perf_counter() - start, exact.class_probabilities(b, theta)


def main() -> None:
    """Print both times and their ratio."""
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("--worlds", type=int, default=256)
    ask.add_argument("--peer-worlds", type=int, default=16)
    ask.add_argument("--updates", type=int, default=4000)
    ask.add_argument("--peer-updates", type=int, default=100)
    a = ask.parse_args()
    activate()
    worlds = prior(CHAIN, a.worlds, typical_length=150)
    length = CHAIN.class_length() / CHAIN.max_length
    reward = np.broadcast_to(CHAIN.class_correct() - 0.3 * length, (a.worlds, 2, len(length)))
    few = worlds.take(np.arange(a.peer_worlds))
    ours(few, reward[: a.peer_worlds], 1, 0.0)  # compiles
    full, _ = ours(worlds, reward, a.updates, 0.0)
    early, _ = ours(worlds, reward, a.updates, exact.TOLERANCE)
    _, mine = ours(few, reward[: a.peer_worlds], a.peer_updates, 0.0)
    with jax.enable_x64(True):
        theirs, prob = peer(few, reward[: a.peer_worlds], a.peer_updates)
    per = 1e3 / a.worlds
    scan = 1e3 * theirs / a.peer_worlds * a.updates / a.peer_updates
    print(f"largest difference of class probabilities  {np.abs(mine - prob).max():.1e}")
    print(f"compiled loop, all updates        {full * per:8.1f} ms per world-run (goal {GOAL:g})")
    print(f"compiled loop, stopping early     {early * per:8.1f} ms per world-run")
    print(f"vmapped lax.scan with autodiff    {scan:8.1f} ms per world-run, extrapolated from")
    print(f"                                           {a.peer_updates} updates; ratio", end=" ")
    print(f"{scan / (full * per):.0f}")


if __name__ == "__main__":
    main()
