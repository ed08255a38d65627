"""The arguments of `toyrl reproduce`, `ledger` and `scoreboard`: published claims and runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from toyrl.experiments.amounts import Amounts
from toyrl.experiments.cli.app import PROOF, JsonTarget, command, ranged
from toyrl.ranges import said


@command(PROOF, "toyrl reproduce 03", "toyrl reproduce all --smoke --out results")
@ranged(said(Amounts), "seed")
def reproduce(
    ids: Annotated[list[str], Parameter(name="ID", negative="")],
    /,
    *,
    json: JsonTarget = None,
    out: Path | None = None,
    mutants: bool = True,
    seed: int = 0,
    smoke: Annotated[bool, Parameter(negative="")] = False,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """Does a published claim hold in the toy world?

    Exit code 0 if every check holds and every broken variant is caught, 1 if not.

    Parameters
    ----------
    ids
        Numbers of papers (03), slugs (drpo), experiment names, or all.
    json
        File for the results, or - for standard output.
    out
        Folder for results, tables, pictures and a page. An experiment that it holds already, of the
        same code, seed and options, isn't run again.
    mutants
        Run the deliberately broken variants too, which the checks must catch.
    seed
        Seed of what is sampled.
    smoke
        The small configuration of each experiment.
    quiet
        One line only.
    """
    from toyrl.experiments.commands.reproduce import run

    return run(ids, json=json, out=out, mutants=mutants, seed=seed, smoke=smoke, quiet=quiet)


@command(PROOF, "toyrl ledger --only 02-correctness")
def ledger(
    *,
    only: Annotated[list[str] | None, Parameter(negative="")] = None,
    out: Path | None = None,
    json: JsonTarget = None,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """How often was validate right about published training runs?

    Runs published settings with a known outcome and counts hits and misses; about 15 seconds for
    each reward.

    Parameters
    ----------
    only
        Only this setting; may be given several times.
    out
        Markdown page with every setting that has a verdict.
    json
        File that keeps the verdicts, read first so that a run is resumed; - for standard output.
    quiet
        One line only.
    """
    from toyrl.experiments.commands.ledger import run

    return run(only or (), out=out, json=json, quiet=quiet)


@command(PROOF, "toyrl scoreboard --ledger docs/ledger.json")
def scoreboard(
    *,
    ledger: Path | None = None,
    measured: Annotated[list[Path] | None, Parameter(negative="")] = None,
    out: Path | None = None,
    json: JsonTarget = None,
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="")] = False,
) -> int:
    """Which forecast of a training run has been right?

    Scores simple rivals, rules and validate on published runs, and on runs that toyrl transfer
    measured.

    Parameters
    ----------
    ledger
        File of toyrl ledger --json, whose verdicts are quoted; without it validate is silent.
    measured
        Folder of toyrl transfer with result.json and predictions.json, or X.json beside
        X-predictions.json; may be given several times.
    out
        Markdown page.
    json
        File for scores, forecasts and outcomes, or - for standard output.
    quiet
        Print nothing.
    """
    from toyrl.experiments.commands.scoreboard import run

    return run(ledger=ledger, measured=measured or (), out=out, json=json, quiet=quiet)
