"""`toyrl scaling`: the curves of a log, shown and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toyrl.experiments import api
from toyrl.experiments.commands.output import Outputs, command_line, json_path
from toyrl.experiments.errors import UsageError
from toyrl.experiments.render import terminal
from toyrl.experiments.render.pieces import Pieces

PICTURES = (".svg", ".png")


def run(
    log: Path,
    *,
    json: str | None,
    csv: Path | None,
    picture: Path | None,
    quiet: bool,
    **options: Any,
) -> int:
    """Read, show, write; 1 where best of k by a score falls again, else 0."""
    if picture is not None and picture.suffix.lower() not in PICTURES:
        msg = f"picture={str(picture)!r}: the suffix must be one of {', '.join(PICTURES)}"
        raise UsageError(msg)
    places = {"json": json_path(json), "csv": csv, "picture": picture}
    outputs = Outputs(places, {"log": log})
    with Pieces(terminal.console(stderr=True), quiet=quiet, at_once=False) as pieces:
        found = api.scaling(log, command=command_line(), begin=pieces, **options)
    if not quiet:
        out = terminal.console(stderr=json == "-")
        for line in found.lines():
            out.print(line, markup=False, soft_wrap=True)
        terminal.show_table(found.table(), out)
        for note in found.notes:
            out.print(f"note: {note}", markup=False, soft_wrap=True)
    outputs.json(json, found.to_dict())
    outputs.write("csv", found.forms()[".csv"])
    if picture is not None and picture.suffix.lower() == ".png":
        from toyrl.experiments.render.svg.raster import save_png

        outputs.attempt(save_png, found.picture(), picture)
    else:
        outputs.write("picture", found.forms()[".svg"])
    return outputs.code(found.exit_code)
