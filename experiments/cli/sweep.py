"""The arguments of `toyrl sweep`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from toyrl.experiments.amounts import Amounts
from toyrl.experiments.cli.app import DEPTH, JUDGE, OUTPUT, RUN, JsonTarget, command, ranged
from toyrl.ranges import said


@command(
    JUDGE,
    "toyrl sweep my_rewards.py:brevity --over weight=0:2:64 --over rho=0:1:64",
    'toyrl sweep "outcome() - 0.3*linear_length()" --over weight=log:0.05:8:16 --refine',
)
@ranged(said(Amounts), "seed", "workers")
def sweep(
    rewards: Annotated[list[str], Parameter(name="REWARD", negative="")],
    /,
    *,
    over: Annotated[list[str], Parameter(group=RUN, negative="")],
    at: Annotated[list[str] | None, Parameter(group=RUN, negative="")] = None,
    estimator: Annotated[str, Parameter(group=RUN)] = "grpo",
    model: Annotated[Literal["auto", "chain", "behaviour"], Parameter(group=DEPTH)] = "auto",
    judge_noise: Annotated[Path | None, Parameter(group=RUN)] = None,
    worlds: Annotated[int | None, Parameter(group=DEPTH)] = None,
    refine: Annotated[bool, Parameter(group=DEPTH, negative="")] = False,
    seed: Annotated[int, Parameter(group=DEPTH)] = 0,
    engine: Annotated[Literal["local", "ray"], Parameter(group=DEPTH)] = "local",
    workers: Annotated[int, Parameter(group=DEPTH)] = 1,
    ray_address: Annotated[str | None, Parameter(group=DEPTH)] = None,
    out: Annotated[Path | None, Parameter(group=OUTPUT, negative_none="no-")] = Path("toyrl-sweep"),
    json: Annotated[JsonTarget, Parameter(group=OUTPUT)] = None,
    quiet: Annotated[bool, Parameter(group=OUTPUT, name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """At which weight, on which prompts, under which optimiser does my reward turn bad?

    Trains a grid of settings and draws the map: accuracy, length, the forecast's chances and the
    distance from the base. Says the largest weight that is good and the first that collapses.

    Finished cells are kept in the folder; the same command goes on with what it holds. Exit code 1
    if no weight tried is good at every setting.

    Parameters
    ----------
    rewards
        file.py:function, module:function or a catalogue expression; several are added.
    over
        An axis as NAME=START:STOP:COUNT, NAME=log:START:STOP:COUNT or NAME=A,B,C; once for each.
        weight, ability, length, limit, G, beta, rho (share of easy prompts), guess, flag_noise,
        redundancy, normalisation, estimator, and every field of the reward or estimator by name.
    at
        A parameter that all cells share, NAME=VALUE.
    estimator
        Advantage estimator (toyrl list --kind estimator).
    model
        chain: exact worlds; behaviour: those of the forecast; auto: behaviour where it knows every
        parameter named.
    judge_noise
        File of a judge's errors (toyrl audit-judge JUDGE --noise FILE), whose verdicts stand where
        the reward reads the right answer.
    worlds
        Worlds of each cell [default: 1 of the chain, 16 of behaviours].
    refine
        Train a coarse grid first and then only cells along the boundary.
    seed
        Of worlds and draws.
    engine
        local: processes of this machine; ray: a Ray cluster (extra sweep).
    workers
        Processes, or tasks at a time.
    ray_address
        Of a Ray cluster, ray://HOST:10001 or auto [default: one is started here].
    out
        Folder of finished cells, map and page; --no-out keeps nothing.
    json
        File for the result, or - for standard output.
    quiet
        No bar and no lines.
    """
    from toyrl.experiments.commands.sweep import run

    return run(
        rewards,
        over=over,
        at=at or (),
        estimator=estimator,
        judge_noise=judge_noise,
        model=model,
        worlds=worlds,
        refine=refine,
        seed=seed,
        engine=engine,
        workers=workers,
        ray_address=ray_address,
        out=out,
        json=json,
        quiet=quiet,
    )
