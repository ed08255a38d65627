"""Worlds fitted to rollouts: what is read from them, what the worlds then do, what is missed."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import qmc

from toyrl.dynamics.chain import observed
from toyrl.dynamics.chain.observed import observe, worlds_like
from toyrl.dynamics.chain.prior import DIMENSIONS, PriorRanges
from toyrl.rollouts import Rollouts
from toyrl.rollouts.ragged import from_lists
from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.model import Chain

CHAIN = Chain(max_actions=20, depth=8, flag_noise=0.1, slip=0.05, guess=0.1, tokens_per_action=5.0)
TYPES = (2, 5)


@pytest.fixture(autouse=True)
def rounds(monkeypatch):
    """Few worlds at a time, always as many: each number of them is compiled once."""
    monkeypatch.setattr(observed, "ROUND", 32)


def drawn(
    theta_shift: float = 0.0, *, groups: int = 40, size: int = 50
) -> tuple[Rollouts, np.ndarray]:
    """Rollouts of a known policy in a known world of two types, and each prompt's difficulty."""
    world = CHAIN.with_(difficulties=TYPES, shares=(0.5, 0.5), progress=0.9)
    theta = world.logits(STEP=1.0, ANSWER=-2.0)
    theta[:, 1, :, world.actions.index("ANSWER")] += 3.0 + theta_shift
    prob = class_probabilities(world, theta)
    rng = np.random.default_rng(0)
    index = np.stack([rng.choice(world.n_classes, size, p=prob[i % 2]) for i in range(groups)])
    r = Rollouts(
        correct=world.class_correct()[index],
        length=world.class_length()[index],
        truncated=index == 2 * world.H,
        max_length=world.max_length,
    )
    return r, np.resize(np.array(TYPES, dtype=float), groups)


def test_statistics_are_those_of_the_rows_that_count():
    r = from_lists([[1, 0], [0, 0, 1]], [[10, 20], [30, 40, 50]], max_length=60)
    seen = observe(r, np.array([2.0, 5.0]), depth=8)
    assert seen.pair == (2, 5)
    assert seen.shares == pytest.approx((2 / 5, 3 / 5))
    values = {k: float(np.exp(v)) if "length" in k else v for k, v in seen.values.items()}
    assert values == pytest.approx(
        {
            "length of right": 30.0,
            "length of wrong": 30.0,
            "success easy": 1 / 2,
            "length easy": 15.0,
            "success hard": 1 / 3,
            "length hard": 40.0,
        }
    )


@pytest.mark.parametrize("levels", [[np.nan, 2.0], [2.0, 2.0], [2.0, 2.5], [2.0, 9.0]])
def test_without_two_known_difficulties_success_is_over_all_prompts(levels):
    r = from_lists([[1, 0], [0, 0, 1]], [[10, 20], [30, 40, 50]], max_length=60)
    seen = observe(r, np.array(levels), depth=8)
    assert seen.pair == ()
    assert seen.values["success all"] == pytest.approx(2 / 5)
    assert seen.targets(CHAIN)["mean_success"] == pytest.approx(2 / 5)


def test_kinds_of_answers_that_never_come_are_no_targets():
    r = from_lists([[0, 0], [0, 0]], [[10, 20], [300, 40]], max_length=400)
    seen = observe(r, np.full(2, np.nan), depth=8)
    assert "length of right" not in seen.values
    asked = seen.targets(CHAIN)
    assert asked == {"mean_success": 0.01, "mean_length_wrong": pytest.approx(92.5)}
    long = observe(r.with_(length=r.length * 4), np.full(2, np.nan), depth=8)
    assert long.targets(CHAIN)["mean_length_wrong"] == CHAIN.max_length


@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False])
def test_worlds_do_what_the_rollouts_show_by_another_route(known):
    r, difficulty = drawn()
    seen = observe(r, difficulty if known else np.full(len(difficulty), np.nan), depth=8)
    found = worlds_like(seen, CHAIN, 6, most=64)
    assert found.within
    assert set(found.missed) <= {"length easy", "length hard"}  # these two are no targets
    assert len(found.worlds) == len(found.distance) == 6
    for i in range(6):
        one = found.worlds.batch.chain_at(i)
        prob = np.asarray(one.shares) @ class_probabilities(one, found.worlds.theta[i])
        right, length = one.class_correct(), one.class_length()
        means = [prob @ (w * length) / (prob @ w) for w in (right, 1 - right)]
        assert prob @ right == pytest.approx(float(np.mean(r.correct)), abs=0.05)
        shown = [np.exp(seen.values[f"length of {n}"]) for n in ("right", "wrong")]
        assert np.log(means) == pytest.approx(np.log(shown), abs=0.25)  # one unit in 6 statistics
    if known:
        np.testing.assert_array_equal(found.worlds.batch.difficulties, [TYPES] * 6)
    else:
        assert len(np.unique(found.worlds.batch.difficulties, axis=0)) > 1


@pytest.mark.slow
def test_rounds_go_through_the_points_of_one_sequence():
    r, difficulty = drawn()
    seen = observe(r, difficulty, depth=8)
    found = worlds_like(seen, CHAIN, 64, most=64)
    u = qmc.Sobol(DIMENSIONS, rng=0).random(64)
    parts = [observed.worlds_at(seen, CHAIN, u[rows]) for rows in (slice(32), slice(32, 64))]
    near = [observed.distances(seen, w) <= observed.TOLERANCE for w in parts]
    assert found.drawn == 64
    assert found.near == len(found.worlds) == sum(n.sum() for n in near)
    slip = np.concatenate([w.batch.slip[n] for w, n in zip(parts, near, strict=True)])
    np.testing.assert_array_equal(found.worlds.batch.slip, slip)


def test_what_no_world_does_is_said_with_both_numbers():
    """Right answers of one action, always, to hard prompts: a guess is right at most so often."""
    r = from_lists([[1, 1], [1, 0]], [[5, 5], [5, 100]], max_length=100)
    seen = observe(r, np.full(2, np.nan), depth=8)
    ranges = PriorRanges(guess=(0.0, 0.1))
    found = worlds_like(seen, CHAIN, 4, most=32, ranges=ranges)
    assert not found.within
    assert found.near == 0
    assert found.drawn == 32
    assert (np.diff(found.distance) >= 0).all()  # then the nearest are kept, in order
    assert found.missed
    text = found.describe()
    assert text.startswith("0 of 32 worlds drawn")
    assert "length of right (tokens) 5.0 in the rollouts" in text


@pytest.mark.slow
def test_worlds_within_tolerance_keep_the_order_of_the_draw():
    r, difficulty = drawn()
    seen = observe(r, difficulty, depth=8)
    few = worlds_like(seen, CHAIN, 3, most=64)
    more = worlds_like(seen, CHAIN, 6, most=64)
    np.testing.assert_array_equal(few.worlds.batch.slip, more.worlds.batch.slip[:3])
    assert (more.distance <= observed.TOLERANCE).all()
    assert more.near >= 6
