"""HAPO: formula, history over visits, and the store that keeps it (card 11)."""

from __future__ import annotations

import math
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl import parse
from toyrl.estimators.group import PRESETS
from toyrl.rollouts import Rollouts
from toyrl.rollouts.memory import Store
from toyrl.shapers.base import Shaper
from toyrl.shapers.length.history import COUNT, SHORTEST, SUM, Hapo, HapoMean
from toyrl.testing import check_invariants, rollouts

VISIT = st.lists(st.tuples(st.booleans(), st.integers(0, 60)), min_size=1, max_size=5)
H = {SHORTEST: np.array([[20.0]])}


def group(rows: Any, limit: float = 100.0) -> Rollouts:
    correct, length = zip(*rows, strict=True)
    return Rollouts(np.array([correct], dtype=float), np.array([length], dtype=float), limit)


def f(length: float, h: float) -> float:
    return math.cos(math.pi / 2 * length / h) if length < 2 * h else -1.0


def slow(right: bool, length: float, h: float | None, w: float = 1.0) -> float:
    """The card's formula, case by case."""
    if h is None:
        return float(right)
    return right + w * (max(-0.7, f(length, h)) if right else min(0.0, f(length, h)))


def slow_linear(right: bool, x: float, h: float, tol: float = 0.1) -> float:
    late = (1 + tol) * h
    if right:
        score = 1 - x / h if x < h else 0.0 if x < late else max(-0.7, -(x - late) / h)
    else:
        score = 0.0 if x < late else max(-1.0, -(x - late) / h)
    return right + score


def remembered(shaper: Shaper, visits: Any, store: Store | None = None) -> Store:
    """The store after these visits of one prompt."""
    store = store or Store.of(shaper)
    for rows in visits:
        r = group(rows)
        store.merge(["p"], shaper.apply(r, store.gather(["p"])))
    return store


# -- one visit -------------------------------------------------------------------------------------
@given(VISIT, st.integers(1, 40), st.floats(0, 1.4))
def test_reward_at_a_history(rows: Any, h: int, w: float):
    for memory, shaper in (({SHORTEST: np.array([[float(h)]])}, Hapo(w)), ({}, Hapo(w, history=h))):
        if h == 1 and not memory:
            continue  # a history of 1 is a share: the limit
        got = shaper.reward(group(rows), memory)[0]
        assert got == pytest.approx([slow(c, x, h, w) for c, x in rows], abs=1e-12)


@given(VISIT, st.integers(1, 40))
def test_linear_variant(rows: Any, h: int):
    got = Hapo(tolerance=0.1).reward(group(rows), {SHORTEST: np.array([[float(h)]])})[0]
    assert got == pytest.approx([slow_linear(c, x, h) for c, x in rows], abs=1e-12)


def test_by_hand():
    got = Hapo().reward(group([(1, 0), (1, 20), (1, 40), (0, 10), (0, 20), (0, 99)]), H)[0]
    assert got == pytest.approx([2.0, 1.0, 0.3, 0.0, 0.0, -1.0], abs=1e-12)
    # From 1.4936 h on right answers are paid alike.
    zone = Hapo().reward(group([(1, 29), (1, 30), (1, 90)]), H)[0]
    assert zone[0] > zone[1] == zone[2]


@given(rollouts(weights="padding"))
def test_without_a_history_it_is_the_outcome(r: Rollouts):
    """Even where a right answer appears in the visit itself."""
    for shaper in (Hapo(), HapoMean(), Hapo(tolerance=0.1), Hapo(0)):
        np.testing.assert_array_equal(shaper.reward(r), np.where(r.w > 0, r.correct, 0))


@given(VISIT, st.integers(2, 40), st.integers(2, 9))
def test_lengths_and_history_scale_together(rows: Any, h: int, a: int):
    """Invariant 3."""
    larger = [(c, a * x) for c, x in rows]
    one, other = (Hapo().reward(group(x), {SHORTEST: np.array([[float(k)]])})
                  for x, k in ((rows, h), (larger, a * h)))  # fmt: skip
    assert one == pytest.approx(other, abs=1e-12)


@given(VISIT, st.integers(1, 40), st.floats(0, 1.4))
def test_right_is_above_wrong_and_longer_is_never_better(rows: Any, h: int, w: float):
    """Invariants 1 and 2."""
    memory = {SHORTEST: np.array([[float(h)]])}
    part = Hapo(w).apply(group(rows), memory).parts["hapo"][0]
    for (c, _), value in zip(rows, part, strict=True):
        assert -0.7 * w <= value <= w if c else -w <= value <= 0
    for outcome in (True, False):
        x = sorted((length, v) for (c, length), v in zip(rows, part, strict=True) if c == outcome)
        assert all(a[1] >= b[1] for a, b in pairwise(x))


def test_a_single_rollout_still_updates_the_history():
    shaper = Hapo()
    answer = shaper.apply(group([(1, 12)]))
    assert PRESETS["grpo"].apply(answer.parts, group([(1, 12)]))[0].tolist() == [[0.0]]
    assert answer.memory[SHORTEST].tolist() == [[12.0]]


# -- visits ----------------------------------------------------------------------------------------
@given(st.lists(VISIT, min_size=1, max_size=4))
def test_the_history_is_the_least_right_length_in_any_order(visits: Any):
    """Invariants 4 and 7: falling, order-free, the global minimum; wrong answers change nothing."""
    right = [x for rows in visits for c, x in rows if c and x >= 1]
    want = min(right, default=math.inf)
    found = {remembered(Hapo(), v).rows["p"][SHORTEST] for v in permutations(visits)}
    assert found == {want}
    seen, store = [], Store.of(Hapo())
    for rows in visits:
        remembered(Hapo(), [rows], store)
        seen.append(store.rows["p"][SHORTEST])
    assert seen == sorted(seen, reverse=True)


@given(st.lists(VISIT, min_size=1, max_size=4))
def test_mean_mode_counts_every_right_answer_once(visits: Any):
    right = [float(x) for rows in visits for c, x in rows if c and x >= 1]
    row = remembered(HapoMean(), visits).rows["p"]
    assert (row[SUM], row[COUNT]) == (sum(right), len(right))
    memory = {k: np.array([[v]]) for k, v in row.items()}
    h = HapoMean().remembered(memory)[0, 0]
    assert h == (pytest.approx(np.mean(right)) if right else math.inf)
    # Folded once per rollout, with as many at every visit: sum and count both times as many.
    many = {k: 8 * v for k, v in memory.items()}
    assert HapoMean().remembered(many)[0, 0] == pytest.approx(h)


def test_an_empty_right_answer_is_not_remembered():
    """The released code would store 0 and pay nothing for length ever after."""
    store = remembered(Hapo(), [[(1, 0), (1, 9)], [(1, 0)]])
    assert store.rows["p"][SHORTEST] == 9


def test_rewards_of_a_visit_see_the_history_before_it():
    """The second visit is measured against the first, not against itself."""
    store = remembered(Hapo(), [[(1, 20), (0, 5)]])
    r = group([(1, 10), (1, 20)])
    paid = Hapo().reward(r, store.gather(["p"]))[0]
    assert paid == pytest.approx([1 + math.cos(math.pi / 4), 1.0])


def test_prompts_repeated_permuted_unseen_resumed_and_forgotten():
    shaper, prompts = Hapo(), ["a", "b", "a"]
    r = Rollouts(np.ones((3, 2)), np.array([[30.0, 40], [9, 8], [20, 25]]), 100.0)
    store = Store.of(shaper, capacity=2)
    store.merge(prompts, shaper.apply(r, store.gather(prompts)))
    assert store.gather(["b", "a", "new"])[SHORTEST].ravel().tolist() == [8, 20, math.inf]
    again = Store.of(shaper)
    turned = Rollouts(r.correct, r.length[::-1].copy(), 100.0)
    again.merge(prompts[::-1], shaper.apply(turned, again.gather(prompts[::-1])))
    assert again.rows == store.rows
    back = Store.from_json(store.to_json())
    assert (back.rows, back.slots, back.capacity) == (store.rows, store.slots, 2)
    back.merge(["c"], shaper.apply(group([(1, 7)]), back.gather(["c"])))
    assert sorted(back.rows) == ["b", "c"] or sorted(back.rows) == ["a", "c"]
    assert len(back.rows) == 2
    unsolved = remembered(shaper, [[(0, 7)]])
    assert Store.from_json(unsolved.to_json()).gather(["p"])[SHORTEST].tolist() == [[math.inf]]


def test_a_given_history_needs_no_memory():
    assert Hapo(history=0.25).all_memory() == ()
    assert not Hapo(history=0.25).apply(group([(1, 7)])).memory
    assert Hapo().all_memory() == Hapo.memory
    assert parse("hapo(history=20)").reward(group([(1, 10)]))[0, 0] == pytest.approx(
        Hapo().reward(group([(1, 10)]), H)[0, 0]
    )


def test_invariants_as_laws():
    goals = ["wrong_never_above_right", "shorter_right_never_below", "visits_commute",
             "wrong_answers_leave_no_memory"]  # fmt: skip
    for text in ("hapo()", "hapo_mean()", "hapo(tolerance=0.1)"):
        assert check_invariants(text, invariants=goals, max_examples=60).ok, text
    fixed = ["wrong_never_above_right", "shorter_right_never_below", "length_unit"]
    assert check_invariants("hapo(history=0.4)", invariants=fixed, max_examples=60).ok
    heavy = check_invariants("hapo(alpha=3, history=0.4)", invariants=fixed, max_examples=200)
    assert heavy.broken() == ("wrong_never_above_right",)
