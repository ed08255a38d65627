"""`toyrl scoreboard`: every forecaster on published and measured runs."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from toyrl.experiments.commands.output import Outputs, json_path
from toyrl.experiments.errors import UsageError
from toyrl.files import there, write_file

if TYPE_CHECKING:
    from rich.console import Console

    from toyrl.experiments.forecast.board import Board, Study


def run(
    *,
    ledger: Path | None,
    measured: Sequence[Path],
    out: Path | None,
    json: str | None,
    quiet: bool,
) -> int:
    """Score, show and write; the exit code.

    ledger : file of `toyrl ledger --json` whose verdicts are quoted
    out : the page; pictures of bases lie beside it under its name
    measured : folders of `toyrl transfer` (of the zoo too), or X.json beside X-predictions.json
    """
    from toyrl.experiments.forecast import pictures
    from toyrl.experiments.forecast.board import board
    from toyrl.experiments.forecast.page import page
    from toyrl.experiments.render import terminal
    from toyrl.experiments.render.pieces import Pieces

    if ledger is not None and not there(ledger):
        msg = f"ledger={str(ledger)!r} is not there; name a file that toyrl ledger --json wrote"
        raise UsageError(msg)
    outputs = Outputs({"out": out, "json": json_path(json)}, {"ledger": ledger})
    with Pieces(terminal.console(stderr=True), quiet=quiet) as pieces:
        found = board(studies(ledger, measured), begin=pieces)
    drawn = {} if out is None else pictures.of_board(found, out)
    names = {base: path.name for base, (path, _) in drawn.items()}
    outputs.write("out", lambda: page(found, names))
    for path, text in drawn.values():
        outputs.attempt(write_file, path, text)
    outputs.json(json, found.to_dict())
    if json != "-" and not quiet:
        show(found, terminal.console())
    return outputs.code(0)


def studies(ledger: Path | None, measured: Sequence[Path]) -> list[Study]:
    """Published runs, then each folder's."""
    from toyrl.experiments.backtest.ledger import load
    from toyrl.experiments.forecast import measured as runs
    from toyrl.experiments.forecast import published
    from toyrl.experiments.forecast.board import Study

    known = {} if ledger is None else load(ledger)
    out = [Study(published.TITLE, PUBLISHED, tuple(published.cases(known)))]
    for place in measured:
        cases = [case for pair in runs.files(place) for case in runs.cases(*pair)]
        if cases:  # else a zoo whose runs haven't begun
            bases = list(dict.fromkeys(case.family for case in cases))
            what = bases[0] if len(bases) == 1 else f"{len(bases)} bases"
            out.append(Study(f"Measured: {what} ({place.stem})", MEASURED, tuple(cases)))
    return out


PUBLISHED = (
    "The ledger's settings with what came of them, against the base where the paper says so. Of a "
    "base its accuracy, mean length and limit are told, or what `validate` takes where the paper "
    "is silent."
)
MEASURED = "Runs of `toyrl transfer`, at their end, means over seeds; `chain` is the sealed toy."


def show(board: Board, out: Console) -> None:
    """A table a study."""
    from rich.table import Table
    from rich.text import Text

    for study, lines in board.studies:
        table = Table(box=None, padding=(0, 2, 0, 0), title=study.name, title_justify="left")
        for name in ("forecaster", "AUC", "Brier", "hits", "contrasts", "tau", "log length"):
            table.add_column(name)
        for line in lines:
            s = line.scores
            cells = (
                line.forecaster.name,
                f"{s.auc:.2f}" if isfinite(s.auc) else "-",
                f"{s.brier:.3f}" if isfinite(s.brier) else "-",
                f"{s.hits} of {s.runs}",
                f"{s.ordered:g} of {s.contrasts}",
                f"{line.tau_accuracy:.2f}" if isfinite(line.tau_accuracy) else "-",
                f"{s.log_length:.2f}" if s.lengths else "-",
            )
            table.add_row(*(Text(c) for c in cells))
        out.print(table)
