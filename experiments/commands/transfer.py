"""`toyrl transfer`: progress and tables around `toyrl.transfer`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toyrl.experiments import api
from toyrl.experiments.commands.output import Outputs, command_line, json_path


def run(rewards: Sequence[str], *, json: str | None, quiet: bool, **options: Any) -> int:
    """Predict, train, compare, show; the exit code."""
    outputs = Outputs({"json": json_path(json)})
    options = {k: v for k, v in options.items() if v is not None}
    found = api.transfer(*rewards, progress=not quiet, command=command_line(), **options)
    if not quiet:
        from toyrl.experiments.render.terminal import console, show_table

        out = console()
        # The rewards' last columns are for the page; a terminal is narrow.
        show_table(found.tables[0], out, columns=8)
        for table in found.tables[1:]:
            show_table(table, out)
        many = f"result.json and {len(found.pictures)} pictures"
        pictures = many if found.pictures else "two files a base"
        out.print(f"Wrote {found.folder / 'result.md'}, {pictures}.")
    outputs.json(json, found.to_dict())
    return outputs.code(found.exit_code)
