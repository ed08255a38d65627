"""`toyrl calibrate`: what a log supports, shown and written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from toyrl.experiments.commands.output import Outputs, command_line, json_path, refuse_closed
from toyrl.experiments.render.text import dumps

PICTURE, WORLDS = "calibrate.svg", "worlds.json"


def run(log: Path, *, out: Path | None, json: str | None, quiet: bool, **options: Any) -> int:
    """Read, train, show, write; 1 where worlds don't show what the log does, else 0."""
    from toyrl.experiments.calibrate.call import calibrate

    places: dict[str, Path | None] = {"json": json_path(json)}
    if out is not None:
        refuse_closed("out", out)
        places |= {"out": out / PICTURE, "worlds": out / WORLDS}
    outputs = Outputs(places, {"log": log})

    def tell(message: str) -> None:
        print(f"toyrl: {message}", file=sys.stderr, flush=True)

    progress = False if quiet else tell
    found = calibrate(log, progress=progress, command=command_line(), **options)
    if not quiet:
        from toyrl.experiments.render.terminal import console, show_table

        shown = console(stderr=json == "-")
        for line in found.lines():
            shown.print(line, markup=False, soft_wrap=True)
        for table in (found.path_table(), found.fit_table()):
            show_table(table, shown)
        for line in (
            found.unknown_cause(),
            *found.fit(),
            *(f"note: {note}" for note in found.notes),
        ):
            shown.print(line, markup=False, soft_wrap=True)
    outputs.json(json, found.to_dict())
    outputs.write("out", found.forms()[".svg"])
    outputs.write("worlds", lambda: dumps(found.worlds()) + "\n")
    return outputs.code(found.exit_code)
