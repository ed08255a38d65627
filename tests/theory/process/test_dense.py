"""Totals and baselines of dense rewards by loops, values of key chains by enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from toyrl.theory.process.dense import baseline_gap, dense_total, key_chain_values

RNG = np.random.default_rng(0)


def test_totals_and_gaps_by_loops():
    r, K = [RNG.normal(size=n) for n in (3, 5, 1)], 3
    means = np.array([x.mean() for x in r])
    total = dense_total(means, [3, 5, 1])
    for i, x in enumerate(r):
        others = means[[j for j in range(K) if j != i]].mean()
        assert total[i] == pytest.approx(sum(v - others for v in x), abs=1e-12)
        released = [v * K / (K - 1) - means.sum() / (K - 1) for v in x]
        gap = [sum(released[t:]) - sum(v - others for v in x[t:]) for t in range(len(x))]
        assert baseline_gap(x, K) == pytest.approx(gap, abs=1e-12)
        assert baseline_gap(x, K)[0] == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("keys", [(1, 2), (2, 4), (4,)])
def test_key_chain_values(keys: tuple[int, ...]):
    T, p = 4, 0.3
    leaves = np.array(list(itertools.product((0, 1), repeat=T)))  # 0 : the right token at a key
    law = np.where(leaves == 0, p, 1 - p).prod(-1)
    right = (leaves[:, [k - 1 for k in keys]] == 0).all(-1)
    for t in range(T + 1):
        below = (leaves[:, :t] == 0).all(-1)
        chance = law[below & right].sum() / law[below].sum()
        assert key_chain_values(keys, T, p)[t] == pytest.approx(chance, abs=1e-12)


def test_refusals():
    with pytest.raises(ValueError, match="needs 2"):
        dense_total([0.5], [3])
    with pytest.raises(ValueError, match="K=1"):
        baseline_gap([0.5], 1)
    with pytest.raises(ValueError, match="from 1 to 4"):
        key_chain_values([5], 4, 0.5)
