"""Steps per second of the chain's sampler against a plain jitted `jax.lax.scan`, in one run.

    python benchmarks/simulate.py [--n 65536] [--actions 64] [--repeats 7]

Both draw the same chain and policy and store every action; only actions taken before the end
count as steps. Each sampler's mean return is checked against the exact class law at 4 standard
errors in the same run. The two are timed alternately; ratio of medians.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numba
import numpy as np

from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.chain.simulate import sample_trajectories


def scan_sampler(chain: Chain, theta: np.ndarray, d: int, n: int) -> Callable[..., Any]:
    """key -> (actions (H, n) int8, alive (H, n) bool, correct (n,)); three-action chains.

    One uniform chooses the action by its CDF, one decides progress or a guess.
    """
    cdf = jnp.asarray(np.cumsum(chain.policy(theta)[0, 0], axis=-1), dtype=jnp.float32)
    step, answer = chain.actions.index("STEP"), chain.actions.index("ANSWER")

    def body(state, key):
        m, alive, correct = state
        u = jax.random.uniform(key, (2, n))
        action = (u[0][:, None] >= cdf[m]).sum(-1).astype(jnp.int8)
        action = jnp.minimum(action, len(chain.actions) - 1)
        gain = (action == step) & (u[1] < chain.progress) & alive
        right = (m >= d) | (u[1] < chain.guess)
        ends = alive & (action == answer)
        new = (jnp.minimum(m + gain, chain.D), alive & ~ends, correct | (ends & right))
        return new, (action, alive)

    def run(key):
        start = jnp.zeros(n, jnp.int32), jnp.ones(n, bool), jnp.zeros(n, bool)
        (_, _, correct), out = jax.lax.scan(body, start, jax.random.split(key, chain.H))
        return *out, correct

    return jax.jit(run)


def check_mean(name: str, correct: np.ndarray, exact: float) -> float:
    """(mean - exact) in standard errors; raises beyond 4."""
    sem = np.sqrt(exact * (1 - exact) / correct.size)
    z = (correct.mean() - exact) / sem
    if not abs(z) <= 4:
        msg = f"{name}: mean return {correct.mean():.5f} is {z:.1f} s.e. from the exact {exact:.5f}"
        raise AssertionError(msg)
    return float(z)


def measure(n: int, actions: int, repeats: int) -> dict[str, float]:
    """Median million steps per second of both, deviations from the exact mean, and the ratio."""
    chain = Chain(difficulties=(8,), shares=(1.0,), max_actions=actions)
    theta = chain.logits(STEP=0.0, FILL=0.5, ANSWER=-2.5)
    exact = float(class_probabilities(chain, theta)[0] @ chain.class_correct())
    plain = scan_sampler(chain, theta, 8, n)
    ours_rate, scan_rate, scan_all, ours_right, scan_right = [], [], [], [], []
    jax.block_until_ready(plain(jax.random.key(0)))
    sample_trajectories(chain, theta, 8, n, 0)
    for i in range(1, repeats + 1):
        start = time.perf_counter()
        drawn = sample_trajectories(chain, theta, 8, n, i)
        ours_rate.append(drawn.length.sum() / (time.perf_counter() - start))
        ours_right.append(drawn.correct)
        start = time.perf_counter()
        _, alive, correct = jax.block_until_ready(plain(jax.random.key(i)))
        spent = time.perf_counter() - start
        scan_rate.append(float(np.asarray(alive).sum()) / spent)
        scan_all.append(n * chain.H / spent)
        scan_right.append(np.asarray(correct))
    ours, scan = statistics.median(ours_rate), statistics.median(scan_rate)
    return {
        "ours": ours / 1e6,
        "scan": scan / 1e6,
        "scan_with_idle": statistics.median(scan_all) / 1e6,
        "ratio": ours / scan,
        "ratio_with_idle": ours / statistics.median(scan_all),
        "ours_z": check_mean("ours", np.concatenate(ours_right), exact),
        "scan_z": check_mean("scan", np.concatenate(scan_right), exact),
    }


def main() -> None:
    """Print the table."""
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--n", type=int, default=65536)
    p.add_argument("--actions", type=int, default=64)
    p.add_argument("--repeats", type=int, default=7)
    a = p.parse_args()
    got = measure(a.n, a.actions, a.repeats)
    threads = numba.get_num_threads()
    print(f"N={a.n}, H={a.actions}, {threads} threads; M steps/s, jax {jax.__version__}")
    print(f"  toyrl, tables built anew each time   {got['ours']:7.1f}   z = {got['ours_z']:+.1f}")
    print(f"  jax.lax.scan, live steps             {got['scan']:7.1f}   z = {got['scan_z']:+.1f}")
    print(f"  jax.lax.scan, ended rollouts counted {got['scan_with_idle']:7.1f}")
    print(f"  ratio {got['ratio']:.1f}x; with the scan's idle steps {got['ratio_with_idle']:.1f}x")


if __name__ == "__main__":
    main()
