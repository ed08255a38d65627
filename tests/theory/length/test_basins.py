"""Two modes under a length penalty: enumeration against the class engine, basins by following."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toyrl.dynamics.flow import rests, separatrix
from toyrl.dynamics.groups.class_weights import class_weights
from toyrl.estimators.group import GroupEstimator
from toyrl.rollouts.classes import class_rollouts
from toyrl.shapers.compose import Gated
from toyrl.shapers.length.absolute import LinearLength
from toyrl.shapers.outcome import Outcome
from toyrl.theory.group.signs import shared_drift
from toyrl.theory.length.basins import Kinds, mode_boundary, mode_drift

KINDS = (Kinds(), Kinds((0.3, 0.5, 0.2), (1.0, 0.1, 0.6), (1.0, 0.9, 0.5)))
Q = np.array([0.05, 0.4, 0.9])


def by_engine(
    kinds: Kinds, q: float, alpha: float, scale: str, eps: float, size: float, gated: bool
) -> float:
    """d logit(q)/dt from the project's own rollouts, shapers, estimator and class weights."""
    term = -alpha * LinearLength()
    shaper = Outcome() + (Gated(term) if gated else term)
    total = 0.0
    for share, short, long in zip(kinds.share, kinds.p_short, kinds.p_long, strict=True):
        prob = np.array([[q * long, q * (1 - long), (1 - q) * short, (1 - q) * (1 - short)]])
        r = class_rollouts(prob, correct=np.array([1.0, 0, 1, 0]), length=np.array([1.0, 1, 0, 0]),
                           max_length=1.0, group_size=size)  # fmt: skip
        estimator = GroupEstimator(scale=scale, eps=eps)
        w = class_weights(r, shaper, estimator, group_size=size).w[0]
        total += share * float(prob[0] @ (w * (np.array([1.0, 1, 0, 0]) - q)))
    return total


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize(
    ("scale", "eps", "size"),
    [("none", 0.0, 4), ("group", 0.0, 4), ("group", 0.05, 4), ("group", 0.0, math.inf)],
)
def test_drift_by_the_class_engine(kinds, gated, scale, eps, size):
    options = {"scale": scale, "eps": eps, "group_size": size, "gated": gated}
    found = mode_drift(kinds, Q, 0.3, **options)
    want = [by_engine(kinds, float(q), 0.3, scale, eps, size, gated) for q in Q]
    assert found.tolist() == pytest.approx(want, abs=1e-9)  # the engine's quadrature


@pytest.mark.parametrize("eps", [0.0, 1e-2])
def test_card_03_is_a_special_case(eps: float):
    kinds = Kinds((0.6, 0.4), (1.0, 0.0), (1.0, 1.0))
    for scale, name in (("group", "grpo"), ("none", "dr_grpo")):
        found = mode_drift(kinds, Q, 0.3, scale=scale, eps=eps)
        want = shared_drift(name, Q, 0.6, 0.3, 8, eps=eps)
        assert found == pytest.approx(want, abs=1e-14)


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("kinds", KINDS)
def test_mean_only_has_one_boundary_and_no_basins(kinds: Kinds, gated: bool):
    edge = mode_boundary(kinds, gated=gated)
    for factor, sign in ((0.99, 1), (1.01, -1)):
        drift = mode_drift(kinds, Q, factor * edge, scale="none", gated=gated)
        assert np.sign(drift).tolist() == [sign] * 3
    assert mode_boundary(Kinds((1.0,), (0.5,), (0.0,))) == math.inf


def test_in_the_population_neither_end_keeps_long_answers():
    """Where easy prompts are always solved, the group's spread on them vanishes at both ends."""
    for alpha in (0.01, 0.3):
        kinds = Kinds((0.05, 0.95), (1.0, 0.1), (1.0, 0.9))
        ends = mode_drift(kinds, np.array([1e-6, 1 - 1e-6]), alpha, group_size=math.inf)
        assert (ends < 0).all()
        assert mode_drift(kinds, 0.5, alpha, group_size=math.inf) > 0


def ascended(kinds: Kinds, starts: np.ndarray, alpha: float, size: float) -> np.ndarray:
    """Chances of the long mode after many small updates from each start."""
    z = np.log(starts / (1 - starts))
    for _ in range(6000):
        z = z + 0.2 * mode_drift(kinds, 1 / (1 + np.exp(-z)), alpha, group_size=size)
    return 1 / (1 + np.exp(-z))


@pytest.mark.slow
@pytest.mark.parametrize(("share", "alpha", "size"), [(0.3, 0.3, math.inf), (0.42, 0.05, 8)])
def test_basins_by_following_every_start(share: float, alpha: float, size: float):
    """A start goes to the stable rest of its side; the flow's zeros are the second route."""
    kinds = Kinds((share, 1 - share))

    def drift(q: np.ndarray) -> np.ndarray:
        return mode_drift(kinds, q, alpha, group_size=size)

    middle = separatrix(drift)
    above = max((r.chance for r in rests(drift) if r.stable), default=1.0)
    starts = np.array([0.2 * middle, 0.8 * middle, middle + 0.2 * (1 - middle), 0.95])
    ends = ascended(kinds, starts, alpha, size)
    assert (ends[:2] < 0.6 * starts[:2]).all()  # slowly: at a small q few groups are mixed
    assert (np.abs(ends[2:] - above) < 0.05).all()


def test_the_share_of_easy_prompts_that_has_two_basins():
    """Accuracy 0.1 and 0.9 on hard prompts, G = 8, alpha = 0.5: about 0.36 to 0.40 of prompts."""
    for share, sides in ((0.30, 0), (0.38, 1), (0.46, 0)):
        kinds = Kinds((share, 1 - share))
        found = rests(lambda q, k=kinds: mode_drift(k, q, 0.5), points=401)
        assert sum(not r.stable for r in found) == sides


def test_refusals():
    with pytest.raises(ValueError, match="scale='batch'"):
        mode_drift(Kinds(), 0.5, 0.1, scale="batch")
