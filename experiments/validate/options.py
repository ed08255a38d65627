"""Options of `validate` as keywords: checked by name, over a trainer's file, over `Settings`."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.settings import Settings
from toyrl.messages import shortened


class Options(TypedDict, total=False):
    """The keywords of `toyrl.validate`: the fields of `Settings`, and a trainer's configuration."""

    rollouts: str | Path | None
    data: str | Path | None
    calibrated: str | Path | None
    columns: Mapping[str, str] | str | None
    max_completion_length: int
    typical_length: int
    estimator: str
    group_size: int
    success_rates: Sequence[float] | str | None
    updates: int | None
    learning_rate: float | None
    completions: int | None
    seed: int
    timeout: float
    thorough: bool
    skip_bad_rows: bool
    fail_on: str
    allow_inconclusive: bool
    every_estimator: bool
    beta: float
    kl: str
    mask_truncated: bool
    aggregation: str | None
    model: str | None
    conciseness: str | Path | None
    judge_noise: str | Path | None
    cache: str | Path | None
    max_calls: int | None
    answer_mark: str | None
    text_parameter: str | None
    env: Sequence[str] | str | None
    isolate: bool
    workers: int
    process: Any
    steps: str
    quick: bool
    only: Sequence[str] | str
    skip: Sequence[str] | str
    search: int | None
    task: Any
    trl_config: str | Path | None
    verl_config: str | Path | None


CONFIGS = ("trl_config", "verl_config")


def settings_of(base: Settings | None, options: Mapping[str, Any]) -> Settings:
    """Options (None: not given) over a trainer's configuration over `base` over the defaults.

    Raises UsageError for a name that is no option, with near ones, and for values out of range.
    """
    given = {k: v for k, v in options.items() if v is not None}
    known = [*Options.__annotations__]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
            msg = f"{name} is no option; {hint}"
            raise UsageError(msg)
    if base is not None and not isinstance(base, Settings):
        msg = (
            f"settings is a {type(base).__name__}; give a toyrl.Settings, or options by name, "
            "such as group_size=4"
        )
        raise UsageError(msg)
    if isinstance(given.get("success_rates"), str):
        given["success_rates"] = rates(given["success_rates"])
    given |= _configured(given, {k: given.pop(k) for k in CONFIGS if k in given})
    if base is None:
        return Settings(**given)
    if base.every_estimator and "estimator" in given:
        given.setdefault("every_estimator", False)
    return replace(base, **given)


def _configured(given: Mapping[str, Any], configs: Mapping[str, Any]) -> dict[str, Any]:
    """What a trainer's configuration says where no option does."""
    from toyrl.experiments.validate.trainers import config as trainer_config

    if len(configs) > 1:
        msg = "trl_config and verl_config are both given; a run has one trainer, name one of them"
        raise UsageError(msg)
    out: dict[str, Any] = {}
    for kind, path in configs.items():
        read = trainer_config.read_trl if kind == "trl_config" else trainer_config.read_verl
        config = read(Path(path))
        out = {**config.values, "notes": tuple(config.notes)}
        if "estimator" in given and given["estimator"] != config.values.get("estimator"):
            out.pop("aggregation", None)  # it went with the configuration's estimator
    return {k: v for k, v in out.items() if k not in given}


def rates(text: str) -> tuple[float, ...]:
    """Success rates from "0.1,0.5,0.9"."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        msg = f"success_rates={shortened(text)} is not a list of numbers such as .1,.5,.9"
        raise UsageError(msg) from error
