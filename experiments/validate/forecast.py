"""What becomes of a run under this reward: behaviour worlds of a base like the one told.

With a log the worlds look like its rollouts, and a reward of texts is graded on them; with a file
of `toyrl calibrate` they are that file's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from toyrl.experiments.core import Curve, Picture
from toyrl.experiments.forecast.word import PILOT, word
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.experiments.validate.judged import likely, needed
from toyrl.experiments.validate.verdict import foretold
from toyrl.rewards.errors import RewardError

if TYPE_CHECKING:
    from toyrl.experiments.forecast.case import Told
    from toyrl.experiments.forecast.evidence import Evidence
    from toyrl.experiments.forecast.rivals.behaviour import Runs
    from toyrl.experiments.validate.collapse.variants import Variant
    from toyrl.experiments.validate.findings import Report
    from toyrl.experiments.validate.pipeline import Pipeline
    from toyrl.worlds.behaviour.groups import Group, GroupReward
    from toyrl.worlds.behaviour.texts import Cell, TextReward

NONE = Finding(
    4,
    "forecast/none",
    "info",
    "No forecast of a run: the reward reads what worlds of behaviours don't show, or pays all that "
    "they show alike. What is said of training stands on the worlds of the chain alone.",
)
FORESEEN = "forecast-"
"""What the names of a forecast's pictures begin with."""
PLAIN, EDITED = 64, 2
"""A log's rollouts that a reward of texts is graded on, and that are edited, of each kind."""


def trained(pipeline: Pipeline) -> tuple[Told, Runs] | None:
    """What was told, and the runs; None where the reward reads what no behaviour serves."""
    told = told_of(pipeline)
    try:
        runs = trained_on(told, pipeline.settings.calibrated)
    except RewardError:  # it grades what it was asked before, not texts of other lengths
        return None
    return None if runs is None else (told, runs)


def trained_on(told: Told, file: Path | None) -> Runs | None:
    """The runs of what was told, in a file's worlds where one is named; None for a reward that
    reads what no behaviour serves."""
    from toyrl.experiments.calibrate import worlds as calibrated
    from toyrl.experiments.forecast.rivals import behaviour

    return behaviour.trained(told) if file is None else calibrated.runs(told, file)


def added(pipeline: Pipeline, section: Section) -> Section:
    """Section 4 led by the forecast, which the pipeline keeps; where there is none it says so."""
    found = trained(pipeline)
    if found is None:
        return replace(section, findings=(*section.findings, NONE))
    pipeline.told, pipeline.runs = found
    pipeline.forecast = answer(*found)
    led_by = led(
        section, pipeline.forecast, pipeline.runs, labelled=not pipeline.contract_facts.auxiliary
    )
    return replace(led_by, findings=(*led_by.findings, *needed(pipeline)))


def of_variant(pipeline: Pipeline, v: Variant) -> dict[str, Any]:
    """The forecast of a variant of a reward that was forecast."""
    from toyrl.experiments.forecast.rivals import behaviour

    told, runs = pipeline.told, pipeline.runs
    assert told is not None
    assert runs is not None
    assert v.whole is not None
    return answer(told, behaviour.changed(told, runs, v.whole, v.estimator))


def answer(told: Told, runs: Runs) -> dict[str, Any]:
    """The forecast as it is reported (`toyrl.experiments.forecast.answer`)."""
    from toyrl.experiments.forecast.answer import answer

    return answer(told, runs)


def beside(report: Report) -> str:
    """The forecast of a report in one line; "" where there is none, or a reason says it."""
    said = any(reason.startswith("Forecast:") for reason in report.reasons)
    return "" if said or report.forecast is None else sentence(report.forecast)


def sentence(forecast: Mapping[str, Any]) -> str:
    """A forecast in one line."""
    change, factor = forecast["accuracy_change"], forecast["length_factor"]
    points = [f"{100 * change[k]:+.0f}" for k in ("mean", "low", "high")]
    told = forecast["assumed"]
    return (
        f"Forecast for a base of accuracy {told['accuracy']:.2f} and {told['length']:.0f} tokens: "
        f"accuracy {points[0]} points ({points[1]} to {points[2]}), length x {factor['mean']:.2f} "
        f"({factor['low']:.2f} to {factor['high']:.2f}); P(ends below the base) "
        f"{forecast['p_loss_base']:.2f}, P(below correctness alone) "
        f"{forecast['p_loss_outcome']:.2f}"
    )


def told_of(pipeline: Pipeline) -> Told:
    """What `validate` was told of the run; evidence from the pipeline's own law."""
    from toyrl.experiments.forecast.case import Told
    from toyrl.experiments.forecast.horizon import horizon
    from toyrl.experiments.validate.reward_law.bench import REFERENCE_SUCCESS
    from toyrl.experiments.validate.settings import LIMIT, TYPICAL

    s = pipeline.settings
    rates = s.success_rates or REFERENCE_SUCCESS
    return Told(
        name=pipeline.reward.name,
        rewards=(),
        accuracy=float(np.mean(rates)),
        length=float(s.typical_length or s.limit * TYPICAL / LIMIT),
        limit=float(s.limit),
        estimator=s.estimator,
        group_size=s.group_size,
        beta=s.beta,
        horizon=horizon(s.updates, s.learning_rate, s.completions),
        judges=likely(s),
        evidence=lambda told: _evidence(pipeline, told),
    )


def _evidence(pipeline: Pipeline, told: Told) -> Evidence:
    """The base's own rollouts, or such as a base like the one told has."""
    from toyrl.experiments.forecast.evidence import drawn

    seed = pipeline.settings.seed
    made = _of_log(pipeline, told) or drawn(told, pipeline.law, pipeline.estimator, seed=seed)
    by_text = pipeline.reward.kind != "shaper"
    labels = not by_text or pipeline.contract_facts.reads_gold
    scores = {} if pipeline.learned is None else pipeline.learned.on_behaviours
    text = _paid(pipeline, told) if by_text else None
    return replace(made, text=text, labels=labels, scores=scores)


def _of_log(pipeline: Pipeline, told: Told) -> Any:
    """The log's rollouts as evidence; None without one, or where it has one kind of answer."""
    from toyrl.experiments.forecast.logged import Logged
    from toyrl.worlds.behaviour import own_texts

    log = pipeline.log
    if log is None or not 0 < float(np.average(log.rollouts.correct, weights=log.rollouts.w)) < 1:
        return None
    r, s = log.rollouts, pipeline.asked
    there = r.w > 0
    read = np.zeros(r.shape)
    read[there] = own_texts.readable(log.rows, r.correct[there], pipeline.reading)
    own = replace(r, truncated=r.cut, weight=r.w, mask=None, fields={"answered": read})
    own = replace(own, max_length=told.limit)
    whole = own.with_(
        **{n: getattr(own, n)[None] for n in ("correct", "length", "truncated", "weight")},
        fields={"answered": read[None]},
    )
    as_told = (
        told.accuracy if s.success_rates else None,
        told.length if s.typical_length else None,
    )
    none = np.full(whole.shape, np.nan)
    return Logged(
        whole,
        none,
        pipeline.estimator,
        pipeline.law.shaper,
        asked=as_told,
        agreed=_agreed(pipeline),
    )


def _agreed(pipeline: Pipeline) -> tuple[float, float] | None:
    """How far the log's wrong answers agree, where the reward reads answers that can be read."""
    from toyrl.experiments.validate.own.votes import agreement, answered

    if not pipeline.votes or pipeline.log is None:
        return None
    try:
        own = answered(pipeline.log, pipeline.own_dialect or None)
        return agreement(own, seed=pipeline.settings.seed)
    except KeyError:
        return None


def _paid(pipeline: Pipeline, told: Told) -> TextReward | GroupReward | None:
    """What text terms pay for behaviours; None for what no text changes."""
    from toyrl.worlds.behaviour import groups, texts

    dialect = pipeline.contract_facts.dialect
    if pipeline.contract_facts.batch_dependent:
        return groups.graded(_groups(pipeline, told, dialect), pipeline.reward.grade)
    cells = _cells(pipeline, told, dialect)
    values = pipeline.score_in(dialect)([c.row for c in cells])
    known = {v for v in values if v is not None}
    return texts.graded(cells, values) if len(known) > 1 else None


def _cells(pipeline: Pipeline, told: Told, dialect: str) -> list[Cell]:
    from toyrl.worlds.behaviour import own_texts, texts

    log = pipeline.log
    if log is None:
        return texts.design(pipeline.author(dialect), told.length, told.limit)
    right = log.rollouts.correct[log.rollouts.w > 0] > 0.5
    how = pipeline.reading
    formed = own_texts.readable(log.rows, right, how)
    return own_texts.design(
        log.rows, right, formed, told.limit, plain=PLAIN, edited=EDITED, reading=how
    )


def _groups(pipeline: Pipeline, told: Told, dialect: str) -> list[Group]:
    """Whole groups, for a reward that reads its siblings."""
    from toyrl.worlds.behaviour import groups

    log, size = pipeline.log, pipeline.settings.group_size
    if log is None:
        return groups.design(pipeline.author(dialect), told.length, told.limit, size)
    there = log.rollouts.w > 0
    right = (log.rollouts.correct[there] > 0.5).astype(float)
    ends = np.cumsum(there.sum(-1))
    prompts = [
        (log.rows[a:b], right[a:b]) for a, b in zip([0, *ends[:-1]], ends, strict=True) if b > a
    ]
    mark = pipeline.own_dialect or None
    return groups.logged(prompts, told.limit, size, mark=mark, reading=pipeline.reading)


# -- in the report ---------------------------------------------------------------------------------
def led(
    section: Section, forecast: Mapping[str, Any], runs: Runs, *, labelled: bool = True
) -> Section:
    """Section 4 led by the forecast; what its chain's worlds show stands behind it, without a say
    in the verdict: failures there are notes, but for a reward that reads no label."""
    said = word(forecast)
    finding = Finding(
        4,
        "forecast/loss",
        {"SAFE": "pass", "RISKY": "warn", "UNSAFE": "fail"}[said],
        foretold(forecast),
        value=forecast["p_loss_5"],
        bound=PILOT,
        fix="" if said == "SAFE" else TO_DO[said],
    )
    rest = tuple(
        replace(f, status="info", fix="")
        if labelled and f.name.startswith("collapse/") and f.status in ("warn", "fail")
        else f
        for f in section.findings
    )
    summary = " ".join([finding.message, "In worlds of the reasoning chain:", section.summary])
    return replace(
        section,
        summary=summary,
        findings=(finding, *rest),
        pictures=(*pictures(runs), *section.pictures),
    )


TO_DO = {
    "RISKY": "make a pilot of a fifth of the run first, and look at held-out accuracy",
    "UNSAFE": "lower the weight, pay the term to right answers only, or take the safe variant",
}


def pictures(runs: Runs) -> tuple[Picture, ...]:
    """Accuracy and length on the way with bands, correctness alone beside, the base as a line."""
    at = runs.reward.step.tolist()

    def of(name: str, title: str, unit: str, own: np.ndarray, other: np.ndarray) -> Picture:
        low, middle, high = np.quantile(own, [0.05, 0.5, 0.95], axis=1)
        beside = np.median(other, axis=1)
        return Picture(
            f"{FORESEEN}{name}",
            title,
            "share of the run",
            unit,
            curves=(
                Curve("this reward", at, middle.tolist(), low=low.tolist(), high=high.tolist()),
                Curve("correctness alone", at, beside.tolist(), style="dashed"),
                Curve("base", [at[0], at[-1]], [float(middle[0])] * 2, style="dashed"),
            ),
            caption=f"{own.shape[1]} worlds of behaviours like the base told: median and 90 %. "
            "The numbers above add the luck of a single run and its evaluation.",
        )

    one, alone = runs.reward, runs.outcome
    factor = (x.length / x.length[0] for x in (one, alone))
    return (
        of("accuracy", "Forecast: accuracy in training", "accuracy", one.accuracy, alone.accuracy),
        of("length", "Forecast: length in training", "mean length over the base's", *factor),
    )
