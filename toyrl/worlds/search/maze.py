"""Mazes of a point robot: a deceptive one, a sparse one, and balls to collect (compiled).

The floor is a grid of unit cells, "#" a wall. The robot is a point; an action (dx, dy) in [-1, 1]^2
moves it by half of that, each coordinate by itself unless a wall is there, so that it slides
along walls. It sees its place, scaled to [-1, 1], and how far the next wall is in eight directions,
as a share of the longer side.

    deceptive   each step pays by how much it came nearer to the goal, as the crow flies: a wall
                lies between, and the way round it leads away first
    sparse      1 at the goal, nothing before
    balls       1 for each ball that is carried to the goal; it is picked up where it lies

Source: paper 24's tasks (maze and ball collecting), sizes ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np

from toyrl.ranges import Range, check_fields, one_of

Array = np.ndarray
REACH, RAYS = 0.6, 8
KINDS = ("deceptive", "sparse", "balls")
TRAP = (
    "############",
    "#..........#",
    "#.########.#",
    "#........#.#",
    "#.######.#.#",
    "#.#....#.#.#",
    "#.#.G..#.#.#",
    "#.#.####.#.#",
    "#.#......#.#",
    "#.########.#",
    "#....S.....#",
    "############",
)
ROOM = (
    "########",
    "#S....B#",
    "#.##...#",
    "#.#..#.#",
    "#.#B.#.#",
    "#....#.#",
    "#B...#G#",
    "########",
)


@dataclass(frozen=True)
class Maze:
    """kind : "deceptive", "sparse" or "balls"; rows : of "#" wall, "." floor, one "S" start, one
    "G" goal, "B" balls; None: the paper's kind of maze for each; steps : length of an episode
    hidden : units of the controllers that `evaluate` takes, genomes (n, genes)
    walls : (width, height) bool, balls (n, 2), start (2,), goal (2,) : read off the rows

    Raises ValueError for rows without exactly one start and one goal, of different lengths, or open
    to the outside, and for a kind without what it pays for.
    """

    kind: Annotated[str, one_of(*KINDS)] = "deceptive"
    rows: tuple[str, ...] | None = None
    steps: Annotated[int, Range("[1, inf)", whole=True)] = 100
    hidden: Annotated[int, Range("[1, inf)", whole=True)] = 5
    walls: Array = field(default_factory=lambda: np.zeros((0, 0)), repr=False, compare=False)
    balls: Array = field(default_factory=lambda: np.zeros((0, 2)), repr=False, compare=False)
    start: Array = field(default_factory=lambda: np.zeros(2), repr=False, compare=False)
    goal: Array = field(default_factory=lambda: np.zeros(2), repr=False, compare=False)

    def __post_init__(self) -> None:
        check_fields(self)
        rows = self.rows or (ROOM if self.kind == "balls" else TRAP)
        if len({len(r) for r in rows}) != 1 or {c for r in rows for c in r} - set("#.SGB"):
            msg = f"rows={rows} must be alike in length and made of # . S G B"
            raise ValueError(msg)
        cells = np.array([list(r) for r in rows])
        walls = cells == "#"
        rim = np.concatenate([walls[0], walls[-1], walls[:, 0], walls[:, -1]])
        if not rim.all() or (cells == "S").sum() != 1 or (cells == "G").sum() != 1:
            msg = f"rows={rows} must be closed by # all around, with one S and one G"
            raise ValueError(msg)
        balls = np.argwhere(cells == "B") + 0.5
        if self.kind == "balls" and not len(balls):
            msg = "kind='balls' needs a B in its rows"
            raise ValueError(msg)
        # Places are (x, y), rows counted downwards.
        found = {"walls": np.ascontiguousarray(walls.T), "balls": balls[:, ::-1].copy(),
                 "start": np.argwhere(cells == "S")[0, ::-1] + 0.5,
                 "goal": np.argwhere(cells == "G")[0, ::-1] + 0.5}  # fmt: skip
        for name, value in found.items():
            object.__setattr__(self, name, value)

    @property
    def observed(self) -> int:
        """Length of an observation: place, distances to walls, and whether a ball is carried."""
        return 2 + RAYS + (self.kind == "balls")

    @property
    def genes(self) -> int:
        """Weights of a controller: observation - hidden - 2, tanh, with biases."""
        return (self.observed + 1) * self.hidden + (self.hidden + 1) * 2

    def observe(self, place: Array, carries: bool = False) -> Array:
        """(observed,) what the robot sees at a place (2,); each number in [-1, 1].

        Raises ValueError for a place that is not on the floor.
        """
        from toyrl.worlds.search.maze_kernels import see

        out = np.empty(self.observed)
        see(self.walls, self._floor(place), 1.0 if carries else 0.0, out)
        return out

    def _floor(self, place: Array) -> Array:
        at = np.array(place, dtype=float)
        inside = at.shape == (2,) and bool(((at >= 0) & (at < self.walls.shape)).all())
        if not inside or self.walls[tuple(at.astype(int))]:
            msg = f"place={place} must be two numbers (x, y) on the floor, such as {self.start}"
            raise ValueError(msg)
        return at

    def move(self, place: Array, action: Array) -> Array:
        """(2,) where an action (2,), cut to [-1, 1], leads from a place (2,).

        Raises ValueError for a place that is not on the floor, and for an action with NaN.
        """
        from toyrl.worlds.search.maze_kernels import step

        a, to = np.asarray(action, dtype=float), self._floor(place)
        if a.shape != (2,) or np.isnan(a).any():
            msg = f"action={action} must be two numbers (dx, dy)"
            raise ValueError(msg)
        step(self.walls, to, np.clip(a, -1, 1))
        return to

    def evaluate(self, genomes: Array, rng: Any) -> tuple[Array, Array, Array]:
        """(last place in [-1, 1]^2 (n, 2), path of 11 places (n, 11, 2), reward (n,)).

        genomes : (n, genes) controllers; deterministic. The deceptive maze pays the way gained on
        the goal over the way there at first, in (-inf, 1], the others as an episode does.

        Raises ValueError for genomes of another length and for weights that aren't finite.
        """
        from toyrl.worlds.search.maze_kernels import episodes

        g = np.ascontiguousarray(genomes, dtype=float)
        if g.ndim != 2 or g.shape[1] != self.genes or not np.isfinite(g).all():
            msg = f"genomes of shape {g.shape} must have {self.genes} finite weights each"
            raise ValueError(msg)
        path, reward = episodes(self.walls, self.start, self.goal, self.balls, g, self.hidden,
                                 self.observed, self.steps, KINDS.index(self.kind))  # fmt: skip
        scaled = 2 * path / np.array(self.walls.shape) - 1
        return scaled[:, -1], scaled, reward
