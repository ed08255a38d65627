"""Variance of segment gradients by enumeration, through the estimators; the best length."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from toyrl.estimators.tokens import Gae
from toyrl.rollouts import Rollouts
from toyrl.theory.process.credit import (
    best_segment_count,
    gae_credit_variance,
    holistic_credit_variance,
    segment_objective,
)


def enumerated(q: float, L: int, lam: float, *, dense: bool) -> np.ndarray:
    """(L,) variance of (x_j - q) A_j over all outcomes, with an exact critic."""
    x = np.array(list(itertools.product((0.0, 1.0), repeat=L)))
    weight = np.where(x == 1, q, 1 - q).prod(-1)
    left, so_far = (L - np.arange(L)) * q, x.cumsum(-1) - x
    values = left if dense else left + so_far
    reward = x if dense else np.where(np.arange(L) == L - 1, x.sum(-1, keepdims=True), 0.0)
    length, mask = np.full((1, len(x)), L * 1.0), np.ones((1, *x.shape))
    r = Rollouts(0 * length, length, L * 1.0, mask=mask,
                 fields={"values": np.broadcast_to(values, (1, *x.shape))})  # fmt: skip
    a = np.asarray(Gae(lam=lam, whitened=False).apply({"x": reward[None]}, r)[0][0])
    g = (x - q) * a
    mean = weight @ g
    return weight @ (g - mean) ** 2


@pytest.mark.parametrize(("q", "L"), [(0.3, 5), (0.5, 1), (0.9, 4), (0.0, 3)])
@pytest.mark.parametrize("lam", [0.0, 0.95, 1.0])
def test_variances_are_those_of_the_estimators(q: float, L: int, lam: float):
    want = gae_credit_variance(q, L, lam)
    assert enumerated(q, L, lam, dense=True) == pytest.approx(want, abs=1e-13)
    # The limit of the claim: an exact critic makes the end as good a place as any.
    assert enumerated(q, L, lam, dense=False) == pytest.approx(want, abs=1e-13)


def test_holistic_is_the_sum_less_its_mean():
    q, L = 0.3, 5
    x = np.array(list(itertools.product((0.0, 1.0), repeat=L)))
    weight = np.where(x == 1, q, 1 - q).prod(-1)
    g = (x - q) * (x.sum(-1, keepdims=True) - L * q)
    assert holistic_credit_variance(q, L) == pytest.approx(
        weight @ (g - weight @ g) ** 2, abs=1e-14
    )


def test_the_table_of_paper_51s_toy():
    """L 5, q 0.3: derived by hand from v = 0.21."""
    assert holistic_credit_variance(0.3, 5) == pytest.approx([0.21] * 5, abs=1e-15)
    to_go = [0.21, 0.1659, 0.1218, 0.0777, 0.0336]
    assert gae_credit_variance(0.3, 5) == pytest.approx(to_go, abs=1e-15)
    assert gae_credit_variance(0.3, 5, 0.0) == pytest.approx([0.0336] * 5, abs=1e-15)


def test_the_best_length_by_a_fine_grid():
    at = {"completeness": 3.0, "rate": 0.3, "relevant": 0.25}
    n = np.linspace(0, 20, 200_001)
    found = [n[np.argmax(segment_objective(n, w, **at))] for w in (0.4, 0.3, 0.2)]
    want = [best_segment_count(w, **at) for w in (0.4, 0.3, 0.2)]
    assert found == pytest.approx(want, abs=1e-4)
    assert want == pytest.approx([5.0136, 5.9725, 7.3241], abs=5e-5)
    assert math.isinf(best_segment_count(0.3, **{**at, "relevant": 0.5}))
    assert best_segment_count(100.0, **at) == 0.0
