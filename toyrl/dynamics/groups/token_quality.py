"""How good a token-level estimator's gradient is, exactly: every group of every trajectory.

An estimator gives token t of rollout i the credit A_it, and a group of G estimates the gradient by

    g = (1/G) sum_i c_i sum_t A_it grad log pi(action_it | what the policy saw),

c_i the objective's factor per rollout. On a small chain all multisets of G trajectories are
enumerated, so mean and covariance of g are exact. Estimators with one advantage per rollout are
taken too: it is spread over the rollout's tokens.

Statistics over the batch (whitening) are taken over one group, or over very many of them:

    batch = "group"    the batch is this one group: its own tokens' mean and spread
    batch = "many"     every group at once, weighted by its probability: mean and spread are
                       numbers that no single group moves

`linear_gradient` is a second, independent route for credit that is linear in edges.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.dynamics.groups.gradient_quality import Quality
from toyrl.estimators.base import Estimator
from toyrl.objectives.base import Objective
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.shapers.outcome import Outcome
from toyrl.worlds.chain.edges import EdgeTable, edge_table
from toyrl.worlds.chain.latents.base import StepScores
from toyrl.worlds.chain.paths import Paths

ROWS = 200_000
MANY = 2.0**40  # groups behind the weights of batch = "many"
ROUNDING = 1e-12  # credit below it is a difference of equal numbers, and has no sign
CHUNK = 1 << 21  # array elements evaluated at once: 16 MiB of float64
BATCHES = ("group", "many")
OUTCOME, SUM = Outcome(), PolicyGradient("sum")


@dataclass(frozen=True)
class TokenQuality(Quality):
    """One group's gradient by the policy's P logits, one prompt: `Quality` with B = 1, K = P.

    wrong_sign (1,) : of the tokens that carry credit and whose action has a true advantage, the
        share whose credit has the other sign; NaN where there are none
    idle (1,) : share of tokens with credit exactly 0
    success (1,) : P(right)
    right_down : share of the tokens of right rollouts with negative credit
    """

    wrong_sign: np.ndarray
    idle: np.ndarray
    success: np.ndarray

    @property
    def residual(self) -> np.ndarray:
        """(1,) min over c of E|c g - true|^2 / |true|^2, in [0, 1]: the error whatever the step.

        Rescaled estimators compare by it, as they do not by the MSE; NaN without a true gradient.
        """
        power = (self.true**2).sum(-1) * ((self.mean**2).sum(-1) + self.variance)
        dot = (self.mean * self.true).sum(-1)
        silent = np.where((self.true**2).sum(-1) > 0, 1.0, math.nan)
        return np.where(power > 0, 1 - dot**2 / np.where(power > 0, power, 1.0), silent)


# -- what estimators read --------------------------------------------------------------------------
def state_values(table: EdgeTable, flag_law: np.ndarray) -> np.ndarray:
    """(H, phases, 2, D+1) expected reward from each hidden state on: the perfect critic.

    flag_law : `Chain.flag_law` of the prompt
    """
    seen = np.einsum("emz,pzma->pema", flag_law, table.policy)
    return (table.value * seen).sum(-1)


def readable(estimator: Estimator, fields: Mapping[str, np.ndarray]) -> bool:
    """True if paths with these fields hold all that the estimator reads.

    fields : name -> (N, T) or (N,), one row a path.
    """
    own = ("correct", "length", "truncated", "mask")
    return all(name in own or name in fields for name in estimator.needs)


def token_fields(
    paths: Paths, *, values: np.ndarray | None = None, scores: StepScores | None = None
) -> dict[str, np.ndarray]:
    """(N, H) arrays of every per-token field a chain can supply, by name; reference = policy.

    values : (H, phases, 2, D+1) a critic's value of each state (None: the perfect critic's)
    scores : the step judge (None: `StepScores()`), its mean score of each action
    """
    chain = paths.chain
    if values is None:
        table = truth(paths)
        values = state_values(table, chain.flag_law(paths.difficulty))
    judge = StepScores() if scores is None else scores
    judged = judge.table(chain)[np.maximum(paths.action, 0), paths.error_after]
    pi = paths.policy[paths.phase, paths.flag, paths.progress]
    logs = np.log(np.where(pi > 0, pi, 1.0))
    logp = np.take_along_axis(logs, np.maximum(paths.action, 0)[..., None], axis=-1)[..., 0]

    def on_tokens(x: np.ndarray) -> np.ndarray:
        return np.where(paths.alive, x, 0.0)

    return {
        "values": paths.at_states(values),
        "step_scores": on_tokens(np.clip(judged, 0, 1)),
        "logprobs": on_tokens(logp),
        "ref_logprobs": on_tokens(logp),
        "entropy": on_tokens(-(pi * logs).sum(-1)),
    }


def truth(paths: Paths) -> EdgeTable:
    """Edges of this prompt under P(right): `gradient` is the true one, `advantage` the credit."""
    return _table(paths, paths.chain.class_correct())


def linear_gradient(
    paths: Paths,
    *,
    values: np.ndarray | None = None,
    gamma: float = 1.0,
    lam: float = 1.0,
    reward: np.ndarray | None = None,
    per_action: np.ndarray | None = None,
) -> np.ndarray:
    """(P,) expected update of unwhitened GAE or discounted returns, from the edge table alone.

    values : (H, phases, 2, D+1) the critic (None: 0, so that lam = 1 gives returns)
    reward : (K,) by class (None: correctness); per_action : as for `edge_table`
    """
    paid = paths.chain.class_correct() if reward is None else reward
    table = _table(paths, paid, potential=values, discount=gamma, lam=lam, per_action=per_action)
    return table.gradient.ravel()


def _table(paths: Paths, reward: np.ndarray, **options: Any) -> EdgeTable:
    with np.errstate(divide="ignore"):
        theta = np.maximum(np.log(paths.policy), -1e4)  # logits of the same policy
    return edge_table(paths.chain, theta, paths.difficulty, reward, **options)


# -- quality ---------------------------------------------------------------------------------------
def token_quality(
    paths: Paths,
    estimator: Estimator,
    *,
    group_size: int = 2,
    batch: str = "group",
    fields: Mapping[str, np.ndarray] | None = None,
    shaper: Shaper = OUTCOME,
    objective: Objective = SUM,
    groups: np.ndarray | None = None,
) -> TokenQuality:
    """Quality of one group's gradient against that of P(right).

    paths : all of one prompt (`enumerate_paths`), or sampled ones
    fields : (N, ...) per path (None: `token_fields(paths)`)
    groups : (M, G) indices of sampled groups, all equally likely; None enumerates all multisets

    Raises ValueError beyond `ROWS` multisets, KeyError where the estimator reads a field that is
    not there.
    """
    if batch not in BATCHES:
        msg = f"batch={batch!r} is not one of {', '.join(BATCHES)}"
        raise ValueError(msg)
    given = token_fields(paths) if fields is None else fields
    if groups is None:
        index, chance = _multisets(paths, group_size)
        method = "enumerated"
    else:
        index, chance = groups, np.full(len(groups), 1 / len(groups))
        method = "sampled"
    a, factor = _credit(paths, index, chance, estimator, batch, given, shaper, objective)
    mean, second, silent = _moments(paths, index, chance, a * factor[..., None])
    true = truth(paths)
    variance = max(second - float(mean @ mean), 0.0)
    return TokenQuality(
        mean[None],
        true.gradient.ravel()[None],
        np.array([variance]),
        np.array([silent]),
        group_size=index.shape[1],
        method=method,
        **_signs(paths, index, chance, a, paths.at_edges(true.advantage)),
    )


def _multisets(paths: Paths, size: int) -> tuple[np.ndarray, np.ndarray]:
    """(M, G) sorted members and (M,) the probability of each multiset."""
    rows = math.comb(len(paths) + size - 1, size)
    if rows > ROWS:
        msg = (
            f"group_size={size} over {len(paths)} paths gives {rows} multisets, more than "
            f"{ROWS}; shorten the chain or sample groups"
        )
        raise ValueError(msg)
    members = itertools.combinations_with_replacement(range(len(paths)), size)
    index = np.fromiter(itertools.chain.from_iterable(members), np.int64, rows * size)
    index = index.reshape(rows, size)
    # Orders of a multiset: G! over the factorials of its runs of equal members.
    run = np.ones(rows)
    orders = np.full(rows, float(math.factorial(size)))
    for i in range(1, size):
        run = np.where(index[:, i] == index[:, i - 1], run + 1, 1.0)
        orders /= run
    return index, orders * paths.prob[index].prod(-1)


def _credit(
    paths: Paths,
    index: np.ndarray,
    chance: np.ndarray,
    estimator: Estimator,
    batch: str,
    fields: Mapping[str, np.ndarray],
    shaper: Shaper,
    objective: Objective,
) -> tuple[np.ndarray, np.ndarray]:
    """(M, G, H) credit by token and (M, G) the objective's factor."""
    known = {name: value for name, value in fields.items() if name in estimator.needs}
    M, G = index.shape
    if batch == "group":
        r: Rollouts = paths.rollouts(index[:, None], **known)
    else:
        weight = np.repeat(chance[:, None] * MANY, G, axis=1)
        r = paths.rollouts(index, **known).with_(weight=weight, group_size=float(G))
    a = np.asarray(estimator.apply(shaper.apply(r).parts, r)[0], dtype=float)
    a = a.reshape(M, G, -1) if estimator.token_level else a.reshape(M, G, 1)
    factor = np.broadcast_to(objective.sequence_weight(r), r.shape).reshape(M, G)
    return np.where(paths.alive[index] & (np.abs(a) > ROUNDING), a, 0.0), factor


def _moments(
    paths: Paths, index: np.ndarray, chance: np.ndarray, a: np.ndarray
) -> tuple[np.ndarray, float, float]:
    """(E[g] (P,), E|g|^2, P(all credit is 0))."""
    score = paths.scores()
    P, G = score.shape[-1], index.shape[1]
    mean, second = np.zeros(P), 0.0
    step = max(1, CHUNK // (G * score[0].size))
    for start in range(0, len(index), step):
        at = slice(start, start + step)
        g = np.einsum("mit,mitk->mk", a[at], score[index[at]]) / G
        mean += chance[at] @ g
        second += float(chance[at] @ (g**2).sum(-1))
    return mean, second, float(chance @ np.all(a == 0, axis=(1, 2)))


def _signs(
    paths: Paths, index: np.ndarray, chance: np.ndarray, a: np.ndarray, true: np.ndarray
) -> dict[str, np.ndarray]:
    """Shares of tokens by the sign of their credit."""
    alive = paths.alive[index] * chance[:, None, None]
    real = np.where(np.abs(true) > ROUNDING, true, 0.0)[index]
    speaking = alive * (a != 0) * (real != 0)
    right = alive * paths.correct[index][..., None]

    def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        total = whole.sum()
        return np.array([(part * whole).sum() / total if total > 0 else math.nan])

    return {
        "wrong_sign": share(a * real < 0, speaking),
        "idle": share(a == 0, alive),
        "right_down": share(a < 0, right),
        "success": np.array([paths.prob @ paths.correct]),
    }
