"""`toyrl reproduce`: runs experiments with their mutants, shows and writes the outcomes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from toyrl.experiments import core
from toyrl.experiments.commands.output import command_line, json_path, refuse_unwritable, write_json
from toyrl.experiments.errors import UsageError
from toyrl.experiments.render import terminal


def run(
    ids: Sequence[str],
    *,
    json: str | None,
    out: Path | None,
    mutants: bool,
    seed: int,
    smoke: bool,
    quiet: bool,
) -> int:
    """Run the chosen experiments; 0 if all hold, 1 if not."""
    if seed < 0:
        msg = f"seed={seed} is not a whole number of at least 0"
        raise UsageError(msg)
    if out is not None and out.exists() and not out.is_dir():
        msg = f"out={str(out)!r} is a file; name a folder"
        raise UsageError(msg)
    refuse_unwritable("json", json_path(json))
    console = terminal.console(stderr=json == "-")
    outcomes = []
    for experiment in _chosen(ids):
        outcomes.append(_outcome(experiment, seed=seed, mutants=mutants, smoke=smoke))
        if not quiet:
            terminal.show_outcome(outcomes[-1], console)
    results = document(outcomes)
    write_json(json, results)
    if out is not None:
        from toyrl.experiments.render.folder import write_folder

        page, *_ = write_folder(out, outcomes, results, command=command_line())
        console.print(f"Page, tables and pictures: {page}", soft_wrap=True)
    kept = sum(o.holds for o in outcomes)
    console.print(f"{kept} of {len(outcomes)} hold")
    return 0 if kept == len(outcomes) else 1


def document(outcomes: Sequence[core.Outcome]) -> dict[str, Any]:
    """The JSON document of a run."""
    return {"schema": core.SCHEMA, "results": [o.to_dict() for o in outcomes]}


def _chosen(ids: Sequence[str]) -> list[core.Experiment]:
    try:
        chosen = core.select(ids)
    except KeyError as error:
        raise UsageError(error.args[0]) from error
    if not chosen:
        msg = "there is no experiment yet"
        raise UsageError(msg)
    return chosen


def _outcome(experiment: core.Experiment, *, seed: int, mutants: bool, smoke: bool) -> core.Outcome:
    """Run one experiment; one that raises counts as not holding, and the others still run."""
    arguments = experiment.smoke if smoke else None
    try:
        return core.execute(experiment, seed=seed, mutants=mutants, arguments=arguments)
    except Exception as error:
        if os.environ.get("TOYRL_DEBUG"):
            raise
        failed = core.Result(
            (core.Check("runs to its end", 0.0, 1.0, "=="),),
            notes=(f"{type(error).__name__}: {error}",),
        )
        return replace(core.Outcome(experiment, failed), seed=seed)
