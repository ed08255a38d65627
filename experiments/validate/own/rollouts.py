"""What `validate` takes from rollouts: sampled ones, what they show, what a reward reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toyrl.dynamics.chain.observed import Observed, observe
from toyrl.experiments.validate import judged
from toyrl.experiments.validate.own.votes import identities
from toyrl.experiments.validate.reward_law import bench
from toyrl.extras import needed_by
from toyrl.graders.base import TextRow
from toyrl.rollouts.logs import Log

if TYPE_CHECKING:
    from toyrl.experiments.validate.inputs import Inputs
    from toyrl.experiments.validate.settings import Settings


def sampled(
    s: Settings,
    tell: Callable[[str], Any],
    *,
    asked: Sequence[Mapping[str, Any]] | None = None,
    correct: Callable[[TextRow], float] | None = None,
) -> Settings:
    """The settings with a log of rollouts sampled from their model, kept in the cache folder.

    tell : hears how far it is
    asked, correct : data rows to ask, and whether a completion is right; None: those of `data`
        or arithmetic, and whether its marked answer is the gold one

    Raises UsageError for a model that can't be used, MissingExtra without torch and transformers.
    """
    import tempfile

    from toyrl.experiments.errors import UsageError
    from toyrl.rollouts.logs import read_columns

    with needed_by("model"):
        import torch  # noqa: F401 - found out before anything is sampled
        import transformers  # noqa: F401

        from toyrl.bridge.models.load import ModelError
        from toyrl.bridge.models.sampling import sample_log
    own = {"skip_bad": s.skip_bad_rows, "columns": dict(s.columns)}
    rows = asked if asked is not None else read_columns(s.data, **own)[0] if s.data else []
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
            correct=correct,
            tell=tell,
        )
    except (ModelError, KeyError) as error:
        raise UsageError(str(error.args[0])) from error
    return replace(s, model=None, rollouts=log, max_completion_length=s.limit)


def shown(log: Log, asked: Settings, typical: float) -> Observed:
    """What a log shows of its policy, with what was asked instead; typical : tokens of the run."""
    r = log.rollouts
    found = observe(r, log.difficulty, depth=bench.DEPTH)
    mean = float(np.average(r.length, weights=r.w))
    return found.told(
        success=float(np.mean(asked.success_rates)) if asked.success_rates else None,
        longer=typical / mean if asked.typical_length else 1.0,
    )


def with_fields(run: Inputs, log: Log) -> Any:
    """A log's rollouts with what the reward reads: text rewards graded, fields by column."""
    from toyrl.rollouts.classes import token_mask
    from toyrl.rollouts.texts import text_fields

    r, shaper = log.rollouts, bench.as_shaper(run.terms)
    needs = [n for n in shaper.all_needs() if n not in ("user_reward", "answer")]
    judge = judged.errors_of(run.settings)
    read = [n for n in needs if judge is None or n != judged.FIELD]
    flat = text_fields(log.rows, read, shaper.all_wants())
    if judge is not None:
        verdicts = judge.sample(r, np.random.default_rng(run.settings.seed))
        flat[judged.FIELD] = np.asarray(verdicts.fields[judged.FIELD])[r.w > 0]
    if run.votes:  # a log's column `answer` is the gold one
        flat["answer"] = identities(log, run.own_dialect or None)
    if any(shaper is None for shaper, _ in run.terms):
        values = run.reward.score_text(log.rows)
        graded = [np.nan if v is None else v for v in values]
        flat["user_reward"] = np.array(graded, dtype=float)
    if run.learned is not None and "conciseness" in shaper.all_wants():
        flat["conciseness"] = np.array(run.learned.model.graded(log.rows))
    own = dict(r.fields)
    for name, value in flat.items():
        own[name] = np.full((*r.shape, *value.shape[1:]), np.nan)
        own[name][r.w > 0] = value
    return r.with_(fields=own, mask=token_mask(own, r.length))
