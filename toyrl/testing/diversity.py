"""Rollouts that differ in what matters to a reward, and the corners that it was never asked about.

Random rollouts look alike: of eight draws hardly one is short, well formed, wrong and paid. Here
novelty search (`toyrl.dynamics.population`) moves groups of rollouts apart in length, format,
correctness and what the reward pays, and a grid keeps one group for each cell that was reached.

    test with     diverse_rollouts(my_reward)       a Hypothesis strategy, one group a cell
    ask           unasked(my_reward, my_rollouts)   cells that none of your rollouts lies in
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from toyrl.rewards.columns import as_shaper, is_text_reward
from toyrl.rollouts import FIELDS, Rollouts
from toyrl.shapers.base import Shaper
from toyrl.testing.strategies import reach

AXES = ("length", "format", "correct", "reward")
BINS = (5, 2, 2, 5)
GRID = 8


@dataclass(frozen=True)
class Corner:
    """A cell that nothing was asked about.

    length : (low, high) share of the limit; format, correct : 0 or 1, above one half; reward : what
        is paid in the example, a group (1, G) whose first rollout lies in the cell
    """

    length: tuple[float, float]
    format: int
    correct: int
    reward: float
    example: Rollouts

    def __str__(self) -> str:
        low, high = self.length
        said = (
            f"length {low:.0%} to {high:.0%} of the limit, {'right' if self.correct else 'wrong'}"
        )
        shown = ", format kept" if self.format else ", format broken"
        shown = shown if "format" in self.example.fields else ""
        return f"{said}{shown}: paid {self.reward:.3g}"


@dataclass(frozen=True)
class Corners:
    """What `unasked` found: `corners`, best paid first, of `reached` cells of the grid.

    rejected : groups of rollouts on which the reward was NaN
    """

    reward: str
    corners: tuple[Corner, ...]
    reached: int
    rejected: int

    def __str__(self) -> str:
        head = (
            f"{self.reward}: {len(self.corners)} of {self.reached} corners were never asked about"
        )
        odd = [f"  NaN for {self.rejected} groups of rollouts"] * bool(self.rejected)
        return "\n".join([head, *odd, *(f"  {c}" for c in self.corners)])


class RolloutWorld:
    """Groups of rollouts as a world of `toyrl.dynamics.population`: genomes (n, genes).

    reward : a shaper; group : rollouts of a prompt; limit : their longest length

    Raises ValueError for a reward that reads a field with an axis of its own (tokens, steps).
    """

    def __init__(self, reward: Shaper, group: int = 3, limit: int = 8) -> None:
        needs = [n for n in dict.fromkeys(reward.all_needs()) if n in FIELDS]
        deep = [n for n in needs if FIELDS[n].axes]
        if deep or "mask" in reward.all_needs() or reward.all_token_level():
            msg = f"the reward reads {', '.join(deep) or 'tokens'}: diverse rollouts carry one "
            raise ValueError(msg + f"number each; draw with rollouts(needs={tuple(needs)!r})")
        if min(group, limit) < 1:
            msg = f"group={group} and limit={limit} must be 1 or more"
            raise ValueError(msg)
        self.reward, self.group, self.limit = reward, group, limit
        self.names = needs
        self.genes = group * (2 + len(needs))
        self.tried: list[np.ndarray] = []
        self.places: list[np.ndarray] = []

    def rollouts(self, genomes: np.ndarray) -> Rollouts:
        """(n, G) rollouts of genomes (n, genes) in [-5, 5]."""
        share = (np.asarray(genomes, dtype=float).reshape(len(genomes), self.group, -1) + 5) / 10
        fields = {}
        for i, name in enumerate(self.names):
            low, high = reach(FIELDS[name])
            fields[name] = low + (high - low) * np.round(share[..., 2 + i] * GRID) / GRID
        length = np.minimum(np.floor(share[..., 0] * (self.limit + 1)), self.limit)
        right = (share[..., 1] > 0.5) * 1.0
        return Rollouts(right, length, float(self.limit), fields=fields)

    def evaluate(self, genomes: np.ndarray, _: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(behaviour (n, 4), the same, 0 (n,)): nothing is to be gained but difference."""
        places = placed(self.rollouts(genomes), self.reward)[:, 0]
        self.tried.append(genomes)
        self.places.append(places)
        return places, places, np.zeros(len(places))


def placed(r: Rollouts, reward: Shaper) -> np.ndarray:
    """(B, G, 4) places of rollouts, each in [0, 1]: length over its limit, format (1 where there is
    none), correctness, and the reward as (1 + tanh)/2; NaN where the reward is NaN.
    """
    paid = np.asarray(reward.reward(r), dtype=float)
    form = np.asarray(r.fields.get("format", np.ones(r.shape)), dtype=float)
    length = np.asarray(r.length, dtype=float) / np.asarray(r.max_length, dtype=float)
    parts = (length, form, np.asarray(r.correct, dtype=float), (1 + np.tanh(paid)) / 2)
    return np.stack([np.broadcast_to(p, r.shape) for p in parts], axis=-1)


@dataclass(frozen=True)
class Explored:
    """Groups of rollouts by the cell of their first: cells {number: (1, G) rollouts}."""

    reward: Shaper
    cells: dict[int, Rollouts]
    rejected: int


def explore(reward: Shaper | str | Callable[..., Any], *, group: int = 3, limit: int = 8,
            budget: int = 2000, seed: int = 0) -> Explored:  # fmt: skip
    """Move groups of rollouts apart by novelty search, and keep one for each cell reached.

    reward : as for `check_invariants`, but not over texts; its values count by (1 + tanh)/2
    group, limit : rollouts of a group and their longest length; budget : groups tried

    The answer's groups have shape (1, group). Raises ValueError for a reward over texts and for one
    that reads tokens or steps.
    """
    from toyrl.dynamics.population.search import NOVELTY, with_settings

    shaper = _shaper(reward)
    world = RolloutWorld(shaper, group, limit)
    plan = with_settings(NOVELTY, sigma=2.0, start=5.0)
    found = plan.run(world, np.random.default_rng(seed), budget)
    tried = np.concatenate(world.tried)
    kept = grid().members(np.concatenate(world.places))
    cells = {cell: world.rollouts(tried[[i]]) for cell, i in sorted(kept.items())}
    return Explored(shaper, cells, found.rejected)


def diverse_rollouts(reward: Shaper | str | Callable[..., Any], **settings: Any
                     ) -> st.SearchStrategy[Rollouts]:  # fmt: skip
    """Groups (1, G) of rollouts, one of each cell of length, format, correctness and reward.

    reward, settings : as for `explore`. With `@given(diverse_rollouts(my_reward))` a property test
    sees every corner about equally often; a counterexample shrinks to the first cell that shows it.

    Raises ValueError for a reward that `explore` refuses and for one that is NaN everywhere.
    """
    cells = explore(reward, **settings).cells
    if not cells:
        msg = "the reward is NaN on all rollouts that were tried: there is no corner to draw from"
        raise ValueError(msg)
    return st.sampled_from(list(cells.values()))


def unasked(reward: Shaper | str | Callable[..., Any], asked: Rollouts | Iterable[Rollouts],
            **settings: Any) -> Corners:  # fmt: skip
    """Which corners can be reached that none of the rollouts `asked` lies in, best paid first.

    asked : what your tests or your log asked the reward about, (B, G) rollouts, one or many
    settings : as for `explore`

    Raises ValueError for a reward that `explore` refuses.
    """
    found = explore(reward, **settings)
    known: set[int] = set()
    for r in [asked] if isinstance(asked, Rollouts) else asked:
        here = placed(r, found.reward)[np.asarray(r.w) > 0]
        known |= set(grid().cells(here.reshape(-1, len(AXES))).tolist())
    corners = [_corner(found, cell) for cell in found.cells if cell not in known]
    corners.sort(key=lambda c: -c.reward)
    name = reward if isinstance(reward, str) else getattr(reward, "__name__", repr(reward))
    return Corners(name, tuple(corners), len(found.cells), found.rejected)


def grid() -> Any:
    """The grid of corners: 5 lengths, 2 formats, 2 verdicts, 5 levels of reward."""
    from toyrl.dynamics.population.grid import Grid

    return Grid(BINS, 0.0, 1.0)


def _corner(found: Explored, cell: int) -> Corner:
    example = found.cells[cell]
    place = np.unravel_index(cell, BINS)
    paid = np.asarray(found.reward.reward(example), dtype=float)[0, 0]
    share = (place[0] / BINS[0], (place[0] + 1) / BINS[0])
    return Corner(share, int(place[1]), int(place[2]), float(paid), example)


def _shaper(reward: Any) -> Shaper:
    if isinstance(reward, str):
        from toyrl.expressions import parse

        return parse(reward)
    if isinstance(reward, Shaper):
        return reward
    if is_text_reward(reward):
        msg = "the reward reads texts: corners are of rollouts as numbers; draw texts by "
        raise ValueError(msg + "completions()")
    return as_shaper(reward)
