"""The road: its law, exact optima by a second route, Gymnasium, and an agent of a library."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from toyrl.shapers.explore.composite import Carl, CarlAdditive, CarlProduct, CarlSurvival
from toyrl.shapers.outcome import Outcome
from toyrl.worlds.mdp.control import optimal
from toyrl.worlds.search.driving import ID, DrivingFleet, DrivingRoad
from toyrl.worlds.search.road import Road, as_mdp, outcome, plan, tables

SMALL = Road(cells=5, crossings=(3,), top=2, limit=1, horizon=12, sticky=2)


def test_passes_gymnasiums_checker_without_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gymnasium.make(f"toyrl.worlds.search.driving:{ID}").unwrapped)
        check_env(gymnasium.make(ID, road=SMALL, render_mode="ansi").unwrapped)


def test_one_step_by_hand():
    road = Road()
    moved = road.move([[3, 1, 1, 0, 0], [3, 1, 0, 2, 0], [2, 1, 1, 0, 0], [10, 0, 0, 0, 1]],
                      [2, 3, 1, 3])  # fmt: skip
    assert moved.hard.tolist() == [2, 0, 0, 0]
    assert moved.state[:, 0].tolist() == [4, 6, 3, 12]  # a collision stops at the crossing
    assert moved.over.tolist() == [True, False, False, True]
    assert moved.factors["ttc"].tolist() == [1, 0.5, 0.5, 1]  # too close; one still counts
    assert moved.factors["comfort"].tolist() == [1, 0.75, 1, 0.75]
    assert moved.factors["speed"].tolist() == [1, 0.5, 1, 0.5]
    assert moved.closed.tolist() == pytest.approx([0.4, 0.4, 0.7, 0])


@pytest.mark.parametrize("reward", [CarlProduct(), CarlSurvival(n_iter=12)])
def test_the_plan_is_the_best_of_the_process(reward):
    """Backward induction over a long horizon against policy iteration, discounted."""
    mdp = as_mdp(SMALL, reward, 0.8)
    mdp.validate()
    long = Road(**{**vars(SMALL), "horizon": 120})  # 0.8^120 = 2e-12
    assert plan(long, reward, 0.8)[1] == pytest.approx(mdp.start @ optimal(mdp).value, rel=1e-9)


def test_outcomes_against_cars():
    policy, best = plan(SMALL, Carl())
    exact = outcome(SMALL, Carl(), policy)
    assert exact.pay == pytest.approx(best, rel=1e-12)
    fleet, n = DrivingFleet(4000, SMALL, reward=Carl()), 4000
    state, _ = fleet.reset(seed=1)
    live, total, steps = np.ones(n, dtype=bool), np.zeros(n), np.zeros(n)
    shape = (SMALL.cells, *SMALL.shape[1:])
    for action in policy:
        state, paid, over, cut, _ = fleet.step(action[np.ravel_multi_index(tuple(state.T), shape)])
        total, steps, live = total + live * paid, steps + live, live & ~(over | cut)
    assert not live.any()
    for seen, want in ((total, exact.pay), (steps, exact.steps)):
        assert abs(seen.mean() - want) < 4 * seen.std() / np.sqrt(n) + 0.01


def test_one_car_is_a_fleet_of_one():
    """The same numbers from the same draws."""
    car, fleet = DrivingRoad(SMALL), DrivingFleet(1, SMALL)
    assert car.reset(seed=5)[0].tolist() == fleet.reset(seed=5)[0][0].tolist()
    for a in (1, 0, 2, 1):
        state, paid, over, _, info = car.step(a)
        states, pays, overs, _, infos = fleet.step(np.array([a]))
        assert (paid, over) == (pays[0], overs[0])
        assert info["collision"] == infos["collision"][0]
        if over:
            assert infos["final_obs"][0].tolist() == state.tolist()
            break
        assert state.tolist() == states[0].tolist()


def test_what_is_refused():
    with pytest.raises(TypeError, match="doesn't pay by step of a road; give carl"):
        DrivingRoad(reward=Outcome())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"crossings=\(4, 12\) must rise from 1 to 11"):
        Road(crossings=(4, 12))
    with pytest.raises(ValueError, match="without a horizon a car may stand for ever"):
        as_mdp(SMALL, Carl(), 1.0)
    with pytest.raises(ValueError, match=r"action=3 must be a speed in 0..2"):
        DrivingRoad(SMALL).step(3)
    fleet = DrivingFleet(2, SMALL)
    fleet.reset(seed=0)
    with pytest.raises(ValueError, match=r"must be 2 speeds in 0..2"):
        fleet.step(np.array([0, 3]))


def test_standing_is_worth_what_the_theory_says():
    still = np.zeros(len(tables(SMALL, Carl()).states), dtype=int)
    sums = (CarlProduct(), CarlSurvival(n_iter=12), CarlAdditive(n_iter=12))
    found = [outcome(SMALL, r, still).pay for r in sums]
    assert found == pytest.approx([0, 60, 68.75])


@pytest.mark.slow
def test_an_agent_of_stable_baselines_learns_to_go():
    """PPO on the product: it drives further than the start, which picks speeds at random."""
    sb3 = pytest.importorskip("stable_baselines3", reason="extra search is not installed")
    easy = Road(cells=4, crossings=(), top=1, limit=1, horizon=8)
    env = DrivingRoad(easy)
    agent = sb3.PPO("MlpPolicy", env, n_steps=256, batch_size=64, n_epochs=4, gamma=0.9,
                    learning_rate=3e-3, seed=0, device="cpu")  # fmt: skip
    agent.learn(1024)
    shape = (easy.cells, *easy.shape[1:])
    states = np.stack(np.unravel_index(np.arange(int(np.prod(shape))), shape), axis=-1)
    policy = np.asarray(agent.predict(states, deterministic=True)[0])
    assert outcome(easy, CarlProduct(), policy).finished == 1
