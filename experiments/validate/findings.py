"""What `validate` says: findings with evidence, gathered into a report with one verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toyrl.experiments.core import Picture, Table

SCHEMA = "toyrl.validate/1"
STATUSES = ("pass", "info", "warn", "fail")
VERDICTS = ("SAFE", "INCONCLUSIVE", "RISKY", "UNSAFE")
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
    status : pass | info | warn | fail
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
    """One section's findings and evidence."""

    number: int
    summary: str
    findings: tuple[Finding, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    seconds: float = 0.0

    @property
    def title(self) -> str:
        """Name of the section."""
        return SECTIONS[self.number]


@dataclass(frozen=True)
class Report:
    """The whole answer about one reward.

    verdict : SAFE | RISKY | UNSAFE | INCONCLUSIVE
    reasons : the two or three sentences that decided it
    assumed : fields that a latent of the toy supplied, each with the latent, its numbers and a
        sentence (`toyrl.worlds.chain.declared.stated`)
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
    assumed: tuple[Mapping[str, Any], ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Findings of all sections, in order."""
        return tuple(f for s in self.sections for f in s.findings)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form (`--json`)."""
        return {
            "schema": SCHEMA,
            "reward": self.reward,
            "verdict": self.verdict,
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
            "safe_variant": self.safe_variant,
            "settings": dict(self.settings),
            "command": self.command,
            "seconds": round(self.seconds, 3),
            "seed": self.seed,
            "versions": dict(self.versions),
            "error": self.error,
        }
