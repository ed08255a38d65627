"""Mazes keep Gymnasium's contract, walls hold, and novelty finds what reward doesn't."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from toyrl.dynamics.population.search import FITNESS, NOVELTY
from toyrl.worlds.search.maze import KINDS, Maze
from toyrl.worlds.search.maze_gym import MazeEnv

MADE = [("Maze", {"kind": "deceptive"}), ("Maze", {"kind": "sparse"}), ("Balls", {})]


@pytest.mark.parametrize(("name", "options"), MADE)
def test_gymnasiums_checker(name, options):
    env = gymnasium.make(f"toyrl.worlds.search.maze_gym:toyrl/{name}-v0", **options)
    check_env(env.unwrapped, skip_render_check=True)
    assert env.unwrapped.render().count("o") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_compiled_episodes_are_those_of_the_environment(kind):
    maze, rng = Maze(kind, steps=40), np.random.default_rng(0)
    genomes = rng.uniform(-3, 3, (6, maze.genes))
    last, path, paid = maze.evaluate(genomes, rng)
    n, h = maze.observed, maze.hidden
    for g, end, reward in zip(genomes, last, paid, strict=True):
        env = MazeEnv(kind, steps=40)
        env.reset()
        first, second = g[: (n + 1) * h].reshape(h, n + 1), g[(n + 1) * h :].reshape(2, h + 1)
        total, over = 0.0, False
        while not over:
            seen = env.maze.observe(env.place, env.held)
            inner = np.tanh(first[:, :n] @ seen + first[:, n])
            _, r, done, late, info = env.step(np.tanh(second[:, :h] @ inner + second[:, h]))
            total, over = total + r, done or late
        where = 2 * info["place"] / np.array(maze.walls.shape) - 1
        np.testing.assert_allclose(where, end, atol=1e-6)
        assert total == pytest.approx(reward, abs=1e-6)
    assert (path >= -1).all()
    assert (path <= 1).all()


def test_no_random_walk_gets_into_a_wall():
    maze, rng = Maze(), np.random.default_rng(1)
    place = maze.start
    for action in rng.uniform(-1, 1, (3000, 2)):
        place = maze.move(place, action)
        assert not maze.walls[tuple(place.astype(int))]


@pytest.mark.slow
def test_where_reward_is_rare_novelty_finds_it():
    maze = Maze("sparse")
    best = [s.run(maze, np.random.default_rng(0), 8000).reward.max() for s in (NOVELTY, FITNESS)]
    assert best == [1.0, 0.0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": "soft"}, "kind"),
        ({"rows": ("###", "#S#", "###")}, "one S and one G"),
        ({"rows": ("####", "#SG.", "####")}, "closed"),
        ({"kind": "balls", "rows": ("####", "#SG#", "####")}, "needs a B"),
    ],
)
def test_what_is_no_maze_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        Maze(**options)


def test_what_compiled_code_would_read_outside_the_maze_is_refused():
    maze = Maze()
    lost = np.zeros((2, maze.genes))
    lost[1, 3] = np.nan
    for call in (
        lambda: maze.move(maze.start, [np.nan, 0]),
        lambda: maze.move([0.5, 0.5], [1, 0]),  # in a wall
        lambda: maze.observe([1e9, 1.5]),
        lambda: maze.observe([np.nan, 1.5]),
        lambda: maze.evaluate(lost, None),
    ):
        with pytest.raises(ValueError, match="must"):
            call()


def test_an_agent_of_stable_baselines_trains_in_it():
    """A2C in an open room: more of the way to the goal than a random walk makes."""
    stable = pytest.importorskip("stable_baselines3")
    rows = ("######", "#S...#", "#....#", "#...G#", "######")
    env = MazeEnv("deceptive", rows, steps=12)
    agent = stable.A2C("MlpPolicy", env, n_steps=12, learning_rate=0.01, gamma=0.9, seed=0,
                       device="cpu", policy_kwargs={"net_arch": [16]})  # fmt: skip
    agent.learn(1500)
    seen, _ = env.reset()
    total, over = 0.0, False
    while not over:
        seen, paid, done, late, _ = env.step(agent.predict(seen, deterministic=True)[0])
        total, over = total + float(paid), done or late
    assert total > 0.5
