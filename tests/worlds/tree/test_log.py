"""Prefix trees of logs: estimates against plain grouping, error bars against repetition."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.worlds.tree.routes import CLOSE
from toyrl.testing.strategies import whole
from toyrl.worlds.tree.build import random_tree
from toyrl.worlds.tree.log import from_sequences
from toyrl.worlds.tree.values import leaf_law, q_values, reach, sample_leaves, value


@st.composite
def logs(draw):
    """(sequences of tokens 1..3, token rewards, counts, discount), many prefixes shared."""
    n = draw(st.integers(1, 7))
    tokens = whole(draw, (n, 4), 0, 3).astype(int)
    sequences = [row[: 1 + int(np.argmin([*row[1:], 0]))].tolist() for row in tokens]
    paid = whole(draw, (n, 4), 0, 16) / 8 - 1
    each = [row[: len(s)].tolist() for row, s in zip(paid, sequences, strict=True)]
    counts = whole(draw, (n,), 1, 3)
    return sequences, each, counts, draw(st.sampled_from((1.0, 0.5)))


@given(logs())
def test_estimates_are_those_of_the_rollouts_through_each_prefix(log):
    sequences, paid, counts, discount = log
    found = from_sequences(sequences, token_rewards=paid, counts=counts, end=9, discount=discount)
    tree = found.tree
    through, onward = defaultdict(list), defaultdict(list)
    for s, r, c in zip(sequences, paid, counts, strict=True):
        full, pay = (*s, 9), [*r, 0.0]
        for t in range(len(full) + 1):
            to_go = sum(discount**k * x for k, x in enumerate(pay[t:]))
            through[full[:t]] += [to_go] * int(c)
            if t:
                onward[full[:t]] += [pay[t - 1] + discount * to_go] * int(c)
    assert {tree.prefix(n) for n in range(tree.n_nodes)} == set(through)
    for n in range(tree.n_nodes):
        prefix = tree.prefix(n)
        assert found.count[n] == len(through[prefix])
        np.testing.assert_allclose(found.value[n], np.mean(through[prefix]), **CLOSE)
        if n:
            np.testing.assert_allclose(found.q[n], np.mean(onward[prefix]), **CLOSE)
        kind = onward if tree.is_leaf[n] else through
        if len(kind[prefix]) > 1:
            error = np.std(kind[prefix], ddof=1) / np.sqrt(len(kind[prefix]))
            np.testing.assert_allclose(found.error[n], error, **CLOSE)
        else:
            assert found.error[n] == np.inf
    # the empirical policy's own values are the means of the rollouts
    np.testing.assert_allclose(value(tree), found.value, **CLOSE)
    np.testing.assert_allclose(q_values(tree), found.q, **CLOSE)
    ends = [tree.prefix(int(tree.leaves[i])) for i in found.leaf]
    assert ends == [(*s, 9) for s in sequences]


def test_repeated_sequences_with_different_rewards():
    """A judge's noise: the same text got 1, 0, 1."""
    found = from_sequences([[1, 2], [1, 2], [1, 2], [1, 3]], [1, 0, 1, 0.5], correct=[1, 0, 1, 0])
    leaf = found.tree.find([1, 2])
    assert found.q[leaf] == found.tree.reward[leaf] == pytest.approx(2 / 3)
    assert found.error[leaf] == pytest.approx(np.std([1, 0, 1], ddof=1) / np.sqrt(3))
    assert found.error[found.tree.find([1, 3])] == np.inf
    assert found.error[0] == pytest.approx(np.std([1, 0, 1, 0.5], ddof=1) / 2)
    assert found.tree.correct is not None
    assert found.tree.correct[leaf] == pytest.approx(2 / 3)
    assert not found.tree.dense


def test_a_log_of_a_tree_finds_its_law_and_its_values():
    """Estimates lie within their errors of the truth: about 68 in 100 within one, 95 within two."""
    truth = random_tree(np.random.default_rng(0), 4, 3, stop=0.2)
    texts = [[int(x) for x in s if x >= 0] for s in truth.sequences]
    exact = value(truth)
    often = truth.prefix(1 + int(reach(truth)[truth.parent == 0].argmax()))
    rng, off = np.random.default_rng(1), []
    for _ in range(150):
        drawn = sample_leaves(truth, rng, 400)
        found = from_sequences([texts[i] for i in drawn], truth.reward[truth.leaves[drawn]])
        for prefix in ((), often):
            n = found.tree.find(prefix)
            off.append((found.value[n] - exact[truth.find(prefix)]) / found.error[n])
    share = np.array([np.mean(np.abs(off) < k) for k in (1, 2)])
    # 300 draws: s.e. of a share at most 0.027; 4 of them, and the t-law at 400 is the normal one
    assert abs(share[0] - 0.683) < 4 * 0.027
    assert abs(share[1] - 0.954) < 4 * 0.013


def test_truncation_and_ends():
    found = from_sequences([[1], [1, 1], [1, 1, 1]], [1, 0, 0], end=0, truncated=[0, 0, 1])
    tree = found.tree
    assert [tree.prefix(n) for n in tree.leaves] == [(1, 0), (1, 1, 0), (1, 1, 1)]
    assert tree.truncated is not None
    assert tree.truncated[tree.leaves].tolist() == [False, False, True]
    np.testing.assert_allclose(leaf_law(tree), 1 / 3)


@pytest.mark.parametrize(
    ("sequences", "options", "said"),
    [
        ([], {}, "there are no sequences"),
        ([[1], []], {}, "sequence 1 is empty"),
        ([[1], [1, 2]], {}, "sequence 0 is the beginning of another: .* give end="),
        ([[1], [1]], {"truncated": [0, 1]}, "sequences 1 and 0 are the same, one truncated"),
        ([[1, -2]], {}, "sequence 0 holds a token below 0"),
        ([[1]], {"rewards": [1, 2]}, r"rewards has shape \(2,\); for 1 sequences"),
        ([[1]], {"counts": [0]}, r"counts\[0\] = 0 must be a whole number of 1 or more"),
        ([[1]], {"token_rewards": [[1, 2]]}, r"token_rewards\[0\] has 2 numbers for 1 tokens"),
        ([[1]], {"token_rewards": []}, r"token_rewards has 0 lists for 1 sequences"),
        ([[1]], {"rewards": [np.nan]}, r"reward\[1\] = nan is not finite"),
    ],
)
def test_refusals(sequences, options, said):
    with pytest.raises(ValueError, match=said):
        from_sequences(sequences, **{"rewards": None, **options})
