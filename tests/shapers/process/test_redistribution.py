"""Redistributed returns: by hand, equal sums, what the batch sees, laws, trainers."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl import parse
from toyrl.rollouts import Rollouts
from toyrl.shapers.process.redistribution import (
    Ircr,
    LatentReward,
    Rudder,
    UniformRedistribution,
    with_residual,
)
from toyrl.testing import return_equivalent

NAN = np.nan
ENDS = np.array([[[0, 1, 0, 1, 1.0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]]])
MASK = np.array([[[1, 1, 1, 1, 1.0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]]])


def texts(**more) -> Rollouts:
    """Three, two and no steps; the third text is empty."""
    own = np.array([[[9, 0.2, 9, 0.3, -0.1], [0.5, 0.25, NAN, 9, 9], [9] * 5]])
    so_far = np.array([[[9, 0.4, 9, 0.9, 0.7], [0.3, 0.1, 9, 9, 9], [9] * 5]])
    fields = {"step_rewards": own, "return_predictions": so_far, "step_ends": ENDS}
    return Rollouts(np.array([[1.0, 0.0, 1.0]]), MASK.sum(-1), 5.0, mask=MASK,
                    fields=fields, **more)  # fmt: skip


def paid(shaper, r):
    return np.asarray(shaper.apply(r).parts["redistributed"][0])


@pytest.mark.parametrize(("shaper", "first", "second"), [
    (LatentReward(), [0, 0.2, 0, 0.3, -0.1], [0.5, 0.25, 0, 0, 0]),
    (LatentReward(end=1.0), [0, 0.2, 0, 0.3, 0.5], [0.5, -0.5, 0, 0, 0]),
    (LatentReward(spread=1.0), [0, 0.4, 0, 0.5, 0.1], [0.125, -0.125, 0, 0, 0]),
    (UniformRedistribution(3.0), [0, 1, 0, 1, 1], [0, 0, 0, 0, 0]),
    (Ircr(), [0, 1, 0, 1, 1], [0, 0, 0, 0, 0]),
    (Rudder(), [0, 0.5, 0, 0.6, -0.1], [0.25, -0.25, 0, 0, 0]),
    (Rudder(start=0.4, spread=0.0), [0, 0, 0, 0.5, -0.2], [-0.1, -0.2, 0, 0, 0]),
])  # fmt: skip
def test_by_hand(shaper, first, second):
    found = paid(shaper, texts())
    assert found[0] == pytest.approx(first, abs=1e-15)
    assert found[1] == pytest.approx(second, abs=1e-15)
    assert not found[2].any()  # nothing is paid for an empty text


def test_the_sum_is_the_return():
    for text in ("latent_reward(end=1.0)", "latent_reward(spread=1.0)", "rudder()",
                 "rudder(start=0.7)", "uniform_redistribution()"):  # fmt: skip
        assert return_equivalent(parse(text), texts()) is None, text
    for text in ("latent_reward()", "rudder(spread=0.5)", "2*rudder()"):
        assert "more or less than its outcome" in str(return_equivalent(parse(text), texts()))


def test_the_guidance_is_scaled_over_the_batch():
    ends = np.array([[[1, 1, 0, 0.0], [1, 0, 0, 0]], [[1, 1, 1, 1], [1, 1, 0, 0]]])
    r = Rollouts(np.array([[1.0, 1.0], [1.0, 0.0]]), ends.sum(-1), 4.0, mask=ends)
    found = Ircr().apply(r).parts["redistributed"]  # R/K: 1/2, 1, 1/4, 0
    assert found[..., 0] == pytest.approx(np.array([[0.5, 1.0], [0.25, 0.0]]))
    alike = r.with_(correct=ends.sum(-1))
    assert not Ircr().apply(alike).parts["redistributed"].any()


def test_a_missing_step_reward_makes_the_text_unscorable():
    lost = texts().fields["step_rewards"].copy()
    lost[0, 0, 3] = NAN
    got = LatentReward().reward(texts().with_(step_rewards=lost))[0]
    assert np.isnan(got[0])
    assert got[1] == pytest.approx(0.75)


def test_what_is_left_may_be_split():
    r = texts()
    half = with_residual(r.fields["step_rewards"], r.correct, ENDS, end=0.5, spread=0.5)[0, 0]
    assert half == pytest.approx([0, 0.3, 0, 0.4, 0.3])
    assert LatentReward(end=0.5, spread=0.5).apply(r).parts["redistributed"][0, 0] == pytest.approx(
        half
    )
