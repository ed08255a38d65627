"""Meta-training against exact values, with each condition removed; noisy agents."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from toyrl.dynamics.memory.meta_training import meta_train, remembered, visits
from toyrl.dynamics.memory.pseudo_thompson import noisy_greedy
from toyrl.dynamics.tabular.experience import Steps
from toyrl.dynamics.tabular.q_learning import learn_rows
from toyrl.theory.bandits.bayes_adaptive import bandit_rule_total
from toyrl.theory.bandits.safe_arm import noisy_first_pull, safe_arm_value
from toyrl.worlds.search.beliefs import beliefs
from toyrl.worlds.search.hidden_tasks import BetaArms, HiddenBoxes, SafeArm


def test_all_three_conditions_give_the_bayes_value():
    """E5 at its full size: at least 98 % of the exact value, here all of it."""
    agent = meta_train(SafeArm(0.6), 5, np.random.default_rng(0), 200_000)
    assert agent.total() >= 0.98 * safe_arm_value(0.6, 5)
    arms, pay = agent.play(np.random.default_rng(1), 20_000)
    assert (arms[:, 0] == 1).all()
    each = pay.sum(-1)
    assert abs(each.mean() - agent.total()) < 4 * each.std() / np.sqrt(each.size)


@pytest.mark.parametrize("removed", [{"gamma_episode": 0.0}, {"memory": 0}, {"repeats": False}])
def test_any_condition_removed_the_other_arm_is_never_pulled(removed):
    agent = meta_train(SafeArm(0.6), 5, np.random.default_rng(0), 30_000, **removed)
    repeats = removed.get("repeats", True)
    assert agent.total(repeats=repeats) == pytest.approx(3.0, rel=1e-14)
    arms, _ = agent.play(np.random.default_rng(1), 500, repeats=repeats)
    assert not arms.any()


def test_memory_of_the_last_pull_is_less():
    rng = np.random.default_rng(0)
    totals = [meta_train(BetaArms(2), 5, rng, 40_000, memory=X).total() for X in (0, 1, "counts")]
    assert totals[0] == pytest.approx(2.5, rel=1e-14)
    assert totals[0] < totals[1] < totals[2]
    process = beliefs(HiddenBoxes(2), 3, window=1)
    assert [len(np.unique(x)) for x in remembered(process, 1)] == [1, 4, 4]
    with pytest.raises(ValueError, match="these beliefs keep 1"):
        remembered(process, 2)


def test_visits_count():
    pair = np.random.default_rng(0).integers(5, size=200)
    seen: Counter = Counter()
    for found, p in zip(visits(pair), pair, strict=True):
        seen[p] += 1
        assert found == seen[p]


def test_rows_of_a_table():
    """A path of two rows, by hand: 1 + 0.5 max(0, 2) on the way, 2 at the end."""
    one = np.array([1, 0])
    steps = Steps(one, np.array([1, 0]), np.array([0, 0]), np.array([2.0, 1.0]),
                  np.array([True, False]), one)  # fmt: skip
    late = Steps(np.array([0]), np.array([1]), np.array([1]), np.array([1.0]), np.array([False]),
                 one[:1])  # fmt: skip
    table = learn_rows((2, 2), steps, rate=1.0, discount=0.5)
    assert table.tolist() == [[1, 0], [0, 2]]
    assert learn_rows((2, 2), late, rate=0.5, discount=0.5).tolist() == [[0, 0.5], [0, 0]]
    with pytest.raises(ValueError, match="outside the table of 1 rows, 2 actions"):
        learn_rows((1, 2), steps, rate=1.0, discount=0.5)
    with pytest.raises(ValueError, match="discount=2"):
        learn_rows((2, 2), steps, rate=1.0, discount=2)


def test_noise_in_the_place_of_credit():
    rng = np.random.default_rng(0)
    for S in (1, 3):
        arms, _ = noisy_greedy(SafeArm(0.6), 1, rng, 20_000, S)
        want = noisy_first_pull(0.6, S)
        assert abs(arms.mean() - want) < 4 * np.sqrt(want * (1 - want) / 20_000)
    _, pay = noisy_greedy(BetaArms(2), 10, rng, 10_000, 1)
    each = pay.sum(-1)
    want = bandit_rule_total("thompson", 2, 10)
    assert abs(each.mean() - want) < 4 * each.std() / np.sqrt(each.size)
    with pytest.raises(ValueError, match="samples=0 must be 1 or more"):
        noisy_greedy(BetaArms(2), 2, rng, 3, 0)


def test_refusals():
    rng = np.random.default_rng(0)
    for wrong, said in (({"memory": "all"}, "how many pulls"), ({"power": 0.5}, r"\(1/2, 1\]"),
                        ({"gamma_episode": 2.0}, "discount=2")):  # fmt: skip
        with pytest.raises(ValueError, match=said):
            meta_train(BetaArms(2), 2, rng, 10, **wrong)
