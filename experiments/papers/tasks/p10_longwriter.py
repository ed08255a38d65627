"""LongWriter-Zero: rewards averaged as advantages, so that no scale decides."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from toyrl.estimators.base import Estimator
from toyrl.estimators.parts import Averaged
from toyrl.experiments.core import Check, Curve, Mutant, Picture, Result, Table, experiment
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Parts

NAMES = ("length", "write", "format")
LOWER, UPPER, LIMIT, PARAGRAPH = 400.0, 600.0, 1400.0, 100.0  # words
SCALES = (0.01, 1.0, 20.0, 100.0)
TIE = 1e-12
UNIQUE = "T1: texts that maximise all three rewards"
SUBSETS = "T1: worst utility among the maximisers of any two or fewer rewards, largest"
KEEPS = "T2: advantages averaged: least final utility over the scales"
SAME = "T2: advantages averaged: policies of different scales apart by at most"
DRIFTS = "T2: rewards averaged: final utility at scale 20"
FORMULA = "T3: correlation with each component against the closed form, largest error"
SPREAD = "T3: standard deviation of the average against the closed form, largest error"


# -- estimators ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class RewardLevel(Averaged):
    """The rejected way: rewards averaged first, then normalised once."""

    def apply(self, parts: Parts, rollouts: Rollouts, state: Any = None) -> tuple[Any, Any]:
        mean = sum(parts.values()) / len(parts)
        return self.inner.apply({"mean": mean}, rollouts, state)


@dataclass(frozen=True)
class LiveOnly(Averaged):
    """Mutant: divided by the number of components that vary in the group."""

    def apply(self, parts: Parts, rollouts: Rollouts, state: Any = None) -> tuple[Any, Any]:
        a, state = super().apply(parts, rollouts, state)
        live = sum((np.ptp(v, axis=-1, keepdims=True) > 0) * 1.0 for v in parts.values())
        return a * len(parts) / np.maximum(live, 1.0), state


@dataclass(frozen=True)
class OverBatch(Averaged):
    """Mutant: each component normalised over the whole batch instead of the prompt's group."""

    def apply(self, parts: Parts, rollouts: Rollouts, state: Any = None) -> tuple[Any, Any]:
        w = rollouts.w
        out = np.zeros(w.shape)
        for x in parts.values():
            mean = (w * x).sum() / w.sum()
            spread = np.sqrt((w * (x - mean) ** 2).sum() / w.sum())
            out += (x - mean) / (spread if spread > 0 else 1.0)
        return out / len(parts), dict(state or {})


AGGREGATIONS: dict[str, Averaged] = {
    "averaged": Averaged(),
    "reward level": RewardLevel(),
    "live only": LiveOnly(),
    "over batch": OverBatch(),
}


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


def length_reward(words: np.ndarray) -> np.ndarray:
    """1 in [LOWER, UPPER], falling to 0 at no words and at LIMIT."""
    above = (LIMIT - words) / (LIMIT - UPPER)
    return np.clip(np.where(words < LOWER, words / LOWER, above), 0, 1)


def texts() -> Texts:
    """All texts with their rewards; the quality model sees no repetition and likes short texts."""
    arms = tuple(itertools.product((0, 1), (0, 1), range(1, 7), range(7)))
    f, s, u, d = np.array(arms, dtype=float).T
    n = u + d
    distinct = np.where(s == 1, 1 - 0.025 * (u - 1), 0.2)  # mean of 1 - 0.05 (j - 1), j <= u
    first = np.where(s == 1, 1.0, 0.2)
    write = (u * distinct + d * first) / n
    length = length_reward(PARAGRAPH * n)
    tidy = f * (1 - d / n)
    return Texts(arms, np.array([length, write, tidy]), f * length * distinct * u / n)


def maximisers(t: Texts, subset: Sequence[int], scale: Sequence[float] = (1, 1, 1)) -> np.ndarray:
    """Indices of the texts with the largest sum of the chosen, scaled rewards."""
    total = (t.rewards * np.array(scale)[:, None])[list(subset)].sum(0)
    return np.flatnonzero(total >= total.max() - TIE)


# -- T1: what each reward alone is hacked by -------------------------------------------------------
def hacks(t: Texts) -> tuple[list[Check], Table]:
    """Worst utility among the maximisers of every subset of the rewards."""
    rows, worst = [], {}
    for k in (1, 2, 3):
        for subset in combinations(range(3), k):
            best = maximisers(t, subset)
            least = best[np.argmin(t.utility[best])]
            worst[subset] = float(t.utility[least])
            label = " + ".join(NAMES[i] for i in subset)
            rows.append([label, len(best), worst[subset], str(t.arms[least])])
    full = maximisers(t, range(3))
    parts = [v for subset, v in worst.items() if len(subset) < 3]
    moved = [t.arms[maximisers(t, range(3), (1, c, 1))[0]] for c in (1, 10, 20)]
    checks = [
        Check(SUBSETS, max(parts), 0.25 + 1e-9),
        Check(UNIQUE, len(full), 1, "=="),
        Check("T1: utility of the text that maximises all three", worst[0, 1, 2], 0.925, "~",
              1e-12),
        Check("T1: it is the best text there is, lost utility", float(t.utility.max())
              - worst[0, 1, 2], 0.0, "=="),
        Check("T1: the sum's maximiser moves with the scale 1, 10, 20 (of 3 texts)",
              float(moved == [(1, 1, 4, 0), (1, 1, 2, 2), (1, 1, 1, 0)]), 1, "=="),
    ]  # fmt: skip
    columns = ("reward", "maximisers", "worst utility", "that text (f, s, u, d)")
    return checks, Table("maximisers", columns, rows)


# -- T2: the scale of one reward -------------------------------------------------------------------
def trajectories(e: Estimator, scales: Sequence[float], updates: int) -> np.ndarray:
    """(updates + 1, C, K) policies from the uniform one, the quality reward scaled by each c.

    Exact policy gradient on the logits with the population's statistics: the group is infinite.
    """
    t = texts()
    base = np.broadcast_to(t.rewards[:, None], (3, len(scales), len(t.arms)))
    base = base * np.array([np.ones(len(scales)), scales, np.ones(len(scales))])[..., None]
    parts: Parts = dict(zip(NAMES, base, strict=True))
    theta = np.zeros(base.shape[1:])
    empty = np.zeros_like(theta)
    out = []
    for _ in range(updates + 1):
        pi = np.exp(theta - theta.max(-1, keepdims=True))
        pi /= pi.sum(-1, keepdims=True)
        out.append(pi)
        a, _ = e.apply(parts, Rollouts(empty, empty, LIMIT, weight=pi, group_size=np.inf))
        theta = theta + 0.5 * pi * (a - (pi * a).sum(-1, keepdims=True))
    return np.array(out)


def scale_test(e: Estimator, updates: int, cells: int) -> tuple[list[Check], list[Picture]]:
    """Final utility against the quality reward's scale, for both ways of averaging."""
    t = texts()
    grid = np.union1d(SCALES, np.geomspace(0.01, 100, cells))
    place = np.searchsorted(grid, SCALES)
    averaged = trajectories(e, grid.tolist(), updates)
    rejected = trajectories(RewardLevel(), grid.tolist(), updates)
    mine, other = averaged[-1] @ t.utility, rejected[-1] @ t.utility
    at = dict(zip(SCALES, other[place], strict=True))
    checks = [
        Check(KEEPS, float(mine[place].min()), 0.92, ">="),
        Check(SAME, float(np.ptp(averaged[:, place], axis=1).max()), 1e-4),
        Check("T2: rewards averaged: final utility at scale 1", float(at[1.0]), 0.92, ">="),
        Check(DRIFTS, float(at[20.0]), 0.35),
    ]
    final = Picture(
        "scale", "One reward's scale decides only if rewards are added",
        "scale of the quality reward", "final E[utility]",
        (Curve("advantages averaged", grid.tolist(), mine.tolist()),
         Curve("rewards averaged", grid.tolist(), other.tolist())),
        log_x=True, caption=f"168 texts, exact policy gradient, {updates} updates.",
    )  # fmt: skip
    steps = list(range(0, updates + 1, max(1, updates // 100)))
    path = Picture(
        "training", "Utility during training", "update", "E[utility]",
        [Curve(f"{label}, scale {c:g}", steps, (run[steps][:, k] @ t.utility).tolist(),
               style=style)
         for label, run, style in (("advantages", averaged, "line"), ("rewards", rejected,
                                                                      "dashed"))
         for c, k in zip(SCALES, place, strict=True) if c in (1.0, 20.0)],
    )  # fmt: skip
    return checks, [final, path]


# -- T3: closed forms ------------------------------------------------------------------------------
def correlations(a: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """(3,) correlation of an advantage (K,) with each component (3, K)."""
    return np.array(np.corrcoef(a, parts))[0, 1:]


def closed_form(parts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(3,) correlation of sum_k weight_k z_k with each component; z_k standardised."""
    rho = np.array(np.corrcoef(parts))
    return (rho @ weights) / np.sqrt(weights @ rho @ weights)


def formula_checks(e: Averaged, groups: int, seed: int) -> list[Check]:
    """Correlations and spread in the uniform group of texts and in random groups, at eps 0."""
    e = replace(e, inner=replace(e.inner, eps=0.0))
    rng = np.random.default_rng(seed)
    samples = [np.array([1, c, 1.0])[:, None] * texts().rewards for c in (1.0, 10.0)]
    samples += [rng.normal(size=(3, 8)) * 10 ** rng.uniform(-1, 1, (3, 1)) for _ in range(groups)]
    errors = np.zeros(3)
    for x in samples:
        parts = {n: v[None] for n, v in zip(NAMES, x, strict=True)}
        r = Rollouts(np.zeros((1, x.shape[1])), np.zeros((1, x.shape[1])), LIMIT)
        a = e.apply(parts, r)[0][0]
        rejected = RewardLevel().apply(parts, r)[0][0]
        rho = np.array(np.corrcoef(x))
        errors = np.maximum(errors, [
            np.abs(correlations(a, x) - closed_form(x, np.ones(3))).max(),
            np.abs(correlations(rejected, x) - closed_form(x, x.std(-1))).max(),
            abs(a.std() - np.sqrt(rho.sum()) / 3),
        ])  # fmt: skip
    x = samples[0].copy()
    x[1] = 1.0  # a constant component: the other two keep a third each
    parts = {n: v[None] for n, v in zip(NAMES, x, strict=True)}
    r = Rollouts(np.zeros((1, x.shape[1])), np.zeros((1, x.shape[1])), LIMIT)
    a = e.apply(parts, r)[0][0]
    live = [0, 2]
    alone = (x[live] - x[live].mean(-1, keepdims=True)) / x[live].std(-1, keepdims=True)
    routes = ("closed form", "estimator")
    return [
        Check(FORMULA, float(errors[0]), 1e-8, routes=routes),
        Check("T3: the same for rewards averaged", float(errors[1]), 1e-8, routes=routes),
        Check(SPREAD, float(errors[2]), 1e-8, routes=routes),
        Check("T3: a constant component leaves the others a third each, largest error",
              float(np.abs(a - alone.sum(0) / 3).max()), 1e-8),
    ]  # fmt: skip


def tilted(points: int) -> Picture:
    """Goodhart curves: E[utility] of the policy tilted by each sum of rewards."""
    t = texts()
    inverse = np.geomspace(0.1, 1 / 0.003, points)
    curves = []
    for k in (1, 2, 3):
        for subset in combinations(range(3), k):
            total = t.rewards[list(subset)].sum(0)
            p = np.exp(inverse[:, None] * (total - total.max()))
            value = (p @ t.utility) / p.sum(-1)
            label = " + ".join(NAMES[i] for i in subset)
            curves.append(Curve(label, inverse.tolist(), value.tolist(),
                                style="dashed" if k < 3 else "line"))  # fmt: skip
    return Picture("goodhart", "Optimising part of the reward", "1/beta", "E[utility]", curves,
                   log_x=True, caption="Policy proportional to exp(reward/beta).")  # fmt: skip


@experiment(
    "10",
    card="10",
    slug="longwriter-zero",
    claim="Averaging group-normalised advantages instead of rewards keeps every component's say "
    "whatever its scale; all three rewards together have the best text as their only maximiser.",
    source="reward section, A_final; scale test and closed forms derived",
    provenance="second-hand",
    smoke={"updates": 2000, "cells": 3, "groups": 100},
    mutants=[
        Mutant("rewards averaged", {"aggregation": "reward level"}, (KEEPS, SAME, FORMULA)),
        Mutant("divided by live components", {"aggregation": "live only"},
               ("T3: a constant component leaves the others a third each, largest error",)),
        Mutant("normalised over the batch", {"aggregation": "over batch"}, (SAME,)),
    ],
)  # fmt: skip
def run(
    *,
    aggregation: str = "averaged",
    updates: int = 2000,
    cells: int = 13,
    groups: int = 2000,
    seed: int = 0,
) -> Result:
    """Maximisers of each subset, training under scaled rewards, and the closed forms.

    aggregation : "averaged", or another of `AGGREGATIONS`
    updates : exact updates; cells : further scales in the picture; groups : random groups of T3
    """
    e = AGGREGATIONS[aggregation]
    t1, table = hacks(texts())
    t2, pictures = scale_test(e, updates, cells)
    return Result((*t1, *t2, *formula_checks(e, groups, seed)), (*pictures, tilted(60)), (table,))
