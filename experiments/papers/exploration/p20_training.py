"""Two decisions trained by REINFORCE at many batch sizes, flows, and cars on the toy road."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.dynamics import flow
from toyrl.dynamics.bandit import decisions
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.experiments.lab.bandits import follow
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.shared import shared
from toyrl.theory.composite.trap import product_rewards, sum_rewards, trap_saddle
from toyrl.worlds.search.road import Outcome, Road, pay

START, INSIDE, OUTSIDE = 0.3, 0.24, 0.29
SIZES = (2, 4, 8, 32, 128, 512)
UPDATES, SUCCESS = 500, 0.8
REWARDS = {"sum": sum_rewards(), "product": product_rewards(c=0.1)}
BASELINES = {"the others": lambda _: 1.0, "own reward too": lambda b: 1 - 1 / np.asarray(b)}
"""What a batch's update is multiplied by; the second is the batch's own mean, not corrected."""


def logit(p: Any) -> np.ndarray:
    """log(p/(1 - p))."""
    p = np.asarray(p, dtype=float)
    return np.log(p / (1 - p))


def start(q: Any) -> np.ndarray:
    """(..., 2) logits of going with chance `START` and of care with chance q."""
    return np.stack([logit(START + 0 * np.asarray(q)), logit(q)], axis=-1)


def flow_path(reward: np.ndarray, logits: np.ndarray, step: float, steps: int) -> np.ndarray:
    """(steps + 1, ..., 2) logits along gradient flow; its work is counted."""
    spend(steps * UPDATE / 2)
    return flow.path(lambda z: decisions.drift(reward, z), logits, step=step, steps=steps)


def flow_edge(reward: np.ndarray) -> float:
    """The chance of care at which starts change their basin, from the flow alone."""
    passes, steps, saddle = 3, 600, logit(trap_saddle())
    spend(passes * steps * UPDATE / 2)
    return flow.edge(lambda z: decisions.drift(reward, z), start,
                     lambda z: np.asarray((z > saddle).all(-1)), 0.05, 0.6, step=1.0, steps=steps,
                     passes=passes)  # fmt: skip


@shared
def succeeded(reward: str, q: float, sizes: Sequence[int], runs: Sequence[int], fixed: str,
              baseline: str, seed: int) -> np.ndarray:  # fmt: skip
    """(sizes,) runs that end with p q above `SUCCESS`, step 1, from (0.3, q).

    runs : of each size; fixed : "updates", all get `UPDATES`; "samples": all get those of size 2
    """
    rng, paid = draws(seed, 3), pick(REWARDS, reward)
    batch = np.repeat(sizes, runs)
    last = UPDATES if fixed == "updates" else np.maximum(2 * UPDATES // batch, 1)
    scale = pick(BASELINES, baseline)(batch)

    def step(z: np.ndarray, k: int) -> np.ndarray:
        moved = decisions.sampled_update(paid, z, batch, rng)
        return z + (scale * (k < last) * np.ones(batch.shape))[:, None] * moved

    end = follow(step, np.repeat(start(q)[None], len(batch), axis=0), UPDATES)[-1]
    won = decisions.chances(end).prod(-1) > SUCCESS
    return np.add.reduceat(won, np.concatenate([[0], np.cumsum(runs)[:-1]])).astype(float)


def bounds(hits: float, n: int, sigmas: float = 4.0) -> tuple[float, float]:
    """Exact (Clopper-Pearson) limits of a share, each one-sided at so many standard deviations."""
    from scipy.stats import beta, norm

    tail = norm.sf(sigmas)
    low = beta.ppf(tail, hits, n - hits + 1) if hits > 0 else 0.0
    high = beta.isf(tail, hits + 1, n - hits) if hits < n else 1.0
    return float(low), float(high)


def driven(road: Road, reward: Any, policy: np.ndarray, cars: int, seed: int
           ) -> tuple[Outcome, Outcome]:  # fmt: skip
    """Sampled means of an episode under actions by step and state, and their standard errors."""
    rng = draws(seed, 4)
    begin = road.start(cars, rng)
    shape = (road.cells, *road.shape[1:])

    def step(all_: np.ndarray, k: int) -> np.ndarray:
        state, live = all_[:, :5].astype(int), all_[:, 5] > 0
        place = np.where(live[:, None], state, 0)
        moved = road.move(state, policy[k][np.ravel_multi_index(tuple(place.T), shape)])
        new = moved.state
        new[:, 2] = rng.random(cars) < moved.closed
        found = np.stack([moved.gain, np.ones(cars), moved.hard > 0,
                          moved.over & (moved.hard == 0), pay(reward, moved)], axis=-1)  # fmt: skip
        sums = all_[:, 6:] + live[:, None] * found
        return np.column_stack([np.where(live[:, None], new, state), live & ~moved.over, sums])

    first = np.column_stack([begin, np.ones(cars), np.zeros((cars, 5))])
    sums = follow(step, first, road.horizon)[-1][:, 6:]
    return Outcome(*sums.mean(0).tolist()), Outcome(*(sums.std(0) / np.sqrt(cars)).tolist())
