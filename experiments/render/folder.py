"""The folder that `reproduce --out` fills: results, tables, pictures and a page."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toyrl.experiments.core import Outcome, Table
from toyrl.experiments.render import text
from toyrl.experiments.render.html import reproduce_page
from toyrl.experiments.render.svg.pictures import svg
from toyrl.experiments.render.svg.raster import save_png
from toyrl.experiments.render.words import bound
from toyrl.files import write_file

if TYPE_CHECKING:
    from toyrl.experiments.validate.findings import Report


def write_folder(
    folder: Path, outcomes: Sequence[Outcome], results: Any, *, command: str = ""
) -> list[Path]:
    """Write everything about the outcomes; the paths written, the page first.

    Per experiment a folder with each table as CSV and Markdown and each picture as SVG and PNG;
    when they are there, summary.md, index.html and results.json.
    """
    evidence = [path for outcome in outcomes for path in write_evidence(folder, outcome)]
    return [*write_index(folder, outcomes, results, command=command), *evidence]


def write_index(
    folder: Path, outcomes: Sequence[Outcome], results: Any, *, command: str = ""
) -> list[Path]:
    """Write the page, the results and the summary, which say that a run is done; the page first."""
    page, data, short = (folder / n for n in ("index.html", "results.json", "summary.md"))
    write_file(short, summary(outcomes))
    write_file(page, reproduce_page(outcomes, results, command=command))
    write_file(data, text.dumps(results) + "\n")
    return [page, data, short]


def write_evidence(folder: Path, outcome: Outcome) -> list[Path]:
    """Write the tables and pictures of one experiment; the paths written."""
    place, written = folder / file_name(outcome.experiment.id), []
    for table in outcome.result.tables:
        stem = file_name(table.name)
        written += [place / f"{stem}.csv", place / f"{stem}.md"]
        write_file(written[-2], csv_table(table))
        write_file(written[-1], markdown_table(table))
    for picture in outcome.result.pictures:
        stem = file_name(picture.name)
        written += [place / f"{stem}.svg", place / f"{stem}.png"]
        write_file(written[-2], svg(picture, name=stem, standalone=True))
        save_png(picture, written[-1])
    return written


def file_name(name: str) -> str:
    """A name as a file name: letters, digits, dot, minus and underscore only."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "unnamed"


FORMULA = re.compile(
    r"[=@\t\r]|[+-](?=.)(?!(\d+\.?\d*|\.\d+|inf|nan)(e[+-]?\d+)?(\s|$))", re.IGNORECASE
)
"""What spreadsheets take for a formula; "+0.3 (0.1 to 0.5)" and "-1e-3" are numbers."""


def csv_table(table: Table) -> str:
    """The table as CSV, numbers at full precision; no cell is a formula to a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(map(_inert, table.columns))
    writer.writerows([[_inert(text.plain(cell)) for cell in row] for row in table.rows])
    return out.getvalue()


def _inert(cell: Any) -> Any:
    """A text that a spreadsheet would run as a formula, behind an apostrophe; others unchanged."""
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell


def markdown_table(table: Table) -> str:
    """The table as Markdown, numbers at four digits."""
    head = f"**{_cell(table.caption)}**\n\n" if table.caption else ""
    return head + _markdown(table.columns, table.rows)


def report_summary(report: Report) -> str:
    """A report of `validate` as Markdown: verdict, reasons, findings."""
    reasons = "".join(f"- {_cell(reason)}\n" for reason in report.reasons)
    head = f"**{report.verdict}**: `{text.visible(report.reward)}`\n\n{reasons}"
    safe = f"\nNearest safe variant: {_cell(report.safe_variant)}\n" if report.safe_variant else ""
    return f"{head}{safe}\n{markdown_table(report.table())}"


def checks_table(outcomes: Sequence[Outcome]) -> Table:
    """All checks and mutants of all outcomes."""
    rows: list[tuple[Any, ...]] = []
    for outcome in outcomes:
        e = outcome.experiment
        rows += [
            (
                e.card,
                e.id,
                c.name,
                c.value,
                bound(c),
                "holds" if c.holds else "FAILS",
                outcome.standing(c),
            )
            for c in outcome.result.checks
        ]
        rows += [
            (
                e.card,
                e.id,
                f"broken variant: {m.name}",
                "",
                "caught",
                "caught" if m.caught else "NOT CAUGHT",
                "",
            )
            for m in outcome.mutants
        ]
    return Table(
        "checks", ("Paper", "Experiment", "Check", "Value", "Must be", "Answer", "Proof"), rows
    )


def summary(outcomes: Sequence[Outcome]) -> str:
    """All checks and mutants of all outcomes as one Markdown table."""
    kept = sum(outcome.holds for outcome in outcomes)
    table = checks_table(outcomes)
    return f"{kept} of {len(outcomes)} experiments hold.\n\n" + markdown_table(table)


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(value: Any) -> str:
    words = text.number(value)
    for char, safe in (("\\", "\\\\"), ("|", "\\|"), ("<", "&lt;"), ("\n", " ")):
        words = words.replace(char, safe)
    return words
