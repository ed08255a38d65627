"""Laws of novelty, archives and emitters; what is refused; ribs on the same world."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toyrl.dynamics.population.descriptors import LinearCode, TanhCode, Trajectory
from toyrl.dynamics.population.emitters import emitter_sigma, improvement, stagnates
from toyrl.dynamics.population.grid import Grid
from toyrl.dynamics.population.neighbours import fronts, novelty
from toyrl.dynamics.population.search import NOVELTY, SERENE, STAX
from toyrl.dynamics.population.signature import signature
from toyrl.worlds.search.redundant import Redundant

NUMBERS = st.lists(st.integers(-8, 8), min_size=8, max_size=8)


class Odd:
    """A world of two genes in which every third reward and some behaviours are NaN."""

    genes = 2

    def __init__(self, constant: bool = False, broken: bool = False) -> None:
        self.constant, self.broken = constant, broken

    def evaluate(self, genomes, rng):
        b = genomes[:, :2] * (0 if self.constant else 0.2)
        reward = np.maximum(b[:, 0], 0.0)
        if self.broken:
            reward[::3] = np.nan
            b = b.copy()
            b[1::7] = np.nan
        return b, b, reward


@settings(max_examples=40)
@given(NUMBERS, NUMBERS, st.integers(1, 9), st.floats(0, 6))
def test_novelty_is_unmoved_by_motions_and_falls_as_points_are_added(x, y, k, angle):
    bd = np.stack([x, y], axis=-1) / 4
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    score = novelty(bd, bd, k)
    np.testing.assert_allclose(
        novelty(3 * bd @ turn + 5, 3 * bd @ turn + 5, k), 3 * score, atol=1e-6
    )  # roots of squares near 0
    np.testing.assert_allclose(novelty(bd, bd[::-1], k), score, atol=1e-12)
    if k < len(bd):
        more = np.concatenate([bd, bd[:3] + 0.1])
        assert (novelty(bd, more, k) <= score + 1e-12).all()


def test_novelty_alone_with_copies_and_outside_the_set():
    assert novelty([[1.0, 2.0]], [[1.0, 2.0]]).tolist() == [0.0]
    assert novelty([[0.0]], [[0.0], [0.0], [3.0]], 2).tolist() == [1.5]
    outside = [[0.0]], [[1.0], [2.0], [4.0]]
    assert novelty(*outside, 2).tolist() == [3.0]
    assert novelty(*outside, 2, drop_nearest=False).tolist() == [1.5]
    with pytest.raises(ValueError, match="NaN"):
        novelty([[np.nan]], [[0.0]])


@settings(max_examples=40)
@given(NUMBERS, NUMBERS)
def test_fronts_partition_and_keep_under_monotone_transforms(a, b):
    found = [f.tolist() for f in fronts(a, b)]
    assert sorted(i for f in found for i in f) == list(range(8))
    assert [f.tolist() for f in fronts(np.exp(a), np.array(b) * 3.0 - 1)] == found


def test_improvement_sigma_and_stagnation():
    assert improvement([[0.0, 1.0], [1.0, 2.0]], 1) == 1.0
    assert improvement([[1.0], [0.0]], 1) == 0.0
    assert emitter_sigma([[0.0], [3.0], [9.0]], 1) == 1.0
    assert emitter_sigma([[1.0], [1.0]], 0) == 0.05
    assert emitter_sigma([[1.0]], 0, sigma_default=0.5) == 0.5
    rising = np.arange(200)[:, None] + np.zeros((1, 6))
    assert stagnates(np.zeros((200, 6)), 6)
    assert not stagnates(rising, 6)
    assert not stagnates(np.zeros((100, 6)), 6)


def test_a_search_without_difference_says_so():
    found = NOVELTY.run(Odd(constant=True), np.random.default_rng(0), 500)
    assert found.collapsed == 10  # every generation but the first population
    assert Grid().coverage(found.behaviour) == 1 / 400


def test_what_is_nan_is_left_out_and_counted():
    found = SERENE.run(Odd(broken=True), np.random.default_rng(0), 2000)
    assert found.rejected > 600
    assert np.isfinite(found.behaviour).all()
    assert not np.isnan(found.reward).any()
    assert found.rejected + len(found.reward) >= 2000


def test_emitters_whose_whole_generation_is_rejected_begin_again():
    class Breaks(Redundant):
        calls = 0

        def evaluate(self, genomes, rng):
            behaviour, seen, reward = super().evaluate(genomes, rng)
            Breaks.calls += 1
            if len(genomes) in (6, 12) and Breaks.calls % 2:  # an emitter's
                return behaviour * np.nan, seen * np.nan, reward
            return behaviour, seen, reward + 0.01

    found = SERENE.run(Breaks(), np.random.default_rng(0), 1500)
    assert found.rejected > 100
    assert len(found.reward) + found.rejected >= 1500


@pytest.mark.parametrize("small", [{"population": 1}, {"stored": 1, "k": 100}, {"stored": 0}])
def test_a_population_or_an_archive_of_one_runs(small):
    found = replace(SERENE, **small).run(Redundant(), np.random.default_rng(1), 600)
    assert len(found.behaviour) >= 600


def test_one_cell_one_archive():
    one = Grid((1,), -1.0, 1.0)
    assert one.coverage(np.zeros((5, 1))) == 1.0
    assert one.members(np.zeros((3, 1)), [0.2, np.nan, 0.7]) == {0: 2}
    assert one.cells([[np.nan], [7.0]]).tolist() == [-1, 0]


def test_more_budget_never_loses_reward_and_archives_grow():
    runs = [SERENE.run(Redundant(), np.random.default_rng(2), b) for b in (4000, 8000)]
    best = [np.maximum.accumulate(r.reward) for r in runs]
    assert (best[0] == best[1][: len(best[0])]).all() or best[1][-1] >= best[0][-1]
    assert len(runs[1].archive) >= len(runs[0].archive)


def test_without_reward_emitters_change_nothing():
    quiet = Redundant(centres=((3.0, 3.0),))
    a, b = (s.run(quiet, np.random.default_rng(3), 1000) for s in (NOVELTY, SERENE))
    np.testing.assert_array_equal(a.behaviour, b.behaviour)


@pytest.mark.parametrize("code", [LinearCode(), TanhCode(epochs=3), Trajectory(LinearCode())])
def test_codes_fit_while_they_search(code):
    observed = "path" if isinstance(code, Trajectory) else "lifted"
    found = replace(STAX, refit=5).run(Redundant(observed), np.random.default_rng(4), 1500, code)
    assert found.fits >= 3
    assert found.archive is not None
    np.testing.assert_allclose(found.archive.bd[:3], code.describe(found.archive.seen[:3]))


def test_a_tanh_code_learns_a_plane():
    rng, world = np.random.default_rng(5), Redundant("lifted")
    seen = world.observe(rng.uniform(-1, 1, (800, 2)), rng)
    code = TanhCode(epochs=60)
    before = code.surprise(seen).mean()
    code.fit(seen)
    assert code.surprise(seen).mean() < 0.2 * before
    assert sum(w.size for w in code.weights) == 386


def test_signatures_of_one_point_of_time_and_of_bad_orders():
    assert not signature(np.ones((1, 2))).any()
    slow, quick = np.array([[0.0], [0.5], [1.0]]), np.array([[0.0], [0.9], [1.0]])
    assert signature(slow).tolist() == signature(quick).tolist()
    assert signature(slow, time=True).tolist() != signature(quick, time=True).tolist()
    with pytest.raises(ValueError, match="order=3"):
        signature(slow, 3)
    with pytest.raises(ValueError, match="coordinates"):
        signature(np.zeros((3, 0)))


def test_ribs_drives_the_same_world():
    pytest.importorskip("ribs")
    from toyrl.dynamics.population.map_elites import map_elites

    archive, behaviour, _ = map_elites(Redundant(), 3000)
    grid = Grid()
    assert archive.stats.num_elites == round(grid.coverage(behaviour) * grid.size)
