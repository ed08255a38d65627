"""RLPrompt: soft Q-learning ends at exp(reward), and a z-score per input clears the signal."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.estimators.group import PRESETS, GroupEstimator
from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.objectives.policy_gradient import PRESETS as GRADIENTS
from toyrl.objectives.soft_q import SoftQ
from toyrl.rollouts import Rollouts

ACTIONS, DEPTH = 3, 3
MERITS = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0])
Z_SCORE = GroupEstimator(ddof=0.0, eps=1e-4)
REWARDS = {"raw": PRESETS["reinforce"], "centred": PRESETS["dr_grpo"], "z-scored": Z_SCORE}
RATES = (0.05, 0.1, 0.2, 0.5, 1.0)
CONSTANT = "T1: one token, loss at Q = r + c against c^2, largest error"
FIXED = "T1: one token, on-policy descent: distance from softmax(r)"
SHAPED = "T1: shaped to 5 z, uniform paths: distance from softmax(5 z)"
SAMPLED = "T1: 16 sampled prompts a step: distance of the mean policy from softmax(r)"
TREE = "T2: three tokens, true soft values, {} paths: distance from softmax(r)"
MULTI = "T2: values of the policy's own logits, multi-step loss: distance from softmax(r)"
RELEASED = "T2: values of the policy's own logits, released average: distance from softmax(r)"
LEARNS = "T3: steps to 90 %: z-scored over the better of raw and centred, largest of all rates"


# -- broken losses ---------------------------------------------------------------------------------
@dataclass(frozen=True)
class Ascent:
    """Mutant: the reward taken as an advantage, without path consistency."""

    multi: float = 0.5

    def coefficients(self, reward: Any, r: Rollouts, logp: Any, old: Any) -> Any:
        del old
        return GRADIENTS["sum"].coefficients(reward, r, logp, logp)


@dataclass(frozen=True)
class EveryToken(SoftQ):
    """Mutant: the reward is paid at every token."""

    def coefficients(self, advantages: Any, rollouts: Rollouts, logp: Any, old_logp: Any) -> Any:
        value = rollouts.fields["target_values"]
        late = np.arange(value.shape[-1]) * advantages[..., None]
        moved = rollouts.with_(target_values=value + late)
        n = value.shape[-1]
        return super().coefficients(n * advantages, moved, logp, old_logp)


LOSSES = {"soft q": SoftQ, "policy gradient": Ascent, "every token": EveryToken}


# -- exact descent on a tree of prompts ------------------------------------------------------------
def log_softmax(x: np.ndarray) -> np.ndarray:
    return x - np.logaddexp.reduce(x, axis=-1, keepdims=True)


def distance(p: np.ndarray, q: np.ndarray) -> float:
    """Total variation."""
    return float(0.5 * np.abs(p - q).sum())


def soft_values(reward: np.ndarray) -> list[np.ndarray]:
    """Soft value of every prefix, by length: shapes (), (A,), (A, A), ..., reward itself last."""
    out = [reward]
    while out[0].ndim:
        out.insert(0, np.logaddexp.reduce(out[0], axis=-1))
    return out


@dataclass(frozen=True)
class Tree:
    """All prompts of `depth` tokens; path i has tokens paths[i]."""

    reward: np.ndarray  # (A,) * depth

    @property
    def paths(self) -> np.ndarray:
        """(A**depth, depth) tokens."""
        return np.array(list(itertools.product(*map(range, self.reward.shape))))

    def along(self, tables: list[np.ndarray]) -> np.ndarray:
        """(paths, depth) entries of tables (prefix, token) of each depth on each path."""
        p = self.paths
        return np.stack([t[tuple(p[:, : k + 1].T)] for k, t in enumerate(tables)], axis=-1)

    def before(self, values: list[np.ndarray]) -> np.ndarray:
        """(paths, depth) values of the prefix before each token."""
        p = self.paths
        columns = [v[tuple(p[:, :k].T)] for k, v in enumerate(values[: self.reward.ndim])]
        return np.stack([c + np.zeros(len(p)) for c in columns], axis=-1)


def descend(
    tree: Tree, objective: Any, *, own_values: bool, on_policy: bool, steps: int, rate: float = 0.5
) -> np.ndarray:
    """(paths,) policy after exact gradient descent from random logits.

    own_values : targets are the logsumexp of the current logits (target = online network); else
        the true soft values
    on_policy : paths are drawn from the policy; else uniformly
    """
    rng = np.random.default_rng(7)
    depth, shape = tree.reward.ndim, tree.reward.shape
    logits = [rng.normal(size=shape[: k + 1]) for k in range(depth)]
    n, paths = tree.reward.size, tree.paths
    one = np.ones((1, n))
    true = tree.before(soft_values(tree.reward))
    for _ in range(steps):
        logs = [log_softmax(x) for x in logits]
        logp = tree.along(logs)
        own = [np.logaddexp.reduce(x, axis=-1) for x in logits]
        value = tree.before(own) if own_values else true
        weight = np.exp(logp.sum(-1)) if on_policy else one[0] / n
        r = Rollouts(
            one, depth * one, float(depth), weight=weight[None], group_size=np.inf,
            mask=np.ones((1, n, depth)), fields={"target_values": value[None]},
        )  # fmt: skip
        c = objective.coefficients(tree.reward.reshape(1, -1), r, logp[None], None)[0]
        for k in range(depth):
            pull = np.zeros(shape[: k + 1])
            np.add.at(pull, tuple(paths[:, : k + 1].T), c[:, k])
            logits[k] = logits[k] + rate * (pull - np.exp(logs[k]) * pull.sum(-1, keepdims=True))
    return np.exp(tree.along([log_softmax(x) for x in logits]).sum(-1))


def one_token_checks(kind: Any, seed: int, steps: int) -> list[Check]:
    """A prompt of one token, where the values take care of themselves."""
    rng = np.random.default_rng([seed, 1])
    reward = rng.normal(size=8)
    worst = 0.0
    for c in (0.0, 0.3, -1.2):
        q = (reward + c)[None]
        v = np.logaddexp.reduce(q, axis=-1, keepdims=True) + 0 * q
        r = Rollouts(0 * q, 1 + 0 * q, 1.0, mask=np.ones((1, 8, 1)),
                     fields={"target_values": v[..., None]})  # fmt: skip
        for loss in SoftQ().losses(reward[None], r, (q - v)[..., None]):
            worst = max(worst, float(np.abs(loss - c**2).max()))
    z = (reward - reward.mean()) / reward.std()
    # On-policy descent crawls where softmax(5 z) is nearly 0; uniform paths reach it.
    ends = [
        descend(Tree(x), kind(), own_values=own, on_policy=own, steps=steps)
        for x, own in ((reward, True), (5 * z, False))
    ]
    want = [np.exp(log_softmax(x)) for x in (reward, 5 * z)]
    routes = ("closed form", "exact descent")
    return [
        Check(CONSTANT, worst, 1e-12, routes=("closed form", "the library's loss")),
        Check(FIXED, distance(ends[0], want[0]), 1e-4, routes=routes),
        Check(SHAPED, distance(ends[1], want[1]), 1e-4, routes=routes),
        Check(SAMPLED, sampled(kind(), reward, steps, rng), 0.02, routes=("simulation",)),
    ]


def sampled(objective: Any, reward: np.ndarray, steps: int, rng: Any, runs: int = 32) -> float:
    """Distance from softmax(r) of the mean policy over runs and the second half of training."""
    logits = rng.normal(size=(runs, 1, len(reward)))
    total, count = np.zeros(len(reward)), 0
    for step in range(min(steps, 2000)):
        logs = log_softmax(logits)
        uniform = rng.random((runs, 16, 1))
        act = np.minimum((uniform > np.cumsum(np.exp(logs), axis=-1)).sum(-1), len(reward) - 1)
        logp = np.take_along_axis(logs[:, 0], act, axis=-1)
        value = np.logaddexp.reduce(logits, axis=-1) + np.zeros((runs, 16))
        r = Rollouts(0 * logp, 1 + 0 * logp, 1.0, mask=np.ones((*logp.shape, 1)),
                     fields={"target_values": value[..., None]})  # fmt: skip
        c = runs * objective.coefficients(reward[act], r, logp[..., None], None)
        chosen = np.eye(len(reward))[act]
        logits = logits + 0.2 * (c * (chosen - np.exp(logs))).sum(-2, keepdims=True)
        if step >= min(steps, 2000) // 2:
            total, count = total + np.exp(logs).mean((0, 1)), count + 1
    return distance(total / count, np.exp(log_softmax(reward)))


def tree_checks(kind: Any, seed: int, steps: int) -> tuple[list[Check], Table]:
    """Three tokens: which targets and which loss have softmax(r) as their end."""
    reward = np.random.default_rng([seed, 2]).normal(size=(ACTIONS,) * DEPTH)
    want = np.exp(log_softmax(reward.reshape(-1)))
    rows, gap = [], {}
    for own, multi, on in itertools.product((False, True), (0.0, 0.5, 1.0), (True, False)):
        end = descend(Tree(reward), kind(multi), own_values=own, on_policy=on, steps=steps // 2)
        gap[own, multi, on] = distance(end, want)
        rows.append(["own logits" if own else "true soft values", multi,
                     "policy" if on else "uniform", gap[own, multi, on]])  # fmt: skip
    routes = ("closed form", "exact descent")
    checks = [
        Check(TREE.format("policy's"), gap[False, 0.5, True], 1e-4, routes=routes),
        Check(TREE.format("uniform"), gap[False, 0.5, False], 1e-4, routes=routes),
        Check(MULTI, gap[True, 1.0, True], 1e-4, routes=routes),
        Check(RELEASED, gap[True, 0.5, True], 0.01, ">", routes=("exact descent",)),
    ]
    columns = ("target values", "share of the multi-step loss", "paths drawn from", "distance")
    caption = "Total variation from softmax(r), 27 prompts of three tokens."
    return checks, Table("where the loss ends", columns, rows, caption)


# -- T3: the z-score per input ---------------------------------------------------------------------
def signal_to_noise(samples: int, seed: int) -> list[Check]:
    """|E g|^2 / E|g|^2 of one REINFORCE sample at the uniform policy."""
    a, k = MERITS - MERITS.mean(), len(MERITS)
    spread = a.var()
    closed = {"raw": spread / k / ((1 - 1 / k) * (spread + 1)), "z-scored": 1 / (k - 1)}
    # The offset's law by quadrature (its square has mean 1), every prompt by enumeration.
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    weights = weights / weights.sum()
    score = np.eye(k) - 1 / k
    rng = np.random.default_rng([seed, 3])
    z, b = rng.integers(0, k, samples), rng.standard_normal(samples)
    checks = []
    for name, want in closed.items():
        reward = a + nodes[:, None] if name == "raw" else a / a.std() + 0 * nodes[:, None]
        mean = np.einsum("n,nz,zj->j", weights, reward, score) / k
        square = np.einsum("n,nz,zj->", weights, reward**2, score**2) / k
        g = (a[z] + b if name == "raw" else a[z] / a.std())[:, None] * score[z]
        found = (g.mean(0) ** 2).sum() / (g**2).sum(-1).mean()
        checks += [
            Check(f"T3: signal to noise, {name}, enumerated", (mean @ mean) / square, want, "~",
                  1e-9, routes=("closed form", "enumeration")),
            Check(f"T3: signal to noise, {name}, sampled, relative error", abs(found / want - 1),
                  0.05, routes=("closed form", "simulation")),
        ]  # fmt: skip
    gain = closed["z-scored"] / closed["raw"]
    checks.append(Check("T3: gain of the z-score", gain, 1 + 1 / spread, "~", 1e-9))
    return checks


def steps_to_best(e: Any, rate: float, runs: int, seed: int) -> float:
    """Median steps until the best prompt has probability 0.9; 16 prompts, one input a step."""
    rng = np.random.default_rng([seed, round(1000 * rate)])
    logits, done = np.zeros((runs, len(MERITS))), np.zeros(runs)
    for step in range(4000):
        pi = np.exp(log_softmax(logits))
        active = (done == 0) & (pi[:, -1] < 0.9)
        done[(done == 0) & ~active] = step
        if not active.any():
            break
        act = (rng.random((runs, 16, 1)) > np.cumsum(pi, axis=-1)[:, None]).sum(-1)
        act = np.minimum(act, len(MERITS) - 1)
        scale, offset = np.exp(rng.standard_normal((runs, 1))), rng.standard_normal((runs, 1))
        reward = scale * (MERITS[act] + offset)
        a, _ = e.apply({"score": reward}, Rollouts(reward, np.ones_like(reward), 1.0))
        score = np.eye(len(MERITS))[act] - pi[:, None]
        logits = logits + rate * (a[..., None] * score).mean(-2)
    return float(np.median(np.where(done == 0, 4000, done)))


def learning_checks(normaliser: str, runs: int, seed: int) -> tuple[list[Check], Picture]:
    """Steps to 90 % under raw, centred and z-scored rewards at five rates."""
    kinds = {**REWARDS, "z-scored": REWARDS[normaliser]}
    steps = {n: [steps_to_best(e, x, runs, seed) for x in RATES] for n, e in kinds.items()}
    best = np.minimum(steps["raw"], steps["centred"])
    worst = float((np.array(steps["z-scored"]) / best).max())
    picture = Picture(
        "z-score", "Inputs of unequal difficulty and scale", "learning rate",
        "steps until the best prompt has 90 %",
        [Curve(n, RATES, y) for n, y in steps.items()], log_x=True, log_y=True,
        caption=f"Eight prompts, 16 samples on one input a step; median of {runs} runs.",
    )  # fmt: skip
    return [Check(LEARNS, worst, 0.7, routes=("simulation",))], picture


@experiment(
    "37",
    card="37",
    slug="soft-q",
    claim="Path-consistent soft Q-learning ends at softmax of the reward, so that the reward's "
    "range is an inverse temperature; that needs true soft values, which the released average "
    "does not train. Rewards z-scored among prompts on the same input learn in half the steps.",
    source="code rlprompt/losses/sql_losses.py; closed forms derived",
    provenance="code",
    smoke={"steps": 2500, "samples": 400_000, "runs": 15},
    mutants=[
        Mutant("reward as an advantage", {"loss": "policy gradient"}, (FIXED, SHAPED, SAMPLED)),
        Mutant("reward at every token", {"loss": "every token"}, (TREE.format("policy's"), MULTI)),
        Mutant("mean subtracted, no division", {"normaliser": "centred"}, (LEARNS,)),
    ],
)
def run(
    *,
    loss: str = "soft q",
    normaliser: str = "z-scored",
    steps: int = 6000,
    samples: int = 400_000,
    runs: int = 51,
    seed: int = 0,
) -> Result:
    """Where soft Q-learning ends on one and three tokens, and the z-score's signal.

    loss : "soft q", or one of the broken ones in `LOSSES`; normaliser : of `REWARDS`
    steps : of exact descent; samples : for signal to noise; runs : per learning rate
    """
    kind = LOSSES[loss]
    tree, table = tree_checks(kind, seed, steps)
    learning, picture = learning_checks(normaliser, runs, seed)
    return Result(
        (*one_token_checks(kind, seed, steps), *tree, *signal_to_noise(samples, seed), *learning),
        (picture,),
        (table,),
        notes=(
            "The gradient of log pi by the logits of a position sums to 0, so in a tabular policy "
            "the loss never moves the level of logsumexp(logits): values read off the policy's own "
            "logits stay wrong, and the single-step loss is pulled by them.",
        ),
    )
