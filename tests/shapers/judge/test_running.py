"""Statistics over all scores so far: batches, resumed runs, hacks, bad scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toyrl.rollouts import Rollouts
from toyrl.rollouts.memory import Store, merged
from toyrl.shapers.base import MemoryField
from toyrl.shapers.judge.running import (
    SEEN,
    SQUARES,
    SUM,
    JudgeClip,
    JudgeMeanStd,
    JudgeMinMax,
    mean_and_std,
)

ALL = (JudgeMeanStd(), JudgeClip(), JudgeMinMax())
BATCHES = st.lists(st.lists(st.integers(-8, 8), min_size=4, max_size=4), min_size=1, max_size=5)


def judged(scores) -> Rollouts:
    x = np.asarray(scores, dtype=float).reshape(-1, 2)
    return Rollouts(np.zeros_like(x), np.ones_like(x), 8.0, fields={"judge": x})


def visited(shaper, batches, store=None):
    """(store, rewards of the last batch); prompts are new in each batch."""
    store, reward = store or Store.of(shaper), np.zeros(0)
    for k, scores in enumerate(batches):
        r = judged(scores)
        names = [f"{k}-{b}" for b in range(r.shape[0])]
        shaped = shaper.apply(r, store.gather(names, like=r.correct))
        store.merge(names, shaped)
        reward = np.asarray(next(iter(shaped.parts.values())))
    return store, reward


@settings(max_examples=20)
@given(BATCHES)
def test_after_any_batches_it_is_the_statistics_of_all_scores(batches):
    seen = np.array(batches, dtype=float)
    mu, sd, last = seen.mean(), seen.std(), seen[-1].reshape(-1, 2)
    low, high = seen.min(), seen.max()
    want = {
        JudgeMeanStd(): (last - mu) / (sd or 1.0),
        JudgeClip(): np.clip(last, mu - sd, mu + sd),
        JudgeMinMax(): (last - low) / (high - low) if high > low else 0 * last,
    }
    for shaper, value in want.items():
        store, reward = visited(shaper, batches)
        assert reward == pytest.approx(value, abs=1e-9)
        # Resumed from its text, and in another order: the same.
        again = Store.from_json(store.to_json())
        assert visited(shaper, [batches[0]], again)[1] == pytest.approx(
            visited(shaper, [batches[0]], store)[1], abs=1e-12
        )
        turned = visited(shaper, batches[::-1])[0]
        assert turned.shared == pytest.approx(visited(shaper, batches)[0].shared)


def test_prompts_share_one_memory_of_bounded_size():
    store = Store.of(JudgeMinMax(), capacity=1)
    visited(JudgeMinMax(), [[1, 2, 3, 4]] * 5, store)
    assert not store.rows
    assert store.gather(["never seen", "p"])["judge_highest"].tolist() == [[4.0], [4.0]]
    slot = MemoryField("x", "sum", 0.0, shared=True)
    assert merged(slot, np.ones((2, 1)), np.array([[2.0], [3.0]])).tolist() == [[6.0], [6.0]]
    last = MemoryField("x", "replace", 0.0, shared=True)
    assert merged(last, np.ones((2, 1)), np.array([[2.0], [3.0]])).tolist() == [[3.0], [3.0]]
    own = MemoryField("x", "sum", 0.0)
    assert merged(own, np.ones((2, 1)), np.array([[2.0], [3.0]])).tolist() == [[3.0], [4.0]]


@pytest.mark.parametrize("shaper", ALL)
def test_scores_that_are_none_are_never_taken_in(shaper):
    good, _ = visited(shaper, [[1, 2, 3, 3]])
    bad, reward = visited(shaper, [[1, 2, 3, math.nan, 3, math.inf]])
    assert bad.shared == good.shared
    assert np.isnan(reward).tolist() == [[False, False], [False, True], [False, True]]


def test_equal_scores_and_a_hack_that_is_not_forgotten():
    for shaper, want in zip(ALL, (0.0, 0.1, 0.0), strict=True):
        assert visited(shaper, [[0.1] * 4] * 3)[1] == pytest.approx(want, abs=1e-15)
        assert visited(shaper, [[7.0] * 2])[1] == pytest.approx(7.0 if want else 0.0)
    before = visited(JudgeMinMax(), [[0, 1, 2, 3], [0, 1, 2, 3]])[1]
    after = visited(JudgeMinMax(), [[0, 1, 2, 300], [0, 1, 2, 3]])[1]
    assert after == pytest.approx(before / 100)


def test_two_in_a_sum_count_each_score_once():
    both, _ = visited(JudgeMeanStd() + JudgeClip(), [[1, 2, 3, 3], [4, 4, 4, 4]])
    assert both.shared == visited(JudgeMeanStd(), [[1, 2, 3, 3], [4, 4, 4, 4]])[0].shared
    assert both.shared[SEEN] == 8


def test_a_variance_of_rounding_is_none():
    x = np.full(1000, 1e4 + 0.1, dtype=np.float32)
    sums = (np.float32(1000), x.sum(), (x**2).sum())
    assert mean_and_std(*(np.array([[s]]) for s in sums))[1] == 0
    assert tuple(m.name for m in JudgeMeanStd.memory) == (SEEN, SUM, SQUARES)
