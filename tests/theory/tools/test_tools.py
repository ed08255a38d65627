"""The factored tool-call bandit by SymPy, by finite differences and by its own law."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from hypothesis import given
from hypothesis import strategies as st

from toyrl.theory.tools import granularity as law
from toyrl.theory.tools import trades

CHANCE = st.floats(0.01, 0.99)


@given(CHANCE, CHANCE, st.integers(0, 6), st.sampled_from(law.GRANULARITIES))
def test_the_mean_is_that_of_the_law_and_the_gradient_its_slope(a, v, keys, kind):
    paid, chance = law.tool_reward_law(a, v, keys, kind)
    assert chance.sum() == pytest.approx(1)
    assert law.tool_mean_reward(a, v, keys, kind) == pytest.approx(paid @ chance, abs=1e-12)

    def mean(z_a, z_v):
        p = 1 / (1 + np.exp(-np.array([z_a, z_v])))
        return law.tool_mean_reward(*p, keys, kind)

    at, h = np.log(np.array([a, v]) / (1 - np.array([a, v]))), 1e-5
    by_name, by_value = law.tool_gradient(a, v, keys, kind)
    # Central differences of numbers of size 3: h^2 and rounding / h.
    assert by_name == pytest.approx((mean(at[0] + h, at[1]) - mean(at[0] - h, at[1])) / (2 * h),
                                    abs=1e-8)  # fmt: skip
    all_values = (mean(at[0], at[1] + h) - mean(at[0], at[1] - h)) / (2 * h)
    assert keys * by_value == pytest.approx(all_values, abs=1e-8)


def test_the_crossing_in_symbols():
    v, n = sp.symbols("v n", positive=True)
    ratio = (v**n * (1 - v)) / (v * (1 - v) / (2 + n))
    for keys in (2, 3, 4, 9):
        where = sp.nsolve((ratio - 1).subs(n, keys), v, 0.5)
        assert law.granularity_crossing(keys) == pytest.approx(float(where))
        assert law.coarse_over_fine(float(where), keys) == pytest.approx(1)
    assert law.granularity_crossing(4) == pytest.approx(0.5503, abs=5e-5)
    assert law.granularity_crossing(1) == 0


def test_trades_by_hand():
    assert trades.accuracy_traded(0.94, [3.0, 1.0]) == pytest.approx([0.94 / 6, 0.47])
    assert trades.correctness_share([3.0, 1.0]) == pytest.approx([36 / 37, 4 / 5])
    coin = np.array([0.0, 1.0])
    total = (6 * coin - 3)[:, None] + coin
    assert trades.correctness_share() == pytest.approx((6 * coin).var() / total.var())
    assert trades.shotgun_reward([1, 2, 1e9], 4) == pytest.approx([3, 2.5, 2])


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: law.tool_mean_reward(1.2, 0.3, 4), "name=1.2 must lie in"),
        (lambda: law.tool_reward_law(0.3, 0.3, 1.5), "keys=1.5 must be a whole number"),
        (lambda: law.tool_gradient(0.3, 0.3, 2, "refined"), "granularity='refined' is not"),
        (lambda: trades.accuracy_traded(-1.0), "gain=-1.0 must be"),
        (lambda: trades.correctness_share(0.0, 0.0), "not both 0"),
        (lambda: trades.shotgun_reward(0, 4), "calls=0.0 must be"),
    ],
)
def test_refusals(call, said):
    with pytest.raises(ValueError, match=said):
        call()
