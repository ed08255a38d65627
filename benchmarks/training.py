"""Sampled training in steps per second: the chain's trainer against gymnax, in one run.

    python benchmarks/training.py [--rollouts 512,4096] [--updates 20] [--repeats 5]

The workload on all sides: from a table of softmax logits draw N rollouts, take advantages (return
less the batch mean), one REINFORCE step on the table, again. Ours is
`toyrl.dynamics.chain.sampled.train_sampled` on a chain of 100 actions. The peers are written as
purejaxrl does, `lax.scan` over updates around `lax.scan` over steps of `vmap`ped environments, all
jitted: gymnax's DiscountingChain (100 steps, 5 actions) and Catch (9 steps, 3 actions, 250 table
rows), and our chain written in plain JAX. Each peer's gradient is taken in the faster of two
forms (`jax.grad` of the surrogate loss, or a scatter of credit into the table). Steps are actions
taken before a rollout's end, environments of gymnax have none after it; compilation is apart; all
are timed alternately, ratios are of medians. Before a number is printed every trainer must have
raised its mean return by 4 standard errors.

The ratio to the chain in JAX is the like-for-like one; gymnax's steps are other steps, with its
auto-reset in them. XLA may use all cores, ours one below a million slots: on busy cores the ratio
grows. gymnax is no dependency: try it in an environment of its own, with the same jax,

    python -m venv peers && peers/bin/pip install jax==0.10.2 numpy numba gymnax six
    peers/bin/pip install array-api-compat && peers/bin/pip install -e . --no-deps

Without it one line says so, and ours is printed with the chain in JAX alone.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import jax
import jax.numpy as jnp
import numba
import numpy as np

from toyrl.dynamics.chain.sampled import Recipe, train_sampled
from toyrl.expressions import parse_estimator
from toyrl.worlds.chain.model import Chain

CHAIN = Chain(difficulties=(8,), shares=(1.0,), max_actions=100)
LOGITS = CHAIN.logits(STEP=0.0, FILL=1.0, ANSWER=-3.0)
FORMS = ("grad", "scatter")
OURS, PLAIN = "toyrl train_sampled", "the chain in JAX"


@dataclass(frozen=True)
class World:
    """An environment as functions of a batch.

    start(key, n) -> state; row(state) -> (n,) table row; move(key, state, action) ->
    (state, reward (n,), live (n,): the action was taken before the end)
    """

    rows: int
    actions: int
    steps: int
    rate: float
    theta: Any
    start: Callable[..., Any]
    row: Callable[..., Any]
    move: Callable[..., Any]


def chain_world() -> World:
    """Our chain, no flag and no slips, written in plain JAX."""
    c = CHAIN
    step, answer = c.actions.index("STEP"), c.actions.index("ANSWER")

    def start(key: Any, n: int) -> Any:
        del key
        return jnp.zeros(n, jnp.int32), jnp.ones(n, bool)

    def move(key: Any, state: Any, action: Any) -> Any:
        m, live = state
        u = jax.random.uniform(key, m.shape)
        gain = (action == step) & (u < c.progress)
        right = (m >= c.difficulties[0]) | (u < c.guess)
        ends = live & (action == answer)
        return (jnp.minimum(m + gain, c.D), live & ~ends), 1.0 * (ends & right), live

    theta = jnp.asarray(LOGITS[0, 0], jnp.float32)
    rows, actions = theta.shape
    return World(rows, actions, c.H, 1.0, theta, start, lambda s: s[0], move)


def gymnax_worlds() -> dict[str, World]:
    """DiscountingChain and Catch; {} without gymnax."""
    try:
        import gymnax
    except ImportError:
        return {}
    tables = {
        "DiscountingChain-bsuite": (6, 100, 30.0, lambda s: s.context + 1),
        "Catch-bsuite": (250, 9, 30.0, lambda s: (s.ball_y * 5 + s.ball_x) * 5 + s.paddle_x),
    }
    return {n: _gymnax_world(gymnax, n, *settings) for n, settings in tables.items()}


def _gymnax_world(gymnax: Any, name: str, rows: int, steps: int, rate: float, row: Any) -> World:
    env, params = gymnax.make(name)
    reset, step = jax.vmap(env.reset, (0, None)), jax.vmap(env.step, (0, 0, 0, None))

    def start(key: Any, n: int) -> Any:
        return reset(jax.random.split(key, n), params)[1]

    def move(key: Any, state: Any, action: Any) -> Any:
        n = action.shape[0]
        _, state, reward, *_ = step(jax.random.split(key, n), state, action, params)
        return state, reward, jnp.ones(n, bool)

    theta = jnp.zeros((rows, env.num_actions), jnp.float32)
    return World(rows, env.num_actions, steps, rate, theta, start, jax.vmap(row), move)


def jax_trainer(w: World, n: int, updates: int, form: str) -> Callable[..., Any]:
    """key -> (returns (updates, n), live steps): REINFORCE on the table, jitted."""

    def gradient(theta: Any, row: Any, action: Any, credit: Any) -> Any:
        if form == "grad":
            return jax.grad(
                lambda t: (jax.nn.log_softmax(t)[row, action] * credit).sum() / n
            )(theta)  # fmt: skip
        flat = (row * w.actions + action).ravel()
        at = jnp.zeros(w.rows * w.actions).at[flat].add(credit.ravel()).reshape(theta.shape) / n
        return at - jax.nn.softmax(theta) * at.sum(-1, keepdims=True)

    def update(theta: Any, key: Any) -> Any:
        first, rest = jax.random.split(key)

        def body(state: Any, key: Any) -> Any:
            k_action, k_move = jax.random.split(key)
            row = w.row(state)
            action = jax.random.categorical(k_action, theta[row])
            state, reward, live = w.move(k_move, state, action)
            return state, (row, action, reward, live)

        keys = jax.random.split(rest, w.steps)
        _, (row, action, reward, live) = jax.lax.scan(body, w.start(first, n), keys)
        total = (reward * live).sum(0)
        credit = (total - total.mean()) * live
        return theta + w.rate * gradient(theta, row, action, credit), (total, live.sum())

    def run(key: Any) -> Any:
        _, (total, live) = jax.lax.scan(update, w.theta, jax.random.split(key, updates))
        return total, live.sum()

    return jax.jit(run)


def ours(n: int, updates: int, seed: int) -> tuple[np.ndarray, int]:
    """(mean return before each update, actions taken); returns are 0 or 1."""
    plan = Recipe(parse_estimator("dr_grpo"), groups=1, group_size=n, rate=chain_world().rate)
    run = train_sampled(CHAIN, LOGITS, recipe=plan, updates=updates, seed=seed)
    return run.success, run.steps


def check_learns(name: str, first: float, last: float, error: float) -> None:
    """AssertionError unless the mean return rose by 4 standard errors."""
    if not last - first > 4 * error:
        msg = f"{name}: mean return {first:.4f} -> {last:.4f} (s.e. {error:.4f}); it learns nothing"
        raise AssertionError(msg)


def measure(n: int, updates: int, repeats: int) -> dict[str, dict[str, float]]:
    """Per trainer: million steps per second (median), compile seconds, first and last return."""
    worlds = {PLAIN: chain_world(), **gymnax_worlds()}
    runs = {
        (name, form): jax_trainer(w, n, updates, form)
        for name, w in worlds.items()
        for form in FORMS
    }
    compiled: dict[Any, float] = {}
    for key, run in runs.items():
        start = time.perf_counter()
        jax.block_until_ready(run(jax.random.key(0)))
        compiled[key] = time.perf_counter() - start
    start = time.perf_counter()
    ours(n, 1, 0)
    compiled[OURS, ""] = time.perf_counter() - start
    rates: dict[Any, list[float]] = {key: [] for key in (*runs, (OURS, ""))}
    ends: dict[str, tuple[float, float]] = {}
    for i in range(1, repeats + 1):
        start = time.perf_counter()
        success, steps = ours(n, updates, i)
        rates[OURS, ""].append(steps / (time.perf_counter() - start) / 1e6)
        ends[OURS] = float(success[0]), float(success[-1])
        check_learns(OURS, *ends[OURS], (0.5 / n) ** 0.5)  # two means of numbers in [0, 1]
        for (name, form), run in runs.items():
            start = time.perf_counter()
            total, live = jax.block_until_ready(run(jax.random.key(i)))
            rates[name, form].append(float(live) / (time.perf_counter() - start) / 1e6)
            t = np.asarray(total)
            ends[name] = float(t[0].mean()), float(t[-1].mean())
            check_learns(name, *ends[name], float(np.hypot(t[0].std(), t[-1].std())) / n**0.5)
    found = {}
    for name in (OURS, *worlds):
        forms = [key for key in rates if key[0] == name]
        best = max(forms, key=lambda key: statistics.median(rates[key]))
        found[name] = {
            "rate": statistics.median(rates[best]),
            "compile": compiled[best],
            "first": ends[name][0],
            "last": ends[name][1],
        }
    return found


def main() -> None:
    """Print the tables."""
    ask = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    ask.add_argument("--rollouts", default="512,4096")
    ask.add_argument("--updates", type=int, default=20)
    ask.add_argument("--repeats", type=int, default=5)
    a = ask.parse_args()
    try:
        peer = f"gymnax {metadata.version('gymnax')}"
    except metadata.PackageNotFoundError:
        peer = "gymnax is not installed: ours and the chain in JAX alone (see the docstring)"
    print(f"jax {jax.__version__}, {numba.get_num_threads()} threads; {peer}")
    for n in map(int, a.rollouts.split(",")):
        found = measure(n, a.updates, a.repeats)
        mine = found[OURS]["rate"]
        print(f"\n{n} rollouts an update, {a.updates} updates, M steps/s, median of {a.repeats}")
        for name, x in found.items():
            print(f"  {name:26s} {x['rate']:7.2f}   ours is {mine / x['rate']:5.2f}x", end="")
            print(
                f"   return {x['first']:.3f} -> {x['last']:.3f}   first call {x['compile']:.1f} s"
            )


if __name__ == "__main__":
    main()
