"""What the sections of `validate` look at: log, texts, classes, estimator, reference policies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toyrl.dynamics.chain.observed import Observed, observe
from toyrl.estimators.base import Estimator
from toyrl.experiments.validate.contract.facts import Contract
from toyrl.experiments.validate.reward_law import bench
from toyrl.experiments.validate.reward_law.law import RewardLaw
from toyrl.experiments.validate.settings import Settings
from toyrl.extras import needed_by
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.rewards.specs import Reward
from toyrl.rollouts.logs import Log, read_log

if TYPE_CHECKING:
    from toyrl.rewards.user import UserReward


@dataclass
class Inputs:
    """The pieces that a run of `validate` shares, each made when it is first asked for.

    n_worlds : worlds drawn from the prior (256 but for quick tests)
    reward, contract_facts : set by the run, before what needs them
    """

    rewards: Reward
    settings: Settings
    tell: Callable[[int, str], None]
    n_worlds: int = 256
    data_note: str = ""
    log: Log | None = None
    reward: UserReward = field(init=False, repr=False)
    contract_facts: Contract = field(init=False, repr=False)

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
