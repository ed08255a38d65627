"""Tabular processes: batched optima, evaluation and control against peers, strategies' rate.

    python benchmarks/mdp.py [--batch 2000] [--states 6] [--large 100000] [--repeats 5]

Peers run in the same process on the same numbers, after a check that both give the same answer:
quantecon where it is installed (else it says so), value iteration as `P @ v` in SciPy or NumPy, the
same in a jitted JAX scan, and SciPy's bare `bicgstab`. Times are medians of runs that take turns,
compilation and building left out; ratios within one run are what to read. The strategy's rate is
that of `hypothesis.strategies.binary` of as many bytes.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.timing import rate, show
from toyrl.testing import mdps
from toyrl.worlds.mdp.batched import batched_value_iteration
from toyrl.worlds.mdp.control import optimal
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.mdp.random import corridor, garnet
from toyrl.worlds.mdp.solve import evaluate
from toyrl.worlds.mdp.structure import structure

ERROR = 1e-4  # largest |V - V*| allowed to every solver


def in_turns(runs: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median milliseconds of each, interleaved so that other load hits all; one run before."""
    for run in runs.values():
        run()
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            spent[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(x) for name, x in spent.items()}


def agree(answers: Mapping[str, np.ndarray], exact: np.ndarray) -> None:
    """Raises AssertionError for an answer that is further than `ERROR` from the exact one."""
    for name, v in answers.items():
        worst = float(abs(np.asarray(v) - exact).max())
        assert worst <= ERROR, f"{name} is off by {worst:.3g}"


def sweeps(P: Any, r: np.ndarray, discount: float, change: float) -> np.ndarray:
    """(S,) value iteration as one writes it first: products until the largest change is small."""
    S, A = r.shape
    v = np.zeros(S)
    while True:
        new = (r + discount * (P @ v).reshape(S, A)).max(-1)
        if abs(new - v).max() <= change:
            return new
        v = new


def quantecon_optimum(mdp: MDP, method: str) -> Callable[[], np.ndarray] | None:
    """A run of quantecon, which keeps nothing between runs; None where it isn't installed."""
    if importlib.util.find_spec("quantecon") is None:
        return None
    from quantecon.markov import DiscreteDP  # pyright: ignore[reportMissingImports]
    from scipy.sparse import csr_matrix

    pairs = np.divmod(np.arange(mdp.n_states * mdp.n_actions), mdp.n_actions)
    built = DiscreteDP(mdp.pair_reward.ravel(), csr_matrix(mdp.pairs), mdp.discount, *pairs)

    def run() -> np.ndarray:
        return built.solve(method, epsilon=ERROR, max_iter=1_000_000).v

    return run


def jax_batch(P: np.ndarray, r: np.ndarray, discount: float, steps: int) -> Callable[[], Any]:
    """Value iteration of a batch in one jitted scan of a fixed number of steps, float64."""
    import jax
    import jax.numpy as jnp

    with jax.enable_x64(True):
        P, r = jnp.asarray(P), jnp.asarray(r)

        @jax.jit
        def solve(P, r):
            def step(v, _):
                return (r + discount * jnp.einsum("bsat,bt->bsa", P, v)).max(-1), None

            return jax.lax.scan(step, jnp.zeros(r.shape[:2]), None, length=steps)[0]

    def run() -> Any:
        with jax.enable_x64(True):
            return np.asarray(jax.block_until_ready(solve(P, r)))

    return run


def batch_times(batch: int, states: int, actions: int, repeats: int) -> dict[str, float]:
    """Milliseconds for `batch` dense random processes at discount 0.95, error `ERROR` for all."""
    rng, discount = np.random.default_rng(0), 0.95
    P = rng.dirichlet(np.ones(states), size=(batch, states, actions))
    r = rng.normal(size=(batch, states, actions))
    exact = batched_value_iteration(P, r, discount, tolerance=1e-13).value
    size = abs(r).max() / (1 - discount)
    # the peers stop when discount^n max|r| / (1 - discount) is below the error
    steps = int(np.ceil(np.log(ERROR / size) / np.log(discount)))
    flat = [(P[b].reshape(-1, states), r[b]) for b in range(batch)]
    change = ERROR * (1 - discount) / discount

    def ours() -> np.ndarray:
        return batched_value_iteration(P, r, discount, tolerance=ERROR / size).value

    def numpy_batch() -> np.ndarray:
        v = np.zeros((batch, states))
        for _ in range(steps):
            v = (r + discount * np.einsum("bsat,bt->bsa", P, v)).max(-1)
        return v

    def one_by_one() -> np.ndarray:
        return np.stack([sweeps(*x, discount, change) for x in flat])

    runs: dict[str, Callable[[], Any]] = {
        "ours": ours,
        "jax scan, jitted": jax_batch(P, r, discount, steps),
        "numpy, whole batch": numpy_batch,
        "numpy P @ v, one by one": one_by_one,
    }
    runs |= _quantecon_batch(P, r, discount)
    agree({name: run() for name, run in runs.items()}, exact)
    return in_turns(runs, repeats)


def _quantecon_batch(P: np.ndarray, r: np.ndarray, discount: float) -> dict[str, Callable]:
    if importlib.util.find_spec("quantecon") is None:
        return {}
    from quantecon.markov import DiscreteDP  # pyright: ignore[reportMissingImports]

    built = [DiscreteDP(b, a, discount) for a, b in zip(P, r, strict=True)]

    def run() -> np.ndarray:
        return np.stack([one.solve("mpi", epsilon=ERROR, max_iter=1_000_000).v for one in built])

    return {"quantecon mpi, one by one": run}


def control_times(mdp: MDP, repeats: int) -> dict[str, float]:
    """Milliseconds to the optimum of a large sparse process, error `ERROR` for all."""
    size = float(abs(mdp.pair_reward).max()) / (1 - mdp.discount)
    exact = optimal(mdp, method="modified_policy_iteration", tolerance=1e-12).value
    change = ERROR * (1 - mdp.discount) / mdp.discount
    structure(mdp)  # found once a process, as quantecon's object is built once

    runs: dict[str, Callable[[], Any]] = {
        "ours": lambda: (
            optimal(mdp, method="modified_policy_iteration", tolerance=ERROR / size).value
        ),
        "scipy P @ v": lambda: sweeps(mdp.pairs, mdp.pair_reward, mdp.discount, change),
    }
    for method in ("mpi", "vi"):
        run = quantecon_optimum(mdp, method)
        if run is not None:
            runs[f"quantecon {method}"] = run
    agree({name: run() for name, run in runs.items()}, exact)
    return in_turns(runs, repeats)


def evaluation_times(mdp: MDP, repeats: int) -> dict[str, float]:
    """Milliseconds to the value of the uniform policy, and of a bare `bicgstab` (rtol 1e-10)."""
    from scipy.sparse import csr_array, eye_array
    from scipy.sparse.linalg import bicgstab

    S, A = mdp.n_states, mdp.n_actions
    starts = mdp.pairs.indptr[::A]
    P = csr_array((mdp.pairs.data / A, mdp.pairs.indices, starts), shape=(S, S), copy=True)
    P.sum_duplicates()
    system = (eye_array(S, format="csr") - mdp.discount * P).tocsr()
    r = mdp.pair_reward.mean(-1)
    structure(mdp)
    runs = {
        "ours": lambda: evaluate(mdp).value,
        "scipy bicgstab, system built": lambda: bicgstab(system, r, rtol=1e-10)[0],
    }
    agree({name: run() for name, run in runs.items()}, evaluate(mdp, tolerance=1e-13).value)
    return in_turns(runs, repeats)


def strategy_rates(examples: int, repeats: int) -> list[tuple[float, float]]:
    """(examples a second of `mdps()`, of `binary` of the same size), CPU time, by turns."""
    size = 5 + 2 * 4 * 3 * 4 + 4 + 4 * 3  # the bytes of `mdps()`: up to 4 states and 3 actions

    plain = st.binary(min_size=size, max_size=size)
    return [(rate(mdps(), examples), rate(plain, examples)) for _ in range(repeats)]


def main() -> None:
    """Print the tables."""
    p = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    p.add_argument("--batch", type=int, default=2000)
    p.add_argument("--states", type=int, default=6)
    p.add_argument("--actions", type=int, default=3)
    p.add_argument("--large", type=int, default=100_000)
    p.add_argument("--repeats", type=int, default=5)
    p.add_argument("--examples", type=int, default=2000)
    a = p.parse_args()
    if importlib.util.find_spec("quantecon") is None:
        print("quantecon isn't installed: no row of its own")
    title = f"{a.batch} dense processes, S={a.states}, A={a.actions}, discount 0.95, error {ERROR}"
    show(title, batch_times(a.batch, a.states, a.actions, a.repeats))
    for name, mdp in (
        ("garnet", garnet(np.random.default_rng(0), a.large, 4)),
        ("corridor", corridor(a.large)),
    ):
        show(f"optimum, {name} of {a.large} states", control_times(mdp, max(1, a.repeats // 2)))
        show(f"uniform policy, {name} of {a.large} states", evaluation_times(mdp, a.repeats))
    rates = strategy_rates(a.examples, a.repeats)
    ratio = statistics.median(ours / plain for ours, plain in rates)
    best = max(ours for ours, _ in rates), max(plain for _, plain in rates)
    print(
        f"strategy mdps(): {best[0]:.0f}/s, binary of its size {best[1]:.0f}/s, ratio {ratio:.2f}"
    )


if __name__ == "__main__":
    main()
