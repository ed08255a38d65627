"""`toyrl grade`: parts, problems and speed, shown and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toyrl.experiments import api
from toyrl.experiments.commands.output import Outputs, command_line, json_path
from toyrl.experiments.errors import UsageError
from toyrl.experiments.render import terminal
from toyrl.experiments.render.pieces import Pieces


def run(
    grader: str,
    rows: Path,
    *,
    json: str | None,
    csv: Path | None,
    parquet: Path | None,
    picture: Path | None,
    quiet: bool,
    **options: Any,
) -> int:
    """Grade, show, write; 1 where no row could be graded, else 0."""
    if picture is not None and picture.suffix.lower() != ".svg":
        msg = f"picture={str(picture)!r}: the suffix must be .svg"
        raise UsageError(msg)
    places = {"json": json_path(json), "csv": csv, "parquet": parquet, "picture": picture}
    outputs = Outputs(places, {"rows": rows})
    with Pieces(terminal.console(stderr=True), quiet=quiet, at_once=False) as pieces:
        found = api.grade(grader, rows, command=command_line(), begin=pieces, **options)
    out = terminal.console(stderr=json == "-")
    if not quiet:
        terminal.show_table(found.table(), out)
        if found.unread:
            terminal.show_table(found.reason_table(), out)
    if not quiet or json != "-":
        for line in found.lines():
            out.print(line, markup=False, soft_wrap=True)
        for note in found.notes:
            out.print(f"note: {note}", markup=False, soft_wrap=True)
    outputs.json(json, found.to_dict())
    outputs.write("csv", found.forms()[".csv"])
    outputs.write("picture", found.forms()[".svg"])
    if parquet is not None:
        from toyrl.files import write_file

        outputs.attempt(write_file, parquet, found.parquet())
    return outputs.code(found.exit_code)
