"""Rules read off a table against the estimators called at every update."""

import numpy as np

from toyrl.dynamics.bandit.softmax import Recipe
from toyrl.estimators.group import PRESETS
from toyrl.experiments.core.work import counted
from toyrl.experiments.lab import answers, tables
from toyrl.experiments.lab.bandits import flow_path
from toyrl.experiments.lab.draws import draws
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rollouts import Rollouts
from toyrl.theory.group import mass_dynamics
from toyrl.theory.policies import softmax

REWARD, START, G = np.array([0.5, 1.0, 0.0, 1.0]), np.array([0.3, 0.1, 0.4, 0.2]), 4
NAMES = ("grpo_exact", "dr_grpo")


def rule(name: str) -> tables.Rule:
    return lambda x: np.asarray(PRESETS[name].apply({"r": x}, Rollouts(x, 0 * x + 1, 1.0))[0])


RULES = [rule(n) for n in NAMES]


def test_expected_updates_are_those_of_the_estimators():
    found = tables.expect_rules(START, REWARD, RULES, 6, size=G, step=0.3)
    for k, name in enumerate(NAMES):
        recipe = Recipe(PRESETS[name], PolicyGradient("sum"), G, rate=0.3)
        want = softmax(answers.expected(REWARD, np.log(START)[None], recipe, 6)[:, 0])
        np.testing.assert_allclose(found[:, k], want, rtol=0, atol=1e-12)


def test_the_mean_of_one_sampled_update_is_the_expected_one():
    with counted() as tally:
        path = tables.train_rules(
            START, REWARD, RULES, 1, size=G, step=0.1, runs=4000, rng=draws(1)
        )
    z = np.log(path[1]) - np.log(path[1]).mean(-1, keepdims=True)
    want = np.log(tables.expect_rules(START, REWARD, RULES, 1, size=G, step=0.1)[1])
    far = z.mean(1) - want + want.mean(-1, keepdims=True)
    assert np.all(np.abs(far) < 4.5 * z.std(1) / np.sqrt(4000))
    assert tally.units > 2 * 4000 * 4


def test_a_run_stops_when_its_mean_reward_passes_the_limit():
    stopped = tables.train_rules(START, REWARD, RULES, 80, size=G, step=0.5, runs=9, rng=draws(2),
                                 until=0.8)  # fmt: skip
    mean = stopped @ REWARD
    moved = np.any(stopped[1:] != stopped[:-1], axis=-1)
    assert (mean[-1] > 0.8).all()
    assert not moved[mean[:-1] > 0.8].any()


def test_the_flow_is_integrated_as_by_the_theory():
    times = np.linspace(0, 40, 9)
    with counted() as tally:
        z = flow_path(lambda z: mass_dynamics.flow(z, REWARD), np.log(START), times)
    want = mass_dynamics.integrate(START, REWARD, times)
    np.testing.assert_allclose(z, want, rtol=0, atol=1e-9)
    assert tally.units > 0
