"""Rewards on processes: environments, files, functions, the chain; against their own tables."""

from __future__ import annotations

import json

import gymnasium
import numpy as np
import pytest

import toyrl
from toyrl.experiments.distances.pairs import APART, ENDS, EQUIVALENT, OPPOSITE, judged, kind_of
from toyrl.experiments.distances.rewards import Given, counters_read, reward_on
from toyrl.experiments.distances.worlds import world_of
from toyrl.theory.distance import distance
from toyrl.worlds.chain.simulate import sample_trajectories
from toyrl.worlds.mdp.model import MDP
from toyrl.worlds.mdp.random import gridworld, random_mdp
from toyrl.worlds.mdp.rewards import expected_reward
from toyrl.worlds.mdp.solve import policy_return

GRID = gridworld(["S..", ".#G", "..X"], slip=0.2, discount=0.9)  # S = 8, A = 4


@pytest.mark.parametrize("name", ["FrozenLake-v1", "CliffWalking-v1", "Taxi-v4"])
def test_environments_by_their_own_table(name: str):
    """Expected rewards and chances to go on, straight from P: ended steps go nowhere."""
    env = gymnasium.make(name)
    world = world_of(env, discount=0.9)
    mdp = world.mdp
    value = np.linspace(0, 1, mdp.n_states)
    P = env.unwrapped.P
    for s in range(0, len(P), 7):
        if mdp.is_terminal[s]:
            continue
        for a in P[s]:
            want = sum(p * r for p, _, r, _ in P[s][a])
            assert mdp.pair_reward[s, a] == pytest.approx(want, abs=1e-12)
            row = mdp.pairs[[s * mdp.n_actions + a]].toarray()[0]
            onward = sum(p * value[t] for p, t, _, end in P[s][a] if not end)
            assert row[~mdp.is_terminal] @ value[~mdp.is_terminal] == pytest.approx(onward)
    assert toyrl.distance(None, "own", env=env).matrix[0, 1] == 0
    assert "," in world.state(8)
    assert world.action(0) in ("left", "up", "south")


def test_shaping_is_seen_through_and_what_is_left_at_the_end_is_not():
    phi = np.arange(8.0)
    ended = GRID.is_terminal
    goal = int(np.flatnonzero(ended)[0])

    def shaped(s, a, t):
        return 3 * (GRID.reward[s, a, t]) + 0.9 * phi[t] * (not ended[t]) - phi[s]

    def left(s, a, t):
        return 3 * (GRID.reward[s, a, t]) + 0.9 * phi[t] - phi[s]

    world = world_of(GRID)
    own = reward_on(world, None)
    pair = judged(world, own, reward_on(world, shaped))
    assert pair.kind == EQUIVALENT
    assert pair.share == pytest.approx(1 / 3)
    assert (pair.holds, pair.transitions, pair.trusted) == (True, True, ())
    assert pair.worst == pytest.approx(0, abs=1e-9)
    other = judged(world, own, reward_on(world, left))
    assert other.kind == ENDS
    assert 0.1 < other.distance < 2
    assert "potential-based but for the terminal" in other.sentence
    opposite = judged(world, own, Given("minus", -2 * GRID.reward))
    assert opposite.kind == OPPOSITE
    # what is left at the end alone is a reward for ending there
    alone = np.zeros((8, 4, 8))
    alone[:, :, goal] = GRID.dense[:, :, goal] > 0
    assert kind_of(GRID, GRID.reward, GRID.reward + alone, 0.5) == ENDS


def test_the_policies_that_are_named_are_in_the_wrong_order():
    mdp = random_mdp(np.random.default_rng(0), 4, 3, reward="sa")
    other = np.random.default_rng(1).normal(size=(4, 3))
    world = world_of(mdp)
    pair = judged(world, Given("truth", mdp.reward), Given("mine", other))
    assert pair.kind == APART
    assert pair.distance == pytest.approx(float(distance(mdp, mdp.reward, other)))
    for t, truth, trusted in zip(pair.trusted, (mdp.reward, other), (other, mdp.reward),
                                 strict=True):  # fmt: skip
        better, worse = (float(policy_return(mdp, p, truth)) for p in (t.better, t.worse))
        called = [float(policy_return(mdp, p, trusted)) for p in (t.better, t.worse)]
        assert better - worse == pytest.approx(t.lost, abs=1e-7)
        assert called[1] >= called[0] - 1e-7
        assert t.least <= t.share <= t.most
    s, a = pair.most[0]
    gap = np.abs(pair.forms[0] - pair.forms[1])
    assert gap[s, a] == gap.max()
    assert (gap.shape, pair.forms.shape) == ((4, 3), (2, 4, 3))


def test_functions_of_each_kind_are_tables():
    world = world_of(GRID)
    by_state = reward_on(world, lambda s: float(s)).reward
    by_pair = reward_on(world, lambda s, _: float(s)).reward
    by_step = reward_on(world, lambda s, _a, _t: float(s)).reward
    want = np.where(GRID.usable, np.arange(8.0)[:, None], 0)
    for made in (by_state, by_pair, by_step):
        assert expected_reward(GRID, made) == pytest.approx(want)


def test_a_file_of_arrays(tmp_path):
    rng = np.random.default_rng(0)
    P, R = rng.dirichlet(np.ones(3), size=(3, 2)), rng.normal(size=(3, 2))
    path = tmp_path / "mdp.npz"
    np.savez(path, P=P, R=R, gamma=0.7, mine=R + 1.0, start=[1.0, 0, 0])
    found = toyrl.distance("mine", "own", "R", env=path)
    assert found.matrix == pytest.approx(np.zeros((3, 3)), abs=1e-9)
    assert found.names == ("mine", "own", "R")
    assert found.world is not None
    assert found.world.mdp.discount == 0.7
    np.save(tmp_path / "r.npy", -R)
    assert toyrl.distance(str(tmp_path / "r.npy"), env=str(path)).matrix[0, 1] == pytest.approx(2)


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ("CartPole-v1", "has no table P"),
        ("NoSuchThing-v0", "Gymnasium can't make it"),
        ("nowhere.npz", "can't be read"),
        (3, "give a Gymnasium environment"),
    ],
)
def test_what_is_no_process_is_refused_with_the_reason(env, said):
    with pytest.raises(toyrl.UsageError, match=said):
        toyrl.distance(None, env=env)


def test_broken_files_are_refused_with_the_place(tmp_path):
    path = tmp_path / "mdp.npz"
    P = np.full((3, 2, 3), 1 / 3)
    np.savez(path, reward=np.zeros(3))
    with pytest.raises(toyrl.UsageError, match=r"transitions \(or P\) of shape \(S, A, S\) is mis"):
        world_of(path)
    for broken, said in (
        (np.where(np.arange(3) == 0, 0.5, P), r"transitions\[0, 0\] sums to"),
        (P - np.array([1.0, -1.0, 0.0]), "negative"),
    ):
        np.savez(path, P=broken)
        with pytest.raises(toyrl.UsageError, match=said):
            world_of(path)
    np.savez(path, P=P, odd=np.zeros((2, 3)), nan=np.full((3, 2), np.nan))
    with pytest.raises(toyrl.UsageError, match=r"odd: reward has shape \(2, 3\)"):
        toyrl.distance("odd", env=path)
    with pytest.raises(toyrl.UsageError, match="nan: the reward of state 0"):
        toyrl.distance("nan", env=path)
    with pytest.raises(toyrl.UsageError, match="discount=2 is not a number in"):
        world_of(path, discount=2)


def test_rewards_that_are_none_are_refused(tmp_path):
    file = tmp_path / "f.py"
    file.write_text("def a(s): return 1.0\ndef b(s, a, t, u): return 1.0\ndef c(s): return 1 / s\n")
    for given, said in (
        ("laser()", "it reads rollouts of text, which only --env chain has"),
        (lambda _s, _a: float("inf"), "is inf; give a finite number"),
        (f"{file}:b", "takes 4 arguments"),
        (f"{file}:c", r"raised ZeroDivisionError"),
        (f"{file}:d", "name one of its functions: a, b, c"),
        (str(tmp_path / "g.py:a"), "is not there"),
        (np.zeros((4, 8)), r"the array: reward has shape \(4, 8\)"),
    ):
        with pytest.raises(toyrl.UsageError, match=said):
            toyrl.distance(given, env=GRID)
    with pytest.raises(toyrl.UsageError, match="one of them"):
        toyrl.distance("own")
    with pytest.raises(toyrl.UsageError, match="name a reward"):
        toyrl.distance(env=GRID)
    with pytest.raises(toyrl.UsageError, match="columns are those of a log"):
        toyrl.distance(None, env=GRID, columns="a")


def test_states_that_are_never_reached_count_for_nothing():
    P = np.zeros((3, 2, 3))
    P[0, 0, 0] = P[0, 1, 1] = P[1, :, 0] = P[2, :, 2] = 1.0
    mdp = MDP(P, np.arange(6.0).reshape(3, 2), 0.9, start=[1, 0, 0])
    other = 2 * mdp.reward
    other[2] = [5.0, -5.0]
    (pair,) = toyrl.distance(None, other, env=mdp).pairs
    assert (pair.kind, pair.holds, pair.transitions) == (EQUIVALENT, True, True)
    assert pair.share == pytest.approx(0.5)
    assert pair.worst == pytest.approx(0, abs=1e-9)


def test_discount_one_where_policies_may_never_end_is_refused():
    with pytest.raises(toyrl.UsageError, match="take a discount below 1"):
        toyrl.distance(lambda s, a: s * a, None, env="FrozenLake-v1", discount=1)


def test_a_reward_that_orders_nothing_is_at_one():
    found = toyrl.distance(None, np.full((8, 4), 2.0) * GRID.usable, lambda _: 0.0, env=GRID)
    assert found.matrix[0, 2] == pytest.approx(1)
    assert np.isfinite(found.matrix).all()
    assert found.pairs[1].kind == "one orders nothing"
    assert found.pairs[1].sentence.startswith("lambda orders no policies here")
    endless = MDP(np.ones((1, 2, 1)), np.zeros(1), 0.9)
    assert toyrl.distance(lambda _: 1.0, None, env=endless).matrix[0, 1] == 0


def test_the_answer_is_shown_and_saved(tmp_path):
    def stay(state, action):
        return 0.1 * (action == 0)

    found = toyrl.distance(None, stay, lambda s: float(s), env=GRID)
    assert repr(found).startswith("own and ")
    assert found.ok
    names = [p.name for p in found.pictures()]
    assert names == ["distances", "difference-0", "difference-1"]
    data = json.loads(found.save(tmp_path / "d.json").read_text())
    assert data["rewards"] == list(found.names)
    assert len(data["pairs"]) == 2
    page = found.save(tmp_path / "d.html").read_text()
    assert "Do these rewards order policies alike?" in page
    assert page.count("<figure>") == 3
    assert "<svg" in found.save(tmp_path / "d.svg").read_text()
    assert found.save(tmp_path / "d.csv").read_text().count("\n") == 4


# -- the chain -------------------------------------------------------------------------------------
def test_rewards_of_rollouts_on_the_chain():
    found = toyrl.distance("2*outcome()", "own", "laser()", "kimi()", env="chain")
    assert found.matrix[0, 1] == pytest.approx(0, abs=1e-6)
    assert 0.05 < found.matrix[0, 2] < 1
    assert [p.kind for p in found.pairs] == [EQUIVALENT, APART, APART]
    assert any("siblings are frozen" in n for n in found.notes)
    ball = found.pairs[1].trusted[0].ball
    assert len(ball) == 6
    assert all(lost >= 0 for _, lost in ball)
    said = found.pairs[1].trusted[0].words
    assert all("right" in w and "tokens" in w for w in said)


def test_rewards_that_read_counters_are_paid_what_policies_do():
    """A charge for fillers: on the process against the counts of simulated trajectories."""

    def charged(correct, fillers):
        return correct - 0.05 * fillers

    assert counters_read([charged, "laser()", None, np.zeros(3)]) == ("fillers",)
    assert counters_read(["laser()", "trust()"]) == ()
    world = world_of("chain", counters=("fillers",))
    given = reward_on(world, charged)
    laid = world.chain
    assert laid is not None
    theta = np.zeros(laid.chain.policy_shape)
    pi = laid.policy(theta)
    found = float(policy_return(world.mdp, pi, given.reward))
    total, n = 0.0, 4000
    for d in laid.chain.difficulties:
        t = sample_trajectories(laid.chain, theta, d, n, d)
        total += float((t.correct - 0.05 * t.count("FILL")).mean()) / 3
    # a reward's standard deviation is below 1, so 4 standard errors of 12,000 rollouts
    assert found == pytest.approx(total, abs=4 / np.sqrt(3 * n))
    assert "counts" in world.state(4000)
    own = reward_on(world, "outcome()")
    assert expected_reward(world.mdp, own.reward) == pytest.approx(world.mdp.pair_reward)


def test_the_chains_process_pays_classes():
    world = world_of("chain")
    laid = world.chain
    assert laid is not None
    rng = np.random.default_rng(0)
    paid = rng.normal(size=(3, laid.n_classes))
    taken_of = rng.dirichlet(np.ones(3), size=laid.mdp.n_states)
    pi = np.where(laid.mdp.usable, taken_of, 0)
    pi /= np.maximum(pi.sum(-1, keepdims=True), 1e-300)
    from toyrl.worlds.mdp.solve import occupancy

    prob = laid.class_probabilities(occupancy(laid.mdp, pi))
    want = float(np.asarray(laid.chain.shares) @ (prob * paid).sum(-1))
    assert policy_return(laid.mdp, pi, laid.pair_reward(paid)) == pytest.approx(want, rel=1e-9)
    with pytest.raises(ValueError, match=r"paid has shape \(3, 2\)"):
        laid.pair_reward(np.zeros((3, 2)))
