"""What can be said exactly: novelty, improvement, fronts, signatures, surprise of a plane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from toyrl.dynamics.population.descriptors import LinearCode
from toyrl.dynamics.population.emitters import improvement
from toyrl.dynamics.population.neighbours import fronts, novelty
from toyrl.dynamics.population.signature import signature
from toyrl.experiments.core import Check
from toyrl.experiments.core.work import COMPILED, UPDATE, spend
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.mutants import pick
from toyrl.experiments.lab.parts import Items
from toyrl.experiments.lab.routes import apart, deviation, missed, same
from toyrl.theory.population.codes import plane_surprise
from toyrl.theory.population.neighbours import expected_novelty, novelty_score
from toyrl.theory.population.signatures import chen_product, path_signature, signed_area
from toyrl.worlds.search.redundant import Redundant

NEAR = "a: novelty of points with copies, kernel against definition, largest error"
FEWER = "a: novelty that rises when points are added, cases"
SCATTERED = "a: novelty of scattered points against Gamma functions, standard errors"
GAIN = "a: improvement negative, not 0 for constant rewards, or moved by a constant, cases"
FRONTS = "a: pairs of a later front that dominate an earlier one, and points in no front"
PIECES = "b: signature by running sums against Chen's product of pieces, largest error"
CHEN = "b: signature of two paths joined against the product of theirs, largest error"
SQUARE = "b: S2 + S2^T against S (x) S, largest error"
REVERSED = "b: areas of the path backwards plus areas forwards, largest"
MIDPOINT = "b: signature moved by a point put on a piece, or by a translation, largest"
SURPRISE = "c: surprise of an observation over its formula"
MOVED = "c: surprise of one moved off the plane over its formula"
ISOMETRY = "c: correlation of distances between codes and between behaviours"
BOTH = ("definition", "kernel")


# -- scores ----------------------------------------------------------------------------------------
def without_copies(bd: np.ndarray, reference: np.ndarray, k: int) -> np.ndarray:
    """Mutant: every copy is taken for the point itself."""
    return np.array([novelty(x[None], np.concatenate([x[None], reference[(reference != x).any(1)]]),
                             k)[0] for x in bd])  # fmt: skip


def with_itself(bd: np.ndarray, reference: np.ndarray, k: int) -> np.ndarray:
    """Mutant: the point itself is among its neighbours."""
    return novelty(bd, reference, k, drop_nearest=False)


def total(bd: np.ndarray, reference: np.ndarray, _: int) -> np.ndarray:
    """Mutant: the mean distance to all."""
    return np.linalg.norm(bd[:, None] - reference, axis=-1).mean(-1)


def signed_gain(values: np.ndarray) -> float:
    """Mutant: the difference, not cut off at 0."""
    return float(values[-3:].mean() - values[:3].mean())


def by_sum(a: np.ndarray, b: np.ndarray) -> list[np.ndarray]:
    """Mutant: fronts by the sum of both objectives, worst first."""
    order = np.argsort(a + b)
    return list(np.array_split(order, 3))


SCORES: dict[str, Callable[..., Any]] = {"as published": novelty, "no copies": without_copies,
                                         "itself": with_itself, "all": total}  # fmt: skip
GAINS: dict[str, Callable[..., float]] = {"as published": improvement, "signed": signed_gain}
FRONT: dict[str, Callable[..., Any]] = {"as published": fronts, "by sum": by_sum}


def scores(seed: int, score: str, gain: str, front: str) -> Items:
    """Novelty, improvement and fronts on random sets."""
    rng, own = draws(seed, 2), pick(SCORES, score)
    x = rng.integers(0, 4, (60, 2)) * 1.0  # many copies
    spend(40 * UPDATE)
    yield apart(NEAR, own(x, x, 15), novelty_score(x, x, 15), 1e-12, BOTH)
    more = np.concatenate([x, rng.integers(0, 9, (60, 2)) * 1.0])
    rises = own(x, more, 15) > own(x, x, 15) + 1e-12
    yield missed(FEWER, rises, np.zeros(60), ("bound", "kernel"))
    # Points in a square of side 1, novelty of those far from its edges.
    means = [own(p[inner(p)], p, 15).mean() for p in rng.random((15, 2000, 2))]
    spend(15 * 200 * 2000 * COMPILED)
    yield deviation(SCATTERED, np.mean(means), np.std(means) / np.sqrt(len(means)),
                    expected_novelty(2000.0), ("closed form", "simulation"))  # fmt: skip
    yield missed(GAIN, gain_faults(rng, pick(GAINS, gain)), np.zeros(3), ("law", "code"))
    yield missed(FRONTS, front_faults(rng, pick(FRONT, front)), np.zeros(2), ("law", "code"))


def inner(points: np.ndarray) -> np.ndarray:
    """Those whose neighbours are all in the square; a few of them, for the time it takes."""
    return np.flatnonzero((np.abs(points - 0.5) < 0.35).all(1))[:200]


def gain_faults(rng: Any, gain: Callable[..., float]) -> list[int]:
    """How often each of three laws of the improvement fails."""
    v = rng.standard_normal((50, 8, 6))
    found = np.array([gain(x) for x in v])
    moved = np.array([gain(x + 7.0) for x in v])
    flat = [gain(np.full((k, 6), 0.3)) for k in (1, 2, 6)]
    return [int((found < 0).sum()), int((np.abs(found - moved) > 1e-9).sum()), int(np.any(flat))]


def front_faults(rng: Any, rule: Callable[..., Any]) -> list[int]:
    """Pairs in the wrong order, and points that are not in exactly one front."""
    a, b = rng.integers(0, 6, (2, 40)) * 1.0
    found = rule(a, b)
    place = np.concatenate([np.full(len(f), i) for i, f in enumerate(found)])
    index = np.concatenate(found)
    rank = np.zeros(40)
    rank[index] = place
    over = (a[:, None] >= a) & (b[:, None] >= b) & ((a[:, None] > a) | (b[:, None] > b))
    wrong = over & (rank[:, None] >= rank)
    return [int(wrong.sum()), int(40 - len(np.unique(index)) + len(index) - 40)]


# -- signatures ------------------------------------------------------------------------------------
def left_sums(path: np.ndarray) -> np.ndarray:
    """Mutant: without the half square of each piece."""
    d = np.diff(path, axis=-2)
    second = np.swapaxes(path[..., :-1, :] - path[..., :1, :], -1, -2) @ d
    first = path[..., -1, :] - path[..., 0, :]
    return np.concatenate([first, second.reshape(*first.shape[:-1], -1)], axis=-1)


def from_zero(path: np.ndarray) -> np.ndarray:
    """Mutant: the running level 1 is the place itself, not the way from the first point."""
    d = np.diff(path, axis=-2)
    second = np.swapaxes(path[..., :-1, :] + d / 2, -1, -2) @ d
    first = path[..., -1, :] - path[..., 0, :]
    return np.concatenate([first, second.reshape(*first.shape[:-1], -1)], axis=-1)


def unsigned(path: np.ndarray) -> np.ndarray:
    """Mutant: areas without their sign."""
    s, p = signature(path), path.shape[-1]
    second = s[..., p:].reshape(*s.shape[:-1], p, p)
    area = np.triu(np.abs(second - np.swapaxes(second, -1, -2)) / 2)
    even = (second + np.swapaxes(second, -1, -2)) / 2
    turned = even + area - np.swapaxes(area, -1, -2)
    return np.concatenate([s[..., :p], turned.reshape(*s.shape[:-1], -1)], axis=-1)


PATHS: dict[str, Callable[..., Any]] = {"as published": signature, "left sums": left_sums,
                                        "from zero": from_zero, "unsigned": unsigned}  # fmt: skip


def paths(seed: int, rule: str) -> Items:
    """The identities of level 2 on random walks."""
    rng, own = draws(seed, 3), pick(PATHS, rule)
    x = rng.standard_normal((30, 7, 3)) + 1.0
    s, p = own(x), 3
    spend(60 * UPDATE)
    yield apart(PIECES, s, [path_signature(y) for y in x], 1e-12, ("running sums", "Chen"))
    halves = [chen_product(own(y[:4]), own(y[3:])) for y in x]
    yield apart(CHEN, s, halves, 1e-12, ("whole path", "two parts"))
    second = s[:, p:].reshape(-1, p, p)
    yield apart(SQUARE, second + np.swapaxes(second, 1, 2), s[:, :p, None] * s[:, None, :p], 1e-12,
                ("level 2", "level 1"))  # fmt: skip
    areas = [signed_area(a) + signed_area(b) for a, b in zip(s, own(x[:, ::-1]), strict=True)]
    yield apart(REVERSED, areas, np.zeros((30, p, p)), 1e-12, ("forwards", "backwards"))
    longer = np.insert(x, 3, 0.3 * x[:, 2] + 0.7 * x[:, 3], axis=1)
    changed = np.concatenate([own(longer) - s, own(x + np.array([3.0, -1.0, 0.5])) - s])
    yield apart(MIDPOINT, changed, np.zeros(changed.shape), 1e-12, ("path", "the same path"))


# -- the code of a plane ---------------------------------------------------------------------------
def code(seed: int, formula: str, learn: bool) -> Items:
    """Surprise and distances of a fitted linear code."""
    rng, world = draws(seed, 4), Redundant("lifted")
    b = rng.uniform(-1, 1, (2000, 2))
    seen = world.observe(b, rng)
    fitted = LinearCode(2, 1000, learn)
    fitted.fit(seen)
    spend(40 * UPDATE)
    units = {"as published": 2, "all units": 0}[formula]
    want = float(plane_surprise(world.noise, world.dimension, units))
    yield same(SURPRISE, fitted.surprise(seen).mean() / want, 1.0, 0.03,
               ("closed form", "code"))  # fmt: skip
    off = rng.standard_normal(world.dimension)
    off -= world.lift @ (world.lift.T @ off)
    off *= 2.0 / np.linalg.norm(off)
    expect = float(plane_surprise(world.noise, world.dimension, 2, 2.0))
    yield same(MOVED, fitted.surprise(seen + off).mean() / expect, 1.0, 0.03,
               ("closed form", "code"))  # fmt: skip
    i, j = rng.integers(0, 2000, (2, 4000))
    z = fitted.describe(seen)
    away = [np.linalg.norm(y[i] - y[j], axis=1) for y in (z, b)]
    yield Check(ISOMETRY, float(np.corrcoef(*away)[0, 1]), 0.99, ">=",
                routes=("codes", "behaviours"))  # fmt: skip
