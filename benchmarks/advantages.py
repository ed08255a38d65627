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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    from tests.estimators.verl_code import loaded

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


@dataclass(frozen=True)
class Work:
    """One batch: rewards (B/G, G), token rewards and mask (B, T), prompt ids."""

    reward: np.ndarray
    tokens: torch.Tensor
    mask: torch.Tensor
    ids: np.ndarray
    words: np.ndarray

    @property
    def flat(self) -> torch.Tensor:
        """(B,)"""
        return torch.from_numpy(self.reward.reshape(-1))


def work(batch: int, tokens: int, group: int) -> Work:
    """Uniform rewards on the last of 1..tokens tokens."""
    rng = np.random.default_rng(0)
    reward = rng.random((batch // group, group), dtype=np.float32)
    size = reward.size
    length = rng.integers(1, tokens + 1, size)
    mask = torch.from_numpy((np.arange(tokens) < length[:, None]).astype(np.float32))
    wide = torch.zeros(size, tokens)
    wide[torch.arange(size), torch.from_numpy(length) - 1] = torch.from_numpy(reward.reshape(-1))
    ids = np.repeat(np.arange(len(reward)), group)
    words = np.array([f"prompt-{i:06d}" for i in ids], dtype=object)
    return Work(reward, wide, mask, ids, words)


def jobs_of(w: Work, loop: Callable, vectorised: Callable) -> dict[str, Callable[[], Any]]:
    """Everything that is timed, by name."""
    grouped, group = torch.from_numpy(w.reward), w.reward.shape[-1]
    on_numpy = Rollouts(w.reward, np.ones_like(w.reward), float(w.mask.shape[-1]))
    on_torch = Rollouts(grouped, torch.ones_like(grouped), float(w.mask.shape[-1]))

    def own() -> torch.Tensor:
        return ESTIMATOR.apply({"reward": grouped}, on_torch)[0].reshape(-1)

    return {
        "verl loop": lambda: loop(w.tokens, w.mask, w.words),
        "verl vectorised, str ids": lambda: vectorised(w.tokens, w.mask, w.words),
        "verl vectorised, int ids": lambda: vectorised(w.tokens, w.mask, w.ids),
        "verl scalars, int ids": lambda: verl_scalars(w.tokens, w.ids),
        "TRL scalars": lambda: trl_scalars(w.flat, group),
        "toyrl torch": own,
        "toyrl torch, broadcast": lambda: own().unsqueeze(-1) * w.mask,
        "toyrl numpy": lambda: ESTIMATOR.apply({"reward": w.reward}, on_numpy)[0],
        "floor: one copy of B floats": w.reward.copy,
        "floor: one write of B x T": lambda: w.flat.unsqueeze(-1) * w.mask,
    }


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
    w = work(a.batch, a.tokens, a.group)
    loop, vectorised, origin = peers()
    jobs = jobs_of(w, loop, vectorised)
    theirs = {n: job() for n, job in jobs.items() if n.startswith(("verl", "TRL", "toyrl torch"))}
    gap = agree(np.asarray(jobs["toyrl numpy"]()), theirs, w.mask)
    found = medians(jobs, a.repeats)
    size = w.reward.size
    print(f"{size} x {a.tokens}, G = {a.group}, {a.threads} threads; peer code: {origin};")
    print(f"load {os.getloadavg()[0]:.1f}; all agree to {gap:.0e}\n")
    print(f"{'':30s} {'ms':>9s} {'ns/reward':>10s} {'over toyrl numpy':>17s} {'over torch':>11s}")
    for name, seconds in found.items():
        ratios = [seconds / found[f"toyrl {n}"] for n in ("numpy", "torch")]
        print(f"{name:30s} {1e3 * seconds:9.3f} {1e9 * seconds / size:10.1f}", end=" ")
        print(f"{ratios[0]:17.1f} {ratios[1]:11.1f}")


if __name__ == "__main__":
    main()
