"""Flipped verdicts: their law in the classes, and the draws by output and by prompt."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.expressions import parse
from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import class_rollouts
from toyrl.shapers.judge.verifier import Verified
from toyrl.theory.noise.channel import noisy_success
from toyrl.worlds.chain.latents.base import Kinds
from toyrl.worlds.chain.latents.verifier import VerifierFlips
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.chain.reward_table import RewardTable

RATES = st.floats(0, 1)


def rollouts(prompts: int, group: int, *, cut: bool = False) -> Rollouts:
    right = np.tile(np.arange(group) % 2, (prompts, 1)) * 1.0
    return class_rollouts(None, correct=right * ~np.bool_(cut), length=1.0 + 0 * right,
                          max_length=4.0, truncated=np.full(right.shape, cut),
                          group_size=None)  # fmt: skip


@given(RATES, RATES)
def test_the_law_is_the_channel(up: float, down: float):
    kinds = Kinds(np.array([1.0, 0.0, 0.0]), np.ones(3), np.array([False, False, True]), 4.0,
                  np.full(3, np.nan))  # fmt: skip
    weight, fields = VerifierFlips(up, down).law(kinds)
    assert fields["verified"].tolist() == [0, 1]
    assert weight.sum(-1) == pytest.approx(np.ones(3))
    assert weight[:2, 1] == pytest.approx(noisy_success(np.array([1.0, 0.0]), up, down))
    assert weight[2].tolist() == [1, 0]


@pytest.mark.parametrize("by", ["output", "prompt"])
def test_draws_have_the_rate_and_groups_are_flipped_together_by_prompt(by: str):
    r = rollouts(20_000, 4)
    verdict = VerifierFlips(0.3, 0.3, by=by).sample(r, np.random.default_rng(1)).fields["verified"]
    flipped = verdict != r.correct
    units = flipped[:, 0] if by == "prompt" else flipped.ravel()
    assert abs(units.mean() - 0.3) <= 4 * np.sqrt(0.21 / units.size)
    together = (flipped == flipped[:, :1]).all(-1).mean()
    want = 1.0 if by == "prompt" else 0.3**4 + 0.7**4
    assert abs(together - want) <= 4 * np.sqrt(want * (1 - want) / len(r.correct))


@pytest.mark.parametrize("by", ["output", "prompt"])
def test_no_flips_and_certain_flips_and_cut_rollouts(by: str):
    rng, r = np.random.default_rng(0), rollouts(3, 5)
    assert np.array_equal(VerifierFlips(0, 0, by=by).sample(r, rng).fields["verified"], r.correct)
    turned = VerifierFlips(1, 1, by=by).sample(r, rng).fields["verified"]
    assert np.array_equal(turned, 1 - r.correct)
    twice = VerifierFlips(1, 1, by=by).sample(r.with_(correct=turned), rng).fields["verified"]
    assert np.array_equal(twice, r.correct)
    cut = VerifierFlips(1, 1, by=by).sample(rollouts(3, 5, cut=True), rng)
    assert not cut.fields["verified"].any()


def test_what_is_no_law_of_a_rollout_is_refused():
    with pytest.raises(ValueError, match="by='prompt' is no law of one rollout"):
        VerifierFlips(0.2, 0.2, by="prompt").law(
            Kinds(*np.zeros((2, 1)), np.zeros(1, bool), 1.0, np.zeros(1))
        )
    with pytest.raises(ValueError, match="make them equal or flip by output"):
        VerifierFlips(0.1, 0.2, by="prompt")
    with pytest.raises(ValueError, match=r"false_negative=1\.5 is not a number in \[0, 1\]"):
        VerifierFlips(1.5)
    with pytest.raises(ValueError, match="by='group' is not one of output, prompt"):
        VerifierFlips(by="group")


def test_a_reward_is_paid_by_verdicts():
    r = rollouts(2, 4).with_(verified=np.array([[1.0, 0, 0, 1], [0, 0, 1, 1]]))
    assert Verified().reward(r).tolist() == r.fields["verified"].tolist()
    own = parse("verified(outcome(right=2, wrong=-1) - 0.5*linear_length())")
    length = parse("linear_length()").reward(r)
    assert own.reward(r) == pytest.approx(3 * r.fields["verified"] - 1 - 0.5 * length)


def test_the_reward_table_knows_the_channel():
    chain = Chain(max_actions=6, depth=8)
    table = RewardTable(chain, parse("verified()"), latents=(VerifierFlips(0.3, 0.05),))
    mean = table.fold(table.values(), range(1, 9))
    right, cut = chain.class_correct(), chain.class_truncated()
    want = noisy_success(right, 0.3, 0.05) * ~cut
    assert mean[..., : len(right)] == pytest.approx(np.broadcast_to(want, mean.shape))
