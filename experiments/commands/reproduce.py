"""`toyrl reproduce`: shows and writes the outcomes of experiments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toyrl.experiments import reproduction
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
    if out is not None and out.exists() and not out.is_dir():
        msg = f"out={str(out)!r} is a file; name a folder"
        raise UsageError(msg)
    refuse_unwritable("json", json_path(json))
    console = terminal.console(stderr=json == "-")

    def tell(outcome: reproduction.core.Outcome) -> None:
        if not quiet:
            terminal.show_outcome(outcome, console)

    found = reproduction.run(
        ids, mutants=mutants, seed=seed, smoke=smoke, tell=tell, command=command_line()
    )
    results = found.to_dict()
    write_json(json, results)
    if out is not None:
        from toyrl.experiments.render.folder import write_folder

        page, *_ = write_folder(out, found.outcomes, results, command=found.command)
        console.print(f"Page, tables and pictures: {page}", soft_wrap=True)
    console.print(f"{sum(o.holds for o in found)} of {len(found)} hold")
    return found.exit_code
