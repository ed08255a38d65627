"""What `validate` says: findings with evidence, gathered into a report with one verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toyrl import schemas
from toyrl.experiments.core import Picture, Table
from toyrl.experiments.results import Answer

if TYPE_CHECKING:
    from toyrl.bands import Band

NOT_TESTED = "not tested"
STATUSES = ("pass", "info", NOT_TESTED, "warn", "fail")
"""Mildest first. What was left out is `NOT_TESTED` and says why: never a pass."""
PAY = "pay "
"""What stands before a formula in the finding of a safe variant."""
VERDICTS = ("SAFE", "SAFE SO FAR", "INCONCLUSIVE", "RISKY", "UNSAFE")
SECTIONS = {
    0: "own rollouts",
    1: "contract",
    2: "hacks",
    3: "signal",
    4: "collapse",
    5: "order",
    6: "selection",
    7: "verdict",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    section : 0..7 (`SECTIONS`)
    name : stable identifier, e.g. "collapse/probability"
    status : pass | info | not tested | warn | fail
    message : one sentence for a reader, with the number in it
    value, interval, bound : the number, its interval and what it is held against
    counterexample : the smallest input that shows it (text or JSON-able), untrusted
    fix : what to do about it
    """

    section: int
    name: str
    status: str
    message: str
    value: float | None = None
    interval: tuple[float, float] | None = None
    bound: float | None = None
    counterexample: Any = None
    fix: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            msg = f"status={self.status!r} is not one of {', '.join(STATUSES)}"
            raise ValueError(msg)


@dataclass(frozen=True)
class Section:
    """One section's findings and evidence; ran : False where it was left out on request."""

    number: int
    summary: str
    findings: tuple[Finding, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    seconds: float = 0.0
    ran: bool = True

    @property
    def title(self) -> str:
        """Name of the section."""
        return SECTIONS[self.number]


@dataclass(frozen=True, repr=False)
class Report(Answer):
    """The whole answer about one reward.

    verdict : SAFE | SAFE SO FAR (sections were left out) | RISKY | UNSAFE | INCONCLUSIVE
    reasons : the two or three sentences that decided it
    exit_code : 0 below `fail_on` without a failed finding, 1 else, 2 where the reward could not be
        used (`toyrl.experiments.validate.verdict.exit_code`)
    error : why it could not be used, or ""
    band : the predicted band of accuracy and length, where it was asked for and there is one
    forecast : what becomes of a run (`toyrl.experiments.validate.forecast.of`), None without one
    assumed : fields that a latent of the toy supplied, each with the latent, its numbers and a
        sentence (`toyrl.worlds.chain.latents.declared.stated`)
    steps : what copies and other edits of steps are paid (`toyrl.experiments.validate.steps`), None
        where no scores of steps were given or they could not be looked at
    search : what a search for exploits found (`toyrl.experiments.validate.exploits`), None where it
        wasn't run
    """

    reward: str
    verdict: str
    reasons: tuple[str, ...]
    sections: tuple[Section, ...]
    seed: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    safe_variant: str = ""
    exit_code: int = 0
    seconds: float = 0.0
    error: str = ""
    band: Band | None = None
    forecast: Mapping[str, Any] | None = None
    assumed: tuple[Mapping[str, Any], ...] = ()
    steps: Mapping[str, Any] | None = None
    search: Mapping[str, Any] | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Findings of all sections, in order."""
        return tuple(f for s in self.sections for f in s.findings)

    @property
    def not_run(self) -> tuple[str, ...]:
        """Names of the sections that were left out on request."""
        return tuple(s.title for s in self.sections if not s.ran)

    def lines(self) -> list[str]:
        """Verdict, first reason, and how many findings there are."""
        shown = ("fail", "warn", "pass", NOT_TESTED)
        counts = [(s, sum(f.status == s for f in self.findings)) for s in shown]
        said = ", ".join(f"{n} {s}" for s, n in counts if n) or "nothing was judged"
        reason = self.reasons[0] if self.reasons else ""
        return [f"{self.verdict}: {self.reward}", *([reason] if reason else []), said]

    def forms(self) -> dict[str, Callable[[], str]]:
        """.html: the page; .md, .csv: the findings; .xml: JUnit; .sarif: SARIF 2.1.0."""
        from toyrl.experiments.render import ci
        from toyrl.experiments.render.folder import csv_table, report_summary
        from toyrl.experiments.render.html import report_page
        from toyrl.experiments.render.text import dumps

        me: Any = self  # a type checker meets this file under two paths
        return {
            ".html": lambda: report_page(me),
            ".md": lambda: report_summary(me),
            ".csv": lambda: csv_table(self.table()),
            ".xml": lambda: ci.junit(me) + "\n",
            ".sarif": lambda: dumps(ci.sarif(me)) + "\n",
        }

    def card(self) -> str:
        """The verdict's card, as on the page, with the findings in a fold."""
        from toyrl.experiments.render.html import card
        from toyrl.experiments.render.words import TONES, meaning

        me: Any = self  # a type checker meets this file under two paths
        return card("report", tone=TONES[self.verdict], report=self, meaning=meaning(me))

    def table(self) -> Table:
        """One row per finding."""
        columns = ("Section", "Status", "Finding", "Message", "Value", "Bound", "To do")
        rows = [
            (SECTIONS[f.section], f.status, f.name, f.message, f.value, f.bound, f.fix)
            for f in self.findings
        ]
        return Table("findings", columns, rows)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form (`--json`), schema toyrl.validate."""
        return {
            "schema": schemas.tag("validate"),
            "reward": self.reward,
            "verdict": self.verdict,
            "exit_code": self.exit_code,
            "reasons": list(self.reasons),
            "findings": [
                {
                    "section": f.section,
                    "section_name": SECTIONS[f.section],
                    "name": f.name,
                    "status": f.status,
                    "message": f.message,
                    "value": f.value,
                    "interval": list(f.interval) if f.interval else None,
                    "bound": f.bound,
                    "counterexample": f.counterexample,
                    "fix": f.fix,
                }
                for f in self.findings
            ],
            "assumed": [dict(x) for x in self.assumed],
            "forecast": None if self.forecast is None else dict(self.forecast),
            **({} if self.steps is None else {"steps": dict(self.steps)}),
            **({} if self.search is None else {"search": dict(self.search)}),
            "safe_variant": self.safe_variant,
            "settings": dict(self.settings),
            "command": self.command,
            "seconds": round(self.seconds, 3),
            "seed": self.seed,
            "versions": dict(self.versions),
            "error": self.error,
        }
