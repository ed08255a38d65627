"""The NumPy updates of a few answers against the compiled engine of `toyrl.dynamics.bandit`."""

import numpy as np

from toyrl.dynamics.bandit import exact
from toyrl.dynamics.bandit.softmax import Bandit, Recipe
from toyrl.estimators.group import PRESETS
from toyrl.experiments.core.work import counted
from toyrl.experiments.lab import answers
from toyrl.experiments.lab.draws import draws
from toyrl.objectives.compose import Sum
from toyrl.objectives.kl import KlPenalty
from toyrl.objectives.policy_gradient import PolicyGradient

REWARD, START = np.array([1.0, 1.0, 0.0, 0.0]), np.log([0.03, 0.27, 0.4, 0.3])


def recipe(**options) -> Recipe:
    loss = Sum((PolicyGradient("sum", clip_high=0.28), KlPenalty("sum", kind="k3", beta=0.1)))
    return Recipe(PRESETS["grpo"], loss, 4, rate=0.3, inner=6, **options)


def test_expected_updates_are_those_of_the_compiled_engine():
    reference = np.zeros(4)
    with counted() as tally:
        found = answers.expected(REWARD, START[None], recipe(refill=True), 12, reference=reference)
    want = exact.train_expected(
        Bandit(REWARD), START[None], recipe(refill=True), 12, reference=reference[None]
    )
    np.testing.assert_allclose(found, want, rtol=0, atol=1e-12)
    assert tally.units > 12 * 6 * 35 * 4  # updates, steps, groups, answers


def test_the_mean_over_runs_is_that_of_all_outcomes_of_one_update():
    r = Recipe(PRESETS["grpo_exact"], PolicyGradient("sum"), 3, rate=0.2)
    coin, z = np.array([1.0, 0.0]), np.array([[0.0, 0.5]])
    groups = answers.every_group(2, 3)
    chance = answers.chances(z, groups)[0]
    each = [answers.learn(z, coin, g[None, None], r)[0] for g in groups[0]]
    want = sum(p / (1 + np.exp(x[0] - x[1])) for p, x in zip(chance, each, strict=True))
    found = answers.mean_over_runs(coin, 0.5, r, 1, lambda second: second[:, None])
    assert abs(chance.sum() - 1) < 1e-12
    assert abs(found[1, 0] - want) < 1e-6
    assert abs(found[0, 0] - 1 / (1 + np.exp(-0.5))) < 1e-6


def test_sampled_runs_refill_groups_of_equal_rewards():
    r = Recipe(PRESETS["dr_grpo"], PolicyGradient("sum"), 2, groups=5, refill=True)
    path, drawn = answers.sampled(np.array([1.0, 0.0]), np.log([0.5, 0.5]), r, 1, 400, draws(0))
    # Half of all pairs are mixed, each moves the logit by the same, and takes two draws.
    assert np.ptp(path[1, :, 0]) < 1e-12
    assert abs(drawn.mean() / 5 - 2) < 4 * np.sqrt(2 / (400 * 5))
    assert path[1, 0, 0] > path[0, 0, 0]
