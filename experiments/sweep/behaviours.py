"""Cells in worlds of behaviours, the forecast's own: all cells of a kind in one batch.

Each cell has the same draws of what nobody knows of a base (`toyrl.worlds.behaviour.prior`), and
meets the same rollouts' noise, so that cells differ by their parameters alone. Weight, KL weight
and the worlds' numbers are rows of one training; reward parameters, estimator, group size and limit
go into trainings of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from toyrl.experiments.errors import UsageError
from toyrl.experiments.forecast.rivals.behaviour import Changed
from toyrl.experiments.sweep.cells import (
    Cell,
    Found,
    estimator_of,
    found,
    grouped,
    joined,
    own_fields,
)
from toyrl.experiments.sweep.parameters import BEHAVIOUR, PARAMETERS, PRIOR_NAMES
from toyrl.experiments.sweep.reward import Given
from toyrl.shapers.outcome import Outcome
from toyrl.worlds.behaviour import prior
from toyrl.worlds.behaviour.rollouts import UnseenError
from toyrl.worlds.behaviour.training import Path, Plan, train
from toyrl.worlds.behaviour.worlds import Worlds, fitted
from toyrl.worlds.chain.latents.judge_errors import JudgeErrors

SIZE = 8
"""Rollouts a prompt where nothing says how many."""
PROMPTS = 24
NUMBERS = tuple(p.name for p in PARAMETERS.values() if p.worlds == (BEHAVIOUR,))
NOTHING: tuple[tuple[str, ...], Any] = ((), lambda _: {})


@dataclass
class Behaviours:
    """Trains cells in worlds of behaviours.

    limits : the reward under each completion limit that cells have; worlds : of each cell
    """

    limits: Mapping[int, Given]
    worlds: int = 16
    seed: int = 0
    prompts: int = PROMPTS
    steps: int = 60
    _bases: dict[Any, Worlds] = field(default_factory=dict, repr=False)
    _alone: dict[Any, Path] = field(default_factory=dict, repr=False)

    def solve(self, cells: Sequence[Cell]) -> Found:
        """What is found of these cells, in their order."""
        return joined([(rows, self._alike([cells[i] for i in rows]))
                       for rows in grouped(cells, _key)], len(cells))  # fmt: skip

    def _alike(self, cells: Sequence[Cell]) -> Found:
        first, n, W = cells[0], len(cells), self.worlds
        given = self.limits[int(first["limit"])].changed(own_fields(first, "reward."))
        bases = [self._base(c) for c in cells]
        every = together(bases)
        weight = np.repeat([float(c["weight"]) for c in cells], W)[:, None, None]
        beta = np.repeat([float(c["beta"]) for c in cells], W)[:, None, None]
        size = int(first.get("group_size") or SIZE)
        plan = Plan(group_size=size, beta=beta, steps=self.steps, looks=1, seed=self.seed,
                    labels=given.labels, copies=n, judge=judges(given, W, n))  # fmt: skip
        shaper = Changed(given.law.shaper, lambda own, right: given.mixed(own, right, weight))
        try:
            made = train(every, shaper, estimator_of(first), plan, serve=served(given))
        except UnseenError as error:
            msg = f"worlds='behaviour': {error}; worlds='chain' may serve it"
            raise UsageError(msg) from error
        alone = [self._outcome(c, b, size) for c, b in zip(cells, bases, strict=True)]
        runs = {
            "base_accuracy": made.accuracy[0],
            "accuracy": made.accuracy[-1],
            "alone_accuracy": np.concatenate([a.accuracy[-1] for a in alone]),
            "base_length": made.length[0],
            "length": made.length[-1],
            "kl": made.kl[-1],
        }
        luck = every.numbers["luck"][:, 0, 0].reshape(n, W)
        return found({k: v.reshape(n, W) for k, v in runs.items()}, luck)

    def _base(self, cell: Cell) -> Worlds:
        """The cell's untrained worlds, fitted once to what it says of them."""
        told = {n: cell.get(n) for n in ("ability", "length", "limit", *NUMBERS)}
        key = tuple(told.items())
        if key not in self._bases:
            balanced = 1 << (self.worlds - 1).bit_length()
            every = prior.drawn(balanced, None, float(cell["length"]), self.seed)
            numbers = {k: v[: self.worlds] for k, v in every.items()}
            for name in NUMBERS:
                value = told[name]
                if value is not None:
                    own = PRIOR_NAMES.get(name, name)
                    numbers[own] = np.full(self.worlds, float(value))
            self._bases[key] = fitted(
                numbers, accuracy=float(cell["ability"]), length=float(cell["length"]),
                limit=float(cell["limit"]), prompts=self.prompts, seed=self.seed,
            )  # fmt: skip
        return self._bases[key]

    def _outcome(self, cell: Cell, base: Worlds, size: int) -> Path:
        """Correctness alone in the cell's worlds, trained once whatever the reward."""
        apart = own_fields(cell, "estimator")
        key = (id(base), size, float(cell["beta"]), *sorted(apart.items()))
        if key not in self._alone:
            plan = Plan(group_size=size, beta=float(cell["beta"]), steps=self.steps, looks=1,
                        seed=self.seed)  # fmt: skip
            self._alone[key] = train(base, Outcome(), estimator_of(cell), plan)
        return self._alone[key]


def _key(cell: Cell) -> tuple[Any, ...]:
    apart = {**own_fields(cell, "reward."), **own_fields(cell, "estimator")}
    told = (cell["limit"], cell.get("group_size"))
    return (*told, *sorted((k, repr(v)) for k, v in apart.items()))


def judges(given: Given, worlds: int, copies: int) -> tuple[JudgeErrors, ...] | None:
    """Who says what is right in copies of so many worlds: a judge's likely forms, shared out alike
    in each, or the judge as measured where the worlds can't be shared out."""
    if given.judge is None:
        return None
    even = worlds % len(given.judges) == 0
    return given.judges * copies if even else (given.judge,)


def served(given: Given) -> tuple[tuple[str, ...], Any]:
    """What is served beside the behaviours: the values of the reward's text terms."""
    text = given.text
    if text is None:
        return NOTHING
    return (("user_reward",), lambda p: {"user_reward": text.of(p)})


def together(bases: Sequence[Worlds]) -> Worlds:
    """Worlds one after the other, of one limit."""
    first = bases[0]
    numbers = {k: np.concatenate([b.numbers[k] for b in bases]) for k in first.numbers}
    length = np.concatenate([np.broadcast_to(b.length, (b.size[0], 1, 1)) for b in bases])
    arrays = {
        k: np.concatenate([getattr(b, k) for b in bases]) for k in ("ability", "core", "easy")
    }
    same = float(first.length) if np.ptp(length) == 0 else length
    return replace(first, numbers=numbers, length=same, **arrays)  # type: ignore[arg-type]
