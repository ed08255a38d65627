"""The sections of `validate`, one method each, in the order of the report."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

from toyrl.experiments.validate import judged, verdict
from toyrl.experiments.validate.contract import kinds, steady
from toyrl.experiments.validate.exploits import section as exploits_search
from toyrl.experiments.validate.findings import SECTIONS, Finding, Report, Section
from toyrl.experiments.validate.hacks.section import Exploit
from toyrl.experiments.validate.inputs import Inputs
from toyrl.experiments.validate.left_out import left_out, not_run
from toyrl.experiments.validate.own.evidence import decided
from toyrl.experiments.validate.pace import paced
from toyrl.experiments.validate.reward_law import bench
from toyrl.experiments.validate.steps import section as steps
from toyrl.experiments.validate.terms.section import only_of_what_fired, unjudged
from toyrl.experiments.validate.trainers.config import config_finding
from toyrl.rewards.errors import RewardError


class Pipeline(Inputs):
    """One run of `validate`."""

    # -- the run ---------------------------------------------------------------------------------
    def run(self) -> Report:
        """All sections and the verdict."""
        from toyrl.dynamics.chain.compiling import Ahead

        self._read_log()
        with contextlib.ExitStack() as stack:
            if "collapse" not in left_out(self.settings):
                self.ahead = stack.enter_context(contextlib.closing(Ahead()))
            stack.enter_context(judged.served(self.settings))
            self.reward = stack.enter_context(self.loaded())
            if self.learned is not None:
                stack.enter_context(self.learned.served(self.chain.H))
            stack.enter_context(steps.scored(self))
            self.pace = paced(self)
            self.tell.judging(self.reward.name)
            return self._run()

    def _run(self) -> Report:
        sections: list[Section] = []
        if (early := self._begun(sections)) is not None:
            return early
        for section in sorted(sections, key=lambda s: s.number):
            self._ended(section)
        self._wanted(sections, 2, "hacks and the price of the exploit", self.hacks)
        unseen = steps.unseen(sections)
        if unseen and not verdict.any_failed(sections):  # else worlds train on nobody's scores
            return self._report("INCONCLUSIVE", tuple(unseen)[: verdict.REASONS], sections)
        for number, message, work in (
            (3, "signal at low, middle and high success rates", self.signal),
            (4, "training: worlds of the chain, and a forecast", self.training),
            (5, "does it order policies as the truth does", self.order),
            (6, "selection: best of k", self.selection),
        ):
            self._wanted(sections, number, message, work)
        self._looked_again(sections)
        sections.sort(key=lambda s: s.number)
        word, reasons = self._decided(sections)
        return self._report(word, reasons, sections)

    def _add(
        self, sections: list[Section], number: int, message: str, work: Callable[[], Section]
    ) -> None:
        self.tell(number, message)
        start = time.perf_counter()
        done = only_of_what_fired(work(), self.term_facts)
        done = replace(done, seconds=time.perf_counter() - start)
        sections.append(done)
        if number > 1:  # the contract's terms are looked at later
            self._ended(done)

    def _wanted(
        self, sections: list[Section], number: int, message: str, work: Callable[[], Section]
    ) -> None:
        if SECTIONS[number] not in self.left_out:
            self._add(sections, number, message, work)

    def _begun(self, sections: list[Section]) -> Report | None:
        """Contract, own rollouts and terms; a report where they leave nothing to ask."""
        what = "contract: does it answer, always the same, on any text"
        try:
            self._add(sections, 1, what, self.contract)
        except RewardError as error:
            return self._by_log_alone(error)
        if self.settings.model is not None:
            self.tell(0, f"sampling {self.settings.model}")
            self.settings = self._sampled()
            self._read_log()
            steps.score_log(self)
        if self.log is not None:
            self._wanted(sections, 0, "your own rollouts", self.own)
        if early := self._decided_by_log(sections) or self._stop_early(sections):
            return early
        self._look_at_terms(sections)
        return self._stop_early(sections)

    def _looked_again(self, sections: list[Section]) -> None:
        """Everything is graded: are the first values still the same?"""
        first = sections[0]
        sections[0] = steady.again(self.reward, self.contract_facts, first)
        later = tuple(f for f in sections[0].findings if f not in first.findings)
        self.tell.ended(replace(first, findings=later))  # what the last look added
        if "law" in self.__dict__:  # where no section asked for it, nor does a picture
            sections[0] = replace(sections[0], pictures=(self.law.picture(), *sections[0].pictures))

    def _decided(self, sections: list[Section]) -> tuple[str, tuple[str, ...]]:
        return verdict.decide(
            collapse=self.facts.judged.count if hasattr(self, "facts") else None,
            forecast=self.forecast,
            labelled=not self.contract_facts.auxiliary,
            price_nats=getattr(self, "price", float("inf")),
            hacks="hacks" not in self.left_out,
            constant=False,
            reads_gold=self.contract_facts.reads_gold,
            separates=self.contract_facts.separates,
            sections=sections,
            unjudged=(
                *unjudged(self.term_facts),
                *kinds.guessed(self.contract_facts),
                *steps.unseen(sections),
            ),
        )

    def _report(self, word: str, reasons: tuple[str, ...], sections: list[Section]) -> Report:
        safe, missing = "", dict(self.left_out)
        seeks = word in ("UNSAFE", "RISKY") and hasattr(self, "facts") and self._loses()
        if seeks and "verdict" not in missing:
            self.tell(7, "nearest safe variant")
            start = time.perf_counter()
            safe, section = self.variants()
            sections.append(replace(section, seconds=time.perf_counter() - start))
        if not seeks:
            missing.pop("verdict", None)
        word, reasons = verdict.of_part(word, reasons, list(missing))
        sections += [not_run(name, option) for name, option in missing.items()]
        for section in sorted(sections, key=lambda s: s.number):
            self._ended(section)
        return Report(
            reward=self.reward.name,
            verdict=word,
            reasons=reasons,
            sections=tuple(sorted(sections, key=lambda s: s.number)),
            seed=self.settings.seed,
            settings=self.settings.to_dict(),
            safe_variant=safe,
            assumed=self.assumed,
            forecast=self.forecast,
            steps=self.steps,
            search=self.search,
            exit_code=verdict.exit_code(
                word,
                fail_on=self.settings.fail_on,
                failed=verdict.any_failed(sections),
                allow_inconclusive=self.settings.allow_inconclusive,
            ),
        )

    def _loses(self) -> bool:
        """Whether training is what speaks against the reward, so that a variant is looked for."""
        auxiliary, worlds = self.contract_facts.auxiliary, self.facts.judged
        return auxiliary or verdict.loses(self.forecast, worlds.count)

    @cached_property
    def left_out(self) -> dict[str, str]:
        """Section -> option of those that are not run; of a log's only where there is one."""
        found = left_out(self.settings)
        if self.log is None:
            found.pop("own rollouts", None)
        return found

    # -- section 1 -------------------------------------------------------------------------------
    def contract(self) -> Section:
        """Contract of a text reward on rendered probes, or of a shaper on arrays."""
        from toyrl.experiments.validate.contract import bonus, scale
        from toyrl.experiments.validate.contract import section as contract
        from toyrl.experiments.validate.contract import shaper as contract_shaper

        seed = self.settings.seed
        if self.reward.kind == "shaper":
            contract_shaper.fit(self.reward, seed=seed)
            section, self.contract_facts = contract_shaper.run_shaper(
                bench.as_shaper(self.terms), seed=seed, unit=self.reward.unit
            )
        else:
            section, self.contract_facts = contract.run(
                self.reward,
                self.probes,
                seed=seed,
                first=self.own_dialect,
                search=self.formats,
                group=self.group_in,
            )
            if self.pace is not None:
                dialects = len(self.contract_facts.dialects)
                self.pace.contract_done(self.reward.texts[0].budget, dialects)
        more = [
            *scale.findings(
                self.contract_facts.spread,
                self.reward.unit,
                self.estimator,
                self.settings.estimator,
            ),
            *contract_shaper.assumptions(self.assumed),
            *bonus.findings([(t.shaper, t.factor) for t in self.reward.terms]),
            *judged.finding(self.settings),
        ]
        section = replace(section, findings=(*section.findings, *more))
        if self.learned is not None:
            section = self.learned.told(section)
        if self.data_note:
            note = Finding(1, "contract/data", "warn", self.data_note)
            section = replace(section, findings=(*section.findings, note))
        return section

    def _look_at_terms(self, sections: list[Section]) -> None:
        """A line for every term of a sum, in the contract's section."""
        from toyrl.experiments.validate.terms import section as terms

        start = time.perf_counter()
        more, tables, self.term_facts = terms.run(self)
        i = next(k for k, s in enumerate(sections) if s.number == 1)
        sections[i] = replace(
            sections[i],
            findings=(*sections[i].findings, *more),
            tables=(*sections[i].tables, *tables),
            seconds=sections[i].seconds + time.perf_counter() - start,
        )

    def _by_log_alone(self, error: RewardError) -> Report:
        """A report where the reward fails on toyrl's texts, but not on the user's own; else the
        error."""
        from toyrl.experiments.validate.contract.section import RECOVERABLE

        if self.log is None or error.kind not in RECOVERABLE:
            raise error
        own = self.own()
        text = f"It can't grade toyrl's own texts, so only your rollouts were looked at: {error}"
        sections = [own, Section(1, text, (Finding(1, "contract/usable", "fail", text),))]
        word, reasons = decided(sections)
        return self._report(word or "INCONCLUSIVE", (*reasons, text)[:3], sections)

    def _decided_by_log(self, sections: list[Section]) -> Report | None:
        """A report where the user's own rollouts decide: worlds would be about another reward than
        the one that these rollouts meet."""
        word, reasons = decided(sections)
        if not word:
            return None
        return self._report(word, reasons[:3], sorted(sections, key=lambda s: s.number))

    def _stop_early(self, sections: list[Section]) -> Report | None:
        """A report where the contract leaves nothing to judge."""
        f = self.contract_facts
        word, reasons = verdict.decide(
            collapse=None,
            price_nats=float("inf"),
            constant=f.constant,
            reads_gold=f.reads_gold or f.names_gold,
            separates=f.separates,
            sections=sections,
            on_texts=self.reward.kind != "shaper",
            unread=kinds.unread(
                f,
                mark=self.settings.answer_mark is not None,
                rollouts=self.settings.rollouts is not None,
                unanswered=self.own_texts.why if self.own_texts is not None else "",
            ),
        )
        if word not in ("INCONCLUSIVE", "UNSAFE"):
            return None
        return self._report(word, reasons, sorted(sections, key=lambda s: s.number))

    # -- section 0 -------------------------------------------------------------------------------
    def own(self) -> Section:
        """The reward on the user's own log."""
        from toyrl.experiments.validate.own import section as own

        with self.reward.as_given():
            return own.run(self)

    # -- section 2 -------------------------------------------------------------------------------
    def hacks(self) -> Section:
        """Listed edits and a search for others on a text reward, and the price on classes."""
        from toyrl.experiments.validate.hacks import price

        shaper = self.reward.kind == "shaper"
        section, exploits = (Section(2, "", ()), []) if shaper else self.listed()
        section = steps.added(self, section)
        section = exploits_search.added(self, section, exploits)
        found = price.on_classes(*self.reference_points, self.reference.shares, exploits)
        self.price = found.kl
        finding, picture = price.describe(found, len(exploits))
        summary = " ".join(x for x in (section.summary, finding.message) if x)
        return Section(
            2, summary, (*section.findings, finding), (*section.pictures, picture), section.tables
        )

    def listed(self) -> tuple[Section, list[Exploit]]:
        """The metamorphic library on a text reward."""
        from toyrl.experiments.validate.hacks import expressions
        from toyrl.experiments.validate.hacks import section as hacks

        section, exploits = hacks.in_each(
            {d: (self.score_in(d), self.rows_in(d)) for d in self.contract_facts.dialects},
            self.graded_anew,
        )
        more = expressions.findings(self.reward, self.rows_in(self.contract_facts.dialect))
        return replace(section, findings=(*more, *section.findings)), exploits

    # -- sections 3, 5, 6 ------------------------------------------------------------------------
    def signal(self) -> Section:
        """Gradient signal against outcome-only."""
        from toyrl.experiments.validate.reward_law import signal

        return signal.run(
            self.law,
            self.reference,
            self.estimator,
            self.settings.group_size,
            seed=self.settings.seed,
            notes=self.reference_notes,
        )

    def order(self) -> Section:
        """Order at outcome level, then token by token over all policies."""
        from toyrl.experiments.validate.reward_law import order, process

        section = order.run(*self.reference_points, self.reference.shares)
        findings, tables = process.run(self.law, self.reference)
        return replace(
            section, findings=(*section.findings, *findings), tables=(*section.tables, *tables)
        )

    def selection(self) -> Section:
        """Best of k at outcome level."""
        from toyrl.experiments.validate.reward_law import selection

        return selection.of(self)

    # -- sections 4 and 7 ------------------------------------------------------------------------
    def collapse(self) -> Section:
        """Training over the prior of worlds."""
        from toyrl.dynamics.chain.exact import LossOptions
        from toyrl.experiments.validate.collapse import run as collapse_run
        from toyrl.experiments.validate.collapse.train_worlds import Runner
        from toyrl.experiments.validate.collapse.worlds import drawn

        s = self.settings
        if self.ahead is not None and self.ahead.running:
            self.tell(4, "compiling, first run only")
            self.ahead.wait()
        found = drawn(self.chain, s, self.n_worlds, self.seen)
        self.worlds = found.worlds
        loss = LossOptions(beta=s.beta, kl=s.kl, mask_truncated=s.mask_truncated)
        given = (self.law, self.estimator, self.objective, s.group_size, s.seed, loss)
        self.runner = Runner(*given, moved=self.tell.moved)
        section, self.facts, self.outcome_runs = collapse_run.run(
            self.runner,
            self.worlds,
            auxiliary=self.contract_facts.auxiliary,
            thorough=s.thorough,
            prior=found.prior,
            tell=lambda message: self.tell(4, message),
        )
        if s.thorough and self.law.scope == "rollout":
            self.tell(4, "sensitivity with interactions")
            from toyrl.experiments.validate.collapse.sensitivity import totals

            table = totals(self.runner, found.at, self.contract_facts.auxiliary, s.seed)
            section = replace(section, tables=(table, *section.tables))
        section = replace(section, tables=(*section.tables, *found.tables))
        notes = tuple(config_finding(note) for note in s.notes)
        section = replace(section, findings=(*section.findings, *found.findings, *notes))
        if not s.every_estimator:
            return section
        from toyrl.experiments.validate.collapse import estimators

        return estimators.added(self, section)

    def training(self) -> Section:
        """The chain's worlds, led by the forecast in worlds of behaviours where there is one."""
        from toyrl.experiments.validate import forecast

        section = self.collapse()
        self.tell(4, "forecast of a run")
        return forecast.added(self, section)

    def variants(self) -> tuple[str, Section]:
        """The nearest safe variant, validated."""
        from toyrl.experiments.validate.collapse import variants

        return variants.of_run(self)
