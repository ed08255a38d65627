"""LongWriter-Zero: rewards averaged as advantages, so that no scale decides."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toyrl.estimators.parts import INNER, Averaged
from toyrl.experiments.core import Check, Mutant, Picture, Result, Table, experiment
from toyrl.experiments.lab.bandits import ascend
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.hacked import Hacked, who_hacks_what
from toyrl.experiments.lab.mutants import before, pick, replaced
from toyrl.experiments.lab.routes import ENUMERATED, alone, apart, same
from toyrl.experiments.lab.shared import shared
from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import class_rollouts
from toyrl.shapers.base import Parts
from toyrl.shapers.length.band import band_score
from toyrl.theory.policies import softmax
from toyrl.theory.writing.aggregation import component_say, mixture_spread

NAMES = ("length", "write", "format")
SUBSETS = [s for k in (1, 2, 3) for s in itertools.combinations(range(3), k)]
LOWER, UPPER, LIMIT, PARAGRAPH = 400.0, 600.0, 1400.0, 100.0  # words
SCALES = (0.01, 1.0, 20.0, 100.0)
MOVED = ["(1, 1, 4, 0)", "(1, 1, 2, 2)", "(1, 1, 1, 0)"]
HACKED = "T1: worst utility among the maximisers of any two or fewer rewards, largest"
UNIQUE = "T1: texts that maximise all three rewards"
BEST = "T1: utility of the text that maximises all three"
LOST = "T1: it is the best text there is, lost utility"
MOVES = "T1: the sum's maximiser moves with the scale 1, 10, 20 (of 3 texts)"
KEEPS = "T2: advantages averaged: least final utility over the scales"
SAME = "T2: advantages averaged: policies of different scales apart by at most"
EQUAL = "T2: rewards averaged: final utility at scale 1"
DRIFTS = "T2: rewards averaged: final utility at scale 20"
FORMULA = "T3: correlation with each component against the closed form, largest error"
REJECTED = "T3: the same for rewards averaged"
SPREAD = "T3: standard deviation of the average against the closed form, largest error"
LIVE = "T3: a constant component leaves the others a third each, largest error"

enumerated = alone(ENUMERATED, "all 168 texts are compared")
trained = alone("exact training", "the end of training has no closed form; T3 has one for each "
                "advantage")  # fmt: skip


# -- ways to average -------------------------------------------------------------------------------
def live_only(self: Averaged, parts: Parts, r: Rollouts, state: Any = None) -> tuple[Any, Any]:
    """Mutant: divided by the number of components that vary in the group."""
    a, state = Averaged.apply(self, parts, r, state)
    live = sum((np.ptp(v, axis=-1, keepdims=True) > 0) * 1.0 for v in parts.values())
    return a * len(parts) / np.maximum(live, 1.0), state


def over_batch(self: Averaged, parts: Parts, r: Rollouts, state: Any = None) -> tuple[Any, Any]:
    """Mutant: each component normalised over the whole batch instead of the prompt's group."""
    flat = {name: np.reshape(v, (1, -1)) for name, v in parts.items()}
    a, state = Averaged.apply(self, flat, texts_as_rollouts(r.w.reshape(1, -1)), state)
    return np.reshape(a, r.w.shape), state


RULES: dict[str, type[Averaged]] = {
    "averaged": Averaged,
    "reward level": before(Averaged, apply=lambda parts, r: (
        {"mean": sum(parts.values()) / len(parts)}, r)),
    "live only": replaced(Averaged, apply=live_only),
    "over batch": replaced(Averaged, apply=over_batch),
}  # fmt: skip


# -- the texts -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Texts:
    """The 168 texts: rewards (3, K) by `NAMES` and true utility (K,).

    A text has tags right or wrong (f), careful or sloppy sentences (s), u distinct paragraphs and
    d copies of the first; its length is 100 (u + d) words.
    """

    arms: tuple[tuple[int, int, int, int], ...]
    rewards: np.ndarray
    utility: np.ndarray


def texts(docked: bool = True) -> Texts:
    """All texts with their rewards; the quality model sees no repetition and likes short texts.

    docked : the format reward falls with the share of copies
    """
    arms = tuple(itertools.product((0, 1), (0, 1), range(1, 7), range(7)))
    f, s, u, d = np.array(arms, dtype=float).T
    n = u + d
    distinct = np.where(s == 1, 1 - 0.025 * (u - 1), 0.2)  # mean of 1 - 0.05 (j - 1), j <= u
    first = np.where(s == 1, 1.0, 0.2)
    write = (u * distinct + d * first) / n
    length = np.asarray(band_score(PARAGRAPH * n, LOWER, UPPER, LIMIT))
    tidy = f * (1 - d / n) if docked else f
    return Texts(arms, np.array([length, write, tidy]), f * length * distinct * u / n)


def texts_as_rollouts(policy: np.ndarray | None, like: Any = None) -> Rollouts:
    """The texts as classes of chance `policy` (..., B, K), or a group in the shape of `like`."""
    none = np.zeros_like(policy if like is None else like)
    return class_rollouts(policy, correct=none, length=none, max_length=LIMIT,
                          group_size=np.inf if like is None else None)  # fmt: skip


def label(subset: Sequence[int]) -> str:
    """Names of the chosen rewards."""
    return " + ".join(NAMES[i] for i in subset)


# -- T1: what each reward alone is hacked by -------------------------------------------------------
def found_by(t: Texts, scale: Sequence[float] = (1, 1, 1)) -> Hacked:
    """The texts under every sum of some of the scaled rewards."""
    scaled = t.rewards * np.array(scale)[:, None]
    sums = {label(s): scaled[list(s)].sum(0) for s in SUBSETS}
    return who_hacks_what([str(arm) for arm in t.arms], sums, t.utility)


def hacks(t: Texts, among_ties: str) -> tuple[list[Check], Table]:
    """Utility of the worst (or best) maximiser of every subset of the rewards."""
    found = found_by(t)
    value = pick({"worst": found.worst, "best": found.luckiest}, among_ties)
    full = float(value[-1])
    moved = [found_by(t, (1, c, 1)).who(label(SUBSETS[-1]))[0] for c in (1, 10, 20)]
    checks = [
        enumerated(HACKED, float(value[:-1].max()), 0.25 + 1e-9),
        enumerated(UNIQUE, int(found.count[-1]), 1, "=="),
        # Four careful paragraphs: the mean of 1, 0.95, 0.9 and 0.85.
        same(BEST, full, 0.925, 1e-12),
        enumerated(LOST, float(t.utility.max()) - full, 0.0, "=="),
        enumerated(
            MOVES, float(moved == ["(1, 1, 4, 0)", "(1, 1, 2, 2)", "(1, 1, 1, 0)"]), 1, "=="
        ),
    ]
    caption = "A text is (tags right, careful, distinct paragraphs, copies of the first)."
    return checks, found.table(caption=caption)


def tilted(t: Texts, points: int) -> Picture:
    """Goodhart curves: E[utility] of the policy tilted by each sum of rewards."""
    inverse = np.geomspace(0.1, 1 / 0.003, points)
    curves = {label(s): softmax(inverse[:, None] * t.rewards[list(s)].sum(0)) @ t.utility
              for s in SUBSETS}  # fmt: skip
    return lines("goodhart", "Optimising part of the reward", ("1/beta", "E[utility]"), curves,
                 x=inverse.tolist(), dashed=list(curves)[:-1], log_x=True,
                 caption="Policy proportional to exp(reward/beta).")  # fmt: skip


# -- T2: the scale of one reward -------------------------------------------------------------------
@shared
def trajectories(rule: str, docked: bool, scales: Sequence[float], updates: int) -> np.ndarray:
    """(updates + 1, C, K) policies from the uniform one, the quality reward scaled by each c.

    Exact policy gradient on the logits with the population's statistics: the group is infinite.
    rule : of `RULES`; docked : see `texts`
    """
    e, t, one = pick(RULES, rule)(), texts(docked), np.ones(len(scales))
    base = t.rewards[:, None] * np.array([one, scales, one])[..., None]
    parts: Parts = dict(zip(NAMES, base, strict=True))

    def change(pi: np.ndarray, _: int) -> np.ndarray:
        a = e.apply(parts, texts_as_rollouts(pi))[0]
        return 0.5 * pi * (a - (pi * a).sum(-1, keepdims=True))

    return ascend(change, np.zeros(base.shape[1:]), updates)


def scale_test(rules: Sequence[str], docked: bool, updates: int, cells: int
               ) -> tuple[list[Check], list[Picture]]:  # fmt: skip
    """Final utility against the quality reward's scale, for both ways of averaging."""
    t = texts(docked)
    grid = np.union1d(SCALES, np.geomspace(0.01, 100, cells))
    place = np.searchsorted(grid, SCALES)
    averaged, rejected = (trajectories(x, docked, grid.tolist(), updates) for x in rules)
    mine, other = averaged[-1] @ t.utility, rejected[-1] @ t.utility
    at = dict(zip(SCALES, other[place].tolist(), strict=True))
    checks = [
        trained(KEEPS, float(mine[place].min()), 0.92, ">="),
        trained(SAME, float(np.ptp(averaged[:, place], axis=1).max()), 1e-4),
        trained(EQUAL, at[1.0], 0.92, ">="),
        trained(DRIFTS, at[20.0], 0.35),
    ]
    final = lines(
        "scale", "One reward's scale decides only if rewards are added",
        ("scale of the quality reward", "final E[utility]"),
        {"advantages averaged": mine, "rewards averaged": other}, x=grid.tolist(),
        log_x=True, caption=f"168 texts, exact policy gradient, {updates} updates.",
    )  # fmt: skip
    curves = {f"{name}, scale {c:g}": run[:, k] @ t.utility
              for name, run in (("advantages", averaged), ("rewards", rejected))
              for c, k in zip(SCALES, place, strict=True) if c in (1.0, 20.0)}  # fmt: skip
    path = lines("training", "Utility during training", ("update", "E[utility]"), curves,
                 dashed=[k for k in curves if k.startswith("rewards")])  # fmt: skip
    return checks, [final, path]


# -- T3: closed forms ------------------------------------------------------------------------------
def standardised(x: np.ndarray) -> np.ndarray:
    """(..., G) less the mean, over the population standard deviation."""
    return (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)


def predicted(x: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlation (3, B) of sum_k weight_k z_k with each component, and its deviation (B,).

    x : components (3, B, G), z_k standardised; weight (3, B)
    """
    z = standardised(x)
    rho = np.einsum("jbg,kbg->bjk", z, z) / x.shape[-1]
    return component_say(rho, weight.T).T, mixture_spread(rho, weight.T)


def formula_checks(e: Averaged, rival: Averaged, groups: int, seed: int) -> list[Check]:
    """Correlations and spread in the uniform group of texts and in random groups, at eps 0."""
    e, rival = (replace(x, inner=replace(INNER, eps=0.0)) for x in (e, rival))
    rng, all_texts = draws(seed), texts().rewards
    scaled = np.stack([np.array([1, c, 1.0])[:, None] * all_texts for c in (1.0, 10.0)], axis=1)
    random = rng.normal(size=(3, groups, 8)) * 10 ** rng.uniform(-1, 1, (3, groups, 1))

    def advantage(e: Averaged, x: np.ndarray) -> np.ndarray:
        r = texts_as_rollouts(None, x[0])
        return np.asarray(e.apply(dict(zip(NAMES, x, strict=True)), r)[0])

    found: list[list[np.ndarray]] = [[], [], []]
    want: list[list[np.ndarray]] = [[], [], []]
    for x in (scaled, random):
        equal = predicted(x, np.ones(x.shape[:2]))
        by_spread = predicted(x, x.std(-1))[0]
        a, b = advantage(e, x), advantage(rival, x)
        closed = (equal[0], by_spread, equal[1] / 3)
        measured = (*((standardised(x) * standardised(y)).mean(-1) for y in (a, b)), a.std(-1))
        for i in range(3):
            want[i].append(closed[i].ravel())
            found[i].append(measured[i].ravel())
    x = all_texts[:, None].copy()
    x[1] = 1.0  # a constant component: the other two keep a third each
    routes = ("closed form", "estimator")
    return [
        *(apart(name, np.concatenate(have), np.concatenate(ought), 1e-8, routes)
          for name, have, ought in zip((FORMULA, REJECTED, SPREAD), found, want, strict=True)),
        apart(LIVE, advantage(e, x), standardised(x[[0, 2]]).sum(0) / 3, 1e-8, routes),
    ]  # fmt: skip


@experiment(
    "10",
    card="10",
    slug="longwriter-zero",
    claim="Averaging group-normalised advantages instead of rewards keeps every component's say "
    "whatever its scale; all three rewards together have the best text as their only maximiser.",
    source="reward section, A_final; scale test and closed forms derived",
    provenance="second-hand",
    smoke={"updates": 460, "cells": 3, "groups": 100},
    mutants=[
        Mutant("rewards averaged", {"aggregation": "reward level"}, (KEEPS, SAME, FORMULA, SPREAD)),
        Mutant("advantages averaged in the rival too", {"rival": "averaged"}, (DRIFTS, REJECTED)),
        Mutant("divided by live components", {"aggregation": "live only", "train": False},
               (LIVE,)),
        Mutant("normalised over the batch", {"aggregation": "over batch"}, (SAME,)),
        Mutant("copies are not docked", {"docked": False}, (UNIQUE, BEST, LOST, MOVES, EQUAL)),
        Mutant("ties broken in our favour", {"among_ties": "best", "train": False}, (HACKED,)),
    ],
)  # fmt: skip
def run(
    *,
    aggregation: str = "averaged",
    rival: str = "reward level",
    docked: bool = True,
    among_ties: str = "worst",
    train: bool = True,
    updates: int = 2000,
    cells: int = 13,
    groups: int = 2000,
    seed: int = 0,
) -> Result:
    """Maximisers of each subset, training under scaled rewards, and the closed forms.

    updates : exact updates; cells : further scales in the picture; groups : random groups of T3
    aggregation, rival : the ways of averaging, of `RULES`; docked : copies cost format reward;
    among_ties : which maximiser of T1 is looked at; train : with T2; all for mutants
    """
    e, other, t = pick(RULES, aggregation)(), pick(RULES, rival)(), texts(docked)
    t1, table = hacks(t, among_ties)
    t3 = formula_checks(e, other, groups, seed)
    if not train:
        return Result((*t1, *t3), tables=(table,))
    t2, pictures = scale_test((aggregation, rival), docked, updates, cells)
    return Result((*t1, *t2, *t3), (*pictures, tilted(t, 60)), (table,))
