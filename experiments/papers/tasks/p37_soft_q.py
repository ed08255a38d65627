"""RLPrompt: soft Q-learning ends at exp(reward), and a z-score per input clears the signal."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.estimators.group import PRESETS, GroupEstimator
from toyrl.experiments.core import Check, Mutant, Result, Table, experiment
from toyrl.experiments.core.work import spend
from toyrl.experiments.lab.bandits import ascend, follow
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import Draws, draws
from toyrl.experiments.lab.groups import advantages, one_token, picked
from toyrl.experiments.lab.mutants import pick, replaced
from toyrl.experiments.lab.parts import Items, run_parts
from toyrl.experiments.lab.routes import CLOSED, SAMPLED, alone, same
from toyrl.objectives.policy_gradient import PRESETS as GRADIENTS
from toyrl.objectives.soft_q import SoftQ
from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import class_rollouts
from toyrl.theory.policies import softmax, total_variation

ACTIONS, DEPTH = 3, 3
MERITS = np.array([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0])
Z_SCORE = GroupEstimator(ddof=0.0, eps=1e-4)
REWARDS = {"raw": PRESETS["reinforce"], "centred": PRESETS["dr_grpo"], "z-scored": Z_SCORE}
RATES = (0.05, 0.1, 0.2, 0.5, 1.0)
CONSTANT = "T1: one token, loss at Q = r + c against c^2, largest error"
FIXED = "T1: one token, on-policy descent: distance from softmax(r)"
SHAPED = "T1: shaped to 5 z, uniform paths: distance from softmax(5 z)"
DRAWN = "T1: 16 sampled prompts a step: distance of the mean policy from softmax(r)"
TREE = tuple(f"T2: three tokens, true soft values, {x} paths: distance from softmax(r)"
             for x in ("policy's", "uniform"))  # fmt: skip
MULTI = "T2: values of the policy's own logits, multi-step loss: distance from softmax(r)"
RELEASED = "T2: values of the policy's own logits, released average: distance from softmax(r)"
NOISE = {n: (f"T3: signal to noise, {n}, enumerated",
             f"T3: signal to noise, {n}, sampled, relative error")
         for n in ("raw", "z-scored")}  # fmt: skip
GAIN = "T3: gain of the z-score"
LEARNS = "T3: steps to 90 %: z-scored over the better of raw and centred, largest of all rates"
DESCENT = (CLOSED, "exact descent")


# -- broken losses ---------------------------------------------------------------------------------
def ascent(_: SoftQ, reward: Any, r: Rollouts, logp: Any, old: Any) -> Any:
    """Mutant: the reward taken as an advantage, without path consistency."""
    del old
    return GRADIENTS["sum"].coefficients(reward, r, logp, logp)


def every_token(self: SoftQ, reward: Any, r: Rollouts, logp: Any, old: Any) -> Any:
    """Mutant: the reward is paid at every token."""
    n = logp.shape[-1]
    moved = r.fields["target_values"] + np.arange(n) * reward[..., None]
    return SoftQ.coefficients(self, n * reward, r.with_(target_values=moved), logp, old)


LOSSES: dict[str, Any] = {
    "soft q": SoftQ,
    "policy gradient": replaced(SoftQ, coefficients=ascent),
    "every token": replaced(SoftQ, coefficients=every_token),
    "multi-step alone": lambda _=0.5: SoftQ(1.0),
}


# -- exact descent on trees of prompts -------------------------------------------------------------
def descend(reward: np.ndarray, actions: int, objective: Any, own: Any, on_policy: Any, steps: int,
            rate: float = 0.5) -> np.ndarray:  # fmt: skip
    """(N, paths) policies after exact gradient descent of N runs from the same random logits.

    reward : (N, actions ** depth) of every path of tokens, in the order of `itertools.product`
    own : (N,) targets are the logsumexp of the current logits (target = online network); else the
        true soft values
    on_policy : (N,) paths are drawn from the policy; else uniformly
    """
    runs, n = reward.shape
    depth = round(np.log(n) / np.log(actions))
    sizes = [actions ** (k + 1) for k in range(depth)]
    own, on_policy = np.array(own)[:, None, None], np.array(on_policy)[:, None]

    def on_paths(tables: list[np.ndarray]) -> np.ndarray:
        """(N, paths, depth) from one table (N, prefixes or tokens) for each place."""
        return np.stack([np.repeat(x, n // x.shape[1], axis=1) for x in tables], axis=-1)

    ahead = [reward.reshape(runs, size // actions, -1) for size in sizes]
    true = on_paths([np.logaddexp.reduce(x, axis=-1) for x in ahead])

    def log_policy(z: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
        """Logits and their logsumexp by place, and log-probabilities along the paths."""
        logits = [x.reshape(runs, -1, actions) for x in np.split(z, np.cumsum(sizes)[:-1], axis=1)]
        values = [np.logaddexp.reduce(x, axis=-1) for x in logits]
        logs = [(x - v[..., None]).reshape(runs, -1) for x, v in zip(logits, values, strict=True)]
        return logits, values, on_paths(logs)

    def step(z: np.ndarray, _: int) -> np.ndarray:
        logits, values, logp = log_policy(z)
        weight = np.where(on_policy, np.exp(logp.sum(-1)), 1 / n)
        r = class_rollouts(
            weight[:, None], correct=1.0, length=float(depth), max_length=float(depth),
            fields={"target_values": np.where(own, on_paths(values), true)[:, None]},
        )  # fmt: skip
        c = objective.coefficients(reward[:, None], r, logp[:, None], None)[:, 0]
        spend(c.size)
        pulls = [c[..., k].reshape(runs, -1, actions, n // size).sum(-1)
                 for k, size in enumerate(sizes)]  # fmt: skip
        moves = [x - softmax(q) * x.sum(-1, keepdims=True)
                 for x, q in zip(pulls, logits, strict=True)]  # fmt: skip
        return z + rate * np.concatenate([x.reshape(runs, -1) for x in moves], axis=1)

    start = np.tile(draws(7).normal(size=sum(sizes)), (runs, 1))
    return np.exp(log_policy(follow(step, start, steps)[-1])[2].sum(-1))


def level_check(normalised: bool, seed: int) -> Items:
    """The loss at Q = r + c, for a prompt of one token."""
    reward = draws(seed, 1).normal(size=8)
    worst = 0.0
    for c in (0.0, 0.3, -1.2):
        q = (reward + c)[None]
        # Normalised logits have logsumexp 0: the level of Q is lost.
        r = one_token(target_values=(0 if normalised else np.logaddexp.reduce(q, axis=-1)) + 0 * q)
        for loss in SoftQ().losses(reward[None], r, np.log(softmax(q))[..., None]):
            worst = max(worst, float(np.abs(loss - c**2).max()))
    return [Check(CONSTANT, worst, 1e-12, routes=(CLOSED, "the library's loss"))]


def one_token_checks(kind: Any, seed: int, steps: int) -> Items:
    """A prompt of one token, where the values take care of themselves."""
    rng = draws(seed, 1)
    reward = rng.normal(size=8)
    z = (reward - reward.mean()) / reward.std()
    # On-policy descent crawls where softmax(5 z) is nearly 0; uniform paths reach it.
    rewards, on = np.array([reward, 5 * z]), (True, False)
    want, mean = softmax(rewards), sampled(kind(), reward, min(steps, 2000), rng)
    away = total_variation([*descend(rewards, 8, kind(), on, on, steps), mean], [*want, want[0]])
    return [
        Check(FIXED, float(away[0]), 1e-4, routes=DESCENT),
        Check(SHAPED, float(away[1]), 1e-4, routes=DESCENT),
        Check(DRAWN, float(away[2]), 0.02, routes=SAMPLED),
    ]


def sampled(objective: Any, reward: np.ndarray, steps: int, rng: Draws) -> np.ndarray:
    """(8,) mean policy over runs and the second half of training on 16 sampled prompts a step."""
    runs, eye = 32, np.eye(len(reward))

    def step(z: np.ndarray, _: int) -> np.ndarray:
        pi = softmax(z)
        act = picked(pi[:, 0], rng.random((runs, 16)))
        logp = np.take_along_axis(np.log(pi[:, 0]), act, axis=-1)
        r = one_token(target_values=np.logaddexp.reduce(z, axis=-1) + 0 * logp)
        c = runs * objective.coefficients(reward[act], r, logp[..., None], None)
        return z + 0.2 * (c * (eye[act] - pi)).sum(-2, keepdims=True)

    path = follow(step, rng.normal(size=(runs, 1, len(reward))), steps)
    return softmax(path[steps // 2 : -1]).mean((0, 1, 2))


def tree_checks(kind: Any, seed: int, steps: int) -> Items:
    """Three tokens: which targets and which loss have softmax(r) as their end."""
    reward = draws(seed, 2).normal(size=ACTIONS**DEPTH)
    cells = list(itertools.product((False, True), (0.0, 0.5, 1.0), (True, False)))
    own, multi, on = zip(*cells, strict=True)
    share = np.array(multi)[:, None, None, None]
    ends = descend(np.tile(reward, (len(cells), 1)), ACTIONS, kind(share), own, on, steps // 2)
    gap = dict(zip(cells, total_variation(ends, softmax(reward)).tolist(), strict=True))
    rows = [["own logits" if o else "true soft values", m, "policy" if p else "uniform", x]
            for (o, m, p), x in gap.items()]  # fmt: skip
    columns = ("target values", "share of the multi-step loss", "paths drawn from", "distance")
    caption = "Total variation from softmax(r), 27 prompts of three tokens."
    return [
        Check(TREE[0], gap[False, 0.5, True], 1e-4, routes=DESCENT),
        Check(TREE[1], gap[False, 0.5, False], 1e-4, routes=DESCENT),
        Check(MULTI, gap[True, 1.0, True], 1e-4, routes=DESCENT),
        Check(RELEASED, gap[True, 0.5, True], 0.01, ">", routes=DESCENT),
        Table("where the loss ends", columns, rows, caption),
    ]


# -- T3: the z-score per input ---------------------------------------------------------------------
SIGNALS = {
    "raw": lambda a, b: a + b,
    "z-scored": lambda a, b: a / MERITS.std() + 0 * b,
    "over batch": lambda a, b: (a + b) / np.sqrt(MERITS.var() + 1),
}


def signal_to_noise(signals: Sequence[str], samples: int, seed: int) -> Items:
    """|E g|^2 / E|g|^2 of one REINFORCE sample at the uniform policy, raw and z-scored."""
    a, k, spread = MERITS - MERITS.mean(), len(MERITS), MERITS.var()
    closed = {"raw": spread / k / ((1 - 1 / k) * (spread + 1)), "z-scored": 1 / (k - 1)}
    # The offset's law by quadrature (its square has mean 1), every prompt by enumeration.
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)
    weights = weights / weights.sum()
    score, rng = np.eye(k) - 1 / k, draws(seed, 3)
    z, b = rng.integers(0, k, samples), rng.standard_normal(samples)
    checks, exact = [], {}
    for (name, want), signal in zip(closed.items(), signals, strict=True):
        reward = pick(SIGNALS, signal)(a, nodes[:, None])
        mean = np.einsum("n,nz,zj->j", weights, reward, score) / k
        exact[name] = mean @ mean / (np.einsum("n,nz,zj->", weights, reward**2, score**2) / k)
        g = SIGNALS[signal](a[z], b)[:, None] * score[z]
        found = (g.mean(0) ** 2).sum() / (g**2).sum(-1).mean()
        checks += [
            same(NOISE[name][0], exact[name], want, 1e-9),
            Check(NOISE[name][1], abs(found / want - 1), 0.05, routes=SAMPLED),
        ]
    return [*checks, same(GAIN, exact["z-scored"] / exact["raw"], 1 + 1 / spread, 1e-9)]


def steps_to_best(kinds: Sequence[Any], runs: int, seed: int, most: int) -> np.ndarray:
    """(kinds, rates) median steps until the best prompt has probability 0.9, at most `most`.

    16 prompts, one input a step; every kind of reward sees the same draws.
    """
    rng, n, eye = draws(seed, 4), len(RATES) * runs, np.eye(len(MERITS))
    rate = np.repeat(RATES, runs)[:, None]

    def change(pi: np.ndarray, _: int) -> np.ndarray:
        act = picked(pi, rng.random((n, 16)))
        scale, offset = np.exp(rng.standard_normal((n, 1))), rng.standard_normal((n, 1))
        reward = scale * (MERITS[act] + offset)
        a = np.stack([advantages(e, x) for e, x in zip(kinds, reward, strict=True)])
        return rate * (a[..., None] * (eye[act] - pi[..., None, :])).mean(-2)

    there = ascend(change, np.zeros((len(kinds), n, len(MERITS))), most)[..., -1] >= 0.9
    first = np.where(there.any(0), there.argmax(0), most)
    return np.median(first.reshape(len(kinds), len(RATES), runs), axis=-1)


def input_checks(normaliser: str, runs: int, horizon: int, seed: int) -> Items:
    """Steps to 90 % under raw, centred and z-scored rewards at five rates."""
    kinds = {**REWARDS, "z-scored": pick(REWARDS, normaliser)}
    raw, centred, scored = steps = steps_to_best(list(kinds.values()), runs, seed, horizon)
    learns = alone("simulation", "a first passage of sampled training has no closed form; its "
                   "signal to noise has")  # fmt: skip
    return [
        learns(LEARNS, float((scored / np.minimum(raw, centred)).max()), 0.7),
        lines("z-score", "Inputs of unequal difficulty and scale",
              ("learning rate", "steps until the best prompt has 90 %"),
              dict(zip(kinds, steps, strict=True)), x=RATES, log_x=True, log_y=True,
              caption=f"Eight prompts, 16 samples on one input a step; median of {runs} runs."),
    ]  # fmt: skip


@experiment(
    "37",
    card="37",
    slug="soft-q",
    claim="Path-consistent soft Q-learning ends at softmax of the reward, so that the reward's "
    "range is an inverse temperature; that needs true soft values, which the released average "
    "does not train. Rewards z-scored among prompts on the same input learn in half the steps.",
    source="code rlprompt/losses/sql_losses.py; closed forms derived",
    provenance="code",
    smoke={"steps": 1400, "samples": 250_000, "runs": 11, "horizon": 500},
    mutants=[
        Mutant("reward as an advantage", {"loss": "policy gradient", "parts": ("T1",)},
               (FIXED, SHAPED, DRAWN)),
        Mutant("reward at every token", {"loss": "every token", "parts": ("T2",)},
               (*TREE, MULTI)),
        Mutant("no single-step loss", {"loss": "multi-step alone", "parts": ("T2",)}, (RELEASED,)),
        Mutant("values of normalised logits", {"normalised": True, "parts": ("level",)},
               (CONSTANT,)),
        Mutant("mean subtracted, no division", {"normaliser": "centred", "parts": ("T3",)},
               (LEARNS,)),
        Mutant("normalised over inputs too",
               {"signals": ("raw", "over batch"), "parts": ("noise",)}, (*NOISE["z-scored"], GAIN)),
        Mutant("raw without offset", {"signals": ("z-scored", "z-scored"), "parts": ("noise",)},
               (*NOISE["raw"], GAIN)),
    ],
)  # fmt: skip
def run(
    *,
    loss: str = "soft q",
    normalised: bool = False,
    normaliser: str = "z-scored",
    signals: Sequence[str] = ("raw", "z-scored"),
    parts: Sequence[str] = ("level", "T1", "T2", "noise", "T3"),
    steps: int = 6000,
    samples: int = 400_000,
    runs: int = 51,
    horizon: int = 1000,
    seed: int = 0,
) -> Result:
    """Where soft Q-learning ends on one and three tokens, and the z-score's signal.

    steps : of exact descent; samples : for signal to noise; runs : per learning
    rate; horizon : most steps of learning
    loss, normaliser, signals : the mechanism, or broken ones of `LOSSES`, `REWARDS`, `SIGNALS`;
    normalised : T1's values are of normalised logits; parts : that are run; all for mutants
    """
    kind = pick(LOSSES, loss)
    note = (
        "The gradient of log pi by the logits of a position sums to 0, so in a tabular policy "
        "the loss never moves the level of logsumexp(logits): values read off the policy's own "
        "logits stay wrong, and the single-step loss is pulled by them."
    )
    work = {
        "level": lambda: level_check(normalised, seed),
        "T1": lambda: one_token_checks(kind, seed, steps),
        "T2": lambda: tree_checks(kind, seed, steps),
        "noise": lambda: signal_to_noise(signals, samples, seed),
        "T3": lambda: input_checks(normaliser, runs, horizon, seed),
    }
    return run_parts(work, parts, (note,))
