"""`toyrl transfer`: progress and tables around `toyrl.transfer`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from toyrl.experiments.commands.output import Outputs, command_line, json_path
from toyrl.experiments.transfer.call import transfer


def run(rewards: Sequence[str], *, json: str | None, quiet: bool, **options: Any) -> int:
    """Predict, train, compare, show; the exit code."""
    outputs = Outputs({"json": json_path(json)})
    options = {k: v for k, v in options.items() if v is not None}
    found = transfer(*rewards, progress=not quiet, command=command_line(), **options)
    if not quiet:
        from toyrl.experiments.render.terminal import console, show_table

        out = console()
        for place, table in enumerate(found.tables):
            if not found.pictures:  # of the zoo: a table a base
                out.print(table.name)
            # The rewards' last columns are for the page; a terminal is narrow.
            show_table(table, out, columns=8 if place == 0 else None)
        many = f"result.json and {len(found.pictures)} pictures"
        pictures = many if found.pictures else "two files a base"
        out.print(f"Wrote {found.folder / 'result.md'}, {pictures}.")
    outputs.json(json, found.to_dict())
    return outputs.code(found.exit_code)
