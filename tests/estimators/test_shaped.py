"""An estimator on a shaper of the summed reward: what it hands on, and to the class engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.dynamics.groups.class_weights import class_weights
from toyrl.estimators.shaped import PRESETS, ShapedReward
from toyrl.expressions import ExpressionError, parse, parse_estimator, to_expression
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import MemoryField
from toyrl.shapers.outcome import Outcome

SEED = st.integers(0, 2**32 - 1)
CAP = "shaped(shaper=clipped(outcome() - 0.5*linear_length(), 0, 1), inner={})"
PLAIN = ("rloo", "grpo", "grpo_batch", "reinforce_mean", "opo", "renorm", "dler", "averaged")


def ragged(rng: np.random.Generator, groups: int = 3, size: int = 5) -> tuple[Any, Rollouts]:
    """Two parts with a reward that is missing, and rollouts with absent and doubled rows."""
    shape = (groups, size)
    r = Rollouts(
        correct=(rng.random(shape) < 0.5) * 1.0,
        length=rng.integers(1, 9, shape) * 1.0,
        max_length=8.0,
        weight=rng.integers(0, 3, shape) * 1.0,
        mask=np.ones((*shape, 4)),
        fields={"step_scores": rng.random((*shape, 4)), "judge": rng.random(shape)},
    )
    parts = {"a": rng.random(shape), "b": 2 * rng.random(shape)}
    parts["b"][0, 0] = np.nan
    return parts, r


@pytest.mark.parametrize("inner", PLAIN)
@given(seed=SEED)
def test_the_default_is_the_inner_estimator(inner: str, seed: int) -> None:
    """Outcome() pays the summed reward as it is: every inner estimator sees what it saw."""
    parts, r = ragged(np.random.default_rng(seed))
    plain, e = parse_estimator(inner), parse_estimator(f"shaped(inner={inner})")
    want, _ = plain.apply({"reward": parts["a"] + parts["b"]}, r)
    got, _ = e.apply(parts, r)
    assert np.array_equal(got, want)
    assert (e.token_level, set(plain.needs) <= set(e.needs)) == (plain.token_level, True)


@given(seed=SEED)
def test_the_summed_reward_stands_for_the_outcome(seed: int) -> None:
    """Shaping by hand and the estimator agree; the inner estimator keeps the rollouts' outcome."""
    parts, r = ragged(np.random.default_rng(seed))
    e = parse_estimator("trust_grpo(inner=dler())")
    assert isinstance(e, ShapedReward)
    paid = parse("trust()").reward(r.with_(correct=parts["a"] + parts["b"]))
    assert np.array_equal(e.reward(parts, r), paid, equal_nan=True)
    want, _ = parse_estimator("dler").apply({"reward": paid}, r)
    assert np.array_equal(e.apply(parts, r)[0], want)


@pytest.mark.parametrize("inner", ["grpo()", "grpo_batch()", "rloo_normalized()"])
@pytest.mark.parametrize("group_size", [2.0, 4.0, float("inf")])
def test_on_classes_it_is_the_shaped_reward_under_the_inner_estimator(
    inner: str, group_size: float
) -> None:
    """Two routes to the class weights: the shaper as the reward, or inside the estimator."""
    rng = np.random.default_rng(0)
    shape = (2, 3)
    r = Rollouts((rng.random(shape) < 0.5) * 1.0, rng.integers(1, 9, shape) * 1.0, 8.0,
                 weight=rng.random(shape))  # fmt: skip
    e = parse_estimator(CAP.format(inner))
    assert isinstance(e, ShapedReward)
    got = class_weights(r, parse("outcome()"), e, group_size=group_size).w
    want = class_weights(r, e.shaper, parse_estimator(inner), group_size=group_size).w
    assert got == pytest.approx(want, abs=1e-8)


def test_whole_batches_are_needed_for_group_rewards_with_batch_statistics() -> None:
    r = Rollouts(np.array([[1.0, 0.0]]), np.ones((1, 2)), 8.0, weight=np.array([[0.5, 0.5]]),
                 fields={"judge": np.array([[0.2, 0.9]])})  # fmt: skip
    e = parse_estimator("trust_grpo(inner=grpo_batch())")
    with pytest.raises(ValueError, match="need whole batches"):
        class_weights(r, parse("outcome()"), e, group_size=3, method="compositions")


@pytest.mark.parametrize("name", PRESETS)
def test_expressions_read_back(name: str) -> None:
    e = PRESETS[name]
    assert parse_estimator(to_expression(e)) == e
    text = "shaped(shaper=trust(alpha=0.5), inner=rloo())"
    assert to_expression(parse_estimator(text)) == text


def test_what_does_not_fit_is_named() -> None:
    class Best(Outcome):
        memory = (MemoryField("best", "max", 0.0),)

    with pytest.raises(ValueError, match=r"remembers best between visits"):
        ShapedReward(Best())
    with pytest.raises(ExpressionError, match=r"shaped\(shaper=...\) is a reward, not 3"):
        parse_estimator("shaped(shaper=3)")
