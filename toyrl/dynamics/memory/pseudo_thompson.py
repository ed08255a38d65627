"""An agent without credit over repeats whose estimates are noisy: it explores all the same.

A learned value fluctuates, more where there is little data. As a model of that, each pull takes
the arm with the largest average of S samples from the posterior: S = 1 is Thompson sampling, many
are the posterior mean, which is greedy and myopic.

Source: paper 48, "pseudo-Thompson sampling"; that reading and Eq. 3 are reconstructed in our notes.
"""

from __future__ import annotations

import numpy as np

from toyrl.worlds.search.hidden_tasks import Prior
from toyrl.worlds.search.meta_bandits import Blocks


def noisy_greedy(
    prior: Prior, pulls: int, rng: np.random.Generator, blocks: int, samples: int, *,
    repeats: bool = True,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """(arms, pay), each (N, n), of N blocks with tasks drawn from the prior.

    samples : S from 1 on; repeats : False where each pull meets another task

    Raises ValueError for samples below 1, and for pulls or blocks below 1.
    """
    if samples < 1:
        msg = f"samples={samples} must be 1 or more"
        raise ValueError(msg)
    core = Blocks(prior, pulls, blocks, repeats=repeats)
    core.reset(rng)
    arms, pay = np.zeros((blocks, pulls), dtype=np.int64), np.zeros((blocks, pulls))
    for t in range(pulls):
        many = np.broadcast_to(core.counts, (samples, *core.counts.shape))
        worth = prior.sample(rng, many).mean(0) * prior.pay
        best = worth >= worth.max(-1, keepdims=True)
        # ties at random
        arms[:, t] = np.where(best, rng.random(worth.shape), -1.0).argmax(-1)
        pay[:, t] = core.step(arms[:, t], rng)
    return arms, pay
