"""What each part of a report's page says that none before it has: no sentence stands there twice.

Folds are left out of that: who opens one asks for all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from toyrl.experiments.core import Picture
from toyrl.experiments.explain import find
from toyrl.experiments.explain.entry import Explained
from toyrl.experiments.render.words import MEANINGS, assumed, meaning
from toyrl.experiments.validate.findings import STATUSES, Finding, Report, Section
from toyrl.experiments.validate.forecast import FORESEEN
from toyrl.experiments.validate.forecast import beside as forecast_beside
from toyrl.experiments.validate.steps.picture import NAME as STEP_COPIES

END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class Shown:
    """A finding with the sentences that are new.

    message, fix : what is left to say, or ""
    """

    finding: Finding
    message: str
    fix: str


@dataclass(frozen=True)
class Part:
    """A section: what stands open, what is folded, and the words that were not explained yet."""

    section: Section
    summary: str
    problems: tuple[Shown, ...]
    notes: tuple[Shown, ...]
    quoted: tuple[Finding, ...]
    passed: tuple[Finding, ...]
    terms: tuple[Explained, ...]


@dataclass(frozen=True)
class Page:
    """assumed : the line under the verdict; first : pictures that stand there, of steps and the
    forecast; terms : words of the head"""

    assumed: str
    first: tuple[Picture, ...]
    terms: tuple[Explained, ...]
    parts: tuple[Part, ...]


class Said:
    """Sentences and words that the reader has met."""

    def __init__(self) -> None:
        self.sentences: set[str] = set()
        self.words: set[str] = set()

    def new(self, text: str) -> str:
        """The sentences of a text that were not said yet, which now are."""
        kept = []
        for sentence in END.split(text.strip()):
            plain = " ".join(sentence.split()).rstrip(".").casefold()
            if plain and plain not in self.sentences:
                self.sentences.add(plain)
                kept.append(sentence)
        return " ".join(kept)

    def terms(self, texts: Iterable[str]) -> tuple[Explained, ...]:
        """The words of these texts that were not explained yet, which now are."""
        found = [e for e in find.terms_in(" ".join(texts)) if e.name not in self.words]
        self.words |= {e.name for e in found}
        return tuple(found)


def page(report: Report) -> Page:
    """The report's parts in the order of the page."""
    said = Said()
    head = [meaning(report), *report.reasons, assumed(report)]
    head += filter(None, [forecast_beside(report)])
    head += [report.safe_variant]
    for text in head:
        said.new(text)
    said.new(f"Nearest safe variant: {report.safe_variant}")
    terms = said.terms(head)
    every = [p for s in report.sections for p in s.pictures]
    first = tuple(p for p in every if p.name == STEP_COPIES)
    first += tuple(p for p in every if p.name.startswith(FORESEEN))
    return Page(assumed(report), first, terms, tuple(_part(s, said) for s in report.sections))


def _part(section: Section, said: Said) -> Part:
    ordered = sorted(section.findings, key=lambda f: -STATUSES.index(f.status))
    problems = [f for f in ordered if f.status in ("fail", "warn")]
    notes = [f for f in ordered if f.status not in ("fail", "warn", "pass")]
    # Of a summary and a finding that say the same, the finding stays: it has a name.
    own = Said()
    for f in (*problems, *notes):
        own.new(f.message)
    summary = said.new(own.new(section.summary))
    shown = [_shown(f, said) for f in problems]
    open_notes = [s for s in (_shown(f, said) for f in notes) if s.message or s.fix]
    quoted = tuple(f for f in notes if f not in [s.finding for s in open_notes])
    texts = [MEANINGS[section.number], summary, *_texts(shown), *_texts(open_notes)]
    texts += [f"{p.title} {p.caption} {p.x_label} {p.y_label}" for p in section.pictures]
    passed = tuple(f for f in ordered if f.status == "pass")
    return Part(
        section, summary, tuple(shown), tuple(open_notes), quoted, passed, said.terms(texts)
    )


def _shown(finding: Finding, said: Said) -> Shown:
    # The formula of a variant is shown as code beside the verdict.
    fix = "" if finding.name == "verdict/variant" else said.new(finding.fix)
    return Shown(finding, said.new(finding.message), fix)


def _texts(shown: Iterable[Shown]) -> Iterator[str]:
    return (f"{s.message} {s.fix}" for s in shown)
