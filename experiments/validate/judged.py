"""A reward whose labels come from a judge that errs (`--judge-noise`), through all of `validate`.

Catalogue terms read the field `verified` in the place of `correct`; what a text is paid is mixed
with what the text of the other answer is paid; in worlds of behaviours each rollout has its
verdict. Sections that look at correctness look at the truth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from toyrl.experiments.validate.findings import Finding
from toyrl.shapers.judge.verifier import Verified
from toyrl.worlds.chain.latents.declared import instead, latents_of
from toyrl.worlds.chain.latents.judge_errors import JudgeErrors

if TYPE_CHECKING:
    from toyrl.experiments.audit.noise import Noise
    from toyrl.experiments.validate.pipeline import Pipeline
    from toyrl.experiments.validate.reward_law.law import RewardLaw
    from toyrl.experiments.validate.settings import Settings

FIELD = "verified"
NOTHING = 0.1
"""Slope of verdicts up to which they count as chance."""


def noise_of(s: Settings) -> Noise | None:
    """What was measured of the judge; None without one."""
    if s.judge_noise is None:
        return None
    from toyrl.experiments.audit.noise import read

    return read(s.judge_noise)


def errors_of(s: Settings) -> JudgeErrors | None:
    """The judge as the chain's worlds take it."""
    noise = noise_of(s)
    return None if noise is None else noise.errors(s.typical)


def likely(s: Settings) -> tuple[JudgeErrors, ...]:
    """Its likely forms, for the forecast's worlds."""
    noise = noise_of(s)
    return () if noise is None else noise.likely(s.typical, seed=s.seed)


@contextmanager
def served(s: Settings) -> Iterator[None]:
    """Supply the verdicts by the judge while a run lasts."""
    errors = errors_of(s)
    with instead({} if errors is None else {FIELD: errors}):
        yield


def terms(s: Settings, given: Sequence[tuple[Any, float]]) -> list[tuple[Any, float]]:
    """The terms, those of the catalogue reading the judge's verdict."""
    if s.judge_noise is None:
        return list(given)
    return [(x if x is None else Verified(x), weight) for x, weight in given]


def on(s: Settings, law: RewardLaw) -> RewardLaw:
    """The law with the judge's verdicts in the place of labels."""
    errors = errors_of(s)
    if errors is None:
        return law
    with instead({FIELD: errors}):
        law = replace(law, latents=latents_of(law.shaper, have=("user_reward",)))
    if law.user_mean is None:
        return law
    c, place = law.chain, np.arange(law.chain.n_classes)
    other = np.where(place < c.H, place + c.H, np.where(place < 2 * c.H, place - c.H, place))
    classes = {"correct": c.class_correct(), "length": c.class_length(),
               "truncated": c.class_truncated(), "other": other}  # fmt: skip
    mean, variance = errors.mixed(law.user_mean, law.user_variance, classes)
    return replace(law, user_mean=mean, user_variance=variance)


def finding(s: Settings) -> tuple[Finding, ...]:
    """What is assumed of the judge, in the contract's section."""
    noise = noise_of(s)
    if noise is None:
        return ()
    slope = 2 * noise.accuracy - 1
    said = (
        f"labels come from {noise.judge}, whose verdicts are right in {100 * noise.accuracy:.0f} % "
        f"of the cases (right and wrong answers alike in weight): {slope:.2f} of a label's signal "
        "is left"
    )
    status = "fail" if slope <= NOTHING else "info"
    fix = "its verdicts say nothing of the answer; take another judge" if slope <= NOTHING else ""
    return (Finding(1, "judge/noise", status, said, value=noise.accuracy, fix=fix),)


SHARES = (0.0, 0.25, 0.5, 0.75)
"""Shares of a judge's errors that are tried, where all of them are too many."""


def needed(pipeline: Pipeline) -> tuple[Finding, ...]:
    """How accurate the judge would have to be for this reward's forecast to be SAFE, with errors of
    the same shape; () without a judge and where the forecast is SAFE as it is."""
    from toyrl.experiments.forecast.word import word
    from toyrl.experiments.validate import forecast

    noise, told = noise_of(pipeline.settings), pipeline.told
    if noise is None or told is None or word(pipeline.forecast or {}) == "SAFE":
        return ()
    safe = None
    for share in SHARES:
        fewer = replace(told, judges=tuple(j.scaled(share) for j in told.judges))
        vars(fewer).update(seen=told.seen)  # the same evidence, made once
        found = forecast.trained_on(fewer, pipeline.settings.calibrated)
        if found is None or word(forecast.answer(fewer, found)) != "SAFE":
            break
        safe = share
    own = f"the judge's verdicts are right in {100 * noise.accuracy:.0f} %"
    if safe is None:
        said = f"{own}, and not even true labels make a run on this reward safe"
        return (Finding(4, "judge/needed", "info", said),)
    least = 1 - safe * (1 - noise.accuracy)
    said = f"{own}; for a run on this reward to be safe it would need {100 * least:.0f} %, with "
    said += "errors of the same shape"
    fix = "take a better judge, or make errors fewer; toyrl audit-judge says which there are"
    return (Finding(4, "judge/needed", "warn", said, value=noise.accuracy, bound=least, fix=fix),)
