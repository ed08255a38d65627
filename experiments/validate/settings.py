"""The settings of `validate`, checked once at the door."""

from __future__ import annotations

import difflib
import math
import operator
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from toyrl.dynamics.chain.loss import KL_FORMS
from toyrl.experiments.amounts import (
    BETA,
    CALLS,
    COMPLETIONS,
    GROUP,
    LEARNING_RATE,
    LENGTH,
    RATE,
    SEARCH,
    SECONDS,
    SEED,
    TYPICAL_LENGTH,
    UPDATES,
    WORKERS,
)
from toyrl.experiments.errors import UsageError
from toyrl.files import there
from toyrl.messages import PATH, shortened
from toyrl.ranges import FLAG, Range, declared, one_of

FAIL_ON = ("risky", "unsafe")
LIMIT, TYPICAL = 512, 150
"""Tokens, where neither the user nor a log says anything."""


@dataclass(frozen=True)
class Settings:
    """What `validate` is told about the planned run.

    rollouts : log of real rollouts (section 0), a file or folder that `toyrl.rollouts.logs` reads,
        or None; the base policies of the worlds are then fitted to it
    calibrated : file of `toyrl calibrate`, whose worlds the forecast takes and whose log says
        lengths and success rates where nobody else does, or None (`--worlds` on the command line)
    data : rows with prompts and gold columns to grade against, of the same files, or None
    columns : which columns of both say what, where they have none of the usual names:
        {"correct": "score"}, "correct=score,completion=output" or pairs of names
    max_completion_length : limit of the run in tokens, >= 2; None: that of the log, else 512
    typical_length : mean completion length now, in tokens, 1..max_completion_length; None: that of
        the log, else 150
    estimator : advantage estimator by catalogue name (`toyrl list --kind estimator`), with
        changed fields where wanted ("grpo(ddof=0)"), or "all": judged under grpo, with a table
        over all of them
    group_size : rollouts per prompt, >= 2
    success_rates : success rates of the base policy, in (0, 1); None: that of the log, else the
        default prior
    updates, learning_rate, completions : of the run: how many, Adam's rate in full fine-tuning in
        (0, 1], and completions an update, all devices together, >= 2; None: 200, 1e-6, 1024. The
        forecast goes as far as they say (`toyrl.worlds.behaviour.optimiser.reach`)
    seed : seed of everything that is sampled, >= 0
    timeout : seconds that one call of the reward may take, > 0
    thorough : more worlds, more renderings, longer training
    skip_bad_rows : leave out unusable rows of `rollouts` and `data` instead of refusing the file
    every_estimator : compare all estimators too, as `estimator="all"` does
    beta, kl : weight and form of the KL penalty (`toyrl.dynamics.chain.exact.LossOptions`)
    mask_truncated : truncated rollouts are left out of the loss
    aggregation : how the loss averages over tokens; None: what goes with the estimator
    notes : what a trainer's configuration says beyond these settings
    model : folder or hub id of a model that rollouts are sampled from, or None
    judge_noise : file of a judge's measured errors (`toyrl audit-judge --noise FILE`): its verdicts
        stand where the reward reads the right answer; None: labels are right
    conciseness : file of a learned scorer (`toyrl.models.base.save`) of the features of
        `toyrl.models.conciseness`, whose scores are the field `conciseness`; None: an assumption
    cache : folder where the values of slow rewards are kept by text, or None
    max_calls : texts that the reward may be asked to grade, or None
    task : name of a task (`toyrl.worlds.text.tasks.find.NAMES`), file.py:NAME of one's own, or the
        object; None: found from the reward
    answer_mark : how the reward wants answers marked: text with {} where the answer stands
        (`toyrl.worlds.text.dialects`), or None: the dialect of five that it reads best
    text_parameter : the reward functions' parameter that takes the completion, or None to guess it
    env : names of the environment's variables that the reward gets beside those that Python needs
        (PATH, HOME, LANG, TMPDIR, PYTHON..., `toyrl.rewards.sandbox.process.NEEDED`), each of
        them set here; None: all; () none
    isolate : run the reward without network and with read-only file systems (Linux namespaces)
    workers : processes that grade texts side by side, >= 1; for functions of files and modules
        whose values depend on neither neighbours nor earlier calls, which is looked at first
    process : scores of steps, which the terms of the reward that read `step_scores` pay: a function
        of steps, "file.py:function", the folder of a token-classification model, or the name of a
        column of `rollouts`; None: the toy's own latent scores them
    steps : how texts are split into steps for it, one of `toyrl.graders.steps.splits.SPLITTERS`
    quick : own rollouts, contract and hacks alone: what takes no training, in seconds
    only, skip : sections to run beside the contract, and sections to leave out, by their names in
        the report: "collapse,hacks" or a sequence (`toyrl.experiments.validate.left_out`)
    search : texts that a search for exploits that no list holds may ask the reward for, >= 0; 0: no
        search; None: 800, of a reward that takes more than 0.2 s a text 100. It never takes what
        `max_calls` leaves for the sections behind it
    fail_on : the mildest verdict with exit code 1, "risky" or "unsafe"; a failed finding is 1 too
    allow_inconclusive : exit code 0 where the reward could not be judged, instead of 1

    Raises UsageError that names the argument, its value and what is allowed.
    """

    rollouts: Path | None = None
    data: Path | None = None
    calibrated: Path | None = None
    columns: tuple[tuple[str, str], ...] = ()
    max_completion_length: Annotated[int | None, LENGTH.or_none] = None
    typical_length: Annotated[int | None, TYPICAL_LENGTH.or_none] = None
    estimator: str = "grpo"
    group_size: Annotated[int, GROUP] = 8
    success_rates: Annotated[tuple[float, ...] | None, RATE.each.or_none] = None
    updates: Annotated[int | None, UPDATES.or_none] = None
    learning_rate: Annotated[float | None, LEARNING_RATE.or_none] = None
    completions: Annotated[int | None, COMPLETIONS.or_none] = None
    seed: Annotated[int, SEED] = 0
    timeout: Annotated[float, SECONDS] = 10.0
    thorough: Annotated[bool, FLAG] = False
    skip_bad_rows: Annotated[bool, FLAG] = False
    fail_on: Annotated[str, one_of(*FAIL_ON)] = "unsafe"
    allow_inconclusive: Annotated[bool, FLAG] = False
    every_estimator: Annotated[bool, FLAG] = False
    beta: Annotated[float, BETA] = 0.0
    kl: Annotated[str, one_of(*KL_FORMS)] = "reverse"
    mask_truncated: Annotated[bool, FLAG] = False
    aggregation: str | None = None
    notes: tuple[str, ...] = ()
    model: str | None = None
    conciseness: Path | None = None
    judge_noise: Path | None = None
    cache: Path | None = None
    max_calls: Annotated[int | None, CALLS.or_none] = None
    answer_mark: str | None = None
    text_parameter: str | None = None
    env: tuple[str, ...] | None = None
    isolate: Annotated[bool, FLAG] = False
    workers: Annotated[int, WORKERS] = 1
    process: Any = None
    steps: str = "line"
    quick: Annotated[bool, FLAG] = False
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    search: Annotated[int | None, SEARCH.or_none] = None
    task: Any = None

    def __post_init__(self) -> None:
        for name in ("rollouts", "data"):
            object.__setattr__(self, name, _file(name, getattr(self, name)))
        object.__setattr__(self, "calibrated", _calibrated(self.calibrated))
        object.__setattr__(self, "conciseness", _scorer(self.conciseness))
        object.__setattr__(self, "judge_noise", _noise(self.judge_noise))
        object.__setattr__(self, "columns", _columns(self.columns))
        self._ranges()
        self._lengths()
        if self.cache is not None and there(self.cache) and Path(self.cache).is_file():
            msg = f"cache={str(self.cache)!r} is a file; name a folder"
            raise UsageError(msg)
        if self.model is not None and self.rollouts is not None:
            msg = "model and rollouts are both given; section 0 reads one log, leave one out"
            raise UsageError(msg)
        if self.estimator == "all":
            object.__setattr__(self, "estimator", "grpo")
            object.__setattr__(self, "every_estimator", True)
        from toyrl.experiments.validate import left_out  # loads NumPy, which --help can do without

        if self.process is not None or self.steps != "line":
            from toyrl.experiments.validate.steps import source

            source.check(self.process, self.steps, log=self.rollouts is not None)
        refuse_estimator(self.estimator)
        _task(self.task)
        _mark(self.answer_mark)
        object.__setattr__(self, "env", _env(self.env))
        for name in ("only", "skip"):
            object.__setattr__(self, name, left_out.names(name, getattr(self, name)))
        me: Any = self  # a type checker meets this file under two paths
        left_out.check(me)

    def _ranges(self) -> None:
        """Numbers, words and flags as the fields' annotations say; numbers as int or float."""
        for name, (allowed, _) in declared(Settings).items():
            value = getattr(self, name)
            if allowed.many and value is not None:
                value = _several(name, value, allowed.one)
            elif allowed.interval and value is not None:
                value = _number(name, value, allowed)
            elif not allowed.allows(value):
                raise UsageError(allowed.refusal(name, value))
            object.__setattr__(self, name, value)

    def _lengths(self) -> None:
        """Lengths that were not given, unless a log will say them; they fit together."""
        unsaid = all(x is None for x in (self.rollouts, self.model, self.calibrated))
        for name, default in (("max_completion_length", LIMIT), ("typical_length", TYPICAL)):
            if getattr(self, name) is None and unsaid:
                object.__setattr__(self, name, default)
        limit, typical = self.max_completion_length, self.typical_length
        if limit is not None and typical is not None and typical > limit:
            msg = (
                f"typical_length={typical} is above max_completion_length={limit}; completions "
                "can't be longer than the limit, raise max_completion_length or lower "
                "typical_length"
            )
            raise UsageError(msg)

    @property
    def limit(self) -> int:
        """`max_completion_length`, or its default before a log was read."""
        return LIMIT if self.max_completion_length is None else self.max_completion_length

    @property
    def typical(self) -> int:
        """`typical_length`, or its default before a log was read."""
        if self.typical_length is None:
            return min(TYPICAL, self.limit)
        return self.typical_length

    def with_log(self, limit: float, mean: float, success: float) -> Settings:
        """What was not given of lengths and success rates, from a log.

        limit, mean : tokens; success : share of right rollouts, read as one in [0.01, 0.99]
        """
        most = self.max_completion_length or max(2, math.ceil(limit))
        return replace(
            self,
            max_completion_length=most,
            typical_length=self.typical_length or min(max(1, round(mean)), most),
            success_rates=self.success_rates or (min(max(success, 0.01), 0.99),),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON form: paths as text, tuples as lists."""
        data = asdict(replace(self, task=None))
        for name in ("rollouts", "data", "calibrated", "conciseness", "judge_noise", "cache"):
            data[name] = None if data[name] is None else str(data[name])
        if self.process is not None:
            from toyrl.experiments.validate.steps.source import source_name

            data["process"] = source_name(self.process)
        rates = self.success_rates
        data["success_rates"] = None if rates is None else list(rates)
        del data["task"]  # said where there is one
        if self.task is not None:
            data["task"] = self.task if isinstance(self.task, str) else self.task.name
        for name in ("notes", "only", "skip"):
            data[name] = list(data[name])
        data["env"] = None if self.env is None else list(self.env)
        data["columns"] = dict(self.columns)
        return data


def _file(name: str, value: Any) -> Path | None:
    if value is None:
        return None
    path = Path(value)
    if not there(path):
        said = f"{name}={shortened(str(path), PATH)} does not exist"
        msg = f"{said}; name a file (JSONL, JSON, CSV, parquet)"
        raise UsageError(msg)
    if path.is_dir():
        from toyrl.rollouts.log_files import files_of
        from toyrl.rollouts.logs import LogError

        try:
            files_of(path)
        except LogError as error:
            msg = f"{name}: {error}"
            raise UsageError(msg) from error
    return path


def _calibrated(value: Any) -> Path | None:
    if value is None:
        return None
    path = Path(value)
    if not there(path) or path.is_dir():
        said = f"calibrated={shortened(str(path), PATH)} is no file"
        msg = f"{said}; name the worlds.json that toyrl calibrate LOG wrote"
        raise UsageError(msg)
    return path


def _scorer(value: Any) -> Path | None:
    if value is None:
        return None
    path = Path(value)
    if path.suffix not in (".json", ".safetensors") or not there(path) or path.is_dir():
        said = f"conciseness={shortened(str(path), PATH)} is no scorer's file"
        msg = f"{said}; name the .json or .safetensors that toyrl.models.base.save wrote"
        raise UsageError(msg)
    return path


def _noise(value: Any) -> Path | None:
    if value is None:
        return None
    from toyrl.experiments.audit.noise import read

    path = Path(value)
    read(path)
    return path


def _columns(value: Any) -> tuple[tuple[str, str], ...]:
    """Pairs (standard name, column)."""
    from toyrl.rollouts.log_columns import LogError, asked_columns

    try:
        found = asked_columns(value if isinstance(value, str) else dict(value or ()))
    except (LogError, TypeError, ValueError) as error:
        says = (
            str(error)
            if isinstance(error, LogError)
            else f"columns={shortened(value)} names no columns"
        )
        raise UsageError(says) from error
    return tuple(found.items())


def _number(name: str, value: Any, allowed: Range) -> Any:
    """The value as int or float, in a range; True and False are no numbers here."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value) if allowed.whole else float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(allowed.refusal(name, value)) from error
    if not allowed.allows(number):
        raise UsageError(allowed.refusal(name, value))
    return number


def _several(name: str, values: Any, allowed: Range) -> tuple[Any, ...]:
    try:
        given = tuple(values)
    except TypeError as error:
        msg = f"{name}={shortened(values)} is no list; give several, each {allowed}"
        raise UsageError(msg) from error
    found = tuple(_number(name, v, allowed) for v in given)
    if not found:
        msg = f"{name} is empty; give at least one, {allowed}, or leave it out"
        raise UsageError(msg)
    return found


def _mark(value: Any) -> None:
    from toyrl.worlds.text.dialects import check_dialect

    if value is None:
        return
    try:
        check_dialect(value)
    except ValueError as error:
        raise UsageError(str(error).replace("dialect=", "answer_mark=", 1)) from error


def _task(value: Any) -> None:
    from toyrl.worlds.text.tasks.base import TaskError
    from toyrl.worlds.text.tasks.find import check_name

    if value is None:
        return
    try:
        check_name(value)
    except TaskError as error:
        raise UsageError(str(error)) from error


def _env(value: Any) -> tuple[str, ...] | None:
    """Names of variables that are set."""
    if value is None:
        return None
    names = (value,) if isinstance(value, str) else tuple(value)
    for name in names:
        if not (isinstance(name, str) and name.isidentifier()):
            msg = f"env={name!r} is not the name of a variable, such as OPENAI_API_KEY"
            raise UsageError(msg)
        if name not in os.environ:
            near = difflib.get_close_matches(name, os.environ, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            msg = f"env={name!r} is not set here; {hint}set it, or leave it out"
            raise UsageError(msg)
    return names


def refuse_estimator(name: Any) -> None:
    """UsageError for an estimator, by catalogue name, that is unknown or can't be judged here."""
    from toyrl.experiments.validate.refused import instead, refusal
    from toyrl.expressions import ExpressionError, parse_estimator

    try:
        estimator = parse_estimator(name)
    except ExpressionError as error:
        msg = f"estimator={shortened(name)}: {error}"
        raise UsageError(msg) from error
    if why := refusal(estimator):
        msg = f"estimator={shortened(name)} can't be judged here: {why}; {instead(estimator)}"
        raise UsageError(msg)
