"""The arguments of `toyrl distance`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from toyrl.experiments.amounts import Amounts
from toyrl.experiments.cli.app import JUDGE, OUTPUT, JsonTarget, command, ranged
from toyrl.ranges import said


@command(
    JUDGE,
    "toyrl distance own my_rewards.py:shaped --env FrozenLake-v1",
    "toyrl distance --rollouts log.jsonl --columns outcome,brevity",
)
@ranged(said(Amounts), "discount", "top", "seed")
def distance(
    rewards: Annotated[list[str] | None, Parameter(name="REWARD", negative="")] = None,
    /,
    *,
    env: str | None = None,
    rollouts: Path | None = None,
    columns: str | None = None,
    discount: float | None = None,
    top: int = 10,
    seed: int = 0,
    report: Annotated[Path | None, Parameter(group=OUTPUT, negative_none="no-")] = Path(
        "toyrl-distance.html"
    ),
    out: Annotated[Path | None, Parameter(group=OUTPUT)] = None,
    json: Annotated[JsonTarget, Parameter(group=OUTPUT)] = None,
    quiet: Annotated[bool, Parameter(group=OUTPUT, name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """Do these rewards order policies alike, and what can be lost?

    Distances lie in [0, 2]: 0 the same order of all policies, 2 the opposite one. Each reward is
    held against the first; one alone against the process's own.

    Parameters
    ----------
    rewards
        On a process: own (what it pays), file.npy, file.npz:NAME or the name of an array in the
        --env file, of shape (S,), (S, A) or (S, A, S); file.py:function of (state), (state, action)
        or (state, action, next state), which is run in this process. On the chain whatever
        validate takes.
    env
        A Gymnasium id whose environment has a table P (FrozenLake-v1, Taxi-v4, CliffWalking-v1), a
        file .npz with transitions (S, A, S) and, where there are any, reward, discount, start,
        terminal; or chain.
    rollouts
        A log of rollouts instead: distances between its columns within prompts, with bands.
    columns
        Columns of the log, with commas: outcome,brevity. Every column of numbers that varies
        within prompts where none is named.
    discount
        Of the process [default: the file's; 1 on the chain; 0.99].
    top
        How many of the states and actions that differ most are told.
    seed
        Of the bands.
    report
        Page with the answer; --no-report for none.
    out
        Folder for pictures, tables and the canonical rewards.
    json
        File for the numbers, or - for standard output.
    quiet
        One line only.
    """
    from toyrl.experiments.commands.distance import run

    return run(
        rewards or [],
        env=env,
        rollouts=rollouts,
        columns=columns,
        discount=discount,
        top=top,
        seed=seed,
        report=report,
        out=out,
        json=json,
        quiet=quiet,
    )
