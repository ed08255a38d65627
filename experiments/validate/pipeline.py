"""The sections of `validate`, one method each, in the order of the report."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from toyrl.dynamics.chain.observed import Observed, observe
from toyrl.estimators.base import Estimator
from toyrl.experiments.core import Table
from toyrl.experiments.validate import verdict
from toyrl.experiments.validate.findings import Finding, Report, Section
from toyrl.experiments.validate.reward_law import bench, own_rollouts
from toyrl.experiments.validate.reward_law.law import RewardLaw
from toyrl.experiments.validate.settings import Settings
from toyrl.extras import needed_by
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rewards.specs import Reward
from toyrl.rollouts.logs import Log, read_log


@dataclass
class Pipeline:
    """One run of `validate`.

    n_worlds : worlds drawn from the prior (256 but for quick tests)
    """

    rewards: Reward
    settings: Settings
    tell: Callable[[int, str], None]
    n_worlds: int = 256
    data_note: str = ""
    log: Log | None = None

    # -- shared pieces ---------------------------------------------------------------------------
    @cached_property
    def chain(self) -> Any:
        """The class template at the user's completion limit."""
        return bench.template(self.settings.limit)

    @cached_property
    def estimator(self) -> Estimator:
        """The estimator asked for."""
        from toyrl.expressions import parse_estimator

        return parse_estimator(self.settings.estimator)

    @cached_property
    def objective(self) -> PolicyGradient:
        """The token aggregation that goes with it."""
        from toyrl.experiments.validate.collapse.estimators import objective_for

        if self.settings.aggregation is not None:
            return PolicyGradient(aggregation=self.settings.aggregation)
        return objective_for(self.settings.estimator)

    @cached_property
    def data(self) -> list[dict[str, Any]]:
        """Columns that rewards may ask for beside prompt and gold answer: of --data, or the log."""
        from toyrl.rollouts.logs import KEYS, read_columns

        source = self.settings.data or self.settings.rollouts
        if source is None:
            return []
        rows, self.data_note = read_columns(source, skip_bad=self.settings.skip_bad_rows)
        texts = {*KEYS["prompt"], *KEYS["completion"]}
        return [{k: v for k, v in row.items() if k not in texts} for row in rows]

    # -- the run ---------------------------------------------------------------------------------
    def run(self) -> Report:
        """All sections and the verdict."""
        from toyrl.rewards.user import load

        s = self.settings
        self._read_log()
        with load(
            self.rewards, timeout=s.timeout, data=self.data, cache=s.cache, max_calls=s.max_calls
        ) as reward:
            self.reward = reward
            return self._run()

    def _run(self) -> Report:
        sections: list[Section] = []

        def add(number: int, message: str, work: Callable[[], Section]) -> Section:
            self.tell(number, message)
            start = time.perf_counter()
            done = work()
            sections.append(replace(done, seconds=time.perf_counter() - start))
            return done

        add(1, "contract: does it answer, always the same, on any text", self.contract)
        if self.settings.model is not None:
            self.tell(0, f"sampling {self.settings.model}")
            self.settings = self._sampled()
            self._read_log()
        if self.log is not None:
            add(0, "your own rollouts", self.own)
        early = self._stop_early(sections)
        if early is not None:
            return early
        add(2, "hacks and the price of the exploit", self.hacks)
        add(3, "signal at low, middle and high success rates", self.signal)
        add(4, "collapse over a prior of worlds", self.collapse)
        add(5, "does it order policies as the truth does", self.order)
        add(6, "selection: best of k", self.selection)
        sections[0] = replace(sections[0], pictures=(self.law.picture(), *sections[0].pictures))
        sections.sort(key=lambda s: s.number)
        word, reasons = verdict.decide(
            collapse=self.facts.judged.count,
            price_nats=self.price,
            constant=False,
            reads_gold=self.contract_facts.reads_gold,
            separates=self.contract_facts.separates,
            sections=sections,
        )
        return self._report(word, reasons, sections)

    def _report(self, word: str, reasons: tuple[str, ...], sections: list[Section]) -> Report:
        safe = ""
        if word in ("UNSAFE", "RISKY") and self.facts.judged.count.share > verdict.SAFE_SHARE:
            self.tell(7, "nearest safe variant")
            start = time.perf_counter()
            safe, section = self.variants()
            sections.append(replace(section, seconds=time.perf_counter() - start))
        return Report(
            reward=self.reward.name,
            verdict=word,
            reasons=reasons,
            sections=tuple(sections),
            seed=self.settings.seed,
            settings=self.settings.to_dict(),
            safe_variant=safe,
            assumed=self.assumed,
            exit_code=verdict.exit_code(word, fail_on=self.settings.fail_on),
        )

    # -- section 1 -------------------------------------------------------------------------------
    def contract(self) -> Section:
        """Contract of a text reward on rendered probes, or of a shaper on arrays."""
        from toyrl.experiments.validate.contract import section as contract
        from toyrl.experiments.validate.contract import shaper as contract_shaper

        seed = self.settings.seed
        if self.reward.kind == "shaper":
            section, self.contract_facts = contract_shaper.run_shaper(
                bench.as_shaper(self.terms), seed=seed
            )
        else:
            section, self.contract_facts = contract.run(self.reward, self.probes, seed=seed)
        more = contract_shaper.assumptions(self.assumed)
        section = replace(section, findings=(*section.findings, *more))
        if self.data_note:
            note = Finding(1, "contract/data", "warn", self.data_note)
            section = replace(section, findings=(*section.findings, note))
        return section

    @cached_property
    def assumed(self) -> tuple[dict[str, Any], ...]:
        """The latents that supply fields of the catalogue terms."""
        return tuple(RewardLaw(self.chain, bench.as_shaper(self.terms)).stated())

    @cached_property
    def terms(self) -> list[tuple[Any, float]]:
        """(shaper or None, weight) of each term."""
        return [(t.shaper, t.weight) for t in self.reward.terms]

    @cached_property
    def base_rows(self) -> dict[str, list[Any]]:
        """Rendered rows by dialect."""
        from toyrl.worlds.text import render

        s = self.settings
        n = 48 if s.thorough else 24
        return {
            d: render.base_rows(d, n, s.seed, typical_tokens=s.typical, max_tokens=s.limit)
            for d in (render.DIALECTS if s.answer_mark is None else (s.answer_mark,))
        }

    @cached_property
    def probes(self) -> dict[str, list[tuple[Any, bool]]]:
        """(row, right?) probes by dialect for the contract."""
        return {d: [(x.row, x.correct) for x in rows] for d, rows in self.base_rows.items()}

    def _stop_early(self, sections: list[Section]) -> Report | None:
        """A report where the contract leaves nothing to judge."""
        f = self.contract_facts
        word, reasons = verdict.decide(
            collapse=None,
            price_nats=float("inf"),
            constant=f.constant,
            reads_gold=f.reads_gold,
            separates=f.separates,
            sections=sections,
            on_texts=self.reward.kind != "shaper",
        )
        if word != "INCONCLUSIVE":
            return None
        return self._report(word, reasons, sorted(sections, key=lambda s: s.number))

    # -- the reward on classes -------------------------------------------------------------------
    @cached_property
    def law(self) -> RewardLaw:
        """The reward on every outcome class."""
        score = None if self.reward.kind == "shaper" else self.reward.score_text
        law, self.texts = bench.law_of(
            self.chain,
            self.terms,
            score,
            dialect=self.contract_facts.dialect,
            thorough=self.settings.thorough,
            seed=self.settings.seed,
        )
        return law

    @cached_property
    def reference(self) -> bench.Reference:
        """Base policies at the asked success rates."""
        rates = self.settings.success_rates or bench.REFERENCE_SUCCESS
        reference, self.reference_notes = bench.reference(self.chain, rates, self.settings.typical)
        return reference

    @cached_property
    def reference_points(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(B, N) probability, reward and correctness of the law's points under the references."""
        ref = self.reference
        rows = np.asarray(ref.difficulties)
        prob = self.law.expand(ref.prob, rows)
        reward = self.law.values()[rows - 1]
        return prob, reward, np.broadcast_to(self.law.correct, prob.shape).copy()

    def _sampled(self) -> Settings:
        """The settings with a log of rollouts sampled from the model, kept in the cache folder."""
        import tempfile

        from toyrl.experiments.errors import UsageError
        from toyrl.rollouts.logs import read_columns

        with needed_by("model"):
            import torch  # noqa: F401 - found out before anything is sampled
            import transformers  # noqa: F401

            from toyrl.bridge.models.sampling import ModelError, sample_log
        s = self.settings
        rows = read_columns(s.data, skip_bad=s.skip_bad_rows)[0] if s.data else []
        folder = Path(s.cache) if s.cache else Path(tempfile.mkdtemp(prefix="toyrl-"))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            log = sample_log(
                str(s.model),
                folder / "sampled-rollouts.jsonl",
                rows=rows,
                group_size=s.group_size,
                max_new_tokens=s.limit,
                seed=s.seed,
                answer_mark=s.answer_mark,
                tell=lambda message: self.tell(0, message),
            )
        except (ModelError, KeyError) as error:
            raise UsageError(str(error.args[0])) from error
        return replace(s, model=None, rollouts=log, max_completion_length=s.limit)

    def _read_log(self) -> None:
        """Read the log, if there is one; it also says lengths that the user did not."""
        s = self.settings
        if s.rollouts is None:
            return
        self.log = read_log(s.rollouts, skip_bad=s.skip_bad_rows)
        r = self.log.rollouts
        mean = float(np.average(r.length, weights=r.w))
        self.settings = s.with_lengths_of(r.max_length, mean)

    @property
    def seen(self) -> Observed | None:
        """What the log shows of its policy; None without a log."""
        if self.log is None:
            return None
        return observe(self.log.rollouts, self.log.difficulty, depth=bench.DEPTH)

    # -- section 0 -------------------------------------------------------------------------------
    def own(self) -> Section:
        """The reward on the user's own log."""
        from toyrl.experiments.validate.hacks.price import log_price

        log = self.log
        assert log is not None
        assert self.settings.rollouts is not None
        try:
            r = self._with_fields(log)
        except KeyError as error:
            text = f"Your log was not judged: {error.args[0]}; write it into the log."
            return Section(0, text, (Finding(0, "own/fields", "warn", text),))
        reward = np.asarray(bench.as_shaper(self.terms).reward(r), dtype=float)
        reward = np.where(r.w > 0, reward, np.nan)
        section, self.own_facts = own_rollouts.run(
            r,
            reward,
            self.estimator,
            estimator_name=self.settings.estimator,
            source=self.settings.rollouts.name,
            seed=self.settings.seed,
            price_nats=log_price(r, reward),
            notes=tuple(log.notes),
        )
        return section

    def _with_fields(self, log: Any) -> Any:
        """The log's rollouts with what the reward reads: text rewards graded, fields by column."""
        from toyrl.rollouts.texts import text_fields

        r, shaper = log.rollouts, bench.as_shaper(self.terms)
        needs = [n for n in shaper.all_needs() if n != "user_reward"]
        flat = text_fields(log.rows, needs, shaper.all_wants())
        if any(shaper is None for shaper, _ in self.terms):
            values = self.reward.score_text(log.rows)
            graded = [np.nan if v is None else v for v in values]
            flat["user_reward"] = np.array(graded, dtype=float)
        own = dict(r.fields)
        for name, value in flat.items():
            own[name] = np.full((*r.shape, *value.shape[1:]), np.nan)
            own[name][r.w > 0] = value
        return r.with_(fields=own)

    # -- section 2 -------------------------------------------------------------------------------
    def hacks(self) -> Section:
        """The metamorphic library on a text reward, and the price on classes for any reward."""
        from toyrl.experiments.validate.hacks import price

        if self.reward.kind == "shaper":
            section, exploits = Section(2, "", ()), []
        else:
            from toyrl.experiments.validate.hacks import section as hacks

            rows = self.base_rows[self.contract_facts.dialect]
            section, exploits = hacks.run(self.reward.score_text, rows)
        found = price.on_classes(*self.reference_points, self.reference.shares, exploits)
        self.price = found.kl
        finding, picture = price.describe(found, len(exploits))
        summary = " ".join(x for x in (section.summary, finding.message) if x)
        return Section(
            2, summary, (*section.findings, finding), (*section.pictures, picture), section.tables
        )

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
        """Order at outcome level."""
        from toyrl.experiments.validate.reward_law import order

        return order.run(*self.reference_points, self.reference.shares)

    def selection(self) -> Section:
        """Best of k at outcome level."""
        from toyrl.experiments.validate.reward_law import selection

        return selection.run(*self.reference_points, self.reference.shares)

    # -- sections 4 and 7 ------------------------------------------------------------------------
    def collapse(self) -> Section:
        """Training over the prior of worlds."""
        from toyrl.dynamics.chain.exact import LossOptions
        from toyrl.experiments.validate.collapse import run as collapse_run
        from toyrl.experiments.validate.collapse.train_worlds import Runner
        from toyrl.experiments.validate.collapse.worlds import drawn

        s = self.settings
        found = drawn(self.chain, s, self.n_worlds, self.seen)
        self.worlds = found.worlds
        loss = LossOptions(beta=s.beta, kl=s.kl, mask_truncated=s.mask_truncated)
        self.runner = Runner(self.law, self.estimator, self.objective, s.group_size, s.seed, loss)
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
            section = replace(section, tables=(self._totals(found.at), *section.tables))
        section = replace(section, tables=(*section.tables, *found.tables))
        notes = tuple(Finding(4, "collapse/config", "info", f"{n}.") for n in s.notes)
        section = replace(section, findings=(*section.findings, *found.findings, *notes))
        return self._every_estimator(section) if s.every_estimator else section

    def _totals(self, worlds_at: Callable[[np.ndarray], Any]) -> Table:
        """Total Sobol indices of collapse at T over new worlds."""
        from toyrl.dynamics.chain.prior import DIMENSIONS, PARAMETERS
        from toyrl.experiments.validate.collapse import section as collapse
        from toyrl.experiments.validate.collapse import sensitivity
        from toyrl.experiments.validate.collapse.run import mix_gap

        s = self.settings
        gap = mix_gap(self.runner, self.contract_facts.auxiliary)

        def collapsed(u: np.ndarray) -> np.ndarray:
            worlds = worlds_at(u)
            own, _ = self.runner.population(worlds, self.runner.correct, short_only=True)
            short, _ = self.runner.at_weight(worlds, np.ones(len(u)), gap)
            return np.any(own - short > collapse.DROP, axis=-1) * 1.0

        found = sensitivity.total_order(collapsed, DIMENSIONS, seed=s.seed)
        return sensitivity.totals_table(PARAMETERS, found)

    def _every_estimator(self, section: Section) -> Section:
        """Section 4 with a table over all estimators."""
        from toyrl.experiments.validate.collapse import estimators
        from toyrl.experiments.validate.collapse import run as collapse_run

        auxiliary = self.contract_facts.auxiliary
        if self.law.scope != "rollout":
            said = "A reward that looks at its group has no population limit, in which the "
            finding = Finding(4, "collapse/estimators", "info", said + "estimators are compared.")
            return replace(section, findings=(*section.findings, finding))
        found = estimators.every(
            self.runner,
            self.worlds,
            auxiliary=auxiliary,
            tell=lambda message: self.tell(4, message),
        )
        more, table = estimators.describe(found, collapse_run.weight_unit(auxiliary))
        return replace(
            section, findings=(*section.findings, *more), tables=(table, *section.tables)
        )

    def variants(self) -> tuple[str, Section]:
        """The nearest safe variant, validated."""
        from toyrl.experiments.validate.collapse.variants import nearest_safe, of_reward

        candidates = of_reward(
            self.runner,
            self.worlds,
            self.outcome_runs,
            self.facts,
            auxiliary=self.contract_facts.auxiliary,
            estimator_name=self.settings.estimator,
            distance=self._distance,
        )
        return nearest_safe(candidates, len(self.facts.judged.learnable))

    def _distance(self, table: np.ndarray) -> float:
        """Of a reward (D, N) on the law's points from the one as given, under the references."""
        from toyrl.theory.distance.order import distance

        prob, own, _ = self.reference_points
        rows = np.asarray(self.reference.difficulties) - 1
        return float(distance(prob, table[rows], own, self.reference.shares))
