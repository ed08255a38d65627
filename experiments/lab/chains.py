"""The reasoning chain, trained exactly and simulated, with the work counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toyrl.dynamics.chain import exact
from toyrl.dynamics.chain.kernel import LANES
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.routes import mean_error
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.chain.simulate import sample_trajectories

Array = Any
CLASS = 0.5
"""Units of one class of one prompt in one compiled update of the chain: about 45 ns. Runs are
trained `LANES` at a time; fewer cost as much."""
STEP = 0.2
"""Units of one simulated action."""


def train(chain: Chain, theta: Array, reward: Array, updates: int, **options: Any
          ) -> exact.Training:  # fmt: skip
    """`exact.train` of one chain under W rewards (W, B or 1, K), each in a run of its own.

    theta : logits of the chain's policy, for all runs or (W, ...); options : of `exact.train`
    """
    batch = exact.Batch.of(*[chain] * len(reward))
    done = exact.train(batch, theta, reward, updates=updates, **options)
    lanes = LANES * -(-len(reward) // LANES)
    spend(float(done.updates.max()) * lanes * done.prob[0].size * CLASS)
    return done


def along(chain: Chain, theta: Array, reward: Array, times: Sequence[int], **options: Any
          ) -> list[exact.Training]:  # fmt: skip
    """The runs of `train` at each of the rising times, each going on from the one before."""
    found, now = [], 0
    for t in times:
        found.append(train(chain, theta, reward, int(t) - now, **options))
        theta, now = found[-1].theta, int(t)
    return found


def simulated(chain: Chain, theta: Array, difficulty: int, n: int, seed: int
              ) -> dict[str, tuple[float, float]]:  # fmt: skip
    """Accuracy and length (tokens) of n simulated trajectories, each with its standard error."""
    t = sample_trajectories(chain, theta, difficulty, n, seed)
    spend(float(t.length.sum()) * STEP)
    length = t.length * float(chain.tokens_per_action)
    return {"accuracy": mean_error(t.correct), "length": mean_error(length)}
