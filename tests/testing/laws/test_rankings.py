"""Laws of a judge's reward: the sound rule keeps them, broken ones are told."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toyrl.shapers.judge.listwise import pair_agreement
from toyrl.testing.laws import rankings as laws

GRADES = st.integers(1, 5).map(float)
SCORES = st.one_of(GRADES, st.just(float("nan")))


@settings(max_examples=60)
@given(st.lists(st.tuples(SCORES, GRADES), min_size=2, max_size=7), st.randoms())
@pytest.mark.parametrize("missing", ["tie", "coverage", "released"])
def test_the_laws_of_r_acc(missing, pairs, random):
    rule = partial(pair_agreement, missing=missing)
    scores, truth = np.array(pairs).T
    order = list(range(len(truth)))
    random.shuffle(order)
    said = [
        laws.order_alone_counts(rule, scores, truth),
        laws.names_do_not_count(rule, scores, truth, order),
        laws.the_truth_is_best(rule, scores, truth),
        laws.mending_never_costs(rule, scores, truth),
    ]
    assert said == [None] * 4
    assert 0 <= rule(scores, truth) <= 1
    if missing != "released":
        assert laws.silence_never_pays(rule, scores, truth) is None


def test_broken_rules_are_told():
    scores, truth = np.array([3.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0])
    released = partial(pair_agreement, missing="released")
    assert "saying nothing is paid 1" in str(laws.silence_never_pays(released, scores, truth))
    assert laws.order_alone_counts(lambda s, g: s @ g, scores, truth)
    assert laws.names_do_not_count(lambda s, g: s[0] * g[0], scores, truth, [2, 1, 0])
    assert laws.the_truth_is_best(lambda s, g: -pair_agreement(s, g), scores, truth)
    assert laws.mending_never_costs(lambda s, g: -pair_agreement(s, g), scores, truth)
