"""The mazes as Gymnasium environments, `toyrl/Maze-v0` and `toyrl/Balls-v0`.

Importing this module registers the ids; Gymnasium does so itself when the module is named:
`gymnasium.make("toyrl.worlds.search.maze_gym:toyrl/Maze-v0", kind="sparse")`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium import spaces

from toyrl.registry import entry

if TYPE_CHECKING:
    from toyrl.worlds.search.maze import Maze

IDS = {"toyrl/Maze-v0": "MazeEnv", "toyrl/Balls-v0": "BallsEnv"}


@entry("Maze-v0", kind="environment", cards=("24",), provenance="reconstructed")
class MazeEnv(gymnasium.Env):
    """A point robot in a maze, deceptive or sparse.

    Observation: place and distances to walls, each in [-1, 1]. Action: (dx, dy) in [-1, 1]^2.
    `terminated`: the goal was reached; `truncated`: the steps are used up. What each step pays
    stands in `toyrl.worlds.search.maze`; `info["place"]` (2,) is the place in cells.

    kind, rows, steps : as for `Maze`
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 4}

    def __init__(self, kind: str = "deceptive", rows: tuple[str, ...] | None = None,
                 steps: int = 100, render_mode: str | None = None) -> None:  # fmt: skip
        from toyrl.worlds.search.maze import Maze

        self.maze: Maze = Maze(kind, rows, steps)
        self.render_mode = render_mode
        self.observation_space = spaces.Box(-1.0, 1.0, (self.maze.observed,), np.float32)
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.place, self.step_count, self.held = self.maze.start.copy(), 0, False
        self.left = np.ones(len(self.maze.balls), dtype=bool)

    def _seen(self) -> np.ndarray:
        return self.maze.observe(self.place, self.held).astype(np.float32)

    def _near(self, where: np.ndarray) -> bool:
        from toyrl.worlds.search.maze import REACH

        return float(((self.place - where) ** 2).sum()) < REACH**2

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Back to the start, which is the same each time."""
        super().reset(seed=seed)
        self.place, self.step_count, self.held = self.maze.start.copy(), 0, False
        self.left = np.ones(len(self.maze.balls), dtype=bool)
        return self._seen(), {"place": self.place.copy()}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Move by an action (2,); numbers outside [-1, 1] are cut off."""
        before = self._away()
        self.place = self.maze.move(self.place, action)
        self.step_count += 1
        paid, done = self._paid(before)
        late = self.step_count >= self.maze.steps
        return self._seen(), paid, done, late, {"place": self.place.copy()}

    def _away(self) -> float:
        start = float(np.linalg.norm(self.maze.start - self.maze.goal))
        return float(np.linalg.norm(self.place - self.maze.goal)) / start

    def _paid(self, before: float) -> tuple[float, bool]:
        there = self._near(self.maze.goal)
        if self.maze.kind == "deceptive":
            return before - self._away(), there
        if self.maze.kind == "sparse":
            return float(there), there
        close = [b for b in np.flatnonzero(self.left) if self._near(self.maze.balls[b])]
        if not self.held and close:
            self.held, self.left[close[0]] = True, False
        if self.held and there:
            self.held = False
            return 1.0, not self.left.any()
        return 0.0, False

    def render(self) -> str:
        """The maze with the robot as "o" and the balls that are left as "B"."""
        cells = np.where(self.maze.walls, "#", ".")
        cells[tuple(self.maze.goal.astype(int))] = "G"
        for x, y in self.maze.balls[self.left].astype(int):
            cells[x, y] = "B"
        cells[tuple(self.place.astype(int))] = "o"
        return "\n".join("".join(row) for row in cells.T)


@entry("Balls-v0", kind="environment", cards=("24",), provenance="reconstructed")
class BallsEnv(MazeEnv):
    """A point robot that carries balls to the goal, 1 each; it ends when all are there.

    The observation has one more number, 1 while a ball is carried.
    """

    def __init__(self, rows: tuple[str, ...] | None = None, steps: int = 200,
                 render_mode: str | None = None) -> None:  # fmt: skip
        super().__init__("balls", rows, steps, render_mode)


def register() -> None:
    """Register both ids with Gymnasium (once)."""
    for name, made in IDS.items():
        if name not in gymnasium.registry:
            gymnasium.register(id=name, entry_point=f"toyrl.worlds.search.maze_gym:{made}")


register()
