"""Options of a transfer's runs: their names outside, and what they may be."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from toyrl.bridge.training.settings import RunSettings
from toyrl.experiments.errors import UsageError
from toyrl.ranges import said

OPTIONS = {
    "steps": "steps",
    "estimator": "estimator",
    "loss_type": "aggregation",
    "group_size": "group_size",
    "completions": "completions",
    "max_completion_length": "limit",
    "learning_rate": "rate",
    "beta": "beta",
}
"""Options of a run by their names outside -> inside."""
RANGES = said(RunSettings)
ALLOWED = {name: RANGES[own] for name, own in OPTIONS.items() if own in RANGES}
"""What they may be."""


def run_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a run by their names inside; UsageError with near names for a foreign one."""
    for name in options:
        if name not in OPTIONS:
            near = difflib.get_close_matches(name, OPTIONS, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(OPTIONS)}"
            msg = f"{name} is no option; {hint}"
            raise UsageError(msg)
    given = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        allowed = ALLOWED.get(name)
        if allowed is not None and not allowed.allows(value):
            raise UsageError(allowed.refusal(name, value))
    return {OPTIONS[name]: value for name, value in given.items()}
