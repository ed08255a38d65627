"""`validate` on the texts of a task: the sections of arithmetic where they can take these texts.

Contract and hacks look at the task's own texts. Signal, collapse, order and selection stand on
outcome classes, right or wrong by length, whose texts the task writes. The forecast and the search
for exploits are made of arithmetic texts and say "not tested".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from toyrl.experiments.validate import judged
from toyrl.experiments.validate.contract.kinds import named
from toyrl.experiments.validate.findings import NOT_TESTED, Finding, Section
from toyrl.experiments.validate.formats.search import Search
from toyrl.experiments.validate.hacks import price
from toyrl.experiments.validate.hacks.section import Exploit
from toyrl.experiments.validate.pipeline import Pipeline
from toyrl.experiments.validate.reward_law import bench
from toyrl.experiments.validate.reward_law.law import RewardLaw
from toyrl.experiments.validate.tasks import hacks
from toyrl.experiments.validate.tasks.found import Found
from toyrl.graders.base import TextRow
from toyrl.worlds.text.dialects import dialect_of
from toyrl.worlds.text.tasks import rows
from toyrl.worlds.text.tasks.base import Task

SEARCH = "The search for exploits edits arithmetic texts."
FORECAST = "The forecast grades arithmetic texts of its behaviours."
COMPANY = (
    "It reads its siblings, and a task's texts were graded in the calls in which they "
    "stood, not in groups that a policy would draw."
)
OF_NUMBERS = ("contract/gold-form", "contract/gold-wish", "contract/gold-type")
"""Findings about the form of a gold number, which a task's rows hold as they are."""


@dataclass
class TaskPipeline(Pipeline):
    """One run of `validate` on a task's texts; found : which task, and why."""

    found: Found = field(kw_only=True)

    @property
    def task(self) -> Task:
        """The task."""
        assert self.found.task is not None
        return self.found.task

    # -- texts -----------------------------------------------------------------------------------
    @property
    def _dialects(self) -> tuple[str, ...]:
        """The task's layouts, or the one told."""
        mark = self.settings.answer_mark
        named = tuple(self.task.layouts) if mark is None else (mark,)
        return tuple(dialect_of(d).name for d in named)

    @property
    def layouts(self) -> tuple[str, ...]:
        """The task's own: what a pattern in the reward's source suggests is asked of nobody."""
        return self._dialects

    @cached_property
    def own_texts(self) -> None:
        """A log's texts are no base texts of a task."""
        return

    def rows_in(self, dialect: str) -> list[Any]:
        """The task's base texts in a layout."""
        s, name = self.settings, dialect_of(dialect).name
        if name not in self.base_rows:
            self.base_rows[name] = rows.base_rows(
                self.task,
                name,
                self._texts_wanted,
                s.seed,
                typical_tokens=s.typical,
                max_tokens=self.worlds_limit,
            )
        return self.base_rows[name]

    def formats(self, facts: Any) -> tuple[Search, dict[str, list[tuple[Any, bool]]]]:
        """What formats the reward reads; the task's own layouts are known, not guessed."""
        found, probes = super().formats(facts)
        own = [
            replace(f, candidate=replace(f.candidate, origin="task"))
            if f.dialect in self._dialects and f.candidate.origin == "usual"
            else f
            for f in found.found
        ]
        return replace(found, found=tuple(own)), probes

    def group_in(self, dialect: str) -> list[TextRow]:
        """Right and wrong texts of one problem, short and long."""
        asked, right, wrong = rows.answers(self.task)[0]
        miss = next(x for x in wrong if not x.name)
        return [
            rows.written(dialect, asked, said, correct=good, tokens=tokens, seed=tokens).row
            for tokens in (self.settings.typical // 2, self.settings.typical)
            for said, good in ((right[0], True), (miss, False))
        ]

    def score_in(self, dialect: str) -> Callable[[Sequence[Any]], list[float | None]]:
        """The text reward on rows, each call as it comes."""
        del dialect
        return self.reward.score_text

    @cached_property
    def law(self) -> RewardLaw:
        """The reward on every outcome class, on the task's texts."""
        text = self.reward.kind != "shaper"

        def graded(texts: Sequence[TextRow]) -> list[float | None]:
            self.class_texts = list(texts)
            return self.reward.score_text(texts)

        law, self.texts = bench.law_of(
            self.chain,
            self.terms,
            graded if text else None,
            dialect=self.contract_facts.dialect,
            thorough=self.settings.thorough,
            seed=self.settings.seed,
            run_limit=self.run_limit,
            class_rows=partial(rows.class_rows, self.task),
        )
        return judged.on(self.settings, law)

    # -- sections --------------------------------------------------------------------------------
    def contract(self) -> Section:
        """The contract, led by which task it is and why."""
        section = super().contract()
        more = [self.found.finding()]
        if self.contract_facts.batch_dependent:
            more.append(Finding(1, "contract/task-company", NOT_TESTED, COMPANY))
        kept = [f for f in section.findings if f.name not in OF_NUMBERS]
        return replace(section, findings=(*more, *kept))

    def hacks(self) -> Section:
        """The task's mutants, and the price on classes."""
        if self.reward.kind == "shaper":
            section, exploits = Section(2, "", ()), []
        else:
            section, exploits = self._in_each()
        found = price.on_classes(*self.reference_points, self.reference.shares, exploits)
        self.price = found.kl
        finding, picture = price.describe(found, len(exploits))
        search = Finding(2, "hacks/task-search", NOT_TESTED, SEARCH)
        summary = " ".join(x for x in (section.summary, finding.message) if x)
        return Section(2, summary, (*section.findings, finding, search),
                       (*section.pictures, picture), section.tables)  # fmt: skip

    def _in_each(self) -> tuple[Section, list[Exploit]]:
        """The mutants in the layout that it is judged in; of others that it reads, what is new."""
        size = {"tokens": self.settings.typical, "limit": self.worlds_limit}
        done = [
            hacks.run(
                self.score_in(d),
                self.rows_in(d),
                rows.mutants(self.task, d, truth=False, **size),
                rows.mutants(self.task, d, truth=True, **size),
            )
            for d in self.contract_facts.dialects
        ]
        section, exploits = done[0]
        findings = list(section.findings)
        for dialect, (more, paid) in zip(self.contract_facts.dialects[1:], done[1:], strict=True):
            known = {f.name for f in findings if f.status in ("fail", "warn")}
            where = f" That is in the {named(dialect)}, which it reads too."
            findings += [
                replace(f, message=f.message + where)
                for f in more.findings
                if f.status in ("fail", "warn") and f.name not in known
            ]
            exploits += [e for e in paid if e.name not in {x.name for x in exploits}]
        return replace(section, findings=tuple(findings)), exploits

    def training(self) -> Section:
        """The chain's worlds; no forecast."""
        section = self.collapse()
        finding = Finding(4, "forecast/task", NOT_TESTED, FORECAST)
        return replace(section, findings=(*section.findings, finding))
