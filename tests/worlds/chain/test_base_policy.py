"""Base policies by targets: reached, reported, refused."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.worlds.chain.base_policy import (
    fit_base_policy,
    fit_many,
    policy_basis,
)
from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.model import ACTIONS, HELLO, Chain
from toyrl.worlds.chain.paths import enumerate_paths
from toyrl.worlds.chain.simulate import sample_trajectories

NOISY = Chain(slip=0.05, flag_noise=0.2, tokens_per_action=10.0)


def observed(chain, theta):
    """(success by difficulty, over the mix, mean tokens of right, of wrong, of all) by the
    reference DP."""
    prob = class_probabilities(chain, theta)
    right, length = chain.class_correct(), chain.class_length()
    mix = np.asarray(chain.shares) @ prob
    means = [(mix * w * length).sum() / (mix * w).sum() for w in (right, 1 - right, 1 + 0 * right)]
    return prob @ right, mix @ right, *means


@pytest.mark.parametrize(
    ("chain", "right", "wrong"),
    [
        (NOISY, 100.0, 140.0),
        (NOISY, 140.0, 150.0),
        (NOISY.with_(actions=ACTIONS), 120.0, 180.0),
        (NOISY.with_(difficulties=(8, 2)), 150.0, 150.0),
    ],
)
def test_targets_are_met_as_the_reference_sees_them(chain, right, wrong):
    rates = dict(zip((2, 8), (0.8, 0.3), strict=True))
    theta, achieved = fit_base_policy(
        chain, success=rates, mean_length_right=right, mean_length_wrong=wrong
    )
    success, *rest = observed(chain, theta)
    wanted = [rates[d] for d in chain.difficulties]
    assert theta.shape == chain.policy_shape
    assert success == pytest.approx(wanted, abs=0.01)
    assert rest[1:3] == pytest.approx([right, wrong], rel=0.02)
    assert achieved.reached.all()
    assert achieved.values[0] == pytest.approx([*success, *rest], abs=1e-8)


def test_wrong_may_be_longer_than_right_and_the_mean_length_a_target():
    theta, achieved = fit_base_policy(NOISY, success={8: 0.3}, mean_length=160.0)
    success, *_, mean = observed(NOISY, theta)
    assert success[1] == pytest.approx(0.3, abs=0.01)
    assert mean == pytest.approx(160, rel=0.02)
    assert np.isnan(achieved.asked[0, 0])


SHORT = Chain(
    difficulties=(1, 2), shares=(0.3, 0.7), max_actions=4, depth=2, slip=0.1, flag_noise=0.2
)


def test_success_over_the_mix_as_every_path_and_a_sample_have_it():
    theta, achieved = fit_base_policy(
        SHORT, mean_success=0.25, mean_length_right=3.0, mean_length_wrong=3.3
    )
    assert achieved.reached[0]
    assert np.isnan(achieved.asked[0, :2]).all()  # success by difficulty is left free
    every = [enumerate_paths(SHORT, theta, d) for d in SHORT.difficulties]
    weight = np.concatenate([s * p.prob for s, p in zip(SHORT.shares, every, strict=True)])
    correct, length = (
        np.concatenate([getattr(p, n) for p in every]).astype(float) for n in ("correct", "length")
    )
    right, wrong = weight * correct, weight * (1 - correct)
    exact = [right.sum(), right @ length / right.sum(), wrong @ length / wrong.sum()]
    assert achieved.values[0, 2:5] == pytest.approx(exact, abs=1e-9)
    assert exact == pytest.approx([0.25, 3.0, 3.3], rel=0.02, abs=0.01)

    n = 40_000
    drawn = [sample_trajectories(SHORT, theta, d, n, seed=d) for d in SHORT.difficulties]
    rate = sum(s * t.correct.mean() for s, t in zip(SHORT.shares, drawn, strict=True))
    assert rate == pytest.approx(exact[0], abs=4 * 0.5 / np.sqrt(n))  # 4 standard errors at most


def test_a_fit_in_closed_form():
    """With one action a rollout is right if it answers (p) and the guess is right (g): p g."""
    one = HELLO.with_(max_actions=1, guess=0.05)
    theta, achieved = fit_base_policy(one, mean_success=0.03, entropy_weight=1e-9)
    p = one.policy(theta)[0, 0, 0, one.actions.index("ANSWER")]
    assert p * 0.05 == pytest.approx(achieved.mix[0], abs=1e-12)
    assert p == pytest.approx(0.6, rel=1e-4)
    _, achieved = fit_base_policy(one, mean_success=0.3)
    assert achieved.mix[0] <= 0.05
    assert "success 0.05, asked 0.3: not reached" in achieved.describe()


def test_both_ways_to_ask_for_success_agree():
    rates = (0.8, 0.3)
    theta, _ = fit_base_policy(NOISY, success=rates, mean_length=150.0)
    mean = float(np.dot(NOISY.shares, rates))
    _, achieved = fit_base_policy(NOISY, success=rates, mean_success=mean, mean_length=150.0)
    assert achieved.reached[0]
    assert observed(NOISY, theta)[1] == pytest.approx(mean, abs=0.01)
    _, torn = fit_base_policy(NOISY, success=rates, mean_success=0.9)
    assert not torn.reached[0]  # 0.9 is not the mean of 0.8 and 0.3
    assert "success" in torn.describe()


@pytest.mark.slow
def test_targets_not_reached_are_said():
    """Without flag, errors and (at this length) truncation, wrong answers come first."""
    one = HELLO.with_(difficulties=(4,), shares=(1.0,), guess=0.0, max_actions=200)
    _, achieved = fit_base_policy(
        one, success=(0.5,), mean_length_right=10.0, mean_length_wrong=15.0
    )
    assert not achieved.reached[0]
    assert achieved.wrong[0] < achieved.right[0] + 1e-6
    assert "not reached" in str(achieved)
    # Each of 8 units of progress costs a step, free of error at 0.9: a bound that the family,
    # smooth in m, comes close to (it can't stop at m = 8 and never at 7).
    slips = Chain(difficulties=(8,), shares=(1.0,), progress=1.0, slip=0.1, guess=0.0)
    _, achieved = fit_base_policy(slips, success=(0.9,))
    assert achieved.success[0, 0] <= 0.9**8 + 1e-9
    assert achieved.success[0, 0] >= 0.9 * 0.9**8
    assert "asked 0.9: not reached" in str(achieved)


def test_even_logits_are_preferred_among_policies_that_fit():
    spread = []
    for weight in (1e-4, 1.0):
        theta, _ = fit_base_policy(NOISY, success={2: 0.8}, entropy_weight=weight)
        spread.append(theta.std(axis=-1).mean())
    assert spread[1] < spread[0]


def worlds(n, seed=0):
    rng = np.random.default_rng(seed)
    easy = rng.integers(1, 5, n)
    hard = easy + rng.integers(1, 4, n)
    rho = rng.random(n)
    return {
        "difficulties": np.stack([easy, hard], axis=1),
        "shares": np.stack([rho, 1 - rho], axis=1),
        "flag_noise": 0.5 * rng.random(n),
        "slip": 0.1 * rng.random(n),
        "guess": 0.2 * rng.random(n),
        "progress": 0.6 + 0.35 * rng.random(n),
        "success": np.stack([np.full(n, np.nan), 0.2 + 0.2 * rng.random(n)], axis=1),
        "mean_length": 10 + 8 * rng.random(n),
    }


@pytest.mark.slow
def test_many_worlds_are_each_as_the_reference_sees_them():
    chain = Chain(slip=0.05, flag_noise=0.2, depth=8)
    w = worlds(16)
    theta, achieved = fit_many(chain, **w)
    assert achieved.reached.mean() >= 0.75
    for i in range(16):
        own = {k: float(w[k][i]) for k in ("flag_noise", "slip", "guess", "progress")}
        one = chain.with_(
            difficulties=tuple(int(d) for d in w["difficulties"][i]),
            shares=tuple(w["shares"][i]),
            **own,
        )
        success, *rest = observed(one, theta[i])
        assert achieved.values[i] == pytest.approx([*success, *rest], abs=1e-8)


@pytest.mark.slow
def test_a_world_does_not_depend_on_its_neighbours():
    chain = Chain(slip=0.05, flag_noise=0.2, depth=8)
    w = worlds(6)
    both, _ = fit_many(chain, **w)
    one, _ = fit_many(chain, **{k: v[2:3] for k, v in w.items()})
    # Rows stop together, so a neighbour may grant a world a few more iterations.
    assert one[0] == pytest.approx(both[2], abs=0.05)


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ({"success": (0.5, 1.2)}, "success=1.2"),
        ({"success": (0.5,)}, "one rate per difficulty"),
        ({"mean_success": -0.1}, "success=-0.1"),
        ({"success": {3: 0.5}}, r"no difficulty \[3\]"),
        ({"mean_length_right": 50.0}, "50 tokens"),
    ],
)
def test_bad_targets_are_named(targets, said):
    with pytest.raises(ValueError, match=said):
        fit_base_policy(HELLO, **targets)
    with pytest.raises(ValueError, match="no done flag"):
        fit_many(HELLO, flag_noise=0.1)


def test_basis_spans_constants_and_ramps():
    basis = policy_basis(HELLO, np.array([[2, 8]]))
    stop = basis[0, :3, 0, 0, :, 2]
    assert stop[0].tolist() == [1] * 9
    assert stop[1].tolist() == [0, 0.5, 1, 1, 1, 1, 1, 1, 1]
    assert stop[2] == pytest.approx([0, 0, 0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1])
