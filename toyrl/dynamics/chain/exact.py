"""Exact discrete training of chain policies: no samples, no seeds.

One update is theta += rate * sum_b share_b sum_k w_bk grad prob_bk with the class weights of an
estimator in the population limit, or with weights given from outside (finite groups). Many
runs that share a structure (actions, H, D, number of prompt types) go in one batch; their
numbers (difficulties, noise, shares, rewards, initial logits) may differ. The inner loop is
compiled (`toyrl.dynamics.chain.kernel`); threads share the batch.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toyrl.dynamics.chain.lanes import LANES, in_lanes, unlanes
from toyrl.dynamics.chain.loss import KL_FORMS, PLAIN, LossOptions
from toyrl.estimators.group import GroupEstimator
from toyrl.objectives.policy_gradient import AGGREGATIONS, PolicyGradient
from toyrl.worlds.chain.forward import few_probabilities
from toyrl.worlds.chain.model import ACTIONS, Chain

BASELINE = {"none": 0, "batch": 1, "mean": 2, "leave_one_out": 2}
SCALE = {"none": 0, "group": 1, "batch": 2}
FEW = LANES  # runs that NumPy answers as fast as the compiled loop
Moved = Callable[[float], Any]
TOLERANCE = 5e-4
"""Largest class-probability movement that stopping a run early may forgo (see `train`)."""


@dataclass(frozen=True)
class Batch:
    """W chains of one structure with their own numbers.

    chain : the structure (actions, H, depth, phases, flags, tokens per action); its own numbers
        are not used
    difficulties (W, B) int, shares (W, B); progress, slip, repair, guess, flag_noise (W,)
    """

    chain: Chain
    difficulties: np.ndarray
    shares: np.ndarray
    progress: np.ndarray
    slip: np.ndarray
    repair: np.ndarray
    guess: np.ndarray
    flag_noise: np.ndarray

    @classmethod
    def of(cls, *chains: Chain) -> Batch:
        """From chains that share a structure."""
        first = chains[0]
        depth = max(c.D for c in chains)

        def column(name: str) -> np.ndarray:
            return np.array([float(getattr(c, name) or 0.0) for c in chains])

        return cls(
            first.with_(depth=depth),
            np.array([c.difficulties for c in chains]),
            np.array([c.shares for c in chains]),
            column("progress"),
            column("slip"),
            column("repair"),
            column("guess"),
            column("flag_noise"),
        )

    def __len__(self) -> int:
        return len(self.difficulties)

    def take(self, rows: Any) -> Batch:
        """Some of the runs."""
        own = {f: getattr(self, f)[rows] for f in self.__dataclass_fields__ if f != "chain"}
        return replace(self, **own)

    def chain_at(self, i: int) -> Chain:
        """Run i as a Chain."""
        return self.chain.with_(
            difficulties=tuple(int(d) for d in self.difficulties[i]),
            shares=tuple(float(s) for s in self.shares[i] / self.shares[i].sum()),
            progress=float(self.progress[i]),
            slip=float(self.slip[i]),
            repair=float(self.repair[i]),
            guess=float(self.guess[i]),
            flag_noise=None if self.chain.flags == 1 else float(self.flag_noise[i]),
        )


@dataclass(frozen=True)
class Training:
    """Where the runs ended.

    theta (W, *chain.policy_shape), prob (W, B, K); updates (W,) made before stopping early
    """

    batch: Batch
    theta: np.ndarray
    prob: np.ndarray
    updates: np.ndarray

    @property
    def accuracy(self) -> np.ndarray:
        """(W, B) success rates."""
        return self.prob @ self.batch.chain.class_correct()

    @property
    def length(self) -> np.ndarray:
        """(W, B) mean lengths in tokens."""
        return self.prob @ self.batch.chain.class_length()


def train(
    batch: Batch,
    theta: np.ndarray,
    reward: np.ndarray,
    *,
    updates: Any,
    rate: float = 0.3,
    estimator: GroupEstimator,
    objective: PolicyGradient,
    reward_variance: np.ndarray | None = None,
    reference_length: np.ndarray | None = None,
    loss: LossOptions = PLAIN,
    tolerance: float = TOLERANCE,
    threads: int | None = None,
    moved: Moved | None = None,
) -> Training:
    """Train every run on its class rewards in the population limit.

    theta : (W, *policy_shape) or (*policy_shape,) initial logits; not modified
    reward : (W, B, K), or broadcastable; reward_variance likewise (sampled text rewards)
    updates : int or (W,)
    reference_length : (W,) tokens that multiply per-token aggregations, so that learning rates
        compare; None: 1
    tolerance : a run stops early once its class probabilities would move by less than this in
        all remaining updates at their present, not growing, rate; 0 never stops
    moved : hears the share of the updates that is behind; from other threads
    """
    setup = (
        BASELINE[estimator.baseline],
        SCALE[estimator.scale],
        float(estimator.eps),
        AGGREGATIONS.index(objective.aggregation),
    )
    # AGGREGATIONS orders sum, grpo, dapo, dr_grpo as the kernel's codes 0..3
    return _run(
        batch,
        theta,
        updates,
        rate,
        tolerance,
        threads,
        reward=reward,
        variance=reward_variance,
        reference=reference_length,
        setup=setup,
        loss=loss,
        moved=moved,
    )


def train_with_weights(
    batch: Batch,
    theta: np.ndarray,
    weights: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    updates: Any,
    refresh: int,
    rate: float = 0.3,
    objective: PolicyGradient | None = None,
    reference_length: np.ndarray | None = None,
    loss: LossOptions = PLAIN,
    threads: int | None = None,
    moved: Moved | None = None,
) -> Training:
    """Train with class weights from outside, held fixed for `refresh` updates at a time.

    weights : (prob (w, B, K), rows (w,)) -> (w, B, K) for the runs still going; the prompt's
        share is applied here
    objective, reference_length : as for `train`; they set the scale of the KL term alone

    theta : (W, *policy_shape) logits at the start; moved : as for `train`
    """
    aggregation = "sum" if objective is None else objective.aggregation
    setup = (0, 0, 0.0, AGGREGATIONS.index(aggregation))
    W = len(batch)
    updates = np.broadcast_to(np.asarray(updates, dtype=np.int64), (W,))
    theta = _logits(batch, theta)
    if loss.reference is None:
        loss = replace(loss, reference=theta.copy())
    length = None if reference_length is None else np.asarray(reference_length, dtype=float)
    prob = class_probabilities(batch, theta)
    made = np.zeros(W, dtype=np.int64)
    while (made < updates).any():
        rows = np.flatnonzero(made < updates)
        some = batch.take(rows)
        w = weights(prob[rows], rows) * some.shares[..., None]
        if loss.mask_truncated:
            w[..., -1] = 0.0
        n = np.minimum(refresh, updates[rows] - made[rows])
        part = _run(
            some,
            theta[rows],
            n,
            rate,
            0.0,
            threads,
            external=w,
            setup=setup,
            reference=None if length is None else length[rows],
            loss=loss.take(rows),
        )
        theta[rows], prob[rows] = part.theta, part.prob
        made[rows] += n
        if moved is not None:
            moved(made.sum() / updates.sum())
    return Training(batch, theta, prob, made)


def class_probabilities(batch: Batch, theta: np.ndarray) -> np.ndarray:
    """(W, B, K) class probabilities of all runs under logits theta.

    Few runs are answered in NumPy, as fast and without compiling anything.
    """
    if len(batch) <= FEW:
        return few_probabilities(
            batch.chain,
            _logits(batch, theta),
            flag=_flag_probability(batch),
            difficulties=batch.difficulties,
            progress=batch.progress,
            slip=batch.slip,
            repair=batch.repair,
            guess=batch.guess,
        )
    return by_loop(batch, theta)


def by_loop(batch: Batch, theta: np.ndarray) -> np.ndarray:
    """(W, B, K) class probabilities by the compiled loop, however few the runs.

    theta : (W, *policy_shape) logits
    """
    return _run(batch, theta, 0, 0.0, 0.0, None).prob


def update_direction(
    batch: Batch, theta: np.ndarray, weights: np.ndarray, threads: int | None = None
) -> np.ndarray:
    """(W, *policy_shape) sum_b share_b sum_k w_bk grad prob_bk for given class weights.

    theta : (W, *policy_shape); weights : (W, B, K).
    """
    theta = _logits(batch, theta)
    w = weights * batch.shares[..., None]
    return _run(batch, theta, 1, 1.0, 0.0, threads, external=w).theta - theta


# -- packing runs into lanes ------------------------------------------------------------------


def _logits(batch: Batch, theta: np.ndarray) -> np.ndarray:
    shape = (len(batch), *batch.chain.policy_shape)
    return np.array(np.broadcast_to(np.asarray(theta, dtype=float), shape))


def _log_policy(batch: Batch, theta: np.ndarray) -> np.ndarray:
    """(W, *policy_shape) log-probabilities of actions; -1e300 where not allowed."""
    logits = _logits(batch, theta)
    allowed = batch.chain.allowed()  # (phases, D+1, A)
    masked = np.where(allowed[:, None], logits, -1e300)
    top = masked.max(-1, keepdims=True)
    return masked - top - np.log(np.exp(masked - top).sum(-1, keepdims=True))


def _flag_probability(batch: Batch) -> np.ndarray:
    """(W, B, 2, D+1) probability that the flag shows done."""
    c = batch.chain
    W, B = batch.difficulties.shape
    done = np.zeros((W, B, 2, c.D + 1))
    done[:, :, 0] = np.arange(c.D + 1) >= batch.difficulties[..., None]
    eta = batch.flag_noise[:, None, None, None]
    return done * (1 - eta) + (1 - done) * eta


def _run(
    batch: Batch,
    theta: np.ndarray,
    updates: Any,
    rate: float,
    tolerance: float,
    threads: int | None,
    *,
    reward: Any = 0.0,
    variance: Any = None,
    reference: Any = None,
    setup: tuple[int, int, float, int] = (0, 0, 0.0, 0),
    external: np.ndarray | None = None,
    loss: LossOptions = PLAIN,
    moved: Moved | None = None,
) -> Training:
    from toyrl.dynamics.chain import kernel  # numba loads slowly, and few runs need none

    c, W = batch.chain, len(batch)
    B, K = batch.difficulties.shape[1], c.n_classes
    updates = np.broadcast_to(np.asarray(updates, dtype=np.int64), (W,))
    # Runs of like length share lanes, so that no lane idles long.
    order = np.argsort(updates, kind="stable")
    groups = -(-W // LANES)

    def lanes(x: Any, shape: tuple[int, ...]) -> np.ndarray:
        full = np.broadcast_to(np.asarray(x, dtype=float), (W, *shape))
        return in_lanes(full[order], groups)

    rows = c.phases * c.flags * (c.D + 1)
    logits = lanes(_logits(batch, theta).reshape(W, rows, -1), (rows, len(c.actions)))
    allowed = np.repeat(c.allowed()[:, None], c.flags, axis=1).reshape(rows, -1)
    codes = np.array([ACTIONS.index(a) for a in c.actions])
    numbers = [lanes(x, ()) for x in (batch.progress, batch.slip, batch.repair, batch.guess)]
    flag = lanes(_flag_probability(batch), (B, 2, c.D + 1))
    difficulty = lanes(batch.difficulties, (B,))
    share = lanes(batch.shares, (B,))
    reward = lanes(reward, (B, K))
    variance = lanes(0.0 if variance is None else variance, (B, K))
    weights = lanes(0.0 if external is None else external, (B, K))
    reference = lanes(1.0 if reference is None else reference, ())
    base = theta if loss.reference is None else loss.reference
    log_ref = lanes(_log_policy(batch, base).reshape(W, rows, -1), (rows, len(c.actions)))
    todo = in_lanes(updates[order], groups)
    prob, made = np.zeros_like(reward), np.zeros_like(todo)
    sizes = (c.H, c.D, c.phases, c.flags)
    length = c.class_length()

    behind, work = 0, max(int(todo.sum()), 1)
    compiled: Any = kernel.train  # a dispatcher; type checkers can't see its signature

    def one(g: int) -> None:
        compiled(
            logits[g],
            codes,
            allowed,
            *(x[g] for x in numbers),
            flag[g],
            difficulty[g],
            share[g],
            sizes,
            reward[g],
            variance[g],
            length,
            reference[g],
            setup,
            c.max_length,
            external is not None,
            weights[g],
            log_ref[g],
            float(loss.beta),
            KL_FORMS.index(loss.kl),
            int(loss.mask_truncated),
            todo[g],
            rate,
            tolerance,
            prob[g],
            made[g],
        )
        if moved is not None:
            nonlocal behind
            behind += int(todo[g].sum())
            moved(behind / work)

    if groups == 1:  # a thread would cost more than it saves
        one(0)
    else:
        # Long groups first, so that the threads end together.
        with ThreadPoolExecutor(threads or _cores()) as pool:
            list(pool.map(one, range(groups - 1, -1, -1)))
    back = np.argsort(order)
    return Training(
        batch,
        unlanes(logits, W)[back].reshape(W, *c.policy_shape),
        unlanes(prob, W)[back],
        unlanes(made, W)[back],
    )


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
