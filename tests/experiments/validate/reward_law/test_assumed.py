"""Rewards that read what the chain doesn't hold: judged with a declared latent, which is named."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.dynamics.chain.prior import prior
from toyrl.estimators.group import PRESETS
from toyrl.experiments.render.html import report_page
from toyrl.experiments.validate.api import judged
from toyrl.experiments.validate.collapse.train_worlds import Runner
from toyrl.experiments.validate.contract.shaper import run_shaper
from toyrl.experiments.validate.reward_law import bench
from toyrl.experiments.validate.reward_law import signal as section
from toyrl.experiments.validate.reward_law.law import RewardLaw, UserReward
from toyrl.experiments.validate.settings import Settings
from toyrl.expressions import parse
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.shapers.outcome import Outcome

CHAIN = bench.template(512)
K = CHAIN.n_classes


def test_a_potential_alone_says_why_nothing_can_be_judged_and_what_to_do():
    report, _ = judged(["potential()"], Settings(), n_worlds=2)
    assert report.verdict == "INCONCLUSIVE"
    assert not report.error
    assert "pays every rollout of a prompt the same" in report.reasons[0]
    assert "outcome() + this term" in report.reasons[0]
    found = {f.name: f for f in report.findings}
    assert found["contract/assumed-potential"].status == "info"
    assert "0.25 of the limit" in found["contract/assumed-potential"].message
    (said,) = report.to_dict()["assumed"]
    assert said["latent"] == "Progress"
    assert said["numbers"] == {"over": 0.25}
    assert "0.25 of the limit" in report_page(report)


@pytest.mark.parametrize(
    ("text", "gold", "constant"),
    [
        ("trust()", True, False),
        ("mode_reward()", True, False),
        ("outcome() + potential()", True, False),
        ("potential(discount=0.9)", False, False),
        ("potential()", False, True),
    ],
)
def test_the_contract_reads_assumed_fields(text, gold, constant):
    made, contract = run_shaper(parse(text))
    assert contract.reads_gold is gold
    assert contract.constant is constant
    assert all(f.status != "fail" for f in made.findings)


def test_a_term_paid_by_token_is_judged_by_its_total():
    reference, _ = bench.reference(CHAIN, (0.5,), 150.0)
    law = RewardLaw(CHAIN, parse("outcome() + potential()"))
    found = {f.name: f for f in section.run(law, reference, PRESETS["grpo"], 4).findings}
    assert found["signal/snr"].value == pytest.approx(1.0)  # a constant per prompt changes nothing


# -- noise in training -------------------------------------------------------------------------
def runner(variance: float) -> Runner:
    mean = np.broadcast_to(CHAIN.class_correct(), (8, K)).copy()
    law = RewardLaw(CHAIN, UserReward(), mean, np.full((8, K), variance))
    return Runner(law, PRESETS["grpo"], PolicyGradient(aggregation="grpo"), 4)


@pytest.fixture(scope="module")
def worlds():
    return prior(CHAIN, 2, typical_length=150.0)


def test_a_changed_reward_keeps_its_noise(worlds):
    reward, variance = runner(4.0).changed(worlds, lambda own, right: right + 3 * own)
    np.testing.assert_allclose(reward, np.broadcast_to(4 * CHAIN.class_correct(), reward.shape))
    np.testing.assert_allclose(variance, np.full(reward.shape, 36.0))
    assert runner(0.0).changed(worlds, lambda own, _: own)[1] is None


def test_finite_groups_feel_a_noisy_reward(worlds):
    still, noisy = (runner(v).finite(worlds, 1.0, 1.0, short_only=True)[0] for v in (0.0, 25.0))
    clean = Runner(
        RewardLaw(CHAIN, Outcome()), PRESETS["grpo"], PolicyGradient(aggregation="grpo"), 4
    ).finite(worlds, 1.0, 1.0, short_only=True)[0]
    np.testing.assert_array_equal(still, clean)
    assert (noisy * worlds.batch.shares).sum() < (still * worlds.batch.shares).sum() - 0.02
