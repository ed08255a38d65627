"""`toyrl validate`: settings, progress, verdict, page and JSON around `toyrl.validate`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from toyrl.experiments.commands.output import Outputs, command_line, json_path, refuse_closed
from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.findings import Report
from toyrl.experiments.validate.left_out import left_out
from toyrl.experiments.validate.options import settings_of
from toyrl.experiments.validate.settings import Settings
from toyrl.experiments.validate.steps.source import reward_of


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
    verbose: bool,
    quiet: bool,
) -> int:
    """Validate, show and write; the exit code."""
    if verbose and quiet:
        msg = "--verbose lists all and --quiet one line; give one of them"
        raise UsageError(msg)
    settings = settings_of(None, {**values, **configs})
    rewards = rewards or [reward_of(None, settings)]
    outputs = Outputs(
        {"report": page, "json": json_path(json), "junit": junit, "sarif": sarif, "band": band},
        _read(rewards, {**values, **configs}),
    )
    if settings.cache is not None:
        refuse_closed("cache", settings.cache)
    _refuse_apart(settings, compare=compare, of_one=bool(junit or sarif or band), band=band)
    if compare:
        return _compare(rewards, settings, outputs, page=page, json=json, quiet=quiet)

    from toyrl.experiments import api
    from toyrl.experiments.render import terminal
    from toyrl.experiments.render.progress import Progress

    errors = terminal.console(stderr=True)
    # Standard output belongs to the JSON if it was asked for there.
    out = errors if json == "-" else terminal.console()
    with Progress(errors, quiet=quiet, findings=out, verbose=verbose) as progress:
        report = api.validate(
            rewards, settings, progress, band=band is not None, command=command_line()
        )
    try:
        _write(outputs, report, json)
    finally:  # the verdict is told whatever becomes of the files
        if report.error:
            print(f"toyrl: {terminal.visible(report.error)}", file=sys.stderr)
        elif not quiet:
            there = str(page) if "report" in outputs.written else ""
            terminal.show_report(report, out, page=there, shown=progress.shown, verbose=verbose)
        elif json != "-":
            print(terminal.verdict_line(report))
    if report.verdict == "INCONCLUSIVE" and not report.error:
        print("toyrl: warning: the verdict is INCONCLUSIVE, not safe", file=sys.stderr)
    return outputs.code(report.exit_code)


def _refuse_apart(settings: Settings, *, compare: bool, of_one: bool, band: Path | None) -> None:
    """UsageError for outputs that this run doesn't have; of_one : some belong to one report."""
    if compare and of_one:
        msg = "junit, sarif and band belong to one report; leave them out with --compare"
        raise UsageError(msg)
    if band is not None and "collapse" in left_out(settings):
        msg = "band is predicted by training, and quick, only or skip leave out collapse; drop one"
        raise UsageError(msg)


def _read(rewards: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
    """Files that the command reads, by the words that a message names them with."""
    from toyrl.rewards.specs import FILE

    names = ("rollouts", "calibrated", "data", "conciseness", "judge_noise")
    names = (*names, "trl_config", "verl_config")
    found = {name: values.get(name) for name in names}
    files = {f"the reward {spec}": FILE.match(spec.strip()) for spec in rewards}
    files["process"] = FILE.match(values.get("process") or "")
    return {**found, **{name: match["path"] for name, match in files.items() if match}}


def _write(outputs: Outputs, report: Report, json: str | None) -> None:
    from toyrl.experiments.render import ci
    from toyrl.experiments.render.html import report_page
    from toyrl.experiments.render.text import dumps

    if report.band is not None:
        band = report.band.to_json() + "\n"
        outputs.write("band", lambda: band)
    elif "band" in outputs.places:
        text = "no band was written: it needs a reward of the rollout alone that could be judged"
        print(f"toyrl: warning: {text}", file=sys.stderr)
    if not report.error:  # the page of an earlier run says more
        outputs.write("report", lambda: report_page(report))
    outputs.write("junit", lambda: ci.junit(report) + "\n")
    outputs.write("sarif", lambda: dumps(ci.sarif(report)) + "\n")
    outputs.json(json, report.to_dict())


def _compare(
    rewards: Sequence[str],
    settings: Settings,
    outputs: Outputs,
    *,
    page: Path | None,
    json: str | None,
    quiet: bool,
) -> int:
    if len(rewards) < 2:
        msg = "--compare needs at least two rewards, each a candidate of its own"
        raise UsageError(msg)

    from toyrl.experiments import api
    from toyrl.experiments.render import terminal
    from toyrl.experiments.render.html import compare_page
    from toyrl.experiments.render.progress import Progress

    errors = terminal.console(stderr=True)
    with Progress(errors, quiet=quiet) as progress:
        found = api.compare(*rewards, settings=settings, progress=progress, command=command_line())
    try:
        outputs.write("report", lambda: compare_page(found, command=found.command))
        outputs.json(json, found.to_dict())
    finally:
        out = errors if json == "-" else terminal.console()
        if quiet and json != "-":
            for c in found.candidates:
                print(terminal.verdict_line(c.report))
        elif not quiet:
            written = "report" in outputs.written
            terminal.show_comparison(found, out, page=str(page) if written else "")
    return outputs.code(found.exit_code)
