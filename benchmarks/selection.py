"""Selection from samples: pass@k, best of k, bands and exact curves against what one writes first.

    python benchmarks/selection.py [--prompts 1000] [--samples 256] [--classes 1000000] [--rows 0]

All run in the same process on the same numbers, after a check that they agree; times are medians of
runs that take turns, and ratios within one run are what to read. The floors of best of k and of the
bands are NumPy's own sort and product of matrices of the same size. --rows 1000000 writes a log of
scores of so many rows and times `toyrl scaling` on it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.mdp import in_turns
from benchmarks.timing import show
from toyrl.theory.selection.best_of_k import curves
from toyrl.theory.selection.pass_at_k import pass_at_k, simultaneous_band
from toyrl.theory.selection.pools import best_of_pool, pool_weights

MULTIPLIERS = 4000


def product_form(n: int, c: int, k: int) -> float:
    """The usual snippet for one problem and one k (Chen et al. 2021)."""
    return 1.0 if n - c < k else 1.0 - float(np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))


def pass_times(prompts: int, n: int, repeats: int) -> dict[str, float]:
    """Milliseconds of the table of all k: ours, and the product form for each prompt and k."""
    c = np.random.default_rng(0).integers(0, n + 1, prompts)
    c[:2] = 0, n

    def plain() -> np.ndarray:
        return np.array([[product_form(n, int(x), k) for k in range(1, n + 1)] for x in c])

    np.testing.assert_allclose(pass_at_k(n, c, n), plain(), atol=1e-12)
    return in_turns({"ours": lambda: pass_at_k(n, c, n), "product form": plain}, repeats)


def pool_times(prompts: int, n: int, repeats: int) -> dict[str, float]:
    """Best of k for all k, by the proxy itself and of a gold, beside a sort and a product alone."""
    rng = np.random.default_rng(0)
    proxy, gold = rng.standard_normal((2, prompts, n))
    weights = pool_weights(n, n)
    np.testing.assert_allclose(best_of_pool(proxy, proxy), best_of_pool(proxy), atol=1e-10)
    calls: dict[str, Callable[[], Any]] = {
        "ours": lambda: best_of_pool(proxy),
        "ours, gold of the best": lambda: best_of_pool(proxy, gold),
        "np.sort and product alone": lambda: np.sort(proxy, axis=-1) @ weights,
    }
    return in_turns(calls, repeats)


def band_times(prompts: int, n: int, repeats: int) -> dict[str, float]:
    """A band over prompts for all k beside the product of matrices that it must do."""
    rng = np.random.default_rng(0)
    table = pass_at_k(n, rng.integers(0, n + 1, prompts), n)
    signs = rng.choice([-1.0, 1.0], (MULTIPLIERS, prompts))
    calls = {
        "ours": lambda: simultaneous_band(table, multipliers=MULTIPLIERS),
        "the product alone": lambda: signs @ table,
    }
    return in_turns(calls, repeats)


def exact_against_sampled(classes: int, sizes: int, draws: int) -> dict[str, float]:
    """Seconds of the exact curve and of sampling it to a standard error of 1e-3 of gold's spread.

    The sampler draws the maximum of k directly, by one uniform number, which is kinder than drawing
    k; its seconds for `draws` are scaled to the draws that the error asks for.
    """
    rng = np.random.default_rng(0)
    p = rng.random(classes)
    p /= p.sum()
    u, gold = rng.random(classes), rng.standard_normal(classes)
    k = np.geomspace(1, 1e6, sizes)
    start = time.perf_counter()
    exact, *_ = curves(p[None], u[None], gold[None], k)
    ours = time.perf_counter() - start
    start = time.perf_counter()
    order = np.argsort(u)
    upto = np.cumsum(p[order])
    mean = np.array([gold[order][np.searchsorted(upto, rng.random(draws) ** (1 / x))].mean()
                     for x in k])  # fmt: skip
    sampled = time.perf_counter() - start
    worst = np.abs(mean - exact).max() / (gold.std() / draws**0.5)
    assert worst < 6, f"exact and sampled differ by {worst:.1f} standard errors"
    return {"ours": 1000 * ours, "sampled, to 1e-3": 1000 * sampled * 1e6 / draws}


def write_log(path: Path, rows: int, n: int = 250) -> None:
    """A log of scores: right ones are paid more, a few hacks most."""
    rng = np.random.default_rng(0)
    with path.open("w", encoding="utf-8") as out:
        for i in range(rows // n):
            right = rng.random(n) < rng.beta(0.6, 1.2)
            hack = rng.random(n) < 0.005
            paid = right + 1.2 * rng.standard_normal(n) + 6 * hack
            right &= ~hack
            other = rng.integers(1, 6, n)
            out.writelines(
                f'{{"prompt_id": {i}, "correct": {r:d}, "reward": {u:.5f}, "answer": '
                f'"{0 if r else a}"}}\n'
                for r, u, a in zip(right, paid, other, strict=True)
            )


def scaling_times(rows: int) -> dict[str, float]:
    """Milliseconds of reading a log's scores, and of its curves."""
    from toyrl.experiments.scaling.run import scaled
    from toyrl.experiments.scaling.scores import read_scores

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        write_log(path, rows)
        start = time.perf_counter()
        scores = read_scores(path)
        read = time.perf_counter() - start
        found = scaled(scores)
        total = time.perf_counter() - start
    assert found.curve("best of k").hurts is not None
    return {"ours": 1000 * total, "of this, reading": 1000 * read}


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("prompts", 1000), ("samples", 256), ("classes", 10**6), ("rows", 0),
                        ("repeats", 7)):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=value)
    told = parser.parse_args()
    size = f"{told.prompts} prompts, n = {told.samples}"
    show(f"pass@k, all k: {size}", pass_times(told.prompts, told.samples, min(3, told.repeats)))
    show(f"best of k, all k: {size}", pool_times(told.prompts, told.samples, told.repeats))
    show(f"band for all k, {MULTIPLIERS} multipliers: {size}",
         band_times(told.prompts, told.samples, told.repeats))  # fmt: skip
    show(f"exact curve, {told.classes} classes, 100 k", exact_against_sampled(told.classes, 100,
                                                                             20_000))  # fmt: skip
    if told.rows:
        show(f"toyrl scaling, {told.rows} rows", scaling_times(told.rows))


if __name__ == "__main__":
    main()
