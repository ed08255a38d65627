"""Cells in worlds of the reasoning chain: exact training, all cells of a kind in one batch.

The reward of a cell is a table by outcome class, read off one law; worlds, weights and reward
parameters are rows of one call of the compiled trainer. Only what changes the program goes into
calls of its own: estimator, KL weight, completion limit, and, where groups are finite, their size
and the reward's parameters (its weight stays a row).

With one world a cell it is the template of `validate` (difficulties 2 and 8, the middle of its
prior); with more, what the cell doesn't say is drawn from that prior, the same draws in each cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.stats import qmc

from toyrl.dynamics.chain.distance import trajectory_kl
from toyrl.dynamics.chain.exact import Batch, LossOptions, Training
from toyrl.dynamics.chain.prior import (
    DIMENSIONS,
    PriorRanges,
    Worlds,
    numbers_at,
    two_logits,
    worlds_of,
)
from toyrl.experiments.errors import UsageError
from toyrl.experiments.sweep.cells import (
    Cell,
    Found,
    estimator_of,
    found,
    grouped,
    joined,
    objective_of,
    own_fields,
)
from toyrl.experiments.sweep.reward import Given
from toyrl.experiments.validate.collapse.train_worlds import Runner
from toyrl.experiments.validate.reward_law.bench import REACHED, template
from toyrl.experiments.validate.reward_law.law import DIFFICULTIES

NUMBERS = {"easy": "shares", "guess": "guess", "flag_noise": "flag_noise", "slip": "slip",
           "progress": "progress"}  # fmt: skip
"""Parameters -> fields of a batch of chains."""
FINITE = 8
"""Rollouts a prompt where a reward looks at its siblings and nothing says how many."""


@dataclass
class Chains:
    """Trains cells in chain worlds.

    limits : the reward under each completion limit that cells have; worlds : of each cell
    seed : of the worlds drawn and of finite groups
    """

    limits: Mapping[int, Given]
    worlds: int = 1
    seed: int = 0
    _rewards: dict[Any, Given] = field(default_factory=dict, repr=False)

    def solve(self, cells: Sequence[Cell]) -> Found:
        """What is found of these cells, in their order."""
        return joined([(rows, self._alike([cells[i] for i in rows]))
                       for rows in grouped(cells, self._key)], len(cells))  # fmt: skip

    def _key(self, cell: Cell) -> tuple[Any, ...]:
        """What differs between calls of the compiled trainer."""
        sampled = self.limits[int(cell["limit"])].group or cell.get("group_size") is not None
        own = own_fields(cell, "reward.") if sampled else {}
        apart = {**own_fields(cell, "estimator"), **own}
        told = (cell["limit"], cell["beta"], cell.get("group_size"))
        return (*told, *sorted((k, repr(v)) for k, v in apart.items()))

    def _alike(self, cells: Sequence[Cell]) -> Found:
        first = cells[0]
        limit, size = int(first["limit"]), first.get("group_size")
        own = self.limits[limit]
        base, row = self.bases(cells, limit)
        runner = Runner(
            self._changed(first, own).law,
            estimator_of(first),
            objective_of(first),
            FINITE if size is None else int(size),
            self.seed,
            LossOptions(beta=float(first["beta"])),
        )
        every = base.take(row)
        weight = np.repeat([float(c["weight"]) for c in cells], self.worlds)
        if size is None and not own.group:
            alone = runner.ends(base, np.broadcast_to(runner.correct, _shape(base)))
            made = runner.ends(every, *self._tables(cells, own, every, weight))
        else:
            gap = self._changed(first, own).gap
            if own.auxiliary:
                msg = "a reward without labels has no finite groups here; leave group_size out"
                raise UsageError(msg)
            alone = runner.ends_finite(base, 1.0, 0.0, outcome_only=True)
            made = runner.ends_finite(every, weight, gap)
        return _measured(base, row, made, alone, len(cells))

    def _changed(self, cell: Cell, own: Given) -> Given:
        values = own_fields(cell, "reward.")
        key = (own.limit, *sorted(values.items()))
        if key not in self._rewards:
            self._rewards[key] = own.changed(values)
        return self._rewards[key]

    def _tables(
        self, cells: Sequence[Cell], own: Given, worlds: Worlds, weight: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Mean (n W, B, K) reward of every row, and its variance where any class has one."""
        rows = worlds.batch.difficulties - DIFFICULTIES[0]
        mean = np.empty((*rows.shape, worlds.batch.chain.n_classes))
        spread = np.zeros_like(mean)
        c = worlds.batch.chain
        kinds = (c.class_correct(), c.class_length(), c.class_truncated())
        for places in grouped(cells, lambda c: tuple(sorted(own_fields(c, "reward.").items()))):
            g = self._changed(cells[places[0]], own)
            at = (np.asarray(places)[:, None] * self.worlds + np.arange(self.worlds)).ravel()
            w = weight[at][:, None, None]
            mean[at] = g.mixed(g.law.table()[rows[at]], g.labels_of(*kinds), w)
            v = g.law.variance()
            if v is not None:
                spread[at] = v[rows[at]] * w**2
        return mean, spread if spread.any() else None

    # -- worlds ------------------------------------------------------------------------------------
    def bases(self, cells: Sequence[Cell], limit: int) -> tuple[Worlds, np.ndarray]:
        """The worlds that differ, each once, and the place (n W,) of each row's among them."""
        names = (*NUMBERS, "ability", "length", "updates")
        keys = [tuple(c.get(n) for n in names) for c in cells]
        unlike = list(dict.fromkeys(keys))
        place = {key: i for i, key in enumerate(unlike)}
        made = self._worlds([dict(zip(names, key, strict=True)) for key in unlike], limit)
        at = np.array([place[k] for k in keys])[:, None] * self.worlds + np.arange(self.worlds)
        return made, at.ravel()

    def _worlds(self, told: Sequence[dict[str, Any]], limit: int) -> Worlds:
        """W worlds for each of these; what is None there is as in the template or drawn."""
        chain, W, ranges = template(limit), self.worlds, PriorRanges()
        if W == 1:
            batch, updates = Batch.of(chain), np.array([ranges.updates[1]])
            success, ratio = np.array([0.4]), np.array([1.0])
        else:
            u = qmc.Sobol(DIMENSIONS, rng=self.seed).random_base2((W - 1).bit_length())[:W]
            batch, updates = numbers_at(chain, u, ranges)
            success = ranges.success[0] + u[:, 6] * (ranges.success[1] - ranges.success[0])
            ratio = ranges.length_ratio[0] + u[:, 7] * (
                ranges.length_ratio[1] - ranges.length_ratio[0]
            )
        many = batch.take(np.tile(np.arange(W), len(told)))
        changed = {}
        for name, own in NUMBERS.items():
            values = _told(told, name, W)
            now = many.shares[:, 0] if name == "easy" else getattr(many, own)
            new = np.where(np.isnan(values), now, values)
            changed[own] = np.stack([new, 1 - new], -1) if name == "easy" else new
        many = replace(many, **changed)
        ability, length, steps = (_told(told, n, W) for n in ("ability", "length", "updates"))
        success = np.where(np.isnan(ability), np.tile(success, len(told)), ability)
        length = length * np.tile(ratio, len(told))
        steps = np.where(np.isnan(steps), np.tile(updates, len(told)), steps).astype(np.int64)
        theta = two_logits(many, success, np.minimum(length, REACHED * chain.max_length))
        return worlds_of(many, theta, steps)


def _told(told: Sequence[dict[str, Any]], name: str, worlds: int) -> np.ndarray:
    """(n W,) what is told of a parameter, NaN where nothing is."""
    values = [np.nan if t[name] is None else float(t[name]) for t in told]
    return np.repeat(values, worlds)


def _shape(worlds: Worlds) -> tuple[int, ...]:
    return (*worlds.batch.difficulties.shape, worlds.batch.chain.n_classes)


def _measured(base: Worlds, row: np.ndarray, made: Training, alone: Training, n: int) -> Found:
    """What is found of n cells whose runs are the rows of `made`."""
    shares = base.batch.shares
    every = base.take(row)
    kl = (trajectory_kl(every.batch, made.theta, every.theta) * shares[row]).sum(-1)
    runs = {
        "base_accuracy": base.success[row],
        "accuracy": (made.accuracy * shares[row]).sum(-1),
        "alone_accuracy": (alone.accuracy * shares).sum(-1)[row],
        "base_length": base.length[row],
        "length": (made.length * shares[row]).sum(-1),
        "kl": kl,
    }
    return found({k: v.reshape(n, -1) for k, v in runs.items()})
