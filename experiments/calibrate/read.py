"""A log and a reward, read as `validate --rollouts` reads them, for training on the log."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from toyrl.estimators.base import Estimator
from toyrl.experiments.calibrate.features import FREE, features_of
from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.listening import heard
from toyrl.experiments.validate.pipeline import Pipeline
from toyrl.experiments.validate.reward_law import bench
from toyrl.experiments.validate.settings import Settings
from toyrl.objectives.surrogate import Surrogate
from toyrl.rewards.cache import CacheError
from toyrl.rewards.errors import RewardError
from toyrl.rollouts import Rollouts
from toyrl.rollouts.logs import Log, LogError
from toyrl.shapers.base import Shaper
from toyrl.worlds.logged.base import Base, base_of

LOGGED = "logged:"
CORRECTNESS = "outcome()"


@dataclass(frozen=True)
class Material:
    """What a calibration works on.

    reward : its name; shaper, estimator, objective : how the log is trained
    rollouts : (B, n) with every field that the reward reads; base : the same with its features
    paid : (shaper, what serves its fields) for worlds; None: `unpaid` says why worlds can't have it
    """

    log: Log
    settings: Settings
    reward: str
    shaper: Shaper
    estimator: Estimator
    objective: Surrogate
    rollouts: Rollouts
    base: Base
    paid: Any
    unpaid: str


def material(
    reward: Any, settings: Settings, features: Sequence[str], tell: Callable[[str], None]
) -> Material:
    """Read the log, load the reward, grade the log.

    reward : as `validate` takes it, or "logged:COLUMN" for a reward that the log holds

    Raises UsageError, with the reason, for a log or reward that can't be used.
    """
    column = ""
    if isinstance(reward, str) and reward.startswith(LOGGED):
        column, reward = reward.removeprefix(LOGGED), CORRECTNESS
    try:
        pipeline = Pipeline(reward, settings, heard(None))
        tell(f"reading {settings.rollouts}")
        pipeline._read_log()
        with pipeline.loaded() as pipeline.reward:
            if column:
                return _of_column(pipeline, column, features)
            tell("grading the log")
            return _graded(pipeline, features)
    except (LogError, CacheError, RewardError) as error:
        raise UsageError(str(error)) from error


def _graded(p: Pipeline, features: Sequence[str]) -> Material:
    log = p.log
    assert log is not None
    try:
        rollouts = p.with_fields(log)
    except KeyError as error:
        msg = f"the log can't be graded: {error.args[0]}"
        raise UsageError(msg) from error
    paid, unpaid = _for_worlds(p)
    return _made(p, log, p.reward.name, bench.as_shaper(p.terms), rollouts, paid, unpaid, features)


def _of_column(p: Pipeline, column: str, features: Sequence[str]) -> Material:
    log = p.log
    assert log is not None
    if column not in log.paid:
        listed = ", ".join(log.paid) or "none"
        msg = f"reward={LOGGED}{column}: the log has no such reward; there are {listed}"
        raise UsageError(msg)
    rollouts = log.rollouts.with_(user_reward=log.paid[column])
    why = "only its values in the log are known, and worlds write other rollouts"
    shaper = bench.as_shaper([(None, 1.0)])  # it reads the field user_reward
    return _made(p, log, column, shaper, rollouts, None, why, features)


def _made(
    p: Pipeline,
    log: Log,
    name: str,
    shaper: Shaper,
    rollouts: Rollouts,
    paid: Any,
    unpaid: str,
    features: Sequence[str],
) -> Material:
    if shaper.all_token_level():
        msg = f"{name} pays single tokens, and a log's policy moves whole rollouts; name another"
        raise UsageError(msg)
    moved = features_of(log, features)
    # Tokens of a mask would have to be kept for every rollout: the weights of a loss need lengths.
    alike = [name for name in moved if name not in FREE]
    base = base_of(replace(rollouts, mask=None), moved, alike=alike)
    return Material(
        log, p.settings, name, shaper, p.estimator, p.objective, rollouts, base, paid, unpaid
    )


def _for_worlds(p: Pipeline) -> tuple[Any, str]:
    """What worlds are paid with, as the forecast of `validate` has it; or why not."""
    from toyrl.experiments.forecast.rivals import behaviour
    from toyrl.experiments.validate import forecast
    from toyrl.worlds.behaviour.rollouts import UnseenError, refuse_unseen

    try:
        p.contract()
        found = behaviour.reward_of(forecast.told_of(p))
        if found is None:
            return None, "worlds can't grade it"
        refuse_unseen(found[0], found[1][0])
    except (UnseenError, RewardError) as error:
        return None, str(error)
    return found, ""


def source_of(log: Log, path: Path) -> dict[str, Any]:
    """Name, sha256, rows and prompts of a log, for what is written of it."""
    from toyrl.rollouts.log_files import files_of

    digest = hashlib.sha256()
    for file in files_of(path) if path.is_dir() else [path]:
        with file.open("rb") as source:
            for block in iter(lambda: source.read(1 << 20), b""):
                digest.update(block)
    there = np.asarray(log.rollouts.w) > 0
    return {
        "log": path.name,
        "sha256": digest.hexdigest(),
        "rows": int(there.sum()),
        "prompts": int(there.any(-1).sum()),
    }
