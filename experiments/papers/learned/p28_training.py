"""A policy and its reward model, trained beside each other on three kinds of answers.

right, plainly wrong, hack: the model is linear in [right] and [hack], the policy a softmax over the
three. Sampled runs, the mean path by enumeration of all groups, and the path beside a fixed model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from toyrl.dynamics.groups.compositions import multisets
from toyrl.estimators.group import GroupEstimator
from toyrl.estimators.shaped import ShapedReward
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.bandits import follow
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.groups import picked
from toyrl.models.reward.cooper import Cooper, CooperModel, first_accepted
from toyrl.models.reward.implicit import labelled_loss
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts, Shaper
from toyrl.shapers.judge.reward_model import Cooper as ModelReward
from toyrl.theory.policies import softmax

RIGHT, WRONG, HACK = range(3)
FEATURES = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
START, TAKEN_OVER = (0.3, 0.65, 0.05), (0.2, 0.5, 0.3)
GROUP, STEP = 16, 0.2
GRPO = GroupEstimator(eps=1e-6)


class Setting(NamedTuple):
    """One line of a table of runs.

    flaw : the model's logit of the hack at the start, that of a right answer being 1
    share : of negatives that look like the hack; rate : of the reward model
    recall : right answers that the verifier accepts; fooled : hacks that it accepts
    """

    flaw: float
    share: float
    rate: float
    recall: float = 1.0
    fooled: float = 0.0
    start: tuple[float, float, float] = START


@dataclass(frozen=True)
class TrueLabel(Shaper):
    """Mutant: the truth is paid, whatever the model says."""

    needs: ClassVar[tuple[str, ...]] = ("correct",)

    def parts(self, r: Rollouts, memory: Any) -> Parts:
        return {"outcome": r.correct}


@dataclass(frozen=True)
class Negated(ModelReward):
    """Mutant: 1 - sigma(s)."""

    def parts(self, r: Rollouts, memory: Any) -> Parts:
        return {name: 1 - x for name, x in super().parts(r, memory).items()}


PAID = {"model": ModelReward, "truth": TrueLabel, "negated": Negated}


def learner(rate: Any) -> Cooper:
    """Plain gradient steps, of which the flow is the limit."""
    return Cooper(rate=rate, optimiser="sgd", weight_decay=0.0, clip=np.inf)


def column(settings: Sequence[Setting], name: str) -> np.ndarray:
    """(S, ...) one field of all settings."""
    return np.array([getattr(s, name) for s in settings], dtype=float)


def begin(settings: Sequence[Setting]) -> np.ndarray:
    """(S, 5) logits of the policy and weights of the model."""
    flaw = column(settings, "flaw")
    return np.column_stack([np.log(column(settings, "start")), np.ones(len(flaw)), flaw])


def sampled_runs(settings: Sequence[Setting], replicas: int, updates: int, seed: int, *,
                 paid: str = "model", positives: str = "accepted") -> np.ndarray:  # fmt: skip
    """(updates + 1, S, replicas, 5) logits and weights; every setting has draws of its own."""
    rng, many = draws(seed, 7), [s for s in settings for _ in range(replicas)]
    n, own = len(many), learner(column(many, "rate"))
    share = column(many, "share")
    passes = np.column_stack([column(many, "recall"), np.zeros(n), column(many, "fooled")])
    estimator, row = ShapedReward(PAID[paid](), GRPO), np.arange(n)

    def step(state: np.ndarray, _: int) -> np.ndarray:
        z, model = state[:, :3], own.start(state[:, 3:])
        policy, logit = softmax(z), model.score(FEATURES)
        arm = picked(policy, rng.random((n, GROUP)))
        score = np.take_along_axis(logit, arm, -1)
        right = (arm == RIGHT) * 1.0
        r = Rollouts(right, np.ones(arm.shape), 1.0, fields={"judge": score})
        advantage = np.asarray(estimator.apply({"outcome": right}, r)[0])
        hot = arm[..., None] == np.arange(3)
        gradient = (advantage[..., None] * (hot - policy[:, None])).mean(1)
        accepted = rng.random(arm.shape) < np.take_along_axis(passes, arm, -1)
        first = first_accepted(np.ones(arm.shape) if positives == "any" else accepted * 1.0)
        valid = first.any(-1)
        up = arm[row, first.argmax(-1)]
        down = np.where(rng.random(n) < share, HACK, WRONG)
        pairs = FEATURES[up][:, None], FEATURES[down][:, None], valid[:, None] * 1.0
        weight = own.update(model, *pairs).model.weight
        if positives == "labels":  # the rival: every rollout, with the verdict as its label
            slope = labelled_loss("ce", score, accepted)[1]
            pull = (slope[..., None] * FEATURES[arm]).mean(1)
            weight = model.weight - column(many, "rate")[:, None] * pull
        spend(arm.size)
        return np.concatenate([z + STEP * gradient, weight], axis=-1)

    path = follow(step, begin(many), updates)
    return path.reshape(updates + 1, len(settings), replicas, 5)


def one_group(logits: np.ndarray) -> Rollouts:
    """(1, G) rollouts with these logits (G,) of the reward model."""
    none = np.zeros((1, len(logits)))
    return Rollouts(none, none + 1, 1.0, fields={"judge": np.asarray(logits)[None]})


class Groups:
    """All kinds of groups of three answers: counts (M, 3), and the log of their numbers of ways."""

    def __init__(self, size: int = GROUP) -> None:
        from scipy.special import gammaln

        self.size, self.counts = size, multisets(3, size).astype(float)
        self.log_ways = gammaln(size + 1) - gammaln(self.counts + 1).sum(-1)

    def law(self, policy: np.ndarray) -> np.ndarray:
        """(S, M) chance of each kind of group under policies (S, 3)."""
        return np.exp(self.log_ways + np.log(policy) @ self.counts.T)

    def pull(self, logit: np.ndarray) -> np.ndarray:
        """(S, M, 3) change of the logits that each kind of group asks for, logits (S, 3)."""
        shape = (len(logit), *self.counts.shape)
        wide = np.broadcast_to(logit[:, None], shape).reshape(-1, 3)
        weight = np.broadcast_to(self.counts, shape).reshape(-1, 3)
        none = np.zeros(wide.shape)
        r = Rollouts(none, none + 1, 1.0, weight=weight, group_size=float(self.size),
                     fields={"judge": wide})  # fmt: skip
        advantage = ShapedReward(ModelReward(), GRPO).apply({"outcome": none}, r)[0]
        spend(wide.size)
        return (weight * np.asarray(advantage)).reshape(shape) / self.size


def chance_of_pair(accepted: np.ndarray) -> np.ndarray:
    """(...) chance that a group holds an accepted answer, each being so with chance `accepted`."""
    return -np.expm1(GROUP * np.log1p(-accepted))


def expected_runs(settings: Sequence[Setting], updates: int) -> np.ndarray:
    """(updates + 1, S, 5) the mean path: every kind of group with its chance, at every update."""
    groups, rate, share = Groups(), column(settings, "rate"), column(settings, "share")
    recall, fooled = column(settings, "recall"), column(settings, "fooled")
    n = len(settings)
    up = np.tile(FEATURES[[RIGHT, RIGHT, HACK, HACK]], (n, 1, 1))
    down = np.tile(FEATURES[[HACK, WRONG, HACK, WRONG]], (n, 1, 1))

    def step(state: np.ndarray, _: int) -> np.ndarray:
        policy, model = softmax(state[:, :3]), learner(0.0).start(state[:, 3:])
        change = np.einsum("sm,smk->sk", groups.law(policy), groups.pull(model.score(FEATURES)))
        right, hack = policy[:, RIGHT] * recall, policy[:, HACK] * fooled
        false = hack / (right + hack)
        kinds = np.stack([(1 - false) * share, (1 - false) * (1 - share), false * share,
                          false * (1 - share)], axis=-1)  # fmt: skip
        own = learner(rate * chance_of_pair(right + hack))
        new = own.update(model, up, down, np.clip(kinds, 0, 1)).model
        return np.concatenate([state[:, :3] + STEP * change, new.weight], axis=-1)

    return follow(step, begin(settings), updates)


def beside_fixed(flaw: float, updates: int, start: Sequence[float] = START) -> np.ndarray:
    """(updates + 1, 3) the policy's mean path beside a model that isn't corrected."""
    groups = Groups()
    pull = groups.pull(np.array([[1.0, 0.0, flaw]]))[0]

    def step(z: np.ndarray, _: int) -> np.ndarray:
        return z + STEP * (groups.law(softmax(z)[None])[0] @ pull)

    return softmax(follow(step, np.log(start), updates))


def model_alone(right: float, hack: float, share: float, rate: float, updates: int, *,
                both: bool = True) -> np.ndarray:  # fmt: skip
    """(updates + 1, 2) weights under expected updates, a pair in each of them.

    both : False for the mutant that lets the negatives' score stand
    """
    own, pairs = learner(rate), np.array([share, 1 - share])
    up, down = FEATURES[[RIGHT, RIGHT]], FEATURES[[HACK, WRONG]]

    def step(w: np.ndarray, _: int) -> np.ndarray:
        new: CooperModel = own.update(own.start(w), up, down, pairs).model
        return new.weight if both else np.array([new.weight[0], w[1]])

    return follow(step, np.array([right, hack]), updates)


def crossing(weights: np.ndarray) -> float:
    """The first update after which a right answer is liked more; inf if there is none.

    weights (updates + 1, 2), or with more columns, the last two of them
    """
    ahead = weights[..., -2] > weights[..., -1]
    return float(ahead.argmax()) if ahead.any() else float("inf")
