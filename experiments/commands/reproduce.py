"""`toyrl reproduce`: shows and writes the outcomes of experiments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toyrl.experiments import core, reproduction
from toyrl.experiments.commands.kept import Kept
from toyrl.experiments.commands.output import Outputs, command_line, json_path
from toyrl.experiments.render import terminal
from toyrl.experiments.render.pieces import Pieces


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
    """Run the chosen experiments; 0 if all hold, 1 if not.

    A folder (`out`) gets each experiment's files when it ends; one that it holds already, of the
    same code, seed and options, isn't run again.
    """
    outputs = Outputs({"json": json_path(json)})
    kept = None if out is None else Kept(out, seed=seed, mutants=mutants, smoke=smoke)
    console = terminal.console(stderr=json == "-")

    def tell(outcome: core.Outcome) -> None:
        if not quiet:
            terminal.show_outcome(outcome, console)

    pieces = Pieces(terminal.console(stderr=True), quiet=quiet)

    def keep(outcome: core.Outcome) -> None:
        if kept is not None:
            outputs.attempt(kept.keep, outcome)

    known = {} if kept is None else {"known": kept.known}
    with pieces:
        found = reproduction.run(
            ids,
            mutants=mutants,
            seed=seed,
            smoke=smoke,
            tell=lambda outcome: pieces.above(lambda: tell(outcome)),
            begin=pieces,
            command=command_line(),
            keep=keep,
            **known,
        )
    results = found.to_dict()
    outputs.json(json, results)
    if kept is not None and outputs.attempt(kept.finish, found, results):
        again = f" ({kept.found} of {len(found)} from an earlier run)" if kept.found else ""
        page = kept.folder / "index.html"
        console.print(f"Page, tables and pictures: {page}{again}", soft_wrap=True)
    console.print(f"{sum(o.holds for o in found)} of {len(found)} hold")
    return outputs.code(found.exit_code)
