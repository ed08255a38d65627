"""Driving along a road with crossings, as Gymnasium environments: one car, or many at once.

Importing this module registers `toyrl/Driving-v0`; Gymnasium does so itself when the module is
named: `gymnasium.make("toyrl.worlds.search.driving:toyrl/Driving-v0")`. The road itself, and its
exact optima under each reward: `toyrl.worlds.search.road`.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from toyrl.registry import entry
from toyrl.shapers.explore.composite import CarlProduct, Driving
from toyrl.worlds.search.road import Moved, Road, pay, paying

ID = "toyrl/Driving-v0"


def _infractions(moved: Moved) -> dict[str, Any]:
    low = {n: moved.factors[n] < 1 for n in ("speed", "ttc", "comfort")}
    return {"collision": moved.hard > 0, **{f"{n}_kept": ~v for n, v in low.items()}}


@entry("Driving-v0", kind="environment")
class DrivingRoad(gymnasium.Env):
    """One car on a road, paid by step.

    Observation: cell, speed, whether the next crossing is closed, and for how many steps a close
    call and a rough ride go on counting. Action: the speed, in cells a step. `terminated`: the end
    of the route, or a collision; `truncated`: the horizon. `info`: `route` (share done so far),
    `collision`, and which factors were kept.

    road : the world (None: `Road()`); reward : what a step pays (None: `carl_product()`)

    Raises TypeError for a reward that doesn't pay by step.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 4}

    def __init__(
        self,
        road: Road | None = None,
        *,
        reward: Driving | None = None,
        render_mode: str | None = None,
    ) -> None:
        self.road, self.reward = road or Road(), paying(reward or CarlProduct())
        self.render_mode = render_mode
        self.observation_space = spaces.MultiDiscrete(list(self.road.shape))
        self.action_space = spaces.Discrete(self.road.top + 1)
        self.state, self.time = np.zeros(5, dtype=np.int64), 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Stand at the start of the route."""
        super().reset(seed=seed)
        self.state, self.time = self.road.start(1, self.np_random)[0], 0
        return self.state.copy(), {"route": 0.0}

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Drive one step at a speed.

        Raises ValueError for a speed that is not there.
        """
        a = int(action)
        if not 0 <= a <= self.road.top:
            msg = f"action={action} must be a speed in 0..{self.road.top}"
            raise ValueError(msg)
        moved = self.road.move(self.state, a)
        self.state, self.time = moved.state, self.time + 1
        self.state[2] = self.np_random.random() < moved.closed
        over = bool(moved.over)
        info: dict[str, Any] = {n: bool(v) for n, v in _infractions(moved).items()}
        info["route"] = float(self.state[0] / self.road.cells)
        cut = not over and self.time >= self.road.horizon
        return self.state.copy(), float(pay(self.reward, moved)), over, cut, info

    def render(self) -> str | None:
        """The road as text: the car, crossings open (-) and closed (X), the next one as seen."""
        if self.render_mode != "ansi":
            return None
        line = ["."] * (self.road.cells + 1)
        for c in self.road.crossings:
            line[c] = "-"
        ahead = int(self.road.next_crossing(self.state[0]))
        if self.state[2] and ahead <= self.road.cells:
            line[ahead] = "X"
        line[int(self.state[0])] = "c"
        return "".join(line)


class DrivingFleet(VectorEnv):
    """Many cars, each on its own road, as one Gymnasium vector environment.

    Cars that are through stand at the start again in the same step (`AutoresetMode.SAME_STEP`);
    `info["final_obs"]` holds where they were.

    num_envs : cars; road, reward : as for `DrivingRoad`

    Raises TypeError for a reward that doesn't pay by step.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(
        self, num_envs: int, road: Road | None = None, *, reward: Driving | None = None
    ) -> None:
        self.num_envs = num_envs
        self.road, self.reward = road or Road(), paying(reward or CarlProduct())
        self.single_observation_space = spaces.MultiDiscrete(list(self.road.shape))
        self.single_action_space = spaces.Discrete(self.road.top + 1)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.state = np.zeros((num_envs, 5), dtype=np.int64)
        self.time = np.zeros(num_envs, dtype=np.int64)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """All cars at the start; one seed serves all of them."""
        super().reset(seed=seed if isinstance(seed, int) or seed is None else seed[0])
        self.state = self.road.start(self.num_envs, self.np_random)
        self.time = np.zeros(self.num_envs, dtype=np.int64)
        return self.state.copy(), {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Drive every car one step, actions (num_envs,).

        Raises ValueError for a speed that is not there.
        """
        a = np.asarray(actions)
        if a.shape != (self.num_envs,) or a.min() < 0 or a.max() > self.road.top:
            msg = f"actions must be {self.num_envs} speeds in 0..{self.road.top}, not {actions!r}"
            raise ValueError(msg)
        moved = self.road.move(self.state, a)
        state = moved.state
        state[:, 2] = self.np_random.random(self.num_envs) < moved.closed
        self.time = self.time + 1
        cut = ~moved.over & (self.time >= self.road.horizon)
        done = moved.over | cut
        info: dict[str, Any] = dict(_infractions(moved))
        info["route"] = state[:, 0] / self.road.cells
        if done.any():
            info["final_obs"], info["_final_obs"] = state.copy(), done
            state[done] = self.road.start(int(done.sum()), self.np_random)
            self.time = np.where(done, 0, self.time)
        self.state = state
        return state.copy(), pay(self.reward, moved), moved.over, cut, info


def register() -> None:
    """Register `toyrl/Driving-v0` with Gymnasium (once)."""
    if ID not in gymnasium.registry:
        gymnasium.register(id=ID, entry_point="toyrl.worlds.search.driving:DrivingRoad")


register()
