"""`toyrl validate`: settings, progress, verdict, page and JSON around `toyrl.validate`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from toyrl.experiments.commands.output import command_line, json_path, refuse_unwritable, write_json
from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.findings import Report
from toyrl.experiments.validate.options import settings_of
from toyrl.experiments.validate.settings import Settings
from toyrl.rollouts.memory import write_atomic


def run(
    rewards: Sequence[str],
    values: Mapping[str, Any],
    *,
    configs: Mapping[str, Path | None],
    compare: bool,
    junit: Path | None,
    sarif: Path | None,
    band: Path | None,
    page: Path | None,
    json: str | None,
    quiet: bool,
) -> int:
    """Validate, show and write; the exit code."""
    settings = settings_of(None, {**values, **configs})
    refuse_unwritable("report", page)
    refuse_unwritable("json", json_path(json))
    refuse_unwritable("junit", junit)
    refuse_unwritable("sarif", sarif)
    refuse_unwritable("band", band)
    if compare and (junit or sarif or band):
        msg = "junit, sarif and band belong to one report; leave them out with --compare"
        raise UsageError(msg)
    if compare:
        return _compare(rewards, settings, page=page, json=json, quiet=quiet)

    from toyrl.experiments import api
    from toyrl.experiments.render import terminal
    from toyrl.experiments.render.html import report_page

    errors = terminal.console(stderr=True)
    with terminal.Progress(errors, quiet=quiet) as progress:
        report = api.validate(
            rewards, settings, progress, band=band is not None, command=command_line()
        )
    if band is not None:
        _write_band(band, report)
    if page is not None and not report.error:  # the page of an earlier run says more
        write_atomic(page, report_page(report))
    write_json(json, report.to_dict())
    _write_ci(report, junit, sarif)
    if report.error:
        print(f"toyrl: {terminal.visible(report.error)}", file=sys.stderr)
        return report.exit_code
    # Standard output belongs to the JSON if it was asked for there.
    out = errors if json == "-" else terminal.console()
    if not quiet:
        terminal.show_report(report, out, page=str(page) if page else "")
    elif json != "-":
        print(terminal.verdict_line(report))
    if report.verdict == "INCONCLUSIVE":
        print("toyrl: warning: the verdict is INCONCLUSIVE, not safe", file=sys.stderr)
    return report.exit_code


def _write_band(place: Path, report: Report) -> None:
    if report.band is None:
        text = "no band was written: it needs a reward of the rollout alone that could be judged"
        print(f"toyrl: warning: {text}", file=sys.stderr)
        return
    write_atomic(place, report.band.to_json() + "\n")


def _write_ci(report: Report, junit: Path | None, sarif: Path | None) -> None:
    from toyrl.experiments.render import ci
    from toyrl.experiments.render.text import dumps

    if junit is not None:
        write_atomic(junit, ci.junit(report) + "\n")
    if sarif is not None:
        write_atomic(sarif, dumps(ci.sarif(report)) + "\n")


def _compare(
    rewards: Sequence[str], settings: Settings, *, page: Path | None, json: str | None, quiet: bool
) -> int:
    if len(rewards) < 2:
        msg = "--compare needs at least two rewards, each a candidate of its own"
        raise UsageError(msg)

    from toyrl.experiments import api
    from toyrl.experiments.render import terminal
    from toyrl.experiments.render.html import compare_page

    errors = terminal.console(stderr=True)
    with terminal.Progress(errors, quiet=quiet) as progress:
        found = api.compare(*rewards, settings=settings, progress=progress, command=command_line())
    if page is not None:
        write_atomic(page, compare_page(found, command=found.command))
    write_json(json, found.to_dict())
    out = errors if json == "-" else terminal.console()
    if quiet and json != "-":
        for c in found.candidates:
            print(terminal.verdict_line(c.report))
    elif not quiet:
        terminal.show_comparison(found, out, page=str(page) if page else "")
    return found.exit_code
