"""`toyrl credit`: which steps of a log's completions earned the return, shown and written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from toyrl.experiments.commands.output import Outputs, command_line, json_path
from toyrl.experiments.credit.call import credit
from toyrl.experiments.errors import UsageError
from toyrl.experiments.render import terminal
from toyrl.experiments.render.html import credit_page
from toyrl.experiments.render.pieces import Pieces

if TYPE_CHECKING:
    from toyrl.experiments.credit.result import Credit


def run(
    log: Path,
    *,
    factors: str,
    advantages: Path | None,
    tokenizer: str | None,
    model: Path | None,
    report: Path | None,
    json: str | None,
    csv: Path | None,
    quiet: bool,
    **options: Any,
) -> int:
    """Read, fit, show, write; 0 where the factors tell who earned held-out returns, else 1."""
    from toyrl.experiments.credit.result import refuse_kind

    if advantages is not None:
        refuse_kind(advantages)
    if tokenizer is not None and advantages is None:
        msg = "tokenizer places advantages on tokens; give --advantages FILE.npz or FILE.jsonl too"
        raise UsageError(msg)
    if model is not None and model.suffix not in (".json", ".safetensors"):
        msg = f"model={str(model)!r}: the suffix must be .json or .safetensors"
        raise UsageError(msg)
    places = {"advantages": advantages, "model": model, "report": report,
              "json": json_path(json), "csv": csv}  # fmt: skip
    outputs = Outputs(places, {"log": log, "factors": factors.partition(".py:")[0] + ".py"})
    with Pieces(terminal.console(stderr=True), quiet=quiet, at_once=False) as pieces:
        found = credit(log, factors, command=command_line(), begin=pieces, **options)
    outputs.write("report", lambda: credit_page(found))
    if advantages is not None:
        outputs.attempt(lambda: found.save_advantages(advantages, tokenizer=tokenizer))
    if model is not None:
        from toyrl.models.base import save

        outputs.attempt(save, found.scorer, model)
    outputs.json(json, found.to_dict())
    outputs.write("csv", found.forms()[".csv"])
    show(found, quiet=quiet, stderr=json == "-",
         page=str(report) if "report" in outputs.written else "")  # fmt: skip
    return outputs.code(found.exit_code)


def show(found: Credit, *, quiet: bool, stderr: bool, page: str) -> None:
    """The answer, the weights, and what isn't told."""
    out = terminal.console(stderr=stderr)
    for line in found.lines()[: 1 if quiet else 2]:
        out.print(line, markup=False, soft_wrap=True)
    if quiet:
        return
    terminal.show_table(found.weights(), out)
    for said in found.doubts():
        out.print(f"not identified: {said}", markup=False, soft_wrap=True)
    for note in found.notes:
        out.print(f"note: {note}", markup=False, soft_wrap=True)
    if page:
        out.print(f"Report: {page}", markup=False, soft_wrap=True)
