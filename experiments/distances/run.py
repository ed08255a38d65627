"""Distances of rewards on a process, and of a log's columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.experiments.amounts import refuse_outside
from toyrl.experiments.begin import Begin, nothing
from toyrl.experiments.distances.found import Distances
from toyrl.experiments.distances.logs import of_log
from toyrl.experiments.distances.pairs import judged
from toyrl.experiments.distances.rewards import counters_read, reward_on
from toyrl.experiments.distances.worlds import world_of
from toyrl.experiments.errors import UsageError
from toyrl.rewards.specs import name_of
from toyrl.theory.distance import distance_matrix


def on_process(
    rewards: Sequence[Any], env: Any, *, discount: float | None, top: int, command: str = "",
    begin: Begin = nothing,
) -> Distances:  # fmt: skip
    """Each reward against the first, and all distances; one alone is held to the process's own.

    begin : hears (done, total, name) before each reward is read, and before each is held against
        the first

    Raises UsageError for a process or reward that can't be used.
    """
    if not rewards:
        msg = "name a reward, or two to compare: toyrl distance A B --env FrozenLake-v1"
        raise UsageError(msg)
    refuse_outside(top=top, discount=discount)
    counters = counters_read(rewards) if isinstance(env, str) and env == "chain" else ()
    world = world_of(env, discount=discount, counters=counters)
    asked = [*rewards, "own"] if len(rewards) == 1 else list(rewards)
    total, read = 2 * len(asked), []
    for done, r in enumerate(asked):
        begin(done, total, f"reading {name_of(r)}")
        read.append(reward_on(world, r))
    given = _named(read)
    pairs = []
    try:
        begin(len(asked), total, "all distances")
        matrix = distance_matrix(world.mdp, [g.reward for g in given])
        for done, g in enumerate(given[1:], len(asked) + 1):
            begin(done, total, f"{g.name} against {given[0].name}")
            pairs.append(judged(world, given[0], g, top=top))
    except (RuntimeError, ValueError) as error:
        # a solver that didn't get there, or discount 1 where some policy never ends: both say so
        raise UsageError(str(error)) from error
    notes = [f"{g.name}: {g.note}" for g in given if g.note]
    notes += world.mdp.validate()
    names = tuple(g.name for g in given)
    return Distances(world.name, names, np.asarray(matrix), tuple(pairs), None, world, tuple(notes),
                     command)  # fmt: skip


def on_log(
    path: Any, columns: Sequence[str] | str | None, *, seed: int, command: str = ""
) -> Distances:
    """Distances between the columns of a log. Raises UsageError as `of_log` does."""
    refuse_outside(seed=seed)
    found = of_log(path, columns, seed=seed)
    head = f"{found.rows} rollouts of {found.prompts} prompts"
    return Distances(f"{path}", found.columns, found.distance, (), found, None,
                     (head, *found.notes), command)  # fmt: skip


def _named(given: list[Any]) -> list[Any]:
    """Rewards with names that differ, paths without their folders where these say nothing."""
    from dataclasses import replace

    short = [g.name.rpartition("/")[2] if g.name.endswith(".py") or ".py:" in g.name else g.name
             for g in given]  # fmt: skip
    if len(set(short)) == len({g.name for g in given}):
        given = [replace(g, name=n) for g, n in zip(given, short, strict=True)]
    seen: dict[str, int] = {}
    out = []
    for g in given:
        seen[g.name] = seen.get(g.name, 0) + 1
        again = seen[g.name]
        out.append(g if again == 1 else replace(g, name=f"{g.name} ({again})"))
    return out
