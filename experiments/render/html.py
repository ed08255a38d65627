"""Self-contained HTML pages: a report of `validate`, the outcomes of `reproduce`.

One file each, without network access: style, script, pictures and data lie inside. Everything
that isn't ours is escaped, and characters that can't be seen are spelled out.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from functools import cache
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from toyrl.experiments.core import Check, Outcome, Picture, Table
from toyrl.experiments.render import once, text, variant
from toyrl.experiments.render.svg.pictures import CSS, svg
from toyrl.experiments.render.words import (
    MEANINGS,
    TONES,
    badge,
    bound,
    meaning,
    measured,
    proof_words,
)
from toyrl.experiments.validate.findings import STATUSES, Finding, Report
from toyrl.experiments.validate.forecast import beside as forecast_beside

if TYPE_CHECKING:
    from toyrl.experiments.audit.result import Audit
    from toyrl.experiments.credit.result import Credit
    from toyrl.experiments.distances.found import Distances
    from toyrl.experiments.validate.compare import Comparison

LONGEST_EVIDENCE = 20_000  # characters of a counterexample shown on the page


def report_page(report: Report) -> str:
    """The page of one `validate` run."""
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            tone=TONES[report.verdict],
            shown=once.page(report),
            variant=variant.of(report),
            meanings=MEANINGS,
            verdict_meaning=meaning(report),
            json_uri=data_uri(report.to_dict()),
            css=stylesheet(),
        )
    )


def reproduce_page(outcomes: Sequence[Outcome], results: Any, *, command: str = "") -> str:
    """The page of a `reproduce` run; `results` is what goes into its JSON file."""
    return (
        _environment()
        .get_template("reproduce.html.j2")
        .render(
            outcomes=outcomes,
            kept=sum(o.holds for o in outcomes),
            command_text=command,
            json_uri=data_uri(results),
            css=stylesheet(),
        )
    )


def compare_page(found: Comparison, *, command: str = "") -> str:
    """The page of a `validate --compare` run."""
    return (
        _environment()
        .get_template("compare.html.j2")
        .render(
            found=found,
            tones=TONES,
            command_text=command,
            json_uri=data_uri(found.to_dict()),
            css=stylesheet(),
        )
    )


def distance_page(found: Distances) -> str:
    """The page of a `distance` run."""
    return (
        _environment()
        .get_template("distance.html.j2")
        .render(
            found=found,
            pictures=found.pictures(),
            parts=[(p, found.tables_of(p)) for p in found.pairs],
            json_uri=data_uri(found.to_dict()),
            css=stylesheet(),
        )
    )


def credit_page(found: Credit) -> str:
    """The page of a `credit` run."""
    return (
        _environment()
        .get_template("credit.html.j2")
        .render(
            found=found,
            picture=found.picture(),
            examples=found.examples(),
            json_uri=data_uri(found.to_dict()),
            css=stylesheet(),
        )
    )


def audit_page(found: Audit) -> str:
    """The page of an `audit-judge` run."""
    from toyrl.experiments.audit.result import MEANINGS as JUDGED
    from toyrl.experiments.audit.result import TONES as JUDGED_TONES

    names = {
        "biases": "What sways it, and what that does",
        "slices": "Right against wrong",
        "others": "Consistency, calibration, agreement",
        "errors": "Wrong verdicts by class",
    }
    return (
        _environment()
        .get_template("audit.html.j2")
        .render(
            found=found,
            tone=JUDGED_TONES[found.word],
            meaning=JUDGED[found.word],
            said=[x for x in (*found.calls.said(), found.need(), found.rings) if x],
            names=names,
            tables=found.all_tables(),
            pictures=found.pictures(),
            json_uri=data_uri(found.to_dict()),
            css=stylesheet(),
        )
    )


def card(name: str, *, tone: str, **words: Any) -> str:
    """A piece of HTML for a notebook's cell, with its own style: the template card-NAME.html.j2."""
    template = _environment().get_template(f"card-{name}.html.j2")
    return template.render(tone=tone, **words)


def data_uri(data: Any) -> str:
    """JSON as a link target; base64 keeps it free of characters with a meaning in HTML."""
    payload = base64.b64encode(text.dumps(data).encode()).decode("ascii")
    return f"data:application/json;base64,{payload}"


def stylesheet() -> Markup:
    """The page's CSS with that of the pictures. Ours alone, so it needs no escaping."""
    return Markup((_folder() / "page.css").read_text(encoding="utf-8") + CSS)


def _folder() -> Path:
    return Path(__file__).resolve().parent


def _svg(picture: Picture, name: str) -> Markup:
    return Markup(svg(picture, name=name))


def _numeric(table: Table, column: int) -> bool:
    """Whether a column holds numbers only, which are set flush right."""
    cells = [row[column] for row in table.rows if row[column] is not None]
    return bool(cells) and all(isinstance(c, Number) and not isinstance(c, bool) for c in cells)


def _setting(value: Any) -> str:
    if value is None:
        return "not given"
    if isinstance(value, list | tuple):
        return ", ".join(map(_setting, value))
    return str(value) if isinstance(value, int) else text.number(value)


def _by_severity(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda f: -STATUSES.index(f.status))


def _measured_check(check: Check) -> str:
    error = "" if check.stderr is None else f" \N{PLUS-MINUS SIGN} {text.number(check.stderr)}"
    return text.number(check.value) + error


@cache
def _environment() -> Environment:
    env = Environment(
        loader=FileSystemLoader(_folder()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        "forecast": forecast_beside,
        "visible": lambda value: text.visible(str(value)),
        "evidence": lambda value: text.evidence(value, limit=LONGEST_EVIDENCE),
        "number": text.number,
        "svg": _svg,
        "numeric": _numeric,
        "setting": _setting,
        "by_severity": _by_severity,
        "overview": badge,
        "measured": measured,
        "measured_check": _measured_check,
        "bound": bound,
        "proof_words": proof_words,
    }
    return env
