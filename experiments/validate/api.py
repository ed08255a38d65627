"""`validate`: is this reward safe to train on? Runs the sections in order and decides."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from toyrl.experiments.core import versions
from toyrl.experiments.validate.findings import SECTIONS, Report, Section
from toyrl.experiments.validate.judged import served
from toyrl.experiments.validate.listening import heard
from toyrl.experiments.validate.settings import Settings
from toyrl.experiments.validate.steps.source import reward_of
from toyrl.experiments.validate.verdict import exit_code

if TYPE_CHECKING:
    from toyrl.experiments.forecast.evidence import Evidence
    from toyrl.experiments.validate.contract.facts import Contract
    from toyrl.experiments.validate.listening import Listener
    from toyrl.experiments.validate.pipeline import Pipeline
    from toyrl.experiments.validate.reward_law.law import RewardLaw
    from toyrl.experiments.validate.tasks.found import Found
    from toyrl.graders.base import TextRow
    from toyrl.rewards.specs import Reward

Progress = Callable[[int, str], None]
LOADING = ("bad_spec", "not_found", "syntax", "import_error", "bad_signature", "isolation")
"""Kinds of errors that no text is needed to meet: the reward was not there to be judged."""
DATA_HINT = "; --data rows.jsonl lends the columns of your data set to the texts that toyrl writes"


def judged(
    rewards: Reward | None,
    settings: Settings,
    progress: Progress | None = None,
    *,
    n_worlds: int = 256,
) -> tuple[Report, Pipeline | None]:
    """The report and the pipeline that made it; None for a reward that could not be used.

    Raises UsageError for a reward that can't be loaded, and for settings or a log that can't be
    used.
    """
    from toyrl.experiments.errors import UsageError
    from toyrl.experiments.validate.tasks.found import find
    from toyrl.rewards.cache import CacheError
    from toyrl.rewards.errors import RewardError
    from toyrl.rewards.specs import name_of
    from toyrl.rollouts.logs import LogError

    start = time.perf_counter()
    tell, rewards = heard(progress), reward_of(rewards, settings)
    pipeline: Pipeline | None = None
    try:
        found = find(rewards, settings)
        pipeline = pipeline_for(rewards, settings, tell, n_worlds=n_worlds, found=found)
        report = pipeline.run()
        if report.verdict == "INCONCLUSIVE" and (hint := found.hint()):
            report = replace(report, reasons=(*report.reasons, hint))
    except RewardError as error:
        if error.kind in LOADING:
            raise UsageError(str(error)) from error
        hint = DATA_HINT if error.kind == "missing_column" and settings.data is None else ""
        report, pipeline = failed(name_of(rewards), f"{error}{hint}", settings), None
    except (LogError, CacheError) as error:
        raise UsageError(str(error)) from error
    seconds = time.perf_counter() - start
    return replace(report, versions=versions(), seconds=seconds), pipeline


def pipeline_for(
    rewards: Reward, settings: Settings, tell: Listener, *, n_worlds: int = 256, found: Found
) -> Pipeline:
    """The run of a reward: on arithmetic texts, or on those of the task that was found.

    Raises UsageError for data rows that can't be used.
    """
    from toyrl.experiments.validate.pipeline import Pipeline

    if found.task is None:
        return Pipeline(rewards, settings, tell, n_worlds=n_worlds)
    from toyrl.experiments.validate.tasks.data import check_rows
    from toyrl.experiments.validate.tasks.pipeline import TaskPipeline

    check_rows(found.name, settings)
    return TaskPipeline(rewards, settings, tell, n_worlds=n_worlds, found=found)


def law_alone(rewards: Reward, settings: Settings) -> tuple[str, RewardLaw]:
    """A reward's name, and its law on the outcome classes whatever the contract says of it.

    Raises RewardError for a reward that can't be graded.
    """
    name, law, _ = law_and_values(rewards, settings, lambda _: ())
    return name, law


def law_and_facts(
    rewards: Reward, settings: Settings
) -> tuple[str, RewardLaw, Contract, Evidence | None]:
    """The same, what the contract found, and the evidence of a forecast (`told_of`).

    Raises RewardError for a reward that can't be graded.
    """
    from toyrl.experiments.validate.forecast import told_of
    from toyrl.experiments.validate.pipeline import Pipeline

    pipeline = Pipeline(rewards, settings, heard(None))
    with served(settings), pipeline.loaded() as pipeline.reward:
        pipeline.contract()
        law = pipeline.law
        return pipeline.reward.name, law, pipeline.contract_facts, told_of(pipeline).seen


def law_and_values(
    rewards: Reward, settings: Settings, rows: Callable[[str], Sequence[TextRow]]
) -> tuple[str, RewardLaw, list[float | None]]:
    """The same, and what its text terms pay on further texts: rows in the dialect that they read.

    No values for a reward of the catalogue. Raises RewardError for a reward that can't be graded.
    """
    from toyrl.experiments.validate.pipeline import Pipeline

    pipeline = Pipeline(rewards, settings, heard(None))
    with served(settings), pipeline.loaded() as pipeline.reward:
        pipeline.contract()
        law, dialect = pipeline.law, pipeline.contract_facts.dialect
        own = rows(dialect) if pipeline.reward.kind != "shaper" else ()
        values = pipeline.score_in(dialect)(own) if own else []
        return pipeline.reward.name, law, values


def failed(name: str, error: str, settings: Settings) -> Report:
    """The report of a reward that could not be used."""
    from toyrl.experiments.validate.findings import Finding

    finding = Finding(1, "contract/usable", "fail", error)
    section = Section(1, "The reward could not be used.", (finding,))
    return Report(
        reward=name,
        verdict="INCONCLUSIVE",
        reasons=(error,),
        sections=(section,),
        seed=settings.seed,
        exit_code=exit_code("INCONCLUSIVE", fail_on="unsafe", error=True),
        error=error,
    )


def section_title(number: int) -> str:
    """Name of a section, for progress lines."""
    return SECTIONS[number]
