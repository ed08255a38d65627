"""`toyrl distance`: shows and writes how far apart rewards are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toyrl.experiments import api
from toyrl.experiments.commands.output import Outputs, command_line, json_path, refuse_closed
from toyrl.experiments.render import terminal
from toyrl.experiments.render.html import distance_page
from toyrl.experiments.render.pieces import Pieces
from toyrl.files import write_file

if TYPE_CHECKING:
    from toyrl.experiments.distances.found import Distances


def run(
    rewards: Sequence[str],
    *,
    env: str | None,
    rollouts: Path | None,
    columns: str | None,
    discount: float | None,
    top: int,
    seed: int,
    report: Path | None,
    out: Path | None,
    json: str | None,
    quiet: bool,
) -> int:
    """Compare rewards and write what was asked for; exit code 0 where there is an answer."""
    outputs = Outputs(
        {"report": report, "json": json_path(json)}, {"rollouts": rollouts, "env": env}
    )
    if out is not None:
        refuse_closed("out", out)
    with Pieces(terminal.console(stderr=True), quiet=quiet, at_once=False) as pieces:
        found = api.distance(
            *rewards,
            env=env,
            rollouts=rollouts,
            columns=columns,
            discount=discount,
            top=top,
            seed=seed,
            command=command_line(),
            begin=pieces,
        )
    outputs.write("report", lambda: distance_page(found))
    if out is not None:
        outputs.attempt(_fill, out, found)
    outputs.json(json, found.to_dict())
    console = terminal.console(stderr=json == "-")
    if quiet:
        console.print(found.lines()[0], markup=False, soft_wrap=True)
    else:
        page = str(report) if "report" in outputs.written else ""
        terminal.show_distances(found, console, page=page)
    return outputs.code(0)


def _fill(folder: Path, found: Distances) -> None:
    """Tables, pictures, numbers and canonical forms, a file each."""
    import io

    import numpy as np

    from toyrl.experiments.render import text
    from toyrl.experiments.render.folder import csv_table, file_name
    from toyrl.experiments.render.svg.pictures import svg
    from toyrl.experiments.render.svg.raster import save_png

    write_file(folder / "results.json", text.dumps(found.to_dict()) + "\n")
    write_file(folder / "distances.csv", csv_table(found.table()))
    for picture in found.pictures():
        stem = file_name(picture.name)
        write_file(folder / f"{stem}.svg", svg(picture, name=stem, standalone=True))
        save_png(picture, folder / f"{stem}.png")
    if found.pairs:
        held = io.BytesIO()
        forms = [found.pairs[0].forms[0], *(p.forms[1] for p in found.pairs)]
        np.savez_compressed(held, **{f"reward_{i}": x for i, x in enumerate(forms)})
        write_file(folder / "canonical.npz", held.getvalue())
