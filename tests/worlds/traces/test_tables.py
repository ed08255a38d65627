"""Addition and the tables that learn it: laws, four keys, and policies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from toyrl.testing.laws.traces import states_add_up, table_forgets_nothing
from toyrl.worlds.traces.addition import FORMATS, addition, answer, drawn, text
from toyrl.worlds.traces.learners import VARIANTS, TableLearner, examples
from toyrl.worlds.traces.policy import gradient, logits_of, play

digits = st.lists(st.integers(0, 2), max_size=6)


@given(digits, digits, st.integers(3, 12))
@settings(max_examples=60)
def test_states_add_up(a, b, base):
    found = addition(a, b, base)
    assert states_add_up(found, a, b, base) is None
    other = addition(b, a, base)
    assert other.result == found.result
    assert [(i, y, x, *rest) for i, x, y, *rest in found.atomic_states] == list(other.atomic_states)


def test_addition_by_hand():
    assert addition([7, 4], [5, 8]).atomic_states == ((0, 7, 5, 0, 2, 1), (1, 4, 8, 1, 3, 1))
    assert addition([], []).result == (0,)
    assert answer(addition([11], [5], 12).result) == "14"
    assert text("tail", [7, 4], [5, 8]).splitlines() == [
        "#0 | fetch 7 5 0 | add -> 2 1 | goto #1",
        "#1 | fetch 4 8 1 | add -> 3 1 | goto #2",
        "#2 | fetch 1 | carry -> 1 | halt",
        "#### 132",
    ]
    assert all(text(form, [7], [5]) for form in FORMATS)
    for bad in (lambda: addition([10], [1]), lambda: addition([1], [1], 1)):
        with pytest.raises(ValueError, match=r"must be|digits of base"):
            bad()
    with pytest.raises(ValueError, match="form='x' is not one of"):
        text("x", [1], [1])


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_table_knows_what_it_saw(variant):
    rng = np.random.default_rng(3)
    learner = TableLearner(variant, base=3, block=2)
    a, b = drawn(rng, 40, 4, 3)
    table = learner.fit(a, b)
    assert table.success(a, b).all()
    result, known = table.predict(a, b)
    assert known.all()
    assert result.tolist() == [list(addition(x, y, 3).result) for x, y in zip(a, b, strict=True)]
    assert table_forgets_nothing(learner, a, b, drawn(rng, 50, 4, 3)) is None
    longer = drawn(rng, 50, 6, 3)
    assert table.success(*longer).any() == (variant in ("tail", "block"))


def test_odd_lengths_conflicts_and_refusals():
    one = TableLearner("block", base=2, block=2).fit([[1, 1, 1]], [[1, 0, 1]])
    assert one.predict([[1, 1, 1]], [[1, 0, 1]])[0].tolist() == [[0, 0, 1, 1]]
    learner = TableLearner()
    table = learner.learn([5, 5, 5, 6, 6], [3, 4, 4, 9, 8], [0] * 5)
    assert (table.known[5], table.known[6], table.n_known) == (4, 8, 2)
    wrong = learner.learn([0], [2], [0])
    assert not wrong.success([[0]], [[0]]).any()
    assert TableLearner("position").fit(np.zeros((0, 3)), np.zeros((0, 3))).coverage == 0.0
    with pytest.raises(ValueError, match="variant='x'"):
        TableLearner("x")
    with pytest.raises(ValueError, match="whole inputs"):
        _ = TableLearner("input").fit([[1]], [[1]]).coverage


def test_the_policys_gradient_is_that_of_its_success():
    rng = np.random.default_rng(5)
    table = TableLearner("tail", 2).fit(*examples(rng, 4, 2, 2))
    logits = logits_of(table, 2)
    a, b = (np.repeat(v, 200_000, axis=0) for v in ([[1, 0]], [[1, 1]]))
    played = play(logits, a, b, 2, rng.random(a.shape))

    def chance(z):
        p = softmax(z, axis=-1)
        return p[6, 1] * p[3, 1]  # (1, 1, 0) -> digit 0, carry 1; then (0, 1, 1) -> the same

    base = chance(logits)
    assert abs(played.correct.mean() - base) < 4 * np.sqrt(base * (1 - base) / len(a)) + 1e-12
    found = gradient(logits, played, played.correct)
    for row, out in ((6, 1), (3, 0), (3, 1)):
        step = np.zeros_like(logits)
        step[row, out] = 1e-5
        want = (chance(logits + step) - chance(logits - step)) / 2e-5
        assert abs(found[row, out] - want) < 5e-3
    with pytest.raises(ValueError, match="use tail or position"):
        logits_of(TableLearner("block").fit([[1]], [[1]]), 1)
