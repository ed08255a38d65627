"""Training of a chain policy on sampled groups: what the exact update is the expectation of.

An update draws groups of G trajectories (prompts by their shares), takes advantages from the
estimator over the whole batch, and moves the logits by rate times

    (1 / rollouts) sum_i c_i A_i sum_t grad log P(action_it | hidden state_it),

c_i the objective's factor. Where the policy sees a flag, the action's law is averaged over it
first: the same expectation, less variance. `toyrl.dynamics.chain.exact` is the limit of many
groups.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numba
import numpy as np

from toyrl.estimators.base import Estimator
from toyrl.estimators.group import PRESETS
from toyrl.objectives.base import Objective
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.ranges import COUNT, FINITE, check_fields
from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import joined
from toyrl.shapers.base import Shaper
from toyrl.shapers.outcome import Outcome
from toyrl.worlds.chain.model import COUNTERS, Chain
from toyrl.worlds.chain.simulate import Trajectories, sample_trajectories, threads_for
from toyrl.worlds.chain.tables import GAIN, REPAIR, SLIP

PIECES = 16  # trajectories are summed in so many pieces, whatever the number of threads


@dataclass(frozen=True)
class Recipe:
    """How to train.

    groups, group_size : groups per update and rollouts in each
    rate : learning rate
    objective : gives the factor per rollout; on-policy, one step per batch

    Raises ValueError for an estimator per token, and for counts that are not whole numbers of at
    least 1.
    """

    estimator: Estimator = PRESETS["grpo_exact"]
    objective: Objective = field(default_factory=lambda: PolicyGradient("sum"))
    groups: Annotated[int, COUNT] = 64
    group_size: Annotated[int, COUNT] = 8
    rate: Annotated[float, FINITE] = 0.3

    def __post_init__(self) -> None:
        check_fields(self)
        if self.estimator.token_level:
            msg = f"estimator={self.estimator} gives advantages by token; one per rollout is used"
            raise ValueError(msg)


@dataclass(frozen=True)
class Run:
    """What a run went through.

    theta : `chain.policy_shape` logits at the end
    success, length, reward (T,) : batch means before each update; length in tokens
    steps : actions taken in all
    """

    theta: np.ndarray
    success: np.ndarray
    length: np.ndarray
    reward: np.ndarray
    steps: int


def train_sampled(
    chain: Chain,
    theta: Any,
    shaper: Shaper | None = None,
    recipe: Recipe | None = None,
    *,
    updates: int,
    seed: int = 0,
) -> Run:
    """Train from logits `theta` (`chain.policy_shape`), reproducibly in the seed.

    shaper : the reward (None: correctness); one reward per rollout, without memory
    """
    paid, plan = shaper or Outcome(), recipe or Recipe()
    needs = {*paid.all_needs(), *plan.estimator.needs, *plan.objective.needs}
    read = tuple(name for name in COUNTERS if name in needs)
    z = np.array(theta, dtype=float).reshape(chain.policy_shape)
    seen, steps = np.empty((3, updates)), 0
    for k in range(updates):
        batch, r = draw(chain, z, plan, seed=[seed, k], step=k, counters=read)
        parts = paid.apply(r).parts
        a = np.asarray(plan.estimator.apply(parts, r)[0], dtype=float)
        weight = a * np.asarray(plan.objective.sequence_weight(r), dtype=float)
        z = z + plan.rate * gradient(chain, z, batch, weight)
        total = sum(np.asarray(v, dtype=float) for v in parts.values())
        seen[:, k] = r.correct.mean(), r.length.mean(), np.mean(total)
        steps += sum(int(t.length.sum()) for t in batch)
    return Run(z, *seen, steps=steps)


def draw(
    chain: Chain,
    theta: np.ndarray,
    recipe: Recipe,
    *,
    seed: Any,
    step: Any = 0,
    counters: tuple[str, ...] = (),
) -> tuple[list[Trajectories], Rollouts]:
    """A batch: trajectories of each difficulty that was drawn, and their Rollouts (groups, G).

    seed : what `numpy.random.default_rng` takes; counters : of `toyrl.worlds.chain.model.COUNTERS`

    theta : (phases, flags, D+1, A) logits, `chain.policy_shape`.
    """
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(recipe.groups, chain.shares)
    batch = [
        sample_trajectories(chain, theta, d, int(n) * recipe.group_size, int(rng.integers(2**63)))
        for d, n in zip(chain.difficulties, counts, strict=True)
        if n
    ]
    each = [t.to_rollouts(group_size=recipe.group_size, counters=counters) for t in batch]
    return batch, joined(each, step=step)


def gradient(
    chain: Chain, theta: np.ndarray, batch: list[Trajectories], weight: np.ndarray
) -> np.ndarray:
    """Mean over rollouts of weight times the score, in the shape of theta.

    weight : (groups, G), rows in the order of `batch`
    """
    pi = chain.policy(np.asarray(theta, dtype=float))
    flat, start = np.ascontiguousarray(weight, dtype=float).ravel(), 0
    out = np.zeros_like(pi)
    for t in batch:
        own = flat[start : start + len(t)]
        start += len(t)
        credit = credit_table(t, own)  # (phases, 2, D+1, A)
        # P(flag | state, action), so that a flagged policy is credited for what it may have seen.
        law = np.einsum("emz,pzma->pemza", chain.flag_law(t.difficulty), pi)
        total = law.sum(-2, keepdims=True)
        share = law / np.where(total > 0, total, 1.0)
        out += np.einsum("pema,pemza->pzma", credit, share)
    return (out - pi * out.sum(-1, keepdims=True)) / flat.size


def credit_table(t: Trajectories, weight: np.ndarray) -> np.ndarray:
    """(phases, 2, D+1, A) sum of the weights (N,) of the rollouts that take each edge, by visit."""
    chain = t.chain
    shape = (chain.phases, 2, chain.D + 1, len(chain.actions))
    ends = chain.actions.index("END_THINK") if "END_THINK" in chain.actions else -1
    flat = np.zeros((PIECES, shape[0] * shape[1] * shape[2] * shape[3]))
    with threads_for(t.codes.size):
        _credit(t.codes, t.length, weight, flat, chain.D, len(chain.actions), ends)
    return flat.sum(0).reshape(shape)


@numba.njit(parallel=True, cache=True)
def _credit(codes, length, weight, out, depth, actions, ends):  # pragma: no cover (compiled)
    n = codes.shape[0]
    pieces = out.shape[0]
    for piece in numba.prange(pieces):
        for i in range(n * piece // pieces, n * (piece + 1) // pieces):
            a = weight[i]
            if a == 0.0:
                continue
            phase = 0
            error = 0
            progress = 0
            for step in range(length[i]):
                code = codes[i, step]
                action = code & 7
                state = (phase * 2 + error) * (depth + 1) + progress
                out[piece, state * actions + action] += a
                if code & GAIN:
                    progress = min(progress + 1, depth)
                if code & SLIP:
                    error = 1
                if code & REPAIR:
                    error = 0
                if action == ends:
                    phase = 1
