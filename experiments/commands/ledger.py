"""`toyrl ledger`: the back-test on published settings, as a table, a page and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toyrl.experiments.commands.output import Outputs, json_path
from toyrl.experiments.render.text import dumps

if TYPE_CHECKING:
    from rich.console import Console

    from toyrl.experiments.backtest.ledger import Entry


def run(only: Sequence[str], *, out: Path | None, json: str | None, quiet: bool) -> int:
    """Run what has no verdict yet, show it and write it; the exit code.

    A file named by --json is read first: settings that it holds under the same code and
    configuration are not run again, and each new one is written at once. The page (--out) shows
    every setting that has a verdict.
    """
    from toyrl.experiments.backtest import ledger
    from toyrl.experiments.backtest.page import page
    from toyrl.experiments.render import terminal
    from toyrl.experiments.render.pieces import Pieces

    target = json_path(json)
    outputs = Outputs({"out": out, "json": target})
    settings = ledger.chosen(only)
    known = {} if target is None else ledger.load(target)

    def keep(entry: Entry) -> None:
        known[entry.setting.id] = entry
        outputs.write("json", lambda: dumps(ledger.to_dict(known.values())) + "\n")

    with Pieces(terminal.console(stderr=True), quiet=quiet) as pieces:
        entries = ledger.build(settings, known, begin=pieces, keep=keep)
    outputs.write("out", lambda: page(list(known.values())))
    outputs.json(json, ledger.to_dict(known.values()))
    if json != "-":
        s = ledger.score(entries)
        if not quiet:
            show(entries, terminal.console())
        print(
            f"{s.hits} hits, {s.misses} misses, {s.undecided} undecided, "
            f"{s.control_hits} of {s.controls} controls"
        )
    return outputs.code(0)


def show(entries: Sequence[Entry], out: Console) -> None:
    """A line per setting."""
    from rich.table import Table
    from rich.text import Text

    from toyrl.experiments.backtest.page import worlds

    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, pad_edge=False)
    for name in ("setting", "outcome", "verdict", "collapsed worlds", ""):
        table.add_column(name)
    for e in entries:
        grade = f"{e.grade} (control)" if e.setting.control else e.grade
        told = (e.setting.id, e.setting.outcome, e.run.verdict, worlds(e.run), grade)
        table.add_row(*(Text(x) for x in told))
    out.print(table)
