"""The triangle at a token budget, its band and its schedules (card 17)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl import parse
from toyrl.rollouts import Rollouts
from toyrl.shapers.length.budget import TokenBudget
from toyrl.shapers.schedules import Decay, Stairs
from toyrl.testing import check_invariants, rollouts

LENGTHS = st.lists(st.integers(0, 400), min_size=1, max_size=8)


def pay(shaper: TokenBudget, length: object, step: float = 0) -> np.ndarray:
    x = np.asarray([length], dtype=float)
    return shaper.reward(Rollouts(np.zeros_like(x), x, 500.0, step=step))[0]


def slow(x: float, budget: float, band: bool = False) -> float:
    """The card's cases."""
    if x <= budget:
        return 1.0 if band else x / budget
    return 1 - (x - budget) / budget if x <= 2 * budget else 0.0


@given(LENGTHS, st.integers(2, 200))
def test_against_its_cases(length: list[int], budget: int):
    """Invariants 1 and 3: in [0, 1], peak at the budget, band above and equal from there on."""
    triangle, band = (pay(TokenBudget(budget, band=b), length) for b in (0, 1))
    assert triangle == pytest.approx([slow(x, budget) for x in length], abs=1e-12)
    assert band == pytest.approx([slow(x, budget, True) for x in length], abs=1e-12)
    assert np.all((triangle >= 0) & (triangle <= 1) & (band >= triangle))
    assert pay(TokenBudget(budget), [budget]).tolist() == [1.0]


@given(st.integers(2, 100), st.integers(0, 100), st.integers(1, 9))
def test_symmetry_and_scale(budget: int, d: int, a: int):
    """Invariants 1 and 2."""
    d = min(d, budget)
    low, high = pay(TokenBudget(budget), [budget - d, budget + d])
    assert low == pytest.approx(high, abs=1e-12)
    x = np.arange(0, 3 * budget)
    assert pay(TokenBudget(a * budget), a * x) == pytest.approx(
        pay(TokenBudget(budget), x), abs=1e-12
    )


def test_length_zero_is_paid_by_the_band_alone():
    assert pay(TokenBudget(50), [0]).tolist() == [0.0]
    assert pay(TokenBudget(50, band=1), [0]).tolist() == [1.0]
    assert pay(TokenBudget(0.1), [50]).tolist() == [1.0]  # a share of the limit


def test_a_budget_never_falls_below_one_token():
    r = Rollouts(np.zeros((1, 2)), np.array([[1.0, 2.0]]), 4.0)
    assert TokenBudget(0.01).reward(r)[0].tolist() == [1.0, 0.0]


@given(rollouts(needs=("format",), weights="none"))
def test_the_whole_reward(r: Rollouts):
    """Invariants 5 and 6: bounds, separable, and no length without its weight."""
    whole = parse("0.6*outcome() + token_budget(0.4, alpha=0.3) + 0.1*formatted()")
    parts = whole.apply(r).parts
    value = whole.reward(r)
    assert np.all((value >= 0) & (value <= 1 + 1e-12))
    assert parts["format"] == pytest.approx(0.1 * r.fields["format"])
    none = parse("0.6*outcome() + token_budget(0.4, alpha=0) + 0.1*formatted()")
    longer = r.with_(length=np.minimum(r.length + 1, r.max_length))
    np.testing.assert_array_equal(none.reward(r), none.reward(longer))


@pytest.mark.slow
def test_invariants_as_laws():
    assert check_invariants("token_budget(0.4)", invariants=["length_unit"], max_examples=60).ok
    law = ["wrong_never_above_right"]
    assert check_invariants("outcome() + token_budget(0.4, alpha=0.3)", invariants=law).ok
    heavy = "0.3*outcome() + token_budget(0.4, alpha=0.6)"
    assert check_invariants(heavy, invariants=law, max_examples=200).broken() == tuple(law)


@given(rollouts(needs=("think_end",), weights="none"))
def test_the_thinking_alone_as_length(r: Rollouts):
    """A slow count of what stands before the first mark, into any reward of length."""
    mask, marks = np.asarray(r.mask), r.fields["think_end"]
    own = np.zeros(r.shape)
    for place in np.ndindex(*r.shape):
        for live, mark in zip(mask[place], marks[place], strict=True):
            if live and mark > 0.5:
                break
            own[place] += live
    for text in ("token_budget(2)", "laser(target=0.5)", "kimi()"):
        got = parse(f"on_trace({text})").reward(r)
        np.testing.assert_array_equal(got, parse(text).reward(r.with_(length=own)))


# -- schedules -------------------------------------------------------------------------------------
def test_published_budgets():
    """256, 179, 125, 87 at updates 0, 150, 300, 450 of 600; then 87."""
    s = Stairs(256, 87, 3, 600)
    assert [round(s(t)) for t in (0, 149, 150, 299, 300, 449, 450, 600, 10_000)] == [
        256, 256, 179, 179, 125, 125, 87, 87, 87]  # fmt: skip


@given(st.integers(1, 12), st.integers(1, 2000), st.floats(1, 500), st.floats(1, 500))
def test_stairs(n: int, steps: int, start: float, end: float):
    """Invariant 4: flat between cuts, the ends hit exactly, geometric at most linear."""
    s, line = Stairs(start, end, n, steps), Stairs(start, end, n, steps, geometric=0)
    assert s(0) == start
    assert s(steps) == pytest.approx(end)
    at = np.arange(0, steps + 1, max(1, steps // 40))
    k = np.array([min(int(t) * (n + 1) // steps, n) for t in at])
    assert [s(int(t)) for t in at] == pytest.approx(start * (end / start) ** (k / n), rel=1e-12)
    assert [line(int(t)) for t in at] == pytest.approx(start + (end - start) * k / n)
    assert all(s(int(t)) <= line(int(t)) + 1e-9 for t in at)
    np.testing.assert_allclose(s(at.astype(float)), [s(int(t)) for t in at], rtol=1e-12)


@given(st.floats(0.1, 1), st.integers(1, 100), st.floats(1, 500))
def test_decay(factor: float, every: int, start: float):
    d = Decay(start, factor, every)
    at = np.arange(0, 500, 7)
    want = [max(1.0, start * factor ** (int(t) // every)) for t in at]
    assert [d(int(t)) for t in at] == pytest.approx(want, rel=1e-12)
    np.testing.assert_allclose(d(at.astype(float)), want, rtol=1e-9)


def test_schedules_in_expressions_and_refusals():
    shaper = parse("token_budget(stairs(256, 87, 3, 600), alpha=0.3)")
    assert pay(shaper, [87], step=450).tolist() == [0.3]  # pyright: ignore[reportArgumentType]
    assert parse("truncation(stairs(4000, 2000, 2, 300, 0))").target(150) == 3000  # pyright: ignore[reportAttributeAccessIssue]
    assert parse("token_budget(decay(256, 0.7, 150))") == TokenBudget(Decay(256, 0.7, 150))
    with pytest.raises(ValueError, match="geometric=0"):
        Stairs(5, 0, 3, 600)
    with pytest.raises(ValueError, match="decays"):
        Stairs(5, 1, 0, 600)
