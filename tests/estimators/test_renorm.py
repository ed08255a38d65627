"""ReNorm: step rewards by hand, sign consistency, credit per step, missing scores."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.estimators.renorm import OPTIONS, ReNorm
from toyrl.rollouts import Rollouts

SEED = st.integers(0, 2**32 - 1)


def group(outcome: Any, scores: Any, **fields: Any) -> Rollouts:
    """One prompt; scores are lists of unequal length."""
    width = max(map(len, scores))
    outcome = np.array([outcome], dtype=float)
    padded = np.array([[list(s) + [0.75] * (width - len(s)) for s in scores]], dtype=float)
    length = np.array([[len(s) for s in scores]], dtype=float)
    mask = (np.arange(width) < length[..., None]) * 1.0
    extra = {k: np.array([v], dtype=float) for k, v in fields.items()}
    return Rollouts(outcome, length, float(width), mask=mask,
                    fields={"step_scores": padded, **extra})  # fmt: skip


def rewards(e: ReNorm, r: Rollouts) -> list[list[float]]:
    return e.rewards(r.correct, r)[0].tolist()


def advantages(e: ReNorm, r: Rollouts) -> np.ndarray:
    return e.apply({"outcome": r.correct}, r)[0][0]


# -- hand-worked -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("design", "want"),
    [
        ("renorm", [[0.25, 1, 0.5], [-0.75, -0.5, 0]]),
        ("broadcast", [[1.25, 2, 1.5], [0.25, 0.5, 0]]),
        ("add", [[0.25, 1, 1.5], [0.25, 0.5, 0]]),
        ("mean", [[0, 0, 1.75 / 3 + 1], [0, 0.375, 0]]),
        ("process", [[0.25, 1, 0.5], [0.25, 0.5, 0]]),
        ("outcome", [[0, 0, 1], [0, 0, 0]]),
    ],
)
def test_step_rewards_by_hand(design: str, want: Any) -> None:
    r = group([1, 0], [[0.25, 1, 0.5], [0.25, 0.5]])
    assert rewards(ReNorm(design), r) == [pytest.approx(x) for x in want]


def test_advantages_are_returns_less_the_siblings_at_the_same_step() -> None:
    r = group([1, 0], [[0.25, 1, 0.5], [0.25, 0.5]])  # to go: 1.75, 1.5, 0.5 and -1.25, -0.5
    assert advantages(ReNorm(), r).tolist() == [[1.5, 1, 0], [-1.5, -1, 0]]
    raw = ReNorm(baseline="none")
    assert advantages(raw, r).tolist() == [[1.75, 1.5, 0.5], [-1.25, -0.5, 0]]


def test_extremes_cancel_exactly() -> None:
    r = group([0, 1], [[1, 1, 1], [0, 0, 0]])
    assert rewards(ReNorm(), r) == [[0, 0, 0], [0, 0, 0]]
    assert not advantages(ReNorm(), r).any()


def test_missing_score_is_neutral_and_the_final_one_an_option() -> None:
    r = group([1, 0], [[math.nan, 0.5, math.nan], [0.5, math.nan, 0.5]])
    assert rewards(ReNorm(), r) == [[0.5, 0.5, 0.5], [-0.5, -0.5, -0.5]]
    assert rewards(ReNorm(final="outcome"), r) == [[0.5, 0.5, 1], [-0.5, -0.5, -0.5]]


def test_steps_of_several_tokens() -> None:
    """Two steps of two and one tokens, against two of one and two; one trailing token."""
    r = group(
        [1, 0],
        [[9, 0.25, 1, 9], [0.25, 9, 0.5, 9]],
        step_ends=[[0, 1, 1, 0], [1, 0, 1, 0]],
    )
    assert rewards(ReNorm(), r) == [[0, 0.25, 1, 0], [-0.75, 0, -0.5, 0]]
    # To go at step 1: 1.25 and -1.25, at step 2: 1 and -0.5.
    assert advantages(ReNorm(), r).tolist() == [[1.25, 1.25, 0.75, 0], [-1.25, -0.75, -0.75, 0]]


@given(SEED)
def test_one_token_steps_agree_with_marked_ones(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = [rng.integers(0, 9, rng.integers(1, 6)) / 8 for _ in range(4)]
    r = group(rng.integers(0, 2, 4), scores)
    assert r.mask is not None
    marked = r.with_(step_ends=r.mask)
    assert advantages(ReNorm(), marked) == pytest.approx(advantages(ReNorm(), r), abs=1e-12)


@pytest.mark.parametrize("outcome", [[1, 1, 1], [0, 0, 0]])
def test_uniform_outcomes_still_credit_steps(outcome: Any) -> None:
    r = group(outcome, [[1, 0], [0, 0], [0, 1]])
    assert advantages(ReNorm(), r).any()
    assert not advantages(ReNorm("outcome"), r).any()
    tied = group(outcome, [[0.1, 0.7]] * 3)
    assert not advantages(ReNorm(), tied).any()


def test_group_of_one_empty_rollout_nan_and_huge() -> None:
    assert not advantages(ReNorm(), group([1], [[0.3, 0.1]])).any()
    empty = advantages(ReNorm(), group([1, 0, 1], [[], [0.5], [1]]))
    assert empty.tolist() == [[0], [-0.75], [0.75]]
    gone = advantages(ReNorm(), group([math.nan, 0, 1], [[0.5], [0.5], [1]]))
    assert gone.tolist() == [[0], [-0.75], [0.75]]
    assert np.isfinite(advantages(ReNorm(), group([1e30, 0], [[0.5, 1], [0.5, 0]]))).all()


# -- laws ------------------------------------------------------------------------------------------
@given(SEED)
def test_signs_range_and_symmetry(seed: int) -> None:
    rng = np.random.default_rng(seed)
    outcome = rng.integers(0, 2, 5)
    scores = [rng.integers(0, 9, rng.integers(1, 6)) / 8 for _ in range(5)]
    r = group(outcome, scores)
    reward = ReNorm().rewards(r.correct, r)[0]
    assert np.abs(reward).max() <= 1
    assert (reward[outcome == 1] >= 0).all()
    assert (reward[outcome == 0] <= 0).all()
    total = [s.sum() - len(s) * (1 - o) for s, o in zip(scores, outcome, strict=True)]
    assert reward.sum(-1) == pytest.approx(total)
    other = group(1 - outcome, [1 - s for s in scores])
    assert ReNorm().rewards(other.correct, other)[0] == pytest.approx(-reward)
    to_go = advantages(ReNorm(baseline="none"), r)
    assert (to_go[outcome == 0] <= 0).all()
    assert (to_go[outcome == 1] >= 0).all()


@given(SEED, st.integers(1, 6))
def test_fixed_length_makes_renorm_and_broadcast_one(seed: int, steps: int) -> None:
    rng = np.random.default_rng(seed)
    r = group(rng.integers(0, 2, 4), rng.random((4, steps)))
    got, want = advantages(ReNorm(), r), advantages(ReNorm("broadcast"), r)
    assert got == pytest.approx(want, abs=1e-12)
    raw = [advantages(ReNorm(d, baseline="none"), r) for d in ("broadcast", "renorm")]
    left = np.broadcast_to(steps - np.arange(steps), (4, steps))
    assert raw[0] - raw[1] == pytest.approx(left, abs=1e-12)


def test_bad_options_are_named() -> None:
    for name in OPTIONS:
        with pytest.raises(ValueError, match=f"{name}='odd' is not one of"):
            ReNorm(**{name: "odd"})
    r = Rollouts(np.ones((1, 2)), np.ones((1, 2)), 8.0)
    with pytest.raises(KeyError, match="needs rollouts"):
        ReNorm().apply({"outcome": r.correct}, r)
