"""`toyrl sweep`: a map, its sentence, and the folder that keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from toyrl.experiments.commands.output import Outputs, command_line, json_path


def run(
    rewards: Sequence[str], *, out: Path | None, json: str | None, quiet: bool, **options: Any
) -> int:
    """Train, show, write; 1 where no value of the strength is good at every setting, else 0."""
    from toyrl.experiments.sweep.call import sweep
    from toyrl.experiments.sweep.files import PARQUET
    from toyrl.extras import install

    outputs = Outputs({"json": json_path(json)})
    found = sweep(*rewards, out=out, progress=not quiet, command=command_line(), **options)
    if not quiet:
        from toyrl.experiments.render.terminal import console, show_table

        shown = console(stderr=json == "-")
        if found.edges and len(found.edges) > 1:
            show_table(found.edge_table(), shown)
        for line in found.lines():
            shown.print(line, markup=False, soft_wrap=True)
        if out is not None:
            shown.print(f"Wrote {out / 'map.html'}, cells and pictures.", markup=False)
            if not (out / PARQUET).is_file():
                said = f"note: {PARQUET} needs pyarrow: {install('sweep')}"
                shown.print(said, markup=False, soft_wrap=True)
    outputs.json(json, found.to_dict())
    return outputs.code(found.exit_code)
