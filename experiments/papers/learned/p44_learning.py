"""A chain of choices, learned from a reward at its end, and with discovered steps as potential."""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.dynamics.tabular.episodes import learn_by_acting
from toyrl.experiments.core import Check
from toyrl.experiments.core.work import COMPILED, UPDATE, spend
from toyrl.experiments.lab.curves import lines
from toyrl.experiments.lab.draws import draws
from toyrl.experiments.lab.parts import Items
from toyrl.experiments.papers.learned.p44_world import STEPS, fitted, frames
from toyrl.worlds.mdp.model import MDP

ACTIONS, HORIZON, SEEDS, VIEWS, PRIZE = 3, 60, 5, 64, 10.0
SPARSE = "e: successes with the reward at the end alone, largest of 5 seeds"
SHAPED = "e: successes with the potential, least of 5 seeds"
SETTINGS: dict[str, Any] = {"horizon": HORIZON, "rate": 0.5, "epsilon": 0.1}


def choices(rng: Any, states: int) -> MDP:
    """One right action in each state leads on, others to the start; the end pays 10."""
    right, s = rng.integers(0, ACTIONS, states), np.arange(states)
    moves, pays = np.zeros((states + 1, ACTIONS, states + 1)), np.zeros((states + 1, ACTIONS))
    moves[:-1, :, 0] = 1.0
    moves[s, right, 0] = 0.0
    moves[s, right, s + 1] = 1.0
    pays[states - 1, right[-1]] = PRIZE
    end = np.arange(states + 1) == states
    return MDP(moves, pays, 0.97, start=(s[0] == np.arange(states + 1)) * 1.0, terminal=end)


def on_every_move(mdp: MDP, phi: np.ndarray) -> MDP:
    """Mutant: R of the state reached is paid at each move, no difference."""
    mean = phi.mean(-1)
    return MDP(mdp.dense, mdp.reward + mdp.dense @ mean, mdp.discount, start=mdp.start,
               terminal=mdp.is_terminal)  # fmt: skip


def learning(seed: int, episodes: int, pays: str, per_step: int) -> Items:
    """Success over the last 200 episodes, five seeds; per_step : states of each step."""
    states, ends, paths = STEPS * per_step, [], []
    for k in range(SEEDS):
        rng = draws(seed, 50 + k)
        model, _, _ = fitted(rng)
        step = np.repeat(np.arange(STEPS), per_step)
        views = [model.score(frames(rng, 0.1, step)) for _ in range(VIEWS)]
        phi = np.concatenate([np.transpose(views), np.zeros((1, VIEWS))])
        mdp = choices(rng, states)
        _, sparse = learn_by_acting(mdp, rng, episodes, **SETTINGS)
        if pays == "every frame":
            mdp, phi = on_every_move(mdp, phi), 0 * phi
        _, shaped = learn_by_acting(mdp, rng, episodes, potential=phi, **SETTINGS)
        ends.append([sparse[-200:].mean(), shaped[-200:].mean()])
        paths.append([sparse, shaped])
        spend(300 * UPDATE + 2 * episodes * HORIZON * ACTIONS * COMPILED)
    low, high = np.array(ends).T
    tries = HORIZON / ACTIONS**states  # at most so many successes of chance an episode
    routes = ("Q-learning", "chance of a run of right choices")
    yield Check(SPARSE, float(low.max()), 0.02, routes=routes)
    yield Check("e: successes an episode by chance, at most", tries, 0.02, claim=False)
    yield Check(SHAPED, float(high.min()), 0.85, ">=",
                why_one_route="a learner that explores has no closed form here")  # fmt: skip
    blocks = np.mean(paths, axis=0)[:, : episodes // 50 * 50].reshape(2, -1, 50).mean(-1)
    yield lines("steps-learning", "Learning a chain of 12 choices", ("episode", "successes"),
                {"reward at the end": blocks[0], "with the steps as potential": blocks[1]},
                x=(50 * np.arange(blocks.shape[1]) + 25).tolist(),
                caption="Mean of 5 seeds, in blocks of 50 episodes.")  # fmt: skip
