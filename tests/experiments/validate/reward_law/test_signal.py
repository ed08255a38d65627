"""Signal of a group: exact numbers against enumeration, and the section of `validate`."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from toyrl.dynamics.groups.class_weights import signal
from toyrl.estimators.group import PRESETS
from toyrl.experiments.validate.reward_law import bench
from toyrl.experiments.validate.reward_law import signal as section
from toyrl.experiments.validate.reward_law.law import RewardLaw, UserReward
from toyrl.rollouts import Rollouts
from toyrl.shapers.length.absolute import LinearLength
from toyrl.shapers.length.relative import EfficientReasoning
from toyrl.shapers.outcome import Outcome


def classes(prob, correct):
    prob = np.atleast_2d(np.asarray(prob, dtype=float))
    correct = np.broadcast_to(np.asarray(correct, dtype=float), prob.shape).copy()
    return Rollouts(correct, np.ones_like(prob), 10.0, weight=prob)


def enumerate_groups(prob, reward, correct, estimator, G):
    """Variance, zero-signal share, snr and sign error by all K^G ordered groups."""
    index = np.array(list(itertools.product(range(len(prob)), repeat=G)))
    chance = np.repeat(np.prod(prob[index], axis=-1)[:, None] / G, G, axis=1)
    total = np.asarray(reward, dtype=float)[index]
    truth = np.asarray(correct, dtype=float)[index]
    group = Rollouts(truth[:, None], np.ones((len(index), 1, G)), 9.0)
    a = estimator.apply({"r": total[:, None]}, group)[0][:, 0]
    right = truth > 0
    mean = (chance * a).sum()
    variance = (chance * (a - mean) ** 2).sum()
    up = (chance * a * right).sum() / (chance * right).sum()
    down = (chance * a * ~right).sum() / (chance * ~right).sum()
    usable = [row[~np.isnan(row)] for row in total]
    tied = np.array([len(x) == 0 or np.ptp(x) == 0 for x in usable])
    bad = (chance * right * (a < 0)).sum() / (chance * right).sum()
    return variance, (chance.sum(-1) * tied).sum(), (up - down) ** 2 / variance, bad


@pytest.mark.parametrize("name", [n for n in PRESETS if "batch" not in n and n != "reinforce_mean"])
@pytest.mark.parametrize("G", [2, 3, 4])
@pytest.mark.parametrize(
    "reward", [[1.0, 0.0, 0.6, 0.7, 1.0], [1.0, 0.0, np.nan, 0.2, 1.0]], ids=["finite", "nan"]
)
def test_signal_equals_enumeration(name, G, reward):
    prob = np.array([0.1, 0.3, 0.25, 0.2, 0.15])
    correct = [1, 0, 1, 0, 1]
    expected = enumerate_groups(prob, reward, correct, PRESETS[name], G)
    s = signal(classes(prob, correct), np.array([reward]), PRESETS[name], G)
    got = (s.advantage_variance[0], s.zero_signal[0], s.snr[0], s.sign_error[0])
    assert s.method == "compositions"
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_sampled_signal_agrees_with_the_exact_one():
    prob = np.array([0.1, 0.3, 0.25, 0.2, 0.15])
    reward, correct = np.array([1.0, 0.0, 0.6, 0.7, 1.0]), [1, 0, 1, 0, 1]
    r = classes(prob, correct)

    r = r.with_(length=np.arange(5.0)[None])

    def parts(x):  # a plain function may look at its group: it is sampled
        return {"r": reward[x.length.astype(int)]}

    exact = signal(r, reward[None], PRESETS["grpo"], 4)
    drawn = signal(r, parts, PRESETS["grpo"], 4, samples=20_000)
    assert drawn.method == "sampled"
    # 20,000 groups: a share has a standard error below .0036, the others are of order one.
    np.testing.assert_allclose(drawn.zero_signal, exact.zero_signal, atol=0.015)
    np.testing.assert_allclose(drawn.sign_error, exact.sign_error, atol=0.015)
    np.testing.assert_allclose(drawn.advantage_variance, exact.advantage_variance, atol=0.03)
    np.testing.assert_allclose(drawn.snr, exact.snr, atol=0.05)


def test_outcome_only_in_closed_form():
    p, G = np.array([0.1, 0.5, 0.9]), 8
    r = classes(np.stack([p, 1 - p], axis=1), [1, 0])
    s = signal(r, r.correct, PRESETS["rloo"], G)
    np.testing.assert_allclose(s.zero_signal, p**G + (1 - p) ** G, atol=1e-14)
    # RLOO: E[A|c] - E[A|w] = 1 and Var(A) = p(1-p) G/(G-1).
    np.testing.assert_allclose(s.advantage_variance, p * (1 - p) * G / (G - 1), atol=1e-13)
    np.testing.assert_allclose(s.snr, (G - 1) / (G * p * (1 - p)), rtol=1e-11)
    assert np.all(s.sign_error == 0)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("G", [1, 2, 8, math.inf])
@pytest.mark.parametrize("right", [0.0, 1.0])
def test_one_sided_prompts_have_no_direction(name, G, right):
    r = classes([[0.5, 0.5]], [right, right])
    s = signal(r, np.full((1, 2), np.float32(0.1)), PRESETS[name], G)
    assert s.advantage_variance[0] == 0
    assert s.snr[0] == 0
    assert s.zero_signal[0] == 1
    assert np.isnan(s.sign_error[0]) if right == 0 else s.sign_error[0] == 0


def test_huge_rewards_do_not_overflow():
    r = classes([[0.5, 0.5]], [1, 0])
    s = signal(r, np.array([[1e30, -1e30]]), PRESETS["grpo_exact"], 2)
    assert s.advantage_variance[0] == pytest.approx(0.25)  # A is +-1/sqrt(2) in half the groups
    assert s.zero_signal[0] == 0.5


@pytest.fixture(scope="module")
def reference():
    return bench.reference(bench.template(512), (0.1, 0.5, 0.9), 150.0)[0]


def findings(answer):
    return {f.name: f for f in answer.findings}


def test_outcome_only_reward_is_its_own_yardstick(reference):
    law = RewardLaw(reference.chain, Outcome())
    answer = section.run(law, reference, PRESETS["grpo"], 8)
    found = findings(answer)
    assert answer.number == 3
    assert found["signal/snr"].value == pytest.approx(1.0)
    assert found["signal/snr"].status == "pass"
    assert found["signal/sign-errors"].value == 0
    p = reference.success
    assert found["signal/zero"].value == pytest.approx(np.mean(p**8 + (1 - p) ** 8))
    assert answer.summary.endswith(".")
    assert [len(row) for row in answer.tables[0].rows] == [len(answer.tables[0].columns)] * 3


def test_heavy_length_penalty_pushes_right_rollouts_down(reference):
    law = RewardLaw(reference.chain, Outcome() - LinearLength(alpha=20.0))
    found = findings(section.run(law, reference, PRESETS["grpo"], 8, notes=("a note",)))
    assert found["signal/sign-errors"].status == "warn"
    assert found["signal/sign-errors"].value > 0.2
    assert found["signal/snr"].status == "warn"
    assert found["signal/snr"].value < 0.5
    assert found["signal/zero"].status == "info"
    assert found["signal/note"].message == "a note"


def test_group_shaper_is_sampled_on_real_groups(reference):
    law = RewardLaw(reference.chain, EfficientReasoning(0.3))
    one = section.run(law, reference, PRESETS["grpo"], 4, seed=1)
    two = section.run(law, reference, PRESETS["grpo"], 4, seed=1)
    assert one.tables[0].rows == two.tables[0].rows
    assert "sampled" in one.tables[0].caption
    assert findings(one)["signal/zero"].value < 1


def test_text_reward_that_cannot_be_scored_anywhere(reference):
    K = reference.chain.n_classes
    law = RewardLaw(reference.chain, UserReward(), np.full((8, K), np.nan), np.zeros((8, K)))
    found = findings(section.run(law, reference, PRESETS["grpo"], 8))
    assert found["signal/zero"].value == 1
    assert found["signal/snr"].status == "warn"


def test_text_variance_within_a_class_is_part_of_the_noise(reference):
    K = reference.chain.n_classes
    mean = np.broadcast_to(reference.chain.class_correct(), (8, K)).copy()
    still = RewardLaw(reference.chain, UserReward(), mean, np.zeros((8, K)))
    noisy = RewardLaw(reference.chain, UserReward(), mean, np.full((8, K), 4.0))
    a, b = (findings(section.run(x, reference, PRESETS["grpo"], 8)) for x in (still, noisy))
    assert a["signal/snr"].value == pytest.approx(1.0)
    assert b["signal/snr"].value < 0.5
    assert b["signal/sign-errors"].value > 0.05
