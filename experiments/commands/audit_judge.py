"""`toyrl audit-judge`: what sways a judge, shown and written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toyrl.experiments.commands.output import Outputs, command_line, json_path
from toyrl.experiments.errors import UsageError
from toyrl.experiments.render.text import dumps

if TYPE_CHECKING:
    from toyrl.experiments.audit.result import Audit


def run(
    judge: str,
    *,
    report: Path | None,
    noise: Path | None,
    json: str | None,
    quiet: bool,
    **options: Any,
) -> int:
    """Ask, show, write; 0 for a usable judge, 1 for any other."""
    from toyrl.experiments.audit.call import audit_judge

    inputs: dict[str, Path | str | None] = {"data": options.get("data")}
    place = judge.partition(".py")[0] + ".py" if ".py" in judge else judge
    if Path(place).is_file():
        inputs["judge"] = place
    places = {"report": report, "noise": noise, "json": json_path(json)}
    outputs = Outputs(places, inputs)

    def tell(message: str) -> None:
        print(f"toyrl: {message}", file=sys.stderr, flush=True)

    found = audit_judge(judge, progress=False if quiet else tell, command=command_line(), **options)
    _show(found, json, quiet=quiet)
    outputs.write("report", lambda: found.forms()[".html"]())
    outputs.json(json, found.to_dict())
    if "report" in outputs.written and not quiet:
        print(f"toyrl: Report: {report}", file=sys.stderr)
    if noise is not None:
        if found.noise is None:
            msg = "noise: this judge's errors could not be counted, so there is no file of them"
            raise UsageError(msg)
        counted = found.noise
        outputs.write("noise", lambda: dumps(counted.to_dict()) + "\n")
    return outputs.code(found.exit_code)


def _show(found: Audit, json: str | None, *, quiet: bool) -> None:
    from toyrl.experiments.render.terminal import console, show_table
    from toyrl.experiments.render.text import visible

    shown = console(stderr=json == "-")
    shown.print(visible(found.headline()), markup=False, soft_wrap=True)
    if quiet:
        return
    for line in (*found.calls.said(), found.need(), found.rings):
        if line:
            shown.print(visible(line), markup=False, soft_wrap=True)
    shown.print()
    for table in found.all_tables():
        shown.print(table.caption, markup=False, soft_wrap=True)
        show_table(table, shown)
    for note in found.notes:
        shown.print(f"note: {visible(note)}", markup=False, soft_wrap=True)
