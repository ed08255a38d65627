"""Base policies by targets: reached, reported, refused."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.worlds.chain.base_policy import (
    fit_base_policy,
    fit_many,
    levenberg_marquardt,
    policy_basis,
)
from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.model import ACTIONS, HELLO, Chain

NOISY = Chain(slip=0.05, flag_noise=0.2, tokens_per_action=10.0)


def observed(chain, theta):
    """(success by difficulty, mean tokens of right, of wrong, of all) from the reference DP."""
    prob = class_probabilities(chain, theta)
    right, length = chain.class_correct(), chain.class_length()
    mix = np.asarray(chain.shares) @ prob
    means = [(mix * w * length).sum() / (mix * w).sum() for w in (right, 1 - right, 1 + 0 * right)]
    return prob @ right, *means


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
    success, *lengths = observed(chain, theta)
    wanted = [rates[d] for d in chain.difficulties]
    assert theta.shape == chain.policy_shape
    assert success == pytest.approx(wanted, abs=0.01)
    assert lengths[:2] == pytest.approx([right, wrong], rel=0.02)
    assert achieved.reached.all()
    assert achieved.values[0] == pytest.approx([*success, *lengths], abs=1e-8)


def test_wrong_may_be_longer_than_right_and_the_mean_length_a_target():
    theta, achieved = fit_base_policy(NOISY, success={8: 0.3}, mean_length=160.0)
    success, _, _, mean = observed(NOISY, theta)
    assert success[1] == pytest.approx(0.3, abs=0.01)
    assert mean == pytest.approx(160, rel=0.02)
    assert np.isnan(achieved.asked[0, 0])


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
        success, *lengths = observed(one, theta[i])
        assert achieved.values[i] == pytest.approx([*success, *lengths], abs=1e-8)


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


def test_least_squares_solves_a_known_problem_in_every_row():
    """Rosenbrock's function from several starts: minimum 0 at (1, 1)."""

    def residual(p):
        x, y = p.T
        r = np.stack([10 * (y - x**2), 1 - x], axis=-1)
        zero = 0 * x
        J = np.stack([np.stack([-20 * x, 10 + zero], -1), np.stack([-1 + zero, zero], -1)], 1)
        return r, J

    p, cost = levenberg_marquardt(residual, np.array([[-1.2, 1.0], [3.0, -2.0], [0.0, 0.0]]))
    assert p == pytest.approx(np.ones((3, 2)), abs=1e-6)
    assert np.all(cost < 1e-12)
