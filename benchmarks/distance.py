"""Reward distances against what a user would otherwise run, dense and sparse.

    python benchmarks/distance.py [--sizes 32x4 64x8 128x16] [--sparse 1000 10000 100000]

Peers of the canonical forms are in no package index, so that their published definitions are
written here plainly: VAL by Gauss-Seidel sweeps in Python with a stop at 1e-8, the
closest potential by least squares on the design of all transitions, DARD as one sum over four
indices, EPIC by means over axes. Both sides give the same numbers before they are
timed, on two rewards that are shaped copies and on two that are not. DARD is set against the speed
of a product of matrices, sparse processes against their own size: growth is the exponent between
the first and the last. Solvers of values and optima against theirs are in `benchmarks/mdp.py`.

Times are best of runs that take turns; ratios within one run are what to read.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from toyrl.theory.distance import (
    Canonicaliser,
    canonicalise,
    closest_potential,
    distance,
    distance_matrix,
)
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.mdp.projection import fit_potential
from toyrl.worlds.mdp.random import corridor, garnet, random_mdp
from toyrl.worlds.mdp.solve import evaluate
from toyrl.worlds.mdp.structure import structure

AGREE = 1e-9
STOPPED = 1e-6  # of a peer that stops at 1e-8 changes, at discount 0.9
MEMORY = 2e9  # bytes a peer may ask for


# -- peers, by their published definitions ---------------------------------------------------------
def val_sweeps(mdp: MDP, R: np.ndarray) -> np.ndarray:
    """(S, A) advantages of the uniform policy: pair by pair until no change exceeds 1e-8."""
    P, g = mdp.dense, mdp.discount
    S, A = mdp.n_states, mdp.n_actions
    v = np.zeros(S)
    while True:
        change = 0.0
        for s in range(S):
            new = sum((P[s, a] * (R[s, a] + g * v)).sum() / A for a in range(A))
            change = max(change, abs(new - v[s]))
            v[s] = new
        if change < 1e-8:
            return (P * (R + g * v)).sum(-1) - v[:, None]


def val_states(mdp: MDP, R: np.ndarray) -> np.ndarray:
    """The same, the sum over actions and successors in one call of NumPy."""
    P, g = mdp.dense, mdp.discount
    A, v = mdp.n_actions, np.zeros(mdp.n_states)
    while True:
        change = 0.0
        for s in range(len(v)):
            new = (P[s] * (R[s] + g * v)).sum() / A
            change = max(change, abs(new - v[s]))
            v[s] = new
        if change < 1e-8:
            return (P * (R + g * v)).sum(-1) - v[:, None]


def potential_lstsq(mdp: MDP, R: np.ndarray) -> np.ndarray:
    """(S,) potential by least squares on a row a transition: S^2 A rows, S columns."""
    S, A, g = mdp.n_states, mdp.n_actions, mdp.discount
    s, _, t = np.indices((S, A, S))
    design = g * np.eye(S)[t.ravel()] - np.eye(S)[s.ravel()]
    return np.linalg.lstsq(design, -R.ravel(), rcond=None)[0]


def epic_means(mdp: MDP, R: np.ndarray) -> np.ndarray:
    """(S, A, S) by means over axes."""
    mean, g = R.mean((1, 2)), mdp.discount
    return R + g * mean[None, None, :] - mean[:, None, None] - g * R.mean()


def dard_sum(mdp: MDP, R: np.ndarray) -> np.ndarray:
    """(S, A, S), the last term as one sum over S^4 A products."""
    P, g, A = mdp.dense, mdp.discount, mdp.n_actions
    mean = (P * R).sum(-1).mean(-1)
    last = (P[:, None, :, :, None] * P[None, :, :, None, :]
            * R.transpose(1, 0, 2)[None, None]).sum((2, 3, 4)) / A  # fmt: skip
    return R + g * mean - mean[:, None, None] - g * last[:, None, :]


def unit_gap(one: np.ndarray, two: np.ndarray) -> float:
    """Distance of two tensors as unit vectors."""
    return float(np.linalg.norm(one / np.linalg.norm(one) - two / np.linalg.norm(two)))


PEERS: dict[str, tuple[Callable, Callable, float]] = {
    "VAL, Gauss-Seidel by pairs": (
        val_sweeps, lambda m, R: canonicalise(m, R, "val").form.values, STOPPED),
    "VAL, Gauss-Seidel by states": (
        val_states, lambda m, R: canonicalise(m, R, "val").form.values, STOPPED),
    "closest potential, lstsq": (potential_lstsq, closest_potential, AGREE),
    "EPIC, means over axes": (
        epic_means, lambda m, R: canonicalise(m, R, "epic").form.values, AGREE),
    "DARD, one sum of four indices": (
        dard_sum, lambda m, R: canonicalise(m, R, "dard").form.values, AGREE),
}  # fmt: skip


def memory(name: str, S: int, A: int) -> float:
    """Bytes that a peer needs beside the reward."""
    kind = name.split()[0]
    return {"closest": 24.0 * S**3 * A, "DARD,": 16.0 * S**4 * A}.get(kind, 0.0)


# -- timing ----------------------------------------------------------------------------------------
def best(runs: Sequence[Callable[[], Any]], repeats: int) -> list[float]:
    """Least milliseconds of each, by turns, after one run of each; slow ones are run once."""
    spent: list[list[float]] = [[] for _ in runs]
    for turn in range(repeats + 1):
        for times, run in zip(spent, runs, strict=True):
            if turn and len(times) > 1 and min(times) > 500:
                continue
            start = time.perf_counter()
            run()
            times.append(1e3 * (time.perf_counter() - start))
    return [min(x[1:] or x) for x in spent]


def case(S: int, A: int) -> tuple[MDP, np.ndarray, np.ndarray, np.ndarray]:
    """A dense process, a reward, a shaped copy and another reward."""
    rng = np.random.default_rng(0)
    mdp = random_mdp(rng, S, A)
    R, Q = rng.normal(size=(2, S, A, S))
    phi = rng.normal(size=S)
    return mdp, R, R + mdp.discount * phi - phi[:, None, None], Q


def against_peers(S: int, A: int, repeats: int) -> list[tuple[str, float, float]]:
    """(name, ours, peer's) milliseconds, NaN where the peer needs too much memory."""
    mdp, R, shaped, Q = case(S, A)
    rows = []
    for name, (peer, ours, tolerance) in PEERS.items():
        if memory(name, S, A) > MEMORY:
            rows.append((name, best([lambda f=ours: f(mdp, R)], repeats)[0], float("nan")))
            continue
        for x in (R, shaped, Q):
            off = abs(ours(mdp, x) - peer(mdp, x)).max()
            assert off < tolerance, f"{name}: ours and the peer's are {off:.1e} apart"
        runs = [lambda f=ours: f(mdp, R), lambda f=peer: f(mdp, R)]
        rows.append((name, *best(runs, repeats)))
    shaped_gap, gap = (unit_gap(epic_means(mdp, R), epic_means(mdp, x)) for x in (shaped, Q))
    assert abs(distance(mdp, R, shaped, "epic") - shaped_gap) < AGREE
    assert abs(distance(mdp, R, Q, "epic") - gap) < AGREE
    runs = [lambda: distance(mdp, R, Q, "epic"),
            lambda: unit_gap(epic_means(mdp, R), epic_means(mdp, Q))]  # fmt: skip
    rows.append(("EPIC distance of two rewards", *best(runs, repeats)))
    return rows


def against_products(S: int, A: int, repeats: int) -> float:
    """DARD's share of the speed of products of matrices of the same size."""
    mdp, R, _, _ = case(S, A)
    X = np.random.default_rng(1).normal(size=(S, S))
    ours, one = best([lambda: canonicalise(mdp, R, "dard"), lambda: X @ X], 4 * repeats)
    return 2 * A * one / ours


def batch(S: int, A: int, B: int, repeats: int) -> tuple[float, float]:
    """Milliseconds of the (B, B) matrix at once, and of B (B - 1) / 2 single distances."""
    rng = np.random.default_rng(2)
    mdp = random_mdp(rng, S, A)
    rewards = list(rng.normal(size=(B, S, A)))
    pairs = [(i, j) for i in range(B) for j in range(i)]
    D = distance_matrix(mdp, rewards)
    assert all(abs(D[i, j] - distance(mdp, rewards[i], rewards[j])) < AGREE for i, j in pairs[:5])
    one, single = best([lambda: distance_matrix(mdp, rewards),
                        lambda: [distance(mdp, rewards[i], rewards[j]) for i, j in pairs[:20]]],
                       repeats)  # fmt: skip
    return one, single / len(pairs[:20]) * len(pairs)


# -- sparse ----------------------------------------------------------------------------------------
def sparse_times(mdp: MDP, metrics: Sequence[str]) -> dict[str, tuple[float, str]]:
    """Seconds of one distance between two rewards (S, A), and how it was solved."""
    rng = np.random.default_rng(3)
    r = mdp.pair_reward
    q = r + 0.5 * rng.normal(size=r.shape)
    out = {}
    for metric in metrics:
        start = time.perf_counter()
        found = distance(mdp, r, q, metric)
        spent = time.perf_counter() - start
        assert 0 < found < 2
        status = ""
        if mdp.n_states <= 20_000 and metric in ("starc", "val"):
            how = "minimal_weighted" if metric == "starc" else metric
            status = Canonicaliser(mdp, how)([r])[0].status
        out[metric] = spent, status
    return out


def plain_steps(S: int) -> tuple[int, int]:
    """Steps of conjugate gradients on a corridor and on a garnet of S states."""
    one, two = corridor(S), garnet(np.random.default_rng(0), S, 4)
    found = (fit_potential(m, m.pair_reward, method="krylov").iterations for m in (one, two))
    return tuple(found)  # pyright: ignore[reportReturnType]


def layered(layers: int, width: int, A: int) -> MDP:
    """A process in layers, each action to one state of the next, then the end; discount 1."""
    from scipy.sparse import csr_array

    rng = np.random.default_rng(4)
    S = layers * width + 1
    layer = np.arange((S - 1) * A) // A // width
    to = (layer + 1) * width + rng.integers(width, size=layer.size)
    to = np.where(layer < layers - 1, to, S - 1).astype(np.int32)
    starts = np.minimum(np.arange(S * A + 1), to.size).astype(np.int32)
    P = csr_array((np.ones(to.size), to, starts), shape=(S * A, S))
    ends = np.arange(S) == S - 1
    reward = rng.normal(size=(S, A)) * ~ends[:, None]
    return MDP(P, reward, 1.0, start=(np.arange(S) < width) / width, terminal=ends)


def sweep_time(layers: int, width: int, A: int, repeats: int) -> tuple[float, float, int]:
    """Milliseconds of a policy's values, of reading as many bytes, and the number of edges."""
    mdp = layered(layers, width, A)
    structure(mdp)
    P = mdp.pairs
    size = P.data.nbytes + P.indices.nbytes + P.indptr.nbytes + 8 * mdp.usable.size
    other = np.ones(size // 8)
    found = evaluate(mdp)
    assert found.method == "sweep"
    assert found.residual < 1e-12
    ours, read = best([lambda: evaluate(mdp), lambda: other.sum()], repeats)
    return ours, read, P.nnz


def main() -> None:
    """Print the tables."""
    p = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    p.add_argument("--sizes", nargs="*", default=["32x4", "64x8", "128x16"])
    p.add_argument("--products", nargs="*", default=["256x8", "512x4"])
    p.add_argument("--sparse", nargs="*", type=int, default=[1000, 10_000, 100_000])
    p.add_argument("--metrics", nargs="*", default=["starc", "val", "epic"])
    p.add_argument("--layers", type=int, default=64)
    p.add_argument("--steps", type=int, default=5_000, help="states of the corridor solved plainly")
    p.add_argument("--repeats", type=int, default=7)
    a = p.parse_args()
    for S, A in (map(int, x.split("x")) for x in a.sizes):
        print(f"S={S}, A={A}, dense, discount 0.9: ms ours, ms peer, peer / ours")
        for name, ours, peer in against_peers(S, A, a.repeats):
            other = "too large to run" if peer != peer else f"{peer:10.3f} {peer / ours:9.1f} x"
            print(f"    {name:<32}{ours:10.3f} {other}")
        one, single = batch(S, A, 32, a.repeats)
        print(f"    {'32 rewards, all distances':<32}{one:10.3f} {single:10.3f} {single / one:9.0f}"
              " x (one by one)")  # fmt: skip
    for S, A in (map(int, x.split("x")) for x in a.products):
        share = against_products(S, A, a.repeats)
        print(f"DARD at S={S}, A={A}: {100 * share:.0f}% of the speed of products of matrices")
    told: dict[str, list[tuple[int, float]]] = {}
    for small in (garnet(np.random.default_rng(0), 50, 4), corridor(50)):
        sparse_times(small, a.metrics)  # imports and compilation
    for S in a.sparse:
        for kind in ("garnet", "corridor"):
            mdp = garnet(np.random.default_rng(0), S, 4) if kind == "garnet" else corridor(S)
            for metric, (spent, status) in sparse_times(mdp, a.metrics).items():
                told.setdefault(f"{metric}, {kind}", []).append((S, spent))
                print(f"{kind} of {S} states, {metric}: {spent:.3f} s  {status}")
    for name, points in told.items():
        (S, first), (T, last) = points[0], points[-1]
        if T > S:
            growth = np.log(last / first) / np.log(T / S)
            print(f"{name}: time grows like S^{growth:.2f} from {S} to {T} states")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory of all {peak:.2f} GiB")
    if a.steps:
        slow, quick = plain_steps(a.steps)
        print(
            f"plain conjugate gradients at {a.steps} states: corridor {slow} steps, garnet {quick}"
        )
    if a.layers:
        ours, read, edges = sweep_time(a.layers, 2048, 8, 3 * a.repeats)
        print(f"layers, {edges} edges: {ours:.2f} ms, {ours / edges * 1e6:.2f} ms a million edges, "
              f"{ours / read:.1f} x one reading of its arrays")  # fmt: skip


if __name__ == "__main__":
    main()
