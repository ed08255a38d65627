"""Trust-GRPO, as printed and as released: hand-worked groups, edge cases and laws."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.estimators.group import GroupEstimator
from toyrl.estimators.shaped import PRESETS, ShapedReward
from toyrl.expressions import parse_estimator
from toyrl.rollouts import Rollouts
from toyrl.shapers.judge.trust import Trust, TrustReleased, trust_weight

SEED = st.integers(0, 2**32 - 1)


def group(outcome: Any, judge: Any, step: float = 0.0, weight: Any = None) -> Rollouts:
    outcome = np.array([outcome], dtype=float)
    own = None if weight is None else np.array([weight], dtype=float)
    return Rollouts(outcome, np.ones_like(outcome), 8.0, step=step, weight=own,
                    fields={"judge": np.array([judge], dtype=float)})  # fmt: skip


def reward(rule: Trust, outcome: Any, judge: Any, **more: Any) -> np.ndarray:
    """What the estimator on that rule hands to its inner estimator."""
    r = group(outcome, judge, **more)
    return ShapedReward(rule).reward({"outcome": r.correct}, r)[0]


def gamma(outcome: Any, judge: Any) -> float:
    r = group(outcome, judge)
    return float(trust_weight(r.correct, r.fields["judge"], r.w)[0, 0])


# -- hand-worked groups ----------------------------------------------------------------------------
def test_by_hand() -> None:
    outcome, judge = [1, 1, 0, 0], [0.2, 0.4, 0.9, 0.7]  # means 0.3 and 0.8
    assert gamma(outcome, judge) == pytest.approx(math.exp(-0.5))
    got = reward(Trust(alpha=0.5, horizon=100.0), outcome, judge, step=50.0)
    a = math.exp(-0.5) * 0.5 * math.exp(-0.5)
    assert got == pytest.approx([1 + 0.2 * a, 1 + 0.4 * a, 0.9 * a, 0.7 * a])
    assert gamma(outcome, judge[::-1]) == 1.0


@pytest.mark.parametrize("outcome", [[1, 1, 1], [0, 0, 0]])
def test_one_class_only_trusts_the_judge_in_the_paper_and_not_in_the_code(outcome: Any) -> None:
    judge = [0.1, 0.5, 0.9]
    want = np.array(outcome) + 0.3 * np.array(judge)
    assert reward(Trust(), outcome, judge) == pytest.approx(want)
    assert reward(TrustReleased(horizon=1500.0), outcome, judge).tolist() == outcome


def test_boundaries() -> None:
    assert gamma([0.5, 0.4], [0.0, 1.0]) == pytest.approx(math.exp(-1))  # 0.5 is right
    assert gamma([1, 0], [0.6, 0.6]) == 1.0
    assert gamma([0.4, 0.4], [0.0, 1.0]) == 1.0


def test_released_with_binary_outcomes_never_distrusts() -> None:
    """Wrong rollouts are judged 0, so the trust weight is 1 however wrong the judge is."""
    outcome, judge = [1, 0, 0, 0], [0.1, 1.0, 1.0, 1.0]
    assert reward(TrustReleased(horizon=1500.0), outcome, judge) == pytest.approx([1.03, 0, 0, 0])
    assert reward(Trust(), outcome, judge)[1] > 0.1


def test_released_distrusts_graded_outcomes_from_0_2_to_0_5() -> None:
    e = TrustReleased(horizon=1500.0)
    got = reward(e, [1, 0.3], [0.2, 1.0])
    assert got == pytest.approx([1 + 0.3 * 0.2 * math.exp(-0.8), 0.3 + 0.3 * math.exp(-0.8)])


def test_a_right_rollout_can_be_pushed_down() -> None:
    """G - 1 right, one judged 0 and the rest 1, one wrong: negative iff a > 1/(G - 2)."""
    outcome, judge = [1] * 7 + [0], [0] + [1] * 6 + [0]
    r = group(outcome, judge)
    for a, sign in ((1 / 6 - 1e-9, 1), (1 / 6 + 1e-9, -1)):
        got = ShapedReward(Trust(alpha=a)).apply({"outcome": r.correct}, r)[0][0]
        assert np.sign(got[0]) == sign


def test_edge_cases() -> None:
    e = PRESETS["trust_grpo"]
    for outcome, judge in (([1], [0.5]), ([1] * 7, [0.1] * 7), ([0] * 4, [0] * 4)):
        r = group(outcome, judge)
        assert not e.apply({"outcome": r.correct}, r)[0].any()
    clean, other = group([1, 0, 1], [0.1, 0.9, 0.5]), group([1, 0, 1, 1], [0.1, 0.9, 0.5, math.nan])
    want = e.apply({"outcome": clean.correct}, clean)[0][0]
    got = e.apply({"outcome": other.correct}, other)[0][0]
    assert got.tolist() == [*want, 0]
    huge = group([1e30, 0, 1e30], [0.1, 0.9, 0.5])
    assert np.isfinite(e.apply({"outcome": huge.correct}, huge)[0]).all()
    padded = group([1, 0, 1, 1], [0.1, 0.9, 0.5, 0.0], weight=[1, 1, 1, 0])
    got = e.apply({"outcome": padded.correct}, padded)[0][0]
    assert got.tolist() == [*want, 0]


def test_equal_float32_rewards_are_exactly_zero() -> None:
    tenth = np.full((1, 7), 0.1, dtype=np.float32)
    r = Rollouts(tenth, tenth, 8.0, fields={"judge": tenth})
    got = PRESETS["trust_grpo"].apply({"outcome": tenth}, r)[0]
    assert got.dtype == np.float32
    assert not got.any()


# -- laws ------------------------------------------------------------------------------------------
@given(SEED)
def test_laws(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size, alpha = int(rng.integers(2, 9)), float(rng.random())
    outcome, judge = rng.integers(0, 2, size) * 1.0, rng.integers(0, 9, size) / 8
    g = gamma(outcome, judge)
    assert math.exp(-1) - 1e-12 <= g <= 1
    assert gamma(outcome, judge + 3) == pytest.approx(g)
    up = judge.copy()
    up[0] += 0.5
    assert gamma(outcome, up) >= g - 1e-12 if outcome[0] else gamma(outcome, up) <= g + 1e-12
    got = reward(Trust(alpha=alpha), outcome, judge)
    assert ((got >= outcome) & (got - outcome <= alpha + 1e-12)).all()
    if outcome.any() and not outcome.all():
        assert got[outcome == 1].min() > got[outcome == 0].max()
    later = reward(Trust(alpha=alpha), outcome, judge, step=100.0)
    assert (later <= got + 1e-12).all()
    assert reward(Trust(), outcome, judge, step=1e9) == pytest.approx(outcome)
    paid = reward(TrustReleased(horizon=1500.0), outcome, judge)
    assert (paid[outcome == 0] == 0).all()


def printed(outcome: Any, judge: Any, step: float, *, variant: str, horizon: float) -> np.ndarray:
    """The rewards of one group, from the equations: a loop over rollouts, no shaper."""
    if variant == "released":
        mixed = min(outcome) < 0.9 and max(outcome) > 0.1
        judge = [j if mixed and o >= 0.2 else 0.0 for o, j in zip(outcome, judge, strict=True)]
    of = [
        [j for o, j in zip(outcome, judge, strict=True) if (o >= 0.5) == k] for k in (True, False)
    ]
    gamma = 1.0
    if variant != "untrusted" and all(of):
        gamma = float(np.exp(min(0.0, sum(of[0]) / len(of[0]) - sum(of[1]) / len(of[1]))))
    fade = 0.3 * float(np.exp(-step / horizon))
    return np.array([o + gamma * fade * j for o, j in zip(outcome, judge, strict=True)])


RULES = {
    "paper": ("trust_grpo", 1500.0, 0.0),
    "released": ("trust_grpo_released", 500.0, 1e-6),
    "untrusted": ("trust_grpo(shaper=trust(distrust=0))", 1500.0, 0.0),
}


@pytest.mark.parametrize("variant", RULES)
@given(seed=SEED)
def test_the_presets_are_the_printed_rule_to_the_bit(variant: str, seed: int) -> None:
    """Outcomes and scores in 64ths and half of the group right, so that means are exact."""
    name, horizon, eps = RULES[variant]
    rng = np.random.default_rng(seed)
    half, step = 2 ** int(rng.integers(0, 3)), float(rng.integers(1000))
    outcome = np.concatenate([rng.integers(32, 65, half), rng.integers(0, 32, half)]) / 64
    judge = rng.integers(0, 65, 2 * half) / 64
    want = printed(outcome.tolist(), judge.tolist(), step, variant=variant, horizon=horizon)
    r, e = group(outcome, judge, step=step), parse_estimator(name)
    assert isinstance(e, ShapedReward)
    assert e.reward({"outcome": r.correct}, r)[0].tolist() == want.tolist()
    got = e.apply({"part": 0.25 * r.correct, "rest": 0.75 * r.correct}, r)[0]
    assert got.tolist() == GroupEstimator(eps=eps).advantages(want[None], r).tolist()


def test_bad_options_are_named() -> None:
    with pytest.raises(ValueError, match="horizon=0 is not a number > 0"):
        Trust(horizon=0)
    r = Rollouts(np.ones((1, 2)), np.ones((1, 2)), 8.0)
    with pytest.raises(KeyError, match=r"trust_grpo\(\) needs rollouts.fields\['judge'\]"):
        PRESETS["trust_grpo"].apply({"outcome": r.correct}, r)
