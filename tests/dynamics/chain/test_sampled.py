"""Sampled training of chains: its expected update, its tables, and the exact run it follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numba
import numpy as np
import pytest

from tests.chains import logits
from toyrl.dynamics.chain import exact
from toyrl.dynamics.chain.sampled import Recipe, credit_table, draw, gradient, train_sampled
from toyrl.dynamics.groups.class_weights import class_weights
from toyrl.estimators.group import PRESETS
from toyrl.expressions import parse, parse_estimator
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.shapers.base import Shaper
from toyrl.shapers.outcome import Outcome
from toyrl.worlds.chain import tables as chain_tables
from toyrl.worlds.chain.forward import class_probabilities
from toyrl.worlds.chain.model import ACTIONS, HELLO, HELLO_LOGITS, Chain
from toyrl.worlds.chain.paths import paths_of
from toyrl.worlds.chain.simulate import ALONE, sample_trajectories, threads_for

CHAINS = {
    "hello": HELLO.with_(max_actions=12),
    "all actions": Chain(
        difficulties=(2, 4),
        shares=(0.3, 0.7),
        actions=ACTIONS,
        max_actions=9,
        depth=5,
        progress=0.7,
        slip=0.2,
        repair=0.6,
        guess=0.1,
        flag_noise=0.2,
    ),
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("estimator", ["reinforce", "rloo", "grpo_exact"])
@pytest.mark.parametrize("aggregation", ["sum", "grpo"])
def test_the_update_is_the_class_engines_on_average(name, estimator, aggregation):
    chain, G = CHAINS[name], 4
    theta = 0.5 * logits(chain, 1)
    e, objective = parse_estimator(estimator), PolicyGradient(aggregation)
    recipe = Recipe(estimator=e, objective=objective, groups=2_000, group_size=G)
    found = []
    for k in range(12):
        batch, r = draw(chain, theta, recipe, seed=[7, k])
        a = np.asarray(e.apply(Outcome().apply(r).parts, r)[0])
        weight = a * np.asarray(objective.sequence_weight(r))
        found.append(gradient(chain, theta, batch, weight))
    r = chain.rollouts(class_probabilities(chain, theta))
    w = class_weights(r, Outcome(), e, objective, group_size=G).w
    want = exact.update_direction(exact.Batch.of(chain), theta, w[None])[0]
    far = np.linalg.norm(np.mean(found, 0) - want)
    error = np.sqrt(np.var(found, 0, ddof=1).sum() / len(found))
    assert far < 3 * error
    assert far < 0.1 * np.linalg.norm(want)


def test_control_a_wrong_weight_is_far_from_the_class_engine():
    chain = CHAINS["hello"]
    theta = 0.5 * logits(chain, 1)
    recipe = Recipe(groups=20_000, group_size=4)
    batch, r = draw(chain, theta, recipe, seed=1)
    plain = gradient(chain, theta, batch, r.correct)
    longer = gradient(chain, theta, batch, r.correct * r.length)
    assert np.linalg.norm(plain - longer) > np.linalg.norm(plain)


@pytest.mark.parametrize("name", CHAINS)
def test_credit_is_counted_by_edge(name):
    chain = CHAINS[name]
    theta = logits(chain, 2)
    t = sample_trajectories(chain, theta, chain.difficulties[0], 500, 3)
    weight = np.random.default_rng(0).normal(size=len(t))
    p = paths_of(t, theta)
    want = np.zeros((chain.phases, 2, chain.D + 1, len(chain.actions)))
    wide = np.broadcast_to(weight[:, None], p.alive.shape)
    places = tuple(x[p.alive] for x in (p.phase, p.error, p.progress, p.action))
    np.add.at(want, places, wide[p.alive])
    assert credit_table(t, weight) == pytest.approx(want, abs=1e-11)


def test_a_seed_decides_everything_and_threads_nothing():
    chain, recipe = CHAINS["hello"], Recipe(groups=24_000)
    theta = chain.logits(**HELLO_LOGITS)
    assert recipe.groups * recipe.group_size * chain.H / 2 > ALONE  # half a batch per difficulty
    one = train_sampled(chain, theta, recipe=recipe, updates=3, seed=4)
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        again = train_sampled(chain, theta, recipe=recipe, updates=3, seed=4)
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(one.theta, again.theta)
    other = train_sampled(chain, theta, recipe=recipe, updates=3, seed=5)
    assert not np.array_equal(one.theta, other.theta)


def test_threads_are_restored():
    before = numba.get_num_threads()
    with threads_for(1):
        assert numba.get_num_threads() == 1
    assert numba.get_num_threads() == before
    with threads_for(ALONE):
        assert numba.get_num_threads() == before


def test_a_large_batch_follows_the_exact_run():
    chain = CHAINS["hello"]
    theta, updates = chain.logits(**HELLO_LOGITS), 60
    recipe = Recipe(estimator=parse_estimator("rloo"), groups=2_000)
    shaper = parse("outcome() - 0.3 * linear_length()")
    run = train_sampled(chain, theta, shaper, recipe, updates=updates)
    reward = chain.class_correct() - 0.3 * chain.class_length() / chain.max_length
    done = exact.train(
        exact.Batch.of(chain),
        theta[None],
        np.broadcast_to(reward, (1, 2, len(reward))),
        updates=updates,
        rate=recipe.rate,
        estimator=PRESETS["dr_grpo"],
        objective=PolicyGradient("sum"),
        tolerance=0.0,
    )
    want = class_probabilities(chain, done.theta[0]).mean(0)
    got = class_probabilities(chain, run.theta).mean(0)
    moved = np.abs(class_probabilities(chain, theta).mean(0) - want).sum()
    assert moved > 0.3
    # 16,000 rollouts an update: each update's direction is off by about a hundredth.
    assert np.abs(got - want).sum() < 0.05 * moved


def test_what_a_run_reports():
    chain = CHAINS["all actions"]
    theta, recipe = logits(chain, 1), Recipe(groups=16, group_size=4)
    run = train_sampled(chain, theta, parse("0.5 * outcome()"), recipe, updates=5)
    assert run.success.shape == run.length.shape == run.reward.shape == (5,)
    assert run.reward == pytest.approx(run.success / 2)
    assert run.steps == pytest.approx(run.length.sum() * 64)
    still = train_sampled(chain, theta, recipe=Recipe(groups=4, rate=0.0), updates=2)
    assert np.array_equal(still.theta, theta)


@dataclass(frozen=True)
class PerStep(Shaper):
    """A tenth for every STEP."""

    needs: ClassVar[tuple[str, ...]] = ("steps",)

    def parts(self, r, memory):
        return {"steps": 0.1 * r.need("steps", by="PerStep")}


def test_a_reward_on_counters_is_read():
    """A chain that only steps is paid for all its actions."""
    chain = CHAINS["hello"]
    theta = chain.logits(STEP=60.0)
    run = train_sampled(chain, theta, PerStep(), Recipe(groups=4), updates=1)
    assert run.reward[0] == pytest.approx(0.1 * chain.H)
    assert run.steps == 4 * 8 * chain.H


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"groups": 0}, "groups=0"),
        ({"group_size": 2.5}, "group_size=2.5"),
        ({"estimator": parse_estimator("gae")}, "by token"),
    ],
)
def test_bad_recipes_are_named(bad, said):
    with pytest.raises(ValueError, match=said):
        Recipe(**bad)


def test_a_policys_tables_do_not_leak_into_anothers():
    """What is kept per chain is only what no policy changes."""
    chain = CHAINS["all actions"]
    first = chain_tables.step_law(chain, logits(chain, 1), 2)
    chain_tables.alias_tables(chain_tables.step_law(chain, logits(chain, 2), 2))
    again = chain_tables.step_law(chain, logits(chain, 1), 2)
    assert np.array_equal(first.prob, again.prob)
    assert first.prob.sum(-1) == pytest.approx(1.0)
    other = chain_tables.step_law(chain, logits(chain, 1), 4)
    assert not np.array_equal(first.prob, other.prob)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_alias_tables_hold_the_law(scale):
    chain = CHAINS["all actions"]
    law = chain_tables.step_law(chain, scale * logits(chain, 6), 2)
    cut, packed = chain_tables.alias_tables(law)
    share = cut.astype(float) / 2.0**60 / chain_tables.SLOTS
    rest = 1 / chain_tables.SLOTS - share
    for s in range(len(law.prob)):
        held: dict[int, float] = {}
        for k in range(chain_tables.SLOTS):
            for word, p in ((packed[s, k, 0], share[s, k]), (packed[s, k, 1], rest[s, k])):
                held[int(word)] = held.get(int(word), 0.0) + p
        words = (law.after[s] + 1) << 8 | law.code[s]
        want: dict[int, float] = {}
        for word, p in zip(words.tolist(), law.prob[s].tolist(), strict=True):
            want[word] = want.get(word, 0.0) + p
        for word in held.keys() | want.keys():
            assert held.get(word, 0.0) == pytest.approx(want.get(word, 0.0), abs=1e-12)


@pytest.mark.slow
def test_benchmark_runs_and_learns():
    """Ours and the chain in JAX; gymnax is no dependency."""
    from benchmarks.training import OURS, PLAIN, chain_world, check_learns, measure

    found = measure(256, 8, 1)
    assert {OURS, PLAIN} <= set(found)
    assert all(x["rate"] > 0 and x["last"] > x["first"] for x in found.values())
    assert chain_world().theta.shape == (9, 3)
    with pytest.raises(AssertionError, match="learns nothing"):
        check_learns("control", 0.4, 0.4, 0.01)
