"""What the terminal shows: the verdict, findings, checks, the catalogue.

Colour appears on a terminal only, and never under NO_COLOR; nothing is told by colour alone.
"""

from __future__ import annotations

import os
import pydoc
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from toyrl.experiments.core import Outcome
from toyrl.experiments.render.text import evidence, number, visible
from toyrl.experiments.render.words import (
    TONES,
    assumed,
    bound,
    counted,
    meaning,
    proof_words,
)
from toyrl.experiments.validate.findings import (
    NOT_TESTED,
    SECTIONS,
    STATUSES,
    Finding,
    Report,
    Section,
)
from toyrl.experiments.validate.forecast import beside as forecast_beside
from toyrl.experiments.validate.left_out import sentence

if TYPE_CHECKING:
    from toyrl.experiments.distances.found import Distances
    from toyrl.experiments.validate.compare import Comparison

COLOURS = {"pass": "green", "info": "blue", NOT_TESTED: "cyan", "warn": "yellow", "fail": "red"}
PLAIN_MARKS = {"pass": "+", "info": "i", NOT_TESTED: "-", "warn": "!", "fail": "x"}
MARKS = {**PLAIN_MARKS, "pass": "\N{CHECK MARK}", "fail": "\N{BALLOT X}"}
PROBLEMS = ("warn", "fail")
WIDEST = max(len(f"{number} {name}") for number, name in SECTIONS.items())
WIDEST_STATUS = 2 + max(map(len, STATUSES))
LONGEST_EVIDENCE = 300  # characters; the page has the rest


def console(*, stderr: bool = False) -> Console:
    """A console that takes no text for markup; plain files get 100 columns and no colour."""
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=False)
    if not made.is_terminal:
        made.width = 100
    return made


@contextmanager
def paged(out: Console) -> Iterator[None]:
    """A long list, which a terminal's own pager shows (PAGER, else less); elsewhere as it is."""
    if not out.is_terminal:
        yield
        return
    with out.capture() as held:
        yield
    told = held.get()
    if told.count("\n") < out.height:
        out.file.write(told)
        return
    # less must be told to show colours (-R), and lets a list stand when it ends (-X).
    os.environ.setdefault("LESS", "-RFX")
    pydoc.pager(told)


def show_report(
    report: Report,
    out: Console,
    *,
    page: str = "",
    shown: Collection[int] = (),
    verbose: bool = False,
) -> None:
    """Verdict with reasons, findings by section, then where the page is.

    shown : numbers of the sections whose findings were written while they ended
    verbose : checks that passed and notes one by one, instead of their number
    """
    out.print(_verdict(report))
    left = [s for s in report.sections if s.number not in shown and told(s, verbose=verbose)]
    if left:
        out.print(findings_table(left, out, verbose=verbose))
    if not verbose:
        out.print(Text(counted(report), style="dim"))
    counterexample = _first_counterexample(report)
    if counterexample is not None:
        out.print(Text.assemble((f"Counterexample of {visible(counterexample.name)}:", "bold")))
        out.print(Text(evidence(counterexample.counterexample, limit=LONGEST_EVIDENCE)))
    if page:
        out.print(Text(f"Report: {visible(page)}"), soft_wrap=True)


def show_comparison(found: Comparison, out: Console, *, page: str = "") -> None:
    """Rewards side by side, then the paired differences."""
    data = found.table()
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, pad_edge=False)
    for column in data.columns:
        table.add_column(column, overflow="fold")
    for row in data.rows:
        cells = [number(c) if isinstance(c, float) else visible(str(c or "")) for c in row]
        table.add_row(*(Text(c) for c in cells))
    out.print(table)
    for d in found.differences:
        out.print(Text(visible(d.sentence)))
    if found.best is not None:
        out.print(Text(f"Best of these: {visible(found.best.name)}", style="bold"))
    if page:
        out.print(Text(f"Report: {visible(page)}"), soft_wrap=True)


def show_distances(found: Distances, out: Console, *, page: str = "") -> None:
    """Each pair in a sentence, what they rest on, and all distances of more than two."""
    for note in found.notes:
        out.print(Text(visible(note), style="dim"))
    if len(found.names) > 2 or found.log is not None:
        out.print(_plain_table(found.table()))
    for p in found.pairs:
        out.print(Text(visible(p.sentence), style="bold"))
        for data in found.tables_of(p):
            out.print(Text(visible(data.caption), style="underline"))
            out.print(_plain_table(data))
    if page:
        out.print(Text(f"Report: {visible(page)}"), soft_wrap=True)


def _plain_table(data: Any) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, pad_edge=False)
    for column in data.columns:
        table.add_column(visible(column), overflow="fold")
    for row in data.rows:
        cells = [number(c) if isinstance(c, float) else visible(str(c)) for c in row]
        table.add_row(*(Text("" if c == "None" else c) for c in cells))
    return table


def verdict_line(report: Report) -> str:
    """The answer in one line, for --quiet."""
    reason = report.reasons[0] if report.reasons else meaning(report)
    words = f"{report.verdict}: {report.reward}: {reason}"
    missing = sentence(report.not_run)
    if missing and missing not in words:
        words += f" {missing}"
    return visible(words).replace("\n", " ")


def _verdict(report: Report) -> Panel:
    colour = COLOURS[TONES[report.verdict]]
    lines = [Text(meaning(report))]
    lines += [Text(f"- {visible(reason)}") for reason in report.reasons]
    if words := assumed(report):
        lines.append(Text(words, style="dim"))
    if said := forecast_beside(report):
        lines.append(Text(f"{said} (docs/forecast.md)."))
    if report.safe_variant:
        lines.append(Text(f"Nearest safe variant: {visible(report.safe_variant)}"))
    title = Text.assemble((report.verdict, f"bold {colour}"), f"  {visible(report.reward)}")
    return Panel(
        Group(*lines), title=title, title_align="left", border_style=colour, padding=(0, 1)
    )


def _mark(status: str, out: Console) -> Text:
    # A terminal that isn't UTF-8 would fail on the signs.
    marks = MARKS if (out.encoding or "").lower().startswith("utf") else PLAIN_MARKS
    return Text(f"{marks[status]} {status}", style=COLOURS[status])


def told(section: Section, *, verbose: bool) -> list[Finding]:
    """The findings that a terminal lists, the gravest first: problems, or all of them."""
    found = sorted(section.findings, key=lambda f: -STATUSES.index(f.status))
    return [f for f in found if verbose or f.status in PROBLEMS]


def findings_table(
    sections: Iterable[Section], out: Console, *, header: bool = True, verbose: bool = True
) -> Table:
    """Findings by section, the gravest first; columns of one width in every table."""
    table = Table(
        box=None, padding=(0, 2, 0, 0), show_edge=False, pad_edge=False, show_header=header
    )
    table.add_column("Section", no_wrap=True, min_width=WIDEST)
    table.add_column("Status", no_wrap=True, min_width=WIDEST_STATUS)
    table.add_column("Finding", overflow="fold")
    for section in sections:
        name = f"{section.number} {section.title}"
        for finding in told(section, verbose=verbose):
            message = visible(finding.message)
            if finding.fix and finding.status in PROBLEMS:
                message += f"\n  To do: {visible(finding.fix)}"
            table.add_row(Text(name), _mark(finding.status, out), Text(message))
            name = ""
    return table


def _first_counterexample(report: Report) -> Finding | None:
    failed = [f for f in report.findings if f.counterexample is not None and f.status in PROBLEMS]
    return max(failed, key=lambda f: STATUSES.index(f.status), default=None)


def show_outcome(outcome: Outcome, out: Console) -> None:
    """One experiment: its claim, checks and mutants."""
    e, word = outcome.experiment, _mark("pass" if outcome.holds else "fail", out)
    word.plain = word.plain.split()[0] + (" holds" if outcome.holds else " does not hold")
    heading = e.id if e.id.startswith(e.card) else f"{e.card} {e.id}"
    heading += f": {e.source}" if e.source else ""
    out.print(Text.assemble((visible(heading), "bold"), "  ", word, f"  ({outcome.seconds:.1f} s)"))
    out.print(Text(f"  {visible(e.claim)}"))
    table = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, show_header=False)
    for _ in range(5):
        table.add_column(overflow="fold")
    for check in outcome.result.checks:
        error = "" if check.stderr is None else f" +- {number(check.stderr)}"
        table.add_row(
            _mark("pass" if check.holds else "fail", out),
            Text(visible(check.name)),
            Text(f"{number(check.value)}{error}"),
            Text(f"must be {bound(check)}"),
            Text(outcome.standing(check)),
        )
    for mutant in outcome.mutants:
        table.add_row(
            _mark("pass" if mutant.caught else "fail", out),
            Text(f"broken variant: {visible(mutant.name)}"),
            Text("caught" if mutant.caught else "not caught"),
            Text(""),
            Text(""),
        )
    out.print(table)
    out.print(Text(f"  {proof_words(outcome)}", style="dim"))
    for note in outcome.result.notes:
        out.print(Text(f"  {visible(note)}", style="dim"))


IN_FULL = 40
"""So many entries of the catalogue are shown in full; more of them have a line each."""


def show_catalogue(rows: Sequence[Mapping[str, Any]], out: Console) -> None:
    """The catalogue, a table per kind, its rows grouped by family; many rows have a line each."""
    short = len(rows) > IN_FULL
    for kind in dict.fromkeys(row["kind"] for row in rows):
        chosen = [row for row in rows if row["kind"] == kind]
        table = Table(
            box=None,
            padding=(0, 2, 0, 0),
            show_edge=False,
            pad_edge=False,
            title=Text(f"{kind} ({len(chosen)})", style="bold"),
            title_justify="left",
        )
        table.add_column("Name", no_wrap=True)
        if short:
            named = max(len(row[key]) for row in chosen for key in ("name", "family"))
            cited = max(5, *(len(",".join(row["cards"])) for row in chosen))
            width = max(20, out.width - named - cited - 6)  # 2 behind each column
            table.add_column("What it is", width=width, overflow="ellipsis", no_wrap=True)
            table.add_column("Paper", no_wrap=True)
        else:
            table.add_column("What it is", ratio=3, overflow="fold")
            table.add_column("Source", ratio=2, overflow="fold")
        family = None
        for row in chosen:
            if row["family"] != family:
                family = row["family"]
                table.add_row(Text(family or "general", style="dim italic"))
            source = " ".join(filter(None, (",".join(row["cards"]), row["paper"], row["section"])))
            source = ",".join(row["cards"]) if short else visible(source)
            table.add_row(Text(row["name"]), Text(visible(row["summary"])), Text(source))
        out.print(table)
        out.print()
    if short:
        out.print(f"{len(rows)} entries, a line each; `toyrl show NAME` says all about one.")


def show_table(table: Any, out: Console, *, columns: int | None = None) -> None:
    """A result's table, or its first columns."""
    grid = Table(box=None, padding=(0, 2, 0, 0), show_edge=False, pad_edge=False)
    for name in table.columns[:columns]:
        grid.add_column(Text(visible(name)), overflow="fold")
    for row in table.rows:
        grid.add_row(*(Text(visible(str(cell))) for cell in row[:columns]))
    out.print(grid)
    out.print()
