"""What the sections of `validate` look at: log, texts, classes, estimator, reference policies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from toyrl.estimators.base import Estimator
from toyrl.experiments.validate import judged
from toyrl.experiments.validate.contract.facts import Contract
from toyrl.experiments.validate.findings import Section
from toyrl.experiments.validate.formats.search import Search
from toyrl.experiments.validate.listening import Listener, heard
from toyrl.experiments.validate.own.lengths import limit_of
from toyrl.experiments.validate.own.rollouts import sampled, shown, with_fields
from toyrl.experiments.validate.own.texts import OwnTexts, own_texts
from toyrl.experiments.validate.pace import Pace
from toyrl.experiments.validate.reward_law import bench
from toyrl.experiments.validate.reward_law.law import RewardLaw
from toyrl.experiments.validate.settings import Settings
from toyrl.experiments.validate.steps.source import Scores, read_in
from toyrl.experiments.validate.subject import Subject
from toyrl.experiments.validate.terms.facts import TermFacts
from toyrl.graders.base import TextRow
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rewards.specs import Reward
from toyrl.rollouts.logs import Log, read_log

if TYPE_CHECKING:
    from toyrl.dynamics.chain.compiling import Ahead
    from toyrl.dynamics.chain.observed import Observed
    from toyrl.experiments.forecast.case import Told
    from toyrl.experiments.forecast.rivals.behaviour import Runs
    from toyrl.experiments.validate.formats.choosing import Candidate
    from toyrl.experiments.validate.learned import LearnedScores
    from toyrl.experiments.validate.reward_law.own_rollouts import OwnFacts
    from toyrl.rewards.user import UserReward


@dataclass
class Inputs(Subject):
    """The pieces that a run of `validate` shares, each made when it is first asked for.

    tell : hears the run; a plain function (section number, message) will do
    n_worlds : worlds drawn from the prior (256 but for quick tests)
    reward, contract_facts, asked : set by the run, before what needs them; `asked` are the
        settings before a log said more
    term_facts : of the terms of a sum, once the run has looked at them
    pace : follows the texts that are graded, once the reward is loaded
    ahead : compiles what trains while the texts are graded, once a run wants it
    class_texts : texts of the outcome classes, once the law was asked for
    forecast, runs, told : of a run, in worlds of behaviours: as reported, the runs, and what was
        told of the base
    steps, step_scores : what edits of steps are paid, once looked at; who scores steps, if any text
    search : what a search for exploits found, once it ran
    """

    rewards: Reward
    settings: Settings
    tell: Listener
    n_worlds: int = 256
    data_note: str = ""
    log: Log | None = None
    reward: UserReward = field(init=False, repr=False)
    contract_facts: Contract = field(init=False, repr=False)
    asked: Settings = field(init=False, repr=False)
    own_facts: OwnFacts | None = field(init=False, repr=False, default=None)
    term_facts: tuple[TermFacts, ...] = field(init=False, repr=False, default=())
    class_texts: list[TextRow] = field(init=False, repr=False, default_factory=list)
    pace: Pace | None = field(init=False, repr=False, default=None)
    ahead: Ahead | None = field(init=False, repr=False, default=None)
    forecast: dict[str, Any] | None = field(init=False, repr=False, default=None)
    runs: Runs | None = field(init=False, repr=False, default=None)
    told: Told | None = field(init=False, repr=False, default=None)
    steps: dict[str, Any] | None = field(init=False, repr=False, default=None)
    step_scores: Scores | None = field(init=False, repr=False, default=None)
    search: dict[str, Any] | None = field(init=False, repr=False, default=None)
    _told: set[int] = field(init=False, repr=False, default_factory=set)

    def __post_init__(self) -> None:
        self.tell = heard(self.tell)

    def _ended(self, section: Section) -> None:
        """Say once that a section is complete."""
        if section.number not in self._told:
            self._told.add(section.number)
            self.tell.ended(section)

    @cached_property
    def worlds_limit(self) -> int:
        """Tokens after which the worlds cut off: the run's limit, or what holds a log's lengths."""
        s = self.settings
        return s.limit if self.log is None else bench.limit_held(s.limit, s.typical)

    @cached_property
    def chain(self) -> Any:
        """The class template at the worlds' completion limit."""
        return bench.template(self.worlds_limit)

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
        rows, self.data_note = read_columns(
            source, skip_bad=self.settings.skip_bad_rows, columns=dict(self.settings.columns)
        )
        texts = {*KEYS["prompt"], *KEYS["completion"]}
        return [{k: v for k, v in row.items() if k not in texts} for row in rows]

    def loaded(self) -> UserReward:
        """The reward with its sandboxes."""
        from toyrl.rewards.user import load

        s = self.settings
        return load(
            self.rewards,
            timeout=s.timeout,
            data=self.data,
            cache=s.cache,
            max_calls=s.max_calls,
            text_parameter=s.text_parameter,
            env=s.env,
            isolate=s.isolate,
            workers=s.workers,
            heard=lambda budget: self.pace.graded(budget) if self.pace else None,
        )

    @cached_property
    def assumed(self) -> tuple[dict[str, Any], ...]:
        """The latents that supply fields of the catalogue terms."""
        law = RewardLaw(self.chain, bench.as_shaper(self.terms), run_limit=self.run_limit)
        return tuple(law.stated())

    @cached_property
    def learned(self) -> LearnedScores | None:
        """The learned conciseness scores asked for, once the reward is loaded."""
        path = self.settings.conciseness
        if path is None:
            return None
        from toyrl.experiments.validate.learned import LearnedScores

        return LearnedScores(path, self.reward.name, self.terms)

    @property
    def terms(self) -> list[tuple[Any, float]]:
        """(shaper or None, weight as judged) of each term."""
        return judged.terms(self.settings, [(t.shaper, t.factor) for t in self.reward.terms])

    @property
    def run_limit(self) -> float | None:
        """The run's limit for the reward, where the worlds cut off before it."""
        limit = self.settings.limit
        return None if self.worlds_limit == limit else float(limit)

    @property
    def _dialects(self) -> tuple[str, ...]:
        """Dialects that toyrl's own texts are written in."""
        from toyrl.worlds.text.render import DIALECTS

        mark = self.settings.answer_mark
        return DIALECTS if mark is None else (mark,)

    @property
    def layouts(self) -> tuple[str, ...] | None:
        """The layouts that policies are asked to answer in, where these are known."""
        return None

    @property
    def _texts_wanted(self) -> int:
        """Base texts of each dialect."""
        return 48 if self.settings.thorough else 24

    @cached_property
    def own_texts(self) -> OwnTexts | None:
        """The log's completions as base texts; None without a log."""
        if self.log is None:
            return None
        limit = max(self.settings.limit, int(self.log.longest))
        return own_texts(self.log, self._texts_wanted, limit=limit, marks=self._dialects)

    @property
    def own_dialect(self) -> str:
        """How the log's texts mark answers, where they are base texts; else ""."""
        return self.own_texts.dialect if self.own_texts else ""

    @cached_property
    def base_rows(self) -> dict[str, list[Any]]:
        """Base texts by dialect: those of a log in their own, and rendered ones made so far."""
        return {self.own_dialect: list(self.own_texts.rows)} if self.own_texts else {}

    def rows_in(self, dialect: str) -> list[Any]:
        """Base texts of known truth in a dialect: the log's own, or rendered ones."""
        from toyrl.worlds.text import render
        from toyrl.worlds.text.dialects import dialect_of

        s, name = self.settings, dialect_of(dialect).name
        if name not in self.base_rows:
            self.base_rows[name] = render.base_rows(
                name,
                self._texts_wanted,
                s.seed,
                typical_tokens=s.typical,
                max_tokens=self.worlds_limit,
            )
        return self.base_rows[name]

    def probes_in(self, dialects: Iterable[str]) -> dict[str, list[tuple[Any, bool]]]:
        """(row, right?) probes by dialect for the contract."""
        from toyrl.worlds.text.dialects import dialect_of

        named = {dialect_of(d).name: self.rows_in(d) for d in dialects}
        return {d: [(x.row, x.correct) for x in rows] for d, rows in named.items()}

    @cached_property
    def probes(self) -> dict[str, list[tuple[Any, bool]]]:
        """Probes in the log's own dialect, then in the known ones or the one told."""
        own = (self.own_dialect,) if self.own_dialect else ()
        return self.probes_in((*own, *self._dialects))

    def formats(self, facts: Any) -> tuple[Search, dict[str, list[tuple[Any, bool]]]]:
        """What formats the reward reads, and probes in them; facts : of the known ones."""
        from toyrl.experiments.validate.contract.section import shaper_values
        from toyrl.experiments.validate.formats.search import search

        varies = len({v for f in facts for v in f.numbers.tolist()}) > 1
        reward = self.reward
        reads = reward.reads_gold or any(f.gold_matters for f in facts)
        found = search(
            reward,
            self._candidates(),
            self.rows_in,
            shaped=None if reward.kind == "text" else lambda p: shaper_values(reward, p),
            settled=varies,
            reads_gold=reads,
            asked=self.layouts,
        )
        return found, self.probes_in(found.dialects)

    def _candidates(self) -> list[Candidate]:
        """Formats worth trying beside those of the probes."""
        from toyrl.experiments.validate.formats import gathered

        return gathered.candidates(self.reward.terms, self.log, self.settings.answer_mark)

    def group_in(self, dialect: str) -> list[Any]:
        """Right and wrong rollouts of one prompt, short and long."""
        from toyrl.experiments.validate.reward_law.company import mixed_group

        of = self.about(None)
        assert of is not None
        return mixed_group(self.chain, of, dialect, write=self.class_rows)

    def score_in(self, dialect: str) -> Callable[[Sequence[Any]], list[float | None]]:
        """The text reward on rows in a dialect: in whole groups where it reads its siblings."""
        from toyrl.experiments.validate.reward_law.company import (
            Company,
            drawn_siblings,
            real_siblings,
        )

        if not self.contract_facts.batch_dependent:
            return self.reward.score_text
        ref, s = self.reference, self.settings
        drawn = drawn_siblings(
            self.chain, ref.prob, ref.difficulties, dialect, s.group_size, seed=s.seed,
            about=self.about, write=self.class_rows,
        )  # fmt: skip
        if self.log is not None:
            drawn = real_siblings(self.log.rows, s.group_size, otherwise=drawn)
        return Company(self.reward.grade, drawn).score

    def graded_anew(self, dialect: str) -> Callable[[Sequence[Any]], list[float | None]]:
        """As `score_in`, but no value is taken from an earlier grading."""
        if self.contract_facts.batch_dependent:
            return self.score_in(dialect)
        return partial(self.reward.score, cached=False)

    @cached_property
    def law(self) -> RewardLaw:
        """The reward on every outcome class."""
        text = self.reward.kind != "shaper"
        read = self.score_in(self.contract_facts.dialect) if text else self.reward.score_text

        def graded(rows: Sequence[TextRow]) -> list[float | None]:
            self.class_texts = list(rows)
            return read(rows)

        law, self.texts = bench.law_of(
            self.chain,
            self.terms,
            graded if text else None,
            dialect=self.contract_facts.dialect,
            thorough=self.settings.thorough,
            seed=self.settings.seed,
            run_limit=self.run_limit,
            class_rows=self.class_rows,
        )
        return judged.on(self.settings, law)

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
        """The settings with a log of rollouts sampled from the model."""
        return sampled(self.settings, lambda message: self.tell(0, message))

    def _read_log(self) -> None:
        """Read the log, if there is one; it says lengths and success where the user did not."""
        s = self.settings
        if s.rollouts is None:
            if s.calibrated is not None:
                from toyrl.experiments.calibrate.worlds import base_of_file

                self.settings = base_of_file(s)
            return
        self.log = read_log(
            s.rollouts,
            skip_bad=s.skip_bad_rows,
            run_limit=s.max_completion_length,
            columns=dict(s.columns),
        )
        self.log = read_in(self.log, s)
        r = self.log.rollouts
        mean, success = (float(np.average(x, weights=r.w)) for x in (r.length, r.correct))
        self.asked, self.settings = s, s.with_log(limit_of(self.log), mean, success)
        for name in ("worlds_limit", "chain", "own_texts", "base_rows", "probes", "assumed"):
            self.__dict__.pop(name, None)  # made before a model's rollouts were there

    @property
    def seen(self) -> Observed | None:
        """What the log shows of its policy, with what was asked instead; None without a log."""
        return None if self.log is None else shown(self.log, self.asked, self.settings.typical)

    @property
    def votes(self) -> bool:
        """The reward reads which answer each rollout gives."""
        return "answer" in bench.as_shaper(self.terms).all_needs()

    def with_fields(self, log: Any) -> Any:
        """The log's rollouts with what the reward reads: text rewards graded, fields by column."""
        return with_fields(self, log)
