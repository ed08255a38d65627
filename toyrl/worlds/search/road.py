"""A road as a chain of cells, with crossings that close: its law, for many cars and exactly.

A car chooses its speed, in cells a step. Driving over a closed crossing is a collision and ends the
episode; coming too close to one, braking or speeding up by more than one, and driving above the
limit are soft: factors that multiply what a step's progress pays, the first two for some steps.
A toy of the driving tasks of paper 20 (the numbers are ours): what is in it is that standing still
is safe and comfortable.

    Road.move     one step of any number of cars; the law that everything else is made of
    plan          the best policy for a reward within the horizon, exactly
    outcome       what a policy comes to: route, steps, collisions, pay
    as_mdp        the road without its horizon, as a process of `toyrl.worlds.mdp`
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np

from toyrl.ranges import COUNT, PART, SHARE, check_fields
from toyrl.shapers.explore.composite import Driving
from toyrl.worlds.search.infractions import speed_factor

if TYPE_CHECKING:
    from toyrl.worlds.mdp.model import MDP

Array = Any
STATE = ("cell", "speed", "closed", "close", "rough")
"""A car's state (..., 5): cell, speed, whether the next crossing is closed, and for how many steps
more a close call and a rough ride count."""


class Moved(NamedTuple):
    """One step: states but for the crossing, its chance of being closed, and what was done.

    state : (..., 5); closed : (...) chance; gain : share of the route done
    factors : by name, in [0, 1]; hard : 0, or 2 for a collision; over : the episode has ended
    """

    state: np.ndarray
    closed: np.ndarray
    gain: np.ndarray
    factors: dict[str, np.ndarray]
    hard: np.ndarray
    over: np.ndarray


@dataclass(frozen=True)
class Road:
    """The road: cells to drive, crossings, speeds and what is kept.

    cells : of the route; crossings : cells that can be closed; top : highest speed
    limit : speed that is allowed; v_over : cells a step above it at which nothing is paid
    opens, closes : chances a step; horizon : steps of an episode, those of `n_iter`
    close, rough : factors of a close call and of a rough ride; sticky : steps that they count for

    Raises ValueError for numbers out of their ranges and crossings that are not on the road.
    """

    cells: Annotated[int, COUNT] = 12
    crossings: tuple[int, ...] = (4, 8)
    top: Annotated[int, COUNT] = 3
    limit: Annotated[int, COUNT] = 2
    v_over: float = 2.0
    opens: Annotated[float, PART] = 0.3
    closes: Annotated[float, SHARE] = 0.2
    horizon: Annotated[int, COUNT] = 40
    close: Annotated[float, SHARE] = 0.5
    rough: Annotated[float, SHARE] = 0.75
    sticky: Annotated[int, COUNT] = 3

    def __post_init__(self) -> None:
        check_fields(self)
        wrong = [c for c in self.crossings if not 0 < c < self.cells]
        if wrong or sorted(set(self.crossings)) != list(self.crossings):
            msg = f"crossings={self.crossings} must rise from 1 to {self.cells - 1}, the last cell "
            msg += "before the end"
            raise ValueError(msg)

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each number of a state has; the last cell is the end of the route."""
        return (self.cells + 1, self.top + 1, 2, self.sticky + 1, self.sticky + 1)

    @property
    def busy(self) -> float:
        """Chance that a crossing is closed when it comes into view: its long-run share."""
        return self.closes / (self.closes + self.opens)

    def next_crossing(self, cell: Array) -> np.ndarray:
        """(...) the first crossing beyond a cell; far away (twice the road) if there is none."""
        marks = np.array([*self.crossings, 2 * (self.cells + self.top)])
        return marks[np.searchsorted(marks, np.asarray(cell), side="right")]

    def start(self, n: int, rng: Any) -> np.ndarray:
        """(n, 5) states of cars that stand at the start, the first crossing drawn."""
        state = np.zeros((n, 5), dtype=np.int64)
        state[:, 2] = rng.random(n) < (self.busy if self.crossings else 0.0)
        return state

    def move(self, state: Array, action: Array) -> Moved:
        """One step of cars in `state` (..., 5) with speeds `action` (...), 0..top."""
        cell, speed, closed, close, rough = np.moveaxis(np.asarray(state), -1, 0)
        v = np.asarray(action)
        ahead = self.next_crossing(cell)
        passes = cell + v >= ahead
        crash = passes & (closed > 0)
        there = np.where(crash, ahead, np.minimum(cell + v, self.cells))
        gap = self.next_crossing(there) - there
        near = ~passes & (closed > 0) & (v > 0) & (gap <= v)
        jolt = np.abs(v - speed) > 1
        close = np.where(near, self.sticky, np.maximum(close - 1, 0))
        rough = np.where(jolt, self.sticky, np.maximum(rough - 1, 0))
        stays = np.where(closed > 0, 1 - self.opens, self.closes)
        none = self.next_crossing(there) > self.cells
        chance = np.where(none, 0.0, np.where(passes, self.busy, stays))
        factors = {
            "speed": speed_factor(v, self.limit, self.v_over),
            "ttc": np.where(close > 0, self.close, 1.0),
            "comfort": np.where(rough > 0, self.rough, 1.0),
            "lane": np.ones(v.shape),
            "off_route": np.ones(v.shape),
        }
        new = np.stack([there, v, 0 * v, close, rough], axis=-1)
        gain = (there - cell) / self.cells
        return Moved(new, chance, gain, factors, 2.0 * crash, crash | (there >= self.cells))


def pay(reward: Driving, moved: Moved) -> np.ndarray:
    """What a step of N cars is paid, (N,), all parts in one; moved : arrays (N,), or any shape."""
    parts = reward.paid(moved.gain, moved.factors, moved.hard)
    return np.asarray(sum(parts.values()))


def paying(reward: Any) -> Driving:
    """The reward, if it pays by step.

    Raises TypeError for one that doesn't.
    """
    if not isinstance(reward, Driving):
        msg = (
            f"reward={reward!r} doesn't pay by step of a road; give carl(), carl_product(), "
            "carl_survival() or carl_additive(), or a subclass of Driving with a `paid` of its own"
        )
        raise TypeError(msg)
    return reward


# -- exactly ---------------------------------------------------------------------------------------
class Tables(NamedTuple):
    """The road laid out: all live states (S, 5), and of each with each action (S, A)

    pay : expected pay; gain : of the route; crash : 1 for a collision
    open_, shut : number of the next state if the crossing is open, or closed; S once it is over
    closed : chance of the latter
    """

    states: np.ndarray
    pay: np.ndarray
    gain: np.ndarray
    crash: np.ndarray
    open_: np.ndarray
    shut: np.ndarray
    closed: np.ndarray


def tables(road: Road, reward: Driving) -> Tables:
    """Every live state and action of a road under a reward; S = cells (top+1) 2 (sticky+1)^2.

    Raises TypeError for a reward that doesn't pay by step.
    """
    paying(reward)
    shape = (road.cells, *road.shape[1:])
    states = np.stack(np.unravel_index(np.arange(int(np.prod(shape))), shape), axis=-1)
    S, A = len(states), road.top + 1
    moved = road.move(np.repeat(states[:, None], A, axis=1), np.tile(np.arange(A), (S, 1)))
    end = moved.over
    live = np.where(end[..., None], 0, moved.state)
    place = np.ravel_multi_index(tuple(np.moveaxis(live, -1, 0)), shape)
    step = int(np.prod(shape[3:]))  # from an open crossing to a closed one
    return Tables(
        states, pay(reward, moved), moved.gain, (moved.hard > 0) * 1.0,
        np.where(end, S, place), np.where(end, S, place + step), moved.closed,
    )  # fmt: skip


def _next(t: Tables, value: np.ndarray) -> np.ndarray:
    wide = np.append(value, 0.0)
    return (1 - t.closed) * wide[t.open_] + t.closed * wide[t.shut]


def plan(road: Road, reward: Driving, discount: float = 1.0) -> tuple[np.ndarray, float]:
    """The best actions for the discounted pay of an episode, and what they collect.

    Actions (T, S) by step up to the horizon and by state, in the order of `tables`. Ties go to the
    lowest speed. discount : in [0, 1]

    Raises TypeError for a reward that doesn't pay by step.
    """
    t = tables(road, reward)
    value, best = np.zeros(len(t.states)), []
    for _ in range(road.horizon):
        q = t.pay + discount * _next(t, value)
        # Equal up to rounding is a tie.
        best.append(np.argmax(q >= q.max(-1, keepdims=True) - 1e-9, axis=-1))
        value = q.max(-1)
    return np.array(best[::-1]), float(_start(road, t) @ value)


def _start(road: Road, t: Tables) -> np.ndarray:
    still = (t.states[:, [0, 1, 3, 4]] == 0).all(-1)
    closed = road.busy if road.crossings else 0.0
    return still * np.where(t.states[:, 2] > 0, closed, 1 - closed)


class Outcome(NamedTuple):
    """What a policy comes to in an episode, means.

    route : share done; steps; collisions : chance of one; finished : chance; pay : under the reward
    """

    route: float
    steps: float
    collisions: float
    finished: float
    pay: float


def outcome(road: Road, reward: Driving, policy: Array) -> Outcome:
    """The exact means of an episode under actions by step and state.

    policy : (T, S) or (S,) whole numbers, states as in `tables`

    Raises TypeError for a reward that doesn't pay by step.
    """
    t = tables(road, reward)
    S = len(t.states)
    policy = np.broadcast_to(np.asarray(policy), (road.horizon, S))
    mass, row = _start(road, t), np.arange(S)
    found = np.zeros(4)
    for a in policy:
        own = (row, a)
        found += [mass @ t.gain[own], mass.sum(), mass @ t.crash[own], mass @ t.pay[own]]
        after = np.zeros(S + 1)
        np.add.at(after, t.open_[own], mass * (1 - t.closed[own]))
        np.add.at(after, t.shut[own], mass * t.closed[own])
        mass = after[:S]
    route, steps, collisions, paid = found.tolist()
    return Outcome(route, steps, collisions, 1 - collisions - float(mass.sum()), paid)


def as_mdp(road: Road, reward: Driving, discount: float = 0.99) -> MDP:
    """The road without its horizon, states as in `tables` and one more, terminal, at the end.

    discount : below 1, as a car may stand for ever

    Raises ValueError for a discount of 1 or more, TypeError for a reward that doesn't pay by step.
    """
    from scipy.sparse import coo_array

    from toyrl.worlds.mdp.model import MDP

    if not 0 <= discount < 1:
        msg = f"discount={discount} must be in [0, 1): without a horizon a car may stand for ever"
        raise ValueError(msg)
    t = tables(road, reward)
    S, A = t.pay.shape
    row = np.arange(S * A)
    chance = np.concatenate([1 - t.closed.ravel(), t.closed.ravel()])
    cells = (np.tile(row, 2), np.concatenate([t.open_.ravel(), t.shut.ravel()]))
    keep = chance > 0
    at = (cells[0][keep], cells[1][keep])
    moves = coo_array((chance[keep], at), shape=((S + 1) * A, S + 1)).tocsr()
    paid = np.vstack([t.pay, np.zeros((1, A))])
    end = np.arange(S + 1) == S
    return MDP(moves, paid, discount, start=np.append(_start(road, t), 0.0), terminal=end)
