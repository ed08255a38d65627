"""Coverage and success by enumeration of all small training sets."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from toyrl.theory.traces.coverage import (
    addition_coverage,
    addition_success,
    key_coverage,
    position_coverage,
    table_shares,
    trace_keys,
)
from toyrl.theory.traces.verifier import trace_cost, trace_prefix_mean, trace_prefix_variance
from toyrl.worlds.traces.addition import FORMATS, cost
from toyrl.worlds.traces.learners import UNSEEN, TableLearner


def everything(length):
    """All additions of that length in base 2: (16^..., length) of each operand."""
    grid = np.array(list(itertools.product((0, 1), repeat=2 * length)))
    return grid[:, :length], grid[:, length:]


def test_coverage_of_two_examples_by_enumeration():
    a, b = everything(2)
    pairs = np.array(list(itertools.product(range(16), repeat=2)))
    full, placed = [], []
    for pair in pairs:
        full.append(TableLearner("tail", 2).fit(a[pair], b[pair]).known != UNSEEN)
        placed.append(TableLearner("position", 2).fit(a[pair], b[pair]).known != UNSEEN)
    assert np.mean(full) == pytest.approx(addition_coverage(2, 2, (2,)), rel=1e-12)
    one = np.mean(placed, axis=0)[1].reshape(2, 2, 2)[1, 1, 1]  # place 1, digits 1 and 1, carry 1
    assert one == pytest.approx(1 - (1 - 1 / 16) ** 2, rel=1e-12)
    mixed = position_coverage(2, 2, 2)  # half of the examples have one digit
    assert mixed[1, 1, 0] == pytest.approx(1 - (1 - 1 / 32) ** 2, rel=1e-12)


def test_success_of_a_table_by_enumeration():
    rng = np.random.default_rng(1)
    known = rng.random((2, 2, 2)) < 0.7
    x, y, c = np.nonzero(known)
    total = x + y + c
    table = TableLearner("tail", 2).learn((x * 2 + y) * 2 + c, 2 * (total % 2) + total // 2, 0 * x)
    for n in (1, 3, 5):
        want = table.success(*everything(n)).mean()
        assert addition_success(2, table_shares(2, known), n) == pytest.approx(want, abs=1e-14)


def test_numbers_of_the_text():
    assert [trace_keys(v, 20) for v in ("tail", "position", "block")] == [200, 4000, 20000]
    assert key_coverage(200, 550)[0] == pytest.approx(0.9365, abs=5e-5)
    assert addition_coverage(10, 100, tuple(range(1, 11))) == pytest.approx(0.9258, abs=5e-5)
    with pytest.raises(ValueError, match="by table_shares"):
        addition_success(10, np.ones((10, 10, 2)), 3)
    with pytest.raises(ValueError, match="no multiple of block=2"):
        trace_cost("block", 3)
    for form in FORMATS:
        assert [trace_cost(form, n) for n in (2, 12, 102)] == [cost(form, n) for n in (2, 12, 102)]


def test_prefix_moments_by_enumeration():
    q, n = 0.3, 5
    bits = np.array(list(itertools.product((0, 1), repeat=n)))
    weight = np.where(bits == 1, q, 1 - q).prod(-1)
    share = bits.cumprod(-1).mean(-1)
    mean = weight @ share
    assert trace_prefix_mean(q, n) == pytest.approx(mean, rel=1e-13)
    assert trace_prefix_variance(q, n) == pytest.approx(weight @ (share - mean) ** 2, rel=1e-12)
