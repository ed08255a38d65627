"""Paper 26: tables as policies, trained by the outcome or by the longest correct prefix."""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.estimators.group import PRESETS
from toyrl.experiments.core.work import UPDATE, spend
from toyrl.experiments.lab.bandits import follow
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items
from toyrl.experiments.lab.routes import SAMPLED, beyond, deviation, missed, sampled
from toyrl.experiments.lab.shared import shared
from toyrl.shapers.process.prefix import TracePrefix
from toyrl.theory.traces.coverage import compounded
from toyrl.theory.traces.verifier import trace_prefix_mean
from toyrl.worlds.traces.learners import TableLearner
from toyrl.worlds.traces.policy import Played, gradient, logits_of, play

BASE, TAUGHT, LENGTH, GROUP, PROMPTS, RATE = 2, 4, 16, 16, 16, 80.0
START = "f: success of untrained tables, sampled against (1/4)^unseen states, standard errors"
PREFIX = "f: mean prefix share of the position table at the start, sampled against its law"
SILENT = "f: groups with a signal, outcome reward on the position table, in all of its training"
LEARNS = "f: success of the position table after training by the prefix"
STAYS = "f: success of the position table after training by the outcome"
READY = "f: success of the full trace's table before any training"
REWARDS = {
    "outcome": TracePrefix(alpha=0.0, bonus=1.0),
    "prefix": TracePrefix(alpha=1.0, bonus=0.0),
    "both": TracePrefix(),
}


def taught(variant: str, length: int) -> np.ndarray:
    """(rows, 2 * BASE) logits of a table that has seen all additions of 1 to TAUGHT digits."""
    grid = np.array(np.meshgrid(*[np.arange(BASE)] * (2 * TAUGHT), indexing="ij"))
    a, b = grid.reshape(2, TAUGHT, -1).transpose(0, 2, 1)
    return logits_of(TableLearner(variant, BASE).fit(a, b), length)


def drawn(rng: Any, logits: np.ndarray, prompts: int, group: int) -> Played:
    """`group` rollouts of each of `prompts` uniform additions of LENGTH digits."""
    both = np.repeat(rng.integers(BASE, size=(2, prompts, LENGTH)), group, axis=1)
    spend(LENGTH * UPDATE / 10)
    return play(logits, both[0], both[1], BASE, rng.random(both.shape[1:]))


@shared
def trained(variant: str, reward: str, updates: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """((updates + 1,) success, (updates,) share of groups with a signal) along a training."""
    rng, paid, live, won = draws(seed, 26), pick(REWARDS, reward), [], []
    start = taught(variant, LENGTH)

    def step(logits: np.ndarray, _: int) -> np.ndarray:
        played = drawn(rng, logits, PROMPTS, GROUP)
        r = played.rollouts(GROUP)
        parts = paid.apply(r).parts
        a = np.asarray(PRESETS["dr_grpo"].apply(parts, r)[0])
        live.append(np.ptp(np.asarray(paid.reward(r)), axis=-1).astype(bool).mean())
        won.append(played.correct.mean())
        return logits + RATE * gradient(logits, played, a.ravel())

    end = follow(step, start, updates)[-1]
    won.append(drawn(rng, end, PROMPTS * GROUP, 1).correct.mean())
    return np.array(won), np.array(live)


def training(dense: str, sparse: str, guess: str, ready: str, updates: int, seed: int) -> Items:
    """dense, sparse : rewards; guess : of unseen keys; ready : the full trace; for mutants."""
    unseen = LENGTH - TAUGHT
    q = pick({"even": 1 / (2 * BASE), "digit alone": 1 / BASE}, guess)
    rng, n = draws(seed, 27), 20_000
    logits = taught("position", LENGTH)
    start = drawn(rng, logits, n, 1)
    far = [start.right[:, TAUGHT : TAUGHT + k].all(-1) for k in (1, 2, 3)]
    want = [compounded(1 - q, k) for k in (1, 2, 3)]
    error = np.sqrt(np.array(want) * (1 - np.array(want)) / n)
    yield deviation(START, np.mean(far, axis=-1), error, want, SAMPLED)
    share = (TAUGHT + unseen * trace_prefix_mean(q, unseen)) / LENGTH
    yield sampled(PREFIX, start.prefix, share, SAMPLED)
    full = drawn(rng, taught(ready, LENGTH), 500, 1).correct
    yield beyond(READY, float(full.mean()), float(full.std() / np.sqrt(500)), 0.97)
    runs = {reward: trained("position", name, updates, seed)
            for reward, name in (("outcome", sparse), ("prefix", dense))}  # fmt: skip
    # A rollout is right with chance below 4^-12: of 4,800 groups one has any with chance 0.005.
    yield missed(SILENT, runs["outcome"][1] > 0, np.zeros(updates), SAMPLED)
    n = PROMPTS * GROUP
    for name, reward, bound, op in ((LEARNS, "prefix", 0.9, ">"), (STAYS, "outcome", 0.05, "<")):
        p = float(runs[reward][0][-1])
        yield beyond(name, p, float(np.sqrt(max(p * (1 - p), 1 / n) / n)), bound, op,
                     ("trained", "start and reward"))  # fmt: skip
    axes = ("update", f"success at length {LENGTH}")
    yield lines("training", "What the first table decides", axes, {
        "position, outcome": runs["outcome"][0],
        "position, prefix": runs["prefix"][0],
        "full trace, before training": np.full(updates + 1, full.mean()),
    }, dashed=("full trace, before training",),
        caption=f"Base 2, taught lengths up to {TAUGHT}; {PROMPTS} groups of {GROUP}.")  # fmt: skip
