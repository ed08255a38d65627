"""Terminal output and the folder of `reproduce --out`."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from functools import partial

import pytest
from rich.console import Console

from tests.experiments.render.sample_report import (
    HOSTILE,
    curve_picture,
    phase_picture,
    sample_outcome,
    sample_report,
)
from toyrl import schemas
from toyrl.experiments.core import Picture, Table
from toyrl.experiments.render import folder, terminal
from toyrl.experiments.render.left import Left, duration
from toyrl.experiments.render.pieces import Pieces
from toyrl.experiments.render.progress import Progress
from toyrl.experiments.render.svg.raster import save_png
from toyrl.experiments.validate.findings import VERDICTS, Finding, Section


def record(show, *arguments, tty: bool = False, encoding: str = "utf-8", **options) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    out = Console(
        file=stream, width=100, highlight=False, markup=False, force_terminal=tty, **options
    )
    show(*arguments, out)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("verdict", VERDICTS)
def test_report_shows_verdict_reasons_findings_and_where_the_page_is(verdict):
    report = sample_report(verdict=verdict)
    show = partial(terminal.show_report, page="there.html", verbose=True)
    shown = record(show, report)
    first, *_ = shown.splitlines()
    assert verdict in first
    assert report.reward in first
    flat = " ".join(shown.replace("│", " ").split())
    for sentence in (*report.reasons, *(f.message for f in report.findings)):
        assert sentence in flat
    assert "Report: there.html" in flat
    assert {s for s in ("pass", "info", "warn", "fail") if s in flat} == {
        "pass",
        "info",
        "warn",
        "fail",
    }


def test_what_is_no_problem_is_counted_and_listed_when_asked():
    report = sample_report()
    flat = " ".join(record(terminal.show_report, report).split())
    for f in report.findings:
        assert (f.message in flat) == (f.status in ("warn", "fail"))
    passed = sum(f.status == "pass" for f in report.findings)
    assert f"{passed} passed" in flat
    assert "--verbose" in flat
    assert "--verbose" not in record(partial(terminal.show_report, verbose=True), report)


def test_a_long_list_goes_through_the_pager_on_a_terminal_alone(monkeypatch):
    paged = []
    monkeypatch.setattr(terminal.pydoc, "pager", paged.append)

    def show(lines, out):
        with terminal.paged(out):
            for k in range(lines):
                out.print(k)

    assert record(show, 300).count("\n") == 300
    assert record(show, 3, tty=True, height=20).split() == ["0", "1", "2"]
    assert not paged
    assert record(show, 300, tty=True, height=20) == ""
    assert paged[0].split()[-1] == "299"


@pytest.mark.parametrize("tty", [False, True])
def test_hostile_text_cannot_steer_the_terminal(tty):
    quiet = record(terminal.show_report, sample_report(HOSTILE), tty=tty)
    assert "\x1b[2J" not in quiet
    assert "\u202e" not in quiet
    assert "<U+001B>" in quiet
    assert "\x1b" not in terminal.verdict_line(sample_report(HOSTILE))
    assert "\n" not in terminal.verdict_line(sample_report("\n"))


def test_markup_in_text_is_text():
    assert "[bold]x[/bold]" in record(terminal.show_report, sample_report("[bold]x[/bold]"))


def test_no_control_sequences_off_a_terminal_and_no_colours_if_unwanted():
    report = sample_report()
    assert "\x1b" not in record(terminal.show_report, report)
    coloured = record(terminal.show_report, report, tty=True, color_system="standard")
    assert "\x1b[31m" in coloured
    plain = record(terminal.show_report, report, tty=True, color_system="standard", no_color=True)
    assert "\x1b[31m" not in plain


def test_a_terminal_without_unicode_is_served():
    shown = record(terminal.show_report, sample_report(), encoding="ascii")
    assert "x fail" in shown
    assert "+ pass" in record(terminal.show_outcome, sample_outcome(), encoding="ascii")


def test_outcome_shows_checks_with_bounds_and_mutants():
    shown = record(terminal.show_outcome, sample_outcome(holds=False))
    assert "does not hold" in shown
    assert "must be 0.933 within 0.001" in shown
    assert "must be >= 0.1" in shown
    assert "broken variant: broken" in shown


def test_outcome_says_what_is_proven():
    shown = record(terminal.show_outcome, sample_outcome())
    assert "1 of 2 checks are proven by a broken variant. Unproven: accuracy." in shown
    rows = {line.split()[-1] for line in shown.splitlines() if "must be" in line}
    assert rows == {"proven", "unproven"}
    blind = replace(sample_outcome(), mutants=())
    assert "no check is proven" in record(terminal.show_outcome, blind)


def progress_lines(**options) -> list[str]:
    stream = io.StringIO()
    out = Console(file=stream, width=100, force_terminal=False)
    with Progress(out, **options) as progress:
        progress(1, "probing")
        progress(1, "more probing")
        progress(4, "worlds")
    return stream.getvalue().splitlines()


def test_progress_is_a_line_per_section():
    first, second = progress_lines()
    assert "1 contract" in first
    assert "4 collapse" in second
    assert progress_lines(quiet=True) == []


def test_a_bar_says_reward_worlds_and_time_on_a_terminal_alone():
    def run(tty: bool) -> tuple[str, str]:
        bar, findings = io.StringIO(), io.StringIO()
        out = Console(file=bar, width=140, force_terminal=tty)
        listed = Console(file=findings, width=100)
        with Progress(out, findings=listed, verbose=True) as progress:
            progress.judging("brevity\x1b[2J")
            progress(4, "the reward in every world")
            progress.moved(64, 256, "worlds")
            if progress.bar is not None:
                progress.bar.refresh()
            progress.note("0.2 s a text")
            progress.ended(Section(4, "", (Finding(4, "collapse/x", "pass", "All kept."),)))
            progress.ended(Section(5, ""))
        assert progress.shown == {4, 5}
        return bar.getvalue(), findings.getvalue()

    shown, findings = run(tty=True)
    for words in ("brevity<U+001B>[2J", "4 collapse: the reward", "64 of 256 worlds", "-:--"):
        assert words in shown
    assert "\x1b[2J" not in shown
    plain, same = run(tty=False)
    assert [line.split()[0] for line in plain.splitlines()] == ["toyrl:", "0.0"]
    assert findings == same
    assert "4 collapse" in findings
    assert "All kept." in findings


def test_passed_checks_are_not_listed_as_they_are_found():
    findings = io.StringIO()
    with Progress(Console(file=io.StringIO()), findings=Console(file=findings)) as progress:
        progress.ended(Section(4, "", (Finding(4, "collapse/x", "pass", "All kept."),)))
        progress.ended(Section(5, "", (Finding(5, "order/x", "warn", "Another order."),)))
    assert "All kept." not in findings.getvalue()
    assert findings.getvalue().startswith("Section")
    assert "Another order." in findings.getvalue()


def test_a_pipe_gets_share_and_time_left_now_and_then_and_what_was_cut_is_said():
    out, now = io.StringIO(), [0.0]

    def run():
        with Progress(Console(file=out, width=200)) as progress:
            progress.left = Left(lambda: now[0])
            progress(4, "the reward in every world")
            for done in range(0, 40, 2):
                now[0] += 1
                progress.moved(done, 80, "worlds")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    first, second, last = out.getvalue().splitlines()
    assert first == "4 collapse: the reward in every world: 18 of 80 worlds (22%), about 35 s left"
    assert second.endswith("38 of 80 worlds (48%), about 20 s left")
    assert last.endswith("not finished")


def test_pieces_say_share_and_time_left():
    out, now = io.StringIO(), [0.0]
    with Pieces(Console(file=out, width=200)) as pieces:
        pieces.left = Left(lambda: now[0])
        for done in range(4):
            pieces(done, 4, f"number {done}")
            now[0] += 40
    assert out.getvalue().splitlines() == [
        "0 of 4 done (0%): number 0",
        "1 of 4 done (25%), about 2 min left: number 1",
        "2 of 4 done (50%), about 80 s left: number 2",
        "3 of 4 done (75%), about 40 s left: number 3",
    ]


def test_work_of_seconds_says_nothing_at_once():
    out, now = io.StringIO(), [0.0]
    with Pieces(Console(file=out, width=200), at_once=False) as pieces:
        pieces.left = Left(lambda: now[0])
        for done in range(4):
            pieces(done, 4, f"number {done}")
            now[0] += 6
    assert out.getvalue().splitlines() == ["2 of 4 done (50%), about 10 s left: number 2"]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 s"), (7.6, "8 s"), (41, "40 s"), (125, "2 min"), (4_900, "1 h 22 min")],
)
def test_durations(seconds, said):
    assert duration(seconds) == said


def test_folder_holds_everything(tmp_path):
    outcomes = [sample_outcome()]
    results = {"schema": schemas.tag("reproduce"), "results": [o.to_dict() for o in outcomes]}
    written = folder.write_folder(tmp_path / "out", outcomes, results)
    names = sorted(p.relative_to(tmp_path / "out").as_posix() for p in written)
    assert names == [
        "index.html",
        "results.json",
        "sample/phase.png",
        "sample/phase.svg",
        "sample/price.png",
        "sample/price.svg",
        "sample/t.csv",
        "sample/t.md",
        "summary.md",
    ]
    assert all(p.stat().st_size > 0 for p in written)
    assert json.loads((tmp_path / "out/results.json").read_text())["schema"] == schemas.tag(
        "reproduce"
    )


def test_folder_is_not_left_by_hostile_names(tmp_path):
    outcome = sample_outcome("/../../" + HOSTILE)
    results = {"schema": schemas.tag("reproduce"), "results": [outcome.to_dict()]}
    for path in folder.write_folder(tmp_path / "out", [outcome], results):
        assert path.resolve().is_relative_to(tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "file"),
    [("a b/c", "a-b-c"), ("..", "unnamed"), ("", "unnamed"), ("x_1.2", "x_1.2")],
)
def test_file_names(name, file):
    assert folder.file_name(name) == file


def test_csv_keeps_numbers_exactly():
    table = Table("t", ("a,b", "c"), ((1 / 3, 'say "x"'), (math.inf, None)))
    rows = list(csv.reader(io.StringIO(folder.csv_table(table))))
    assert rows == [["a,b", "c"], [repr(1 / 3), 'say "x"'], ["inf", ""]]


@pytest.mark.parametrize(
    ("cell", "formula"),
    [
        *((x, True) for x in ("=cmd|calc!A0", "+cmd|x!A0", "-2+3+cmd|x!A0", "@x", "\t=1", "+1+1")),
        *((x, False) for x in ("+0.300 (+0.1 to 0.5)", "-1e-3", "-", "-inf", "+.5", "a=1", "")),
        (-0.5, False),
    ],
)
def test_4b_no_cell_of_a_csv_table_is_a_formula(cell, formula):
    rows = list(csv.reader(io.StringIO(folder.csv_table(Table("t", (cell,), ((cell,),))))))
    wanted = ("'" * formula) + str(cell)
    assert rows == [[wanted]] * 2


def test_markdown_cells_cannot_break_the_table():
    lines = folder.markdown_table(Table("t", ("a|b",), (("x\ny",), ("<b>",)))).splitlines()
    assert lines == ["| a\\|b |", "| --- |", "| x y |", "| &lt;b> |"]


def test_summary_says_what_fails():
    text = folder.summary([sample_outcome(), sample_outcome(holds=False)])
    assert text.startswith("1 of 2 experiments hold.")
    assert text.count("FAILS") == 1


@pytest.mark.parametrize(
    "picture",
    [curve_picture("$x_{broken$ _label"), phase_picture(), Picture("p", "t", "x", "y")],
    ids=["curves", "heat-map", "empty"],
)
def test_png_is_a_picture(picture, tmp_path):
    from PIL import Image

    save_png(picture, tmp_path / "p.png", dpi=50)
    with Image.open(tmp_path / "p.png") as image:
        assert image.size == (320, 220)
        assert len(image.convert("RGB").getcolors(maxcolors=100_000)) > 10
