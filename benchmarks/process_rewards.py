"""Process rewards of a batch of responses against the released formulas as one reads them.

    python benchmarks/process_rewards.py [--rows 8192] [--tokens 512] [--group 8] [--repeats 3]

The peers are plain loops in the same process: over responses for implicit rewards and their lowest
step, over groups, responses and tokens for PRIME's advantages as its two released codes compute
them (log-ratios, largest return, siblings' baseline, returns, whitening). Before anything is timed
both must agree, in float64 to 1e-6 and in float32 to 2e-5. Times are medians of runs that take
turns; ratios within one run are what to read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.mdp import in_turns
from benchmarks.timing import show
from toyrl.estimators.prime import PRESETS
from toyrl.rollouts import Rollouts
from toyrl.shapers.process.implicit import ImplicitMin, ImplicitProcess

TOLERANCE = {"float64": 1e-6, "float32": 2e-5}
BETA = 0.05


def batch(rows: int, tokens: int, group: int, dtype: str = "float64") -> Rollouts:
    """Random responses of 1 to `tokens` tokens, with steps of 16 and some cut off."""
    rng = np.random.default_rng(0)
    shape = (rows // group, group)
    length = rng.integers(1, tokens + 1, shape)
    place = np.arange(tokens)
    mask = place < length[..., None]
    ends = mask & ((place % 16 == 15) | (place == length[..., None] - 1))
    ref = -rng.exponential(1.0, (*shape, tokens))
    prm = np.minimum(ref + 0.3 * rng.standard_normal(ref.shape), 0.0)
    # Groups that the filter keeps, but for the first, which is all wrong.
    correct = np.tile((np.arange(group) < group // 2) * 1.0, (shape[0], 1))
    correct[0] = 0.0
    cut = np.zeros(shape, dtype=bool)
    cut[-1, 0] = True
    fields = {"prm_logprobs": prm, "ref_logprobs": ref, "step_ends": ends}
    return Rollouts(
        correct.astype(dtype), length.astype(dtype), float(tokens), truncated=cut,
        mask=mask.astype(dtype), fields={n: x.astype(dtype) for n, x in fields.items()},
    )  # fmt: skip


def implicit_loop(r: Rollouts) -> np.ndarray:
    """(B, G, T) beta log pi_prm/pi_ref, response by response."""
    out = np.zeros_like(r.fields["prm_logprobs"])
    for b, g in np.ndindex(r.shape):
        n = int(r.length[b, g])
        out[b, g, :n] = BETA * (r.fields["prm_logprobs"][b, g, :n]
                                - r.fields["ref_logprobs"][b, g, :n])  # fmt: skip
    return out


def lowest_loop(r: Rollouts) -> np.ndarray:
    """(B, G) lowest sum of a step's token rewards, response by response."""
    q = implicit_loop(r)
    out = np.zeros(r.shape, dtype=q.dtype)
    for b, g in np.ndindex(r.shape):
        ends = np.flatnonzero(r.fields["step_ends"][b, g] > 0)
        starts = np.concatenate([[0], ends[:-1] + 1])
        out[b, g] = min(q[b, g, i : j + 1].sum() for i, j in zip(starts, ends, strict=True))
    return out


def prime_loop(r: Rollouts, *, recipe: bool) -> np.ndarray:
    """(B, G, T) whitened advantages as PRIME's own code, or as verl's recipe, says them.

    recipe : the last token's process reward is 0, both returns are multiplied by 5
    """
    q, scale = implicit_loop(r), 5.0 if recipe else 1.0
    B, G, _ = q.shape
    keep = [b for b in range(B) if 0.2 <= r.correct[b].mean() <= 0.8 and not r.cut[b].any()]
    if recipe:
        for b, g in np.ndindex(B, G):
            q[b, g, int(r.length[b, g]) - 1] = 0.0
    largest = max(float(np.abs(q[b, g, ::-1].cumsum()).max()) for b in keep for g in range(G))
    returns, valid = np.zeros_like(q), np.zeros(q.shape, dtype=bool)
    for b in keep:
        n = r.length[b].astype(int)
        own = [q[b, g, : n[g]] / (largest + 1e-6) for g in range(G)]
        mean, right = sum(x.mean() for x in own), r.correct[b]
        for g in range(G):
            dense = own[g] * (G / (G - 1)) - mean / (G - 1)
            ahead = right[g] * (G / (G - 1)) - right.sum() / (G - 1)
            running = ahead * scale
            for t in range(n[g] - 1, -1, -1):
                running += dense[t] * scale
                returns[b, g, t] = running
            valid[b, g, : n[g]] = True
    x = returns[valid]
    spread = ((x - x.mean()) ** 2).sum() / (x.size - 1)
    returns[valid] = (x - x.mean()) / np.sqrt(spread + 1e-8)
    return returns


def prime(r: Rollouts, *, recipe: bool) -> np.ndarray:
    """The same by the library: shaper, then estimator."""
    parts = {"outcome": r.correct, **ImplicitProcess(BETA).apply(r).parts}
    return np.asarray(PRESETS["prime_verl" if recipe else "prime_released"].apply(parts, r)[0])


RUNS: dict[str, tuple[Callable[[Rollouts], Any], Callable[[Rollouts], Any]]] = {
    "implicit rewards": (lambda r: ImplicitProcess(BETA).apply(r).parts["implicit"],
                         implicit_loop),
    "lowest step": (ImplicitMin(BETA).reward, lowest_loop),
    "PRIME, own code": (lambda r: prime(r, recipe=False), lambda r: prime_loop(r, recipe=False)),
    "PRIME, verl": (lambda r: prime(r, recipe=True), lambda r: prime_loop(r, recipe=True)),
}  # fmt: skip


def error(name: str, r: Rollouts) -> float:
    """Largest difference from the loop in float64.

    Raises AssertionError where it is above what the dtype is allowed.
    """
    ours, loop = RUNS[name]
    exact = r.with_(correct=r.correct.astype(float), length=r.length.astype(float),
                    mask=np.asarray(r.mask, dtype=float),
                    fields={n: x.astype(float) for n, x in r.fields.items()})  # fmt: skip
    found = np.asarray(ours(r))
    worst = float(np.abs(found - loop(exact)).max())
    allowed = TOLERANCE[found.dtype.name]
    assert worst <= allowed, f"{name}: {worst:.2g} apart in {found.dtype}, allowed {allowed:g}"
    return worst


def times(name: str, r: Rollouts, repeats: int) -> dict[str, float]:
    """Milliseconds, ours and the loop's."""
    ours, loop = RUNS[name]
    return in_turns({"ours": lambda: ours(r), "plain loop": lambda: loop(r)}, repeats)


def main() -> None:
    """Print errors and ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name, value in (("rows", 8192), ("tokens", 512), ("group", 8), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=value)
    told = parser.parse_args()
    batches = {d: batch(told.rows, told.tokens, told.group, d) for d in TOLERANCE}
    for name in RUNS:
        apart = ", ".join(f"{d} {error(name, r):.1e} apart" for d, r in batches.items())
        show(f"{name}, {told.rows} x {told.tokens} tokens: {apart}",
             times(name, batches["float64"], told.repeats))  # fmt: skip


if __name__ == "__main__":
    main()
