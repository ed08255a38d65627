"""`calibrate` as a Python function."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toyrl.experiments.amounts import refuse_outside
from toyrl.experiments.validate.options import settings_of

if TYPE_CHECKING:
    from toyrl.experiments.calibrate.result import Calibration


def calibrate(
    log: str | Path,
    reward: Any = "outcome()",
    *,
    group_size: int | None = None,
    features: str | Sequence[str] = (),
    progress: bool | Callable[[str], None] = False,
    command: str = "",
    **options: Any,
) -> Calibration:
    """What does my log say of training on it, how far, and what lies beyond?

    log : a file or folder, as `validate` reads rollouts
    reward : as for `validate`, or "logged:COLUMN", a reward that the log holds
    group_size : of the planned run, >= 2 [default: that of the log]
    features : columns that training can move, beside length, answers and phrases of reflection
    options : of `validate`, by name: estimator, beta, max_completion_length, columns,
        skip_bad_rows, seed, trl_config, verl_config and so on; progress : True shows lines on
        standard error; or f(message)

    Raises UsageError for a log, reward or option that can't be used.
    """
    from toyrl.experiments.calibrate.run import run

    refuse_outside(group_size=group_size)
    given = {**options, "rollouts": log}
    if group_size is not None:
        given["group_size"] = group_size
    settings = settings_of(None, given)
    configured = any(options.get(k) is not None for k in ("trl_config", "verl_config"))
    planned = settings.group_size if configured else group_size
    named = features.split(",") if isinstance(features, str) else list(features)

    def show(message: str) -> None:
        print(message, file=sys.stderr, flush=True)

    tell = progress if callable(progress) else show if progress else (lambda _: None)
    return run(
        reward,
        settings,
        group_size=planned,
        features=[name.strip() for name in named if name.strip()],
        tell=tell,
        command=command or f"toyrl.calibrate({str(log)!r})",
    )
