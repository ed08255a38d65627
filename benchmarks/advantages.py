"""Group advantages against verl's loop, verl's vectorised path and TRL's, in one process.

    python benchmarks/advantages.py [--batch 8192 --tokens 512 --group 8] [--repeats 30]

Outcome reward on the last token, groups of G, prompt ids as strings and as integers, float32.
verl's own functions are timed where verl can be imported, else re-implementations by signature
(a dictionary of lists of scalar tensors; index_add over ids); TRL's lines are re-implemented from
its trainer, where they stand between others. verl returns (batch, tokens), TRL and this project
one number per rollout; the loss broadcasts it. The table says so by timing verl's scalars too.
All agree to 1e-6 on the same rewards, else nothing is printed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from toyrl.estimators.group import PRESETS
from toyrl.rollouts import Rollouts

EPS = 1e-6
ESTIMATOR = PRESETS["grpo_verl"]


# -- peers -----------------------------------------------------------------------------------------
def verl_loop(rewards: torch.Tensor, mask: torch.Tensor, index: np.ndarray) -> torch.Tensor:
    """As compute_grpo_outcome_advantage: lists of scalar tensors in dictionaries."""
    scores = rewards.sum(dim=-1)
    lists, mean, std = defaultdict(list), {}, {}
    for i in range(len(scores)):
        lists[index[i]].append(scores[i])
    for key, values in lists.items():
        stacked = torch.stack(values)
        lone = len(values) == 1
        mean[key] = torch.tensor(0.0) if lone else stacked.mean()
        std[key] = torch.tensor(1.0) if lone else stacked.std()
    for i in range(len(scores)):
        scores[i] = (scores[i] - mean[index[i]]) / (std[index[i]] + EPS)
    return scores.unsqueeze(-1) * mask


def verl_scalars(rewards: torch.Tensor, index: np.ndarray) -> torch.Tensor:
    """As compute_grpo_vectorized_outcome_advantage, before the broadcast over tokens."""
    scores = rewards.sum(dim=-1)
    if index.dtype.kind == "i":
        g = torch.from_numpy(index)
    else:
        g = torch.from_numpy(np.unique(index, return_inverse=True)[1])
    groups = int(g.max()) + 1
    zeros = torch.zeros(groups)
    count = zeros.index_add(0, g, torch.ones_like(scores))
    mean = zeros.index_add(0, g, scores) / count.clamp_min(1)
    square = zeros.index_add(0, g, (scores - mean[g]) ** 2)
    std = torch.sqrt((square / (count - 1).clamp_min(1)).clamp(min=0.0))
    lone = count <= 1
    if torch.any(lone):
        mean, std = mean.clone(), std.clone()
        mean[lone], std[lone] = 0.0, 1.0
    return (scores - mean[g]) / (std[g] + EPS)


def verl_vectorised(rewards: torch.Tensor, mask: torch.Tensor, index: np.ndarray) -> torch.Tensor:
    """The same, broadcast over tokens."""
    return verl_scalars(rewards, index).unsqueeze(-1) * mask


def trl_scalars(reward: torch.Tensor, size: int) -> torch.Tensor:
    """As GRPOTrainer, scale_rewards="group": nan-aware mean and std, repeated over the group."""
    grouped = reward.view(-1, size)
    mean = torch.nanmean(grouped, dim=1).repeat_interleave(size, dim=0)
    centre = torch.nanmean(grouped, dim=1, keepdim=True)
    variance = torch.nanmean((grouped - centre) ** 2, dim=1, keepdim=True)
    count = torch.sum(~torch.isnan(grouped), dim=1, keepdim=True)
    correction = count / (count - 1)
    correction = torch.where(count > 1, correction, torch.full_like(correction, torch.nan))
    std = torch.sqrt(variance * correction).squeeze(1).repeat_interleave(size, dim=0)
    zero = torch.isclose(std, torch.zeros_like(std))
    del zero  # logged by TRL
    return torch.nan_to_num((reward - mean) / (std + EPS), nan=0.0)


def peers() -> tuple[Callable, Callable, str]:
    """verl's loop and vectorised functions, and where they come from."""
    # verl ships a package "tests" of its own; the project's must be found first.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.verl_code import loaded

    algos = loaded()
    if algos is None:
        return verl_loop, verl_vectorised, "re-implemented"
    known = algos.ADV_ESTIMATOR_REGISTRY
    return (
        lambda r, m, i: known["grpo"](r, m, i)[0],
        lambda r, m, i: known["grpo_vectorized"](r, m, i)[0],
        "verl's own",
    )


# -- measuring -------------------------------------------------------------------------------------
def medians(jobs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median over turns, run alternately after one warm-up, of the best of three calls in a row."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(repeats + 1):
        for name, job in jobs.items():
            if "loop" in name and turn > 3:
                continue
            best = np.inf
            for _ in range(3):
                start = time.perf_counter()
                job()
                best = min(best, time.perf_counter() - start)
            if turn:
                times[name].append(best)
    return {name: float(np.median(t)) for name, t in times.items()}


def agree(ours: np.ndarray, theirs: dict[str, torch.Tensor], mask: torch.Tensor) -> float:
    """Largest difference; AssertionError above 1e-6 of the largest advantage."""
    worst = 0.0
    for name, x in theirs.items():
        wide = x if x.ndim == 2 else x.unsqueeze(-1) * mask
        gap = float((wide - torch.from_numpy(ours.reshape(-1, 1)) * mask).abs().max())
        worst = max(worst, gap)
        assert gap <= 1e-6 * max(1.0, np.abs(ours).max()), f"{name} differs by {gap}"
    return worst


def main() -> None:
    """Print the table."""
    ask = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    ask.add_argument("--batch", type=int, default=8192)
    ask.add_argument("--tokens", type=int, default=512)
    ask.add_argument("--group", type=int, default=8)
    ask.add_argument("--repeats", type=int, default=30)
    ask.add_argument(
        "--threads", type=int, default=1, help="on a busy machine 2 wait for each other"
    )
    a = ask.parse_args()
    torch.set_num_threads(a.threads)
    rng = np.random.default_rng(0)
    reward = rng.random((a.batch // a.group, a.group), dtype=np.float32)
    size = len(reward) * a.group
    length = rng.integers(1, a.tokens + 1, size)
    mask = torch.from_numpy((np.arange(a.tokens) < length[:, None]).astype(np.float32))
    rewards = torch.zeros(size, a.tokens)
    rewards[torch.arange(size), torch.from_numpy(length) - 1] = torch.from_numpy(reward.reshape(-1))
    ids = np.repeat(np.arange(len(reward)), a.group)
    words = np.array([f"prompt-{i:06d}" for i in ids], dtype=object)
    loop, vectorised, origin = peers()

    on_numpy = Rollouts(reward, np.ones_like(reward), float(a.tokens))
    flat = torch.from_numpy(reward.reshape(-1))
    grouped = flat.view(-1, a.group)
    on_torch = Rollouts(grouped, torch.ones_like(grouped), float(a.tokens))
    jobs: dict[str, Callable[[], object]] = {
        "verl loop": lambda: loop(rewards, mask, words),
        "verl vectorised, str ids": lambda: vectorised(rewards, mask, words),
        "verl vectorised, int ids": lambda: vectorised(rewards, mask, ids),
        "verl scalars, int ids": lambda: verl_scalars(rewards, ids),
        "TRL scalars": lambda: trl_scalars(flat, a.group),
        "toyrl torch": lambda: ESTIMATOR.apply({"reward": grouped}, on_torch),
        "toyrl torch, broadcast": lambda: (
            ESTIMATOR.apply({"reward": grouped}, on_torch)[0].reshape(-1, 1) * mask
        ),
        "toyrl numpy": lambda: ESTIMATOR.apply({"reward": reward}, on_numpy),
        "floor: one copy of B floats": lambda: reward.copy(),
        "floor: one write of B x T": lambda: flat.unsqueeze(-1) * mask,
    }
    ours = np.asarray(ESTIMATOR.apply({"reward": reward}, on_numpy)[0])
    gap = agree(
        ours,
        {
            "loop": loop(rewards, mask, words),
            "vectorised": vectorised(rewards, mask, words),
            "TRL": trl_scalars(flat, a.group),
            "torch": ESTIMATOR.apply({"reward": grouped}, on_torch)[0].reshape(-1),
        },
        mask,
    )
    found = medians(jobs, a.repeats)
    print(f"{size} x {a.tokens}, G = {a.group}, {a.threads} threads; peer code: {origin};")
    print(f"load {os.getloadavg()[0]:.1f}; all agree to {gap:.0e}\n")
    print(f"{'':30s} {'ms':>9s} {'ns/reward':>10s} {'over toyrl numpy':>17s} {'over torch':>11s}")
    for name, seconds in found.items():
        ratios = [seconds / found[f"toyrl {n}"] for n in ("numpy", "torch")]
        print(f"{name:30s} {1e3 * seconds:9.3f} {1e9 * seconds / size:10.1f}", end=" ")
        print(f"{ratios[0]:17.1f} {ratios[1]:11.1f}")


if __name__ == "__main__":
    main()
