"""Steps a second of many combination locks beside their neighbours.

    python benchmarks/search_worlds.py [COPIES STEPS]

The lock stepped by random actions, against Gymnasium's own vectorised toy-text environment
(FrozenLake-v1, a Python loop over copies) and, where gymnax is installed, its DeepSea-bsuite, a
chain of hidden actions as the lock is one, under vmap and jit. CPU seconds; ratios are ours over
theirs, in one process and run. Both peers are stepped with drawn actions and reset as they do it
themselves.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable

import gymnasium
import numpy as np

from toyrl.worlds.search.lock import Lock, VectorLock


def rate(step: Callable[[int], None], steps: int, envs: int) -> float:
    """Environment steps a CPU second, the best of three."""
    step(0)
    times = []
    for _ in range(3):
        start = time.process_time()
        for t in range(steps):
            step(t)
        times.append(time.process_time() - start)
    return envs * steps / max(min(times), 1e-9)


def ours(envs: int, steps: int) -> float:
    """The lock of twenty levels."""
    env = VectorLock(envs, Lock())
    env.reset(seed=0)
    action = np.random.default_rng(0).integers(0, 3, (steps, envs))

    def step(t: int) -> None:
        env.step(action[t])

    return rate(step, steps, envs)


def toy_text(envs: int, steps: int) -> float:
    """FrozenLake-v1 under `gymnasium.make_vec`, its copies stepped one after another."""
    env = gymnasium.make_vec("FrozenLake-v1", num_envs=envs, vectorization_mode="sync")
    env.reset(seed=0)
    action = np.random.default_rng(0).integers(0, 4, (steps, envs))

    def step(t: int) -> None:
        env.step(action[t])

    found = rate(step, steps, envs)
    env.close()
    return found


def gymnax_chain(envs: int, steps: int) -> float:
    """DeepSea-bsuite of gymnax, jitted over copies; one call a step, as the others are called."""
    import gymnax
    import jax

    env, params = gymnax.make("DeepSea-bsuite")
    keys = jax.random.split(jax.random.PRNGKey(0), envs)
    _, state = jax.vmap(env.reset, in_axes=(0, None))(keys, params)
    move = jax.jit(jax.vmap(env.step, in_axes=(0, 0, 0, None)))
    action = np.random.default_rng(0).integers(0, 2, (steps, envs))
    held = [state]

    def step(t: int) -> None:
        _, held[0], reward, _, _ = move(keys, held[0], action[t], params)
        reward.block_until_ready()

    return rate(step, steps, envs)


def gymnax_scan(envs: int, steps: int) -> float:
    """The same with all steps in one compiled `lax.scan`, which no trainer in Python can use."""
    import gymnax
    import jax

    env, params = gymnax.make("DeepSea-bsuite")
    keys = jax.random.split(jax.random.PRNGKey(0), envs)
    _, state = jax.vmap(env.reset, in_axes=(0, None))(keys, params)
    many = jax.vmap(env.step, in_axes=(0, 0, 0, None))
    action = np.random.default_rng(0).integers(0, 2, (steps, envs))

    def move(held: object, a: object) -> tuple[object, object]:
        _, held, reward, _, _ = many(keys, held, a, params)
        return held, reward

    whole = jax.jit(lambda first, actions: jax.lax.scan(move, first, actions))
    return rate(lambda _: whole(state, action)[1].block_until_ready(), 1, envs * steps)


def main(envs: int = 1024, steps: int = 300) -> dict[str, float]:
    """Print the rates and ratios; name -> environment steps a CPU second."""
    found = {"toyrl CombinationLock": ours(envs, steps)}
    few = max(1, min(steps, 20_000 // envs))
    found["gymnasium FrozenLake, sync"] = toy_text(envs, few)
    if importlib.util.find_spec("gymnax") is not None:
        found["gymnax DeepSea, jit"] = gymnax_chain(envs, steps)
        found["gymnax DeepSea, scan"] = gymnax_scan(envs, steps)
    else:
        print("gymnax is not installed: it isn't compared")
    first = found["toyrl CombinationLock"]
    print(f"{envs} copies, {steps} steps")
    for name, each in found.items():
        print(f"    {name:<28} {each / 1e6:10.3f} M steps/s   ours is {first / each:8.2f} x")
    return found


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
