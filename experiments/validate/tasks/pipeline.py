"""`validate` on the texts of a task: the sections of arithmetic where they can take these texts.

Contract and hacks look at the task's own texts. Signal, collapse, order and selection stand on
outcome classes, right or wrong by length, whose texts the task writes; the forecast on texts of
behaviours that it writes too. The search for exploits asks it whether a text is right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from statistics import median
from typing import Any

from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.contract.kinds import named
from toyrl.experiments.validate.contract.separation import side
from toyrl.experiments.validate.exploits.ground import Ground
from toyrl.experiments.validate.findings import Finding, Report, Section
from toyrl.experiments.validate.formats.choosing import CLOSE_AUC, Candidate
from toyrl.experiments.validate.formats.search import Search, search
from toyrl.experiments.validate.hacks.section import Exploit
from toyrl.experiments.validate.own.rollouts import sampled
from toyrl.experiments.validate.pipeline import Pipeline
from toyrl.experiments.validate.reward_law.company import Posed
from toyrl.experiments.validate.settings import Settings
from toyrl.experiments.validate.tasks import forms, hacks
from toyrl.experiments.validate.tasks.found import Found
from toyrl.experiments.validate.tasks.ground import of_task
from toyrl.graders.base import TextRow
from toyrl.worlds.behaviour import task_texts
from toyrl.worlds.behaviour.own_texts import Reading
from toyrl.worlds.behaviour.texts import Author
from toyrl.worlds.text.dialects import dialect_of, mark
from toyrl.worlds.text.tasks import rows
from toyrl.worlds.text.tasks.base import Task, TaskError

GUESSED = ("source", "file", "combined")
"""Where layouts come from that nobody said and no text shows."""
ANOTHER = "So it is in the {}; if it reads another, say how answers are marked: --answer-mark."
OF_NUMBERS = ("contract/gold-form", "contract/gold-wish", "contract/gold-type")
"""Findings about the form of a gold number, which a task's rows hold as they are."""


@dataclass
class TaskPipeline(Pipeline):
    """One run of `validate` on a task's texts.

    found : which task, and why; also : (form, layout) of other forms that the reward reads
    """

    found: Found = field(kw_only=True)
    also: tuple[tuple[Task, str], ...] = field(init=False, default=())

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
        name = dialect_of(dialect).name
        if name not in self.base_rows:
            self.base_rows[name] = self._base_rows(self.task, name)
        return self.base_rows[name]

    def _base_rows(self, task: Task, layout: str) -> list[Any]:
        return rows.base_rows(task, layout, self._texts_wanted, self.settings.seed, **self._size)

    @property
    def _size(self) -> dict[str, float]:
        """Lengths of base texts."""
        return {"typical_tokens": self.settings.typical, "max_tokens": self.worlds_limit}

    def formats(self, facts: Any) -> tuple[Search, dict[str, list[tuple[Any, bool]]]]:
        """What formats the reward reads; the task's own layouts are known, not guessed, and
        messages have no other.

        Where the reward reads one of them, what its source was taken to say is no format: a pattern
        of four numbers in brackets looks like one, and is a box.
        """
        if forms.in_messages(self.task):
            told = [Candidate(d, "told") for d in self._dialects]
            known = search(self.reward, told, self.rows_in, reads_gold=False)
            return known, self.probes_in(known.dialects)
        found, probes = super().formats(facts)
        top = max((f.auc for f in found.found), default=0.0)
        reads = any(
            f.auc >= top - CLOSE_AUC and side(f.auc, f.n_right, f.n_wrong) > 0
            for f in facts
            if f.name in self._dialects
        )
        own = [
            replace(f, candidate=replace(f.candidate, origin="task"))
            if f.dialect in self._dialects and f.candidate.origin == "usual"
            else f
            for f in found.found
            if not (reads and f.dialect not in self._dialects and f.candidate.origin in GUESSED)
        ]
        kept = {d: p for d, p in probes.items() if d in {f.dialect for f in own}}
        return replace(found, found=tuple(own)), kept

    @property
    def class_rows(self) -> Callable[..., list[Any]]:
        """Writes the task's texts of an outcome class."""
        return partial(rows.class_rows, self.task)

    def _candidates(self) -> list[Candidate]:
        """Those of the source, and the task's own layouts behind them."""
        found = super()._candidates()
        known = {c.dialect for c in found}
        return [*found, *(Candidate(d, "task") for d in self._dialects if d not in known)]

    def about(self, row: TextRow | None) -> Posed | None:
        """The task's problem that a row is about; of None the first.

        A task's problems have no difficulty: the reference policies take them by turns.
        """
        places = [0] if row is None else self._places.get(row.prompt, [])
        if not places:
            return None
        asked = [x[0] for x in rows.answers(self.task)]
        own = (i for i in places if row is not None and _same(asked[i].columns, row.columns))
        at = next(own, places[0])  # a prompt may be asked of several images or databases
        turns = (1,) if row is None else self.reference.difficulties
        return Posed(asked[at], turns[at % len(turns)], f"{at} {asked[at].prompt}")

    def author(self, dialect: str) -> Author:
        """Writes the task's texts of behaviours."""
        return task_texts.author(self.task, dialect)

    def ground(self, wrong: Sequence[Any], dialect: str) -> Ground:
        """What a search for exploits stands on: wrong texts of the task.

        Raises TaskError for a task that can't tell whether any answer is right.
        """
        return of_task(self.task, dialect, wrong)

    @property
    def reading(self) -> Reading:
        """How answers are read in a log's texts: in the task's layouts, the one judged in first."""
        return task_texts.reading(self.task, self.contract_facts.dialect)

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        """Places of the task's problems by prompt."""
        found: dict[str, list[int]] = {}
        for i, (asked, _, _) in enumerate(rows.answers(self.task)):
            found.setdefault(asked.prompt, []).append(i)
        return found

    def _sampled(self) -> Settings:
        """The settings with a log of what the model says to the task's problems.

        Raises UsageError for a task that can't tell whether an answer is right.
        """
        try:
            rows.truth_of(self.task)
        except TaskError as error:
            msg = f"model={self.settings.model}: {error}; mark rollouts yourself: --rollouts"
            raise UsageError(msg) from error
        asked = [
            {**x.columns, "prompt": self._with_mark(x.prompt)}
            for x, _, _ in rows.answers(self.task)
        ]
        places = {self._with_mark(p): k for p, k in self._places.items()}
        told = self.settings.answer_mark

        def correct(row: TextRow) -> float:
            made, here = rows.answers(self.task), places[row.prompt]
            own = (i for i in here if _same(row.columns, made[i][0].columns))
            return float(rows.correct(self.task, made[next(own, here[0])][0], row.completion, told))

        tell = partial(self.tell, 0)
        return sampled(self.settings, tell, asked=asked, correct=correct)

    def _with_mark(self, prompt: str) -> str:
        """A prompt as a model is asked it: the user's own say how to answer, ours don't."""
        if self.found.own_rows:
            return prompt
        return f"{prompt}\nMark it so: {mark(self._dialects[0], '...')}"

    # -- sections --------------------------------------------------------------------------------
    def own(self) -> Section:
        """The reward on the user's own log, and whose texts the others stand on."""
        section = super().own()
        text = (
            f"Contract and hacks stand on texts of the task {self.task.name}; your log is judged "
            "here, as it says what is right, and the forecast stands on it."
        )
        finding = Finding(0, "own/texts", "info", text)
        return replace(section, findings=(*section.findings, finding))

    def contract(self) -> Section:
        """The contract, led by which task it is and why."""
        read = forms.find(self.reward, self.task, **self._size)
        self.found, self.also = replace(self.found, task=read.first), read.also
        section = super().contract()
        kept = [f for f in section.findings if f.name not in OF_NUMBERS]
        return replace(section, findings=(self.found.finding(), *kept))

    def _stop_early(self, sections: list[Section]) -> Report | None:
        """As ever; where a layout of the task is paid whatever answer stands in it, that is told in
        place of a format that wasn't found."""
        report, f = super()._stop_early(sections), self.contract_facts
        known = f.dialect in self._dialects and not f.constant and "hacks" not in self.left_out
        if report is None or report.verdict != "INCONCLUSIVE" or not known or not self._pays_mark():
            return report
        section, _ = self.listed()
        ungated = next((x for x in section.findings if x.name == "hacks/ungated"), None)
        if ungated is None:
            return report
        reason = f"{ungated.message} {ANOTHER.format(named(f.dialect))}"
        told = sorted([*sections, section], key=lambda s: s.number)
        return self._report("INCONCLUSIVE", (reason,), told)

    def _pays_mark(self) -> bool:
        """Whether right answers are paid more than texts that break off before their answer."""
        dialect = self.contract_facts.dialect
        texts = self.rows_in(dialect)
        pairs = list(zip(texts, self.score_in(dialect)([t.row for t in texts]), strict=True))
        right = [v for t, v in pairs if t.correct and v is not None]
        cut = [v for t, v in pairs if t.truncated and v is not None]
        return bool(right and cut) and median(right) > median(cut)

    def listed(self) -> tuple[Section, list[Exploit]]:
        """The mutants in the layout that it is judged in; of others that it reads, what is new."""
        own = [(self.task, d, self.rows_in(d)) for d in self.contract_facts.dialects]
        read = [*own, *((form, d, self._base_rows(form, d)) for form, d in self.also)]
        size: dict[str, Any] = {"tokens": self.settings.typical, "limit": self.worlds_limit}
        done = [
            hacks.run(
                self.score_in(d),
                base,
                rows.mutants(task, d, truth=False, risky=i == 0, **size),
                rows.mutants(task, d, truth=True, **size),
                self.reward,
            )
            for i, (task, d, base) in enumerate(read)
        ]
        section, exploits = done[0]
        findings = list(section.findings)
        for (_, dialect, _), (more, paid) in zip(read[1:], done[1:], strict=True):
            known = {f.name for f in findings if f.status in ("fail", "warn")}
            where = f" That is in the {named(dialect)}, which it reads too."
            findings += [
                replace(f, message=f.message + where)
                for f in more.findings
                if f.status in ("fail", "warn") and f.name not in known
            ]
            exploits += [e for e in paid if e.name not in {x.name for x in exploits}]
        return replace(section, findings=tuple(findings)), exploits


def _same(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two rows hold the same objects: images and arrays have no equality of their own."""
    return all(b.get(k) is v for k, v in a.items())
