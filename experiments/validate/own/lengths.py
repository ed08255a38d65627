"""What a log's lengths are held against: the run's limit, and what the worlds' chain can hold."""

from __future__ import annotations

import numpy as np

from toyrl.experiments.validate.findings import Finding
from toyrl.experiments.validate.reward_law import bench
from toyrl.experiments.validate.settings import LIMIT, TYPICAL, Settings
from toyrl.rollouts.logs import Log

NEAR = 0.7
"""Share of the limit above which a mean length is near it: half the answers end by being cut."""


def limit_of(log: Log) -> float:
    """The log's limit in tokens; where it marks no truncated row it isn't known: as far above the
    mean length as without a log, and not below the longest row."""
    if log.marked:
        return float(log.rollouts.max_length)
    mean = float(np.average(log.rollouts.length, weights=log.rollouts.w))
    return max(log.longest, float(np.ceil(mean * LIMIT / TYPICAL)))


def findings(log: Log, asked: Settings, settings: Settings, worlds_limit: int) -> list[Finding]:
    """What worlds take from the log, and where limit and lengths don't go together.

    asked : the settings before the log was read; settings : with what the log said
    worlds_limit : tokens after which the worlds' chain cuts off
    """
    length, w = np.asarray(log.rollouts.length), np.asarray(log.rollouts.w)
    mean = float(np.average(length, weights=w))
    success = float(np.average(log.rollouts.correct, weights=w))
    typical, limit = settings.typical, settings.limit
    rates = settings.success_rates or ()
    said = (
        f"Your rollouts have {mean:.0f} tokens in the mean, {log.longest:.0f} at most, and "
        f"{success:.0%} of them are right. Judged at {typical} tokens"
        f"{' as asked' * (asked.typical_length is not None)}, success rate "
        f"{', '.join(f'{x:.2f}' for x in rates)}{' as asked' * bool(asked.success_rates)}, limit "
        f"{limit}{' as asked' * (asked.max_completion_length is not None)}."
    )
    out = [Finding(0, "own/lengths", "info", said, value=mean)]
    if asked.typical_length is None and round(mean) > typical:
        text = (
            f"The mean length of your rollouts, {mean:.0f} tokens, is above the limit of {limit}: "
            f"worlds are judged at {typical}. The log was written under another limit."
        )
        out.append(Finding(0, "own/limit", "warn", text, value=mean, bound=float(limit)))
    elif not log.marked and asked.max_completion_length is None:
        text = (
            f"The log marks no row truncated, so its limit isn't known: worlds take {limit} "
            f"tokens, this section the longest row's {log.longest:.0f}."
        )
        fix = "say it: --max-completion-length, --trl-config or --verl-config"
        out.append(Finding(0, "own/limit", "warn", text, value=float(limit), fix=fix))
    elif typical > NEAR * limit:
        text = (
            f"A typical length of {typical} tokens is near the limit of {limit} "
            f"({typical / limit:.0%}): many rollouts are cut off, in your run as in the worlds."
        )
        fix = "raise the limit"
        out.append(Finding(0, "own/limit", "warn", text, typical / limit, bound=NEAR, fix=fix))
    if worlds_limit < limit:
        longer = float(np.average(length > worlds_limit, weights=w))
        text = (
            f"{bench.H} actions can't hold both {typical} tokens in the mean and a limit of "
            f"{limit}: the worlds cut off at {worlds_limit} tokens ({longer:.0%} of your rollouts "
            "are longer), while the reward is told the limit of the run."
        )
        out.append(Finding(0, "own/chain", "warn", text, value=float(worlds_limit), bound=limit))
    return out
