"""Class probabilities of the chain and the gradient of a scalar of them, against a plain peer.

    python benchmarks/chain_classes.py [--actions 512] [--depth 32] [--repeats 40]

Peers, in the same process and after the same check of values: JAX's own derivative of a plain
`lax.scan` over dense-looking arrays (what one writes first), and, forward only, the NumPy
reference. Prints milliseconds (median and best, after compilation) and their ratio.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from toyrl.worlds.chain import forward
from toyrl.worlds.chain.classes import ClassSpace, probabilities_and_gradient
from toyrl.worlds.chain.model import ACTIONS, Chain

GOALS = {"no counter": 2.0, "fillers, cap 16": 7.0}  # ms, three actions


def plain_scan(chain: Chain, cap: int) -> Callable[..., Any]:
    """value_and_grad of sum(w * prob) by autodiff through a scan; one-phase chain without flag.

    cap = 0: no counter, else a saturating counter of FILL.
    """
    H, D, d = chain.H, chain.D, chain.difficulties[0]
    q, s, v, g = chain.progress, chain.slip, chain.repair, chain.guess
    right = jnp.full((2, D + 1), g).at[0, d:].set(1.0)[..., None]

    def up(x, axis):
        x = jnp.moveaxis(x, axis, 0)
        stuck = (x[-2] + x[-1])[None]
        return jnp.moveaxis(jnp.concatenate([jnp.zeros_like(x[:1]), x[:-2], stuck]), 0, axis)

    def step(act, x):
        after = jnp.zeros_like(x)
        for i, name in enumerate(chain.actions):
            flow = x * act[:, i, None]
            if name == "STEP":
                moved = q * up(flow, 1) + (1 - q) * flow
                after += jnp.stack([(1 - s) * moved[0], moved[1] + s * moved[0]])
            elif name == "FILL":
                after += up(flow, 2) if cap else flow
            elif name == "CHECK":
                after += jnp.stack([flow[0] + v * flow[1], (1 - v) * flow[1]])
            elif name != "ANSWER":
                after += flow
        ends = x * act[:, chain.actions.index("ANSWER"), None]
        return after, jnp.stack([(ends * right).sum((0, 1)), (ends * (1 - right)).sum((0, 1))])

    def value(theta, w):
        act = chain.policy(theta)[0, 0]
        start = jnp.zeros((2, D + 1, cap + 1)).at[0, 0, 0].set(1.0)
        left, ended = jax.lax.scan(lambda x, _: step(act, x), start, None, length=H)
        ended = jnp.moveaxis(ended, 1, 0).reshape(2 * H, cap + 1)
        prob = jnp.concatenate([ended, left.sum((0, 1))[None]]).reshape(1, -1)
        return (w * prob).sum(), prob

    return jax.jit(jax.value_and_grad(value, has_aux=True))


def milliseconds(run: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """(median, best) of repeated runs."""
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        spent.append(1e3 * (time.perf_counter() - start))
    return statistics.median(spent), min(spent)


def measure(chain: Chain, cap: int, repeats: int) -> dict[str, Any]:
    """Times of ours and of the plain scan on one chain; raises if their answers differ."""
    counters = ("fillers",) if cap else ()
    theta = chain.logits(STEP=0.0, FILL=0.5, ANSWER=-4.0)
    w = np.random.default_rng(0).normal(size=(1, ClassSpace(chain, counters, cap or 16).n_classes))

    def ours():
        return probabilities_and_gradient(chain, theta, w, counters=counters, cap=cap or 16)

    out: dict[str, Any] = {}
    start = time.perf_counter()
    prob, _, gradient = ours()
    out["compile"] = time.perf_counter() - start
    with jax.enable_x64(True):
        peer, args = None, (jnp.asarray(theta), jnp.asarray(w))
        if chain.phases == 1 and chain.flags == 1:
            peer = plain_scan(chain, cap)
            (_, prob2), gradient2 = jax.block_until_ready(peer(*args))
            # H sums of products rounded to eps each; the gradient's terms are O(H) larger
            np.testing.assert_allclose(prob, prob2, atol=1e-13)
            np.testing.assert_allclose(gradient, gradient2, atol=1e-12 * chain.H)
        ours_ms, peer_ms = [], []
        for _ in range(max(1, repeats // 5)):  # interleaved, so that other load hits both
            ours_ms.append(milliseconds(ours, 5))
            if peer:
                peer_ms.append(milliseconds(lambda: jax.block_until_ready(peer(*args)), 5))
    out["ours"] = statistics.median(m for m, _ in ours_ms), min(b for _, b in ours_ms)
    if peer:
        out["plain scan"] = statistics.median(m for m, _ in peer_ms), min(b for _, b in peer_ms)
    if not cap:
        out["numpy, forward only"] = milliseconds(
            lambda: forward.class_probabilities(chain, theta), max(1, repeats // 10)
        )
    return out


def main() -> None:
    """Print the table."""
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--actions", type=int, default=512)
    p.add_argument("--depth", type=int, default=32)
    p.add_argument("--repeats", type=int, default=40)
    a = p.parse_args()
    base = Chain(difficulties=(a.depth,), shares=(1.0,), max_actions=a.actions, slip=0.02)
    print(
        f"H={a.actions}, one difficulty {a.depth}; float64; ms median / best; jax", jax.__version__
    )
    for name, cap in (("no counter", 0), ("fillers, cap 16", 16)):
        for chain in (base.with_(slip=0.0), base, base.with_(actions=ACTIONS, flag_noise=0.2)):
            got = measure(chain, cap, a.repeats)
            label = f"{name}; {len(chain.actions)} actions, slip {chain.slip:g}"
            print(f"{label}: compile {got.pop('compile'):.2f} s, goal {GOALS[name]:g} ms")
            for who, (median, best) in got.items():
                ratio = median / got["ours"][0]
                print(f"    {who:<20} {median:8.2f} / {best:8.2f}   {ratio:6.1f} x ours")


if __name__ == "__main__":
    main()
