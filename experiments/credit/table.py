"""A log as a table: the factors of every step, whose each step is, and what each rollout got."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from toyrl.experiments.errors import UsageError
from toyrl.graders.base import TextRow
from toyrl.graders.steps.scores import by_row, step_texts
from toyrl.graders.steps.splits import SPLITTERS, Span
from toyrl.graders.steps.splits import steps as split
from toyrl.messages import PATH, shortened
from toyrl.models.steps.factors import FactorError, factor_table, verified
from toyrl.models.steps.return_decoder import episode_sums, less_means
from toyrl.rewards.specs import FILE
from toyrl.rollouts.log_columns import LogError
from toyrl.rollouts.logs import Log, read_log

SAMPLES = 2
"""Completions that factors are verified on before the rest is read, as in the released code."""
EXAMPLE = "my_factors.py:factors"


@dataclass(frozen=True)
class Table:
    """N rollouts of a log.

    name : of the file; log : as read; returns (N,) what each got; returned : the column of it
    groups : (N,) prompts; names : of D factors; x (S, D) factors of all steps
    which : (S,) each one's rollout, rising; spans : N lists of the characters of each step
    baseline : "group", or "all" where no prompt has siblings
    """

    name: str
    log: Log
    returns: np.ndarray
    returned: str
    groups: np.ndarray
    names: tuple[str, ...]
    x: np.ndarray
    which: np.ndarray
    spans: Sequence[Sequence[Span]]
    baseline: str

    @property
    def rows(self) -> Sequence[TextRow]:
        """The N texts."""
        return self.log.rows

    @cached_property
    def steps(self) -> np.ndarray:
        """(N,) steps of each rollout."""
        return np.bincount(self.which, minlength=len(self.returns))

    @cached_property
    def sums(self) -> np.ndarray:
        """(N, D) factors, summed over each rollout's steps."""
        return episode_sums(self.x, self.which, len(self.returns))

    @cached_property
    def told(self) -> np.ndarray:
        """(N,) True for rollouts that can say which step earned what: siblings' returns differ."""
        n = int(self.groups.max()) + 1
        low, high = np.full(n, np.inf), np.full(n, -np.inf)
        np.minimum.at(low, self.groups, self.returns)
        np.maximum.at(high, self.groups, self.returns)
        return (high > low)[self.groups] if self.baseline == "group" else self.steps >= 0

    @cached_property
    def centred(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(z (M, D), y (M,), unit (M,), free (M,)) of rollouts that tell: less their level.

        unit : what is held out together, a prompt or a rollout; free : degrees of freedom, (n-1)/n
        of each of n siblings
        """
        here = np.flatnonzero(self.told)
        of = np.unique(self.groups[here], return_inverse=True)[1]
        level = of if self.baseline == "group" else 0 * of
        one = np.ones(len(here))
        n = np.bincount(level)[level]
        unit = of if self.baseline == "group" else np.arange(len(here))
        return (less_means(self.sums[here], level, one), less_means(self.returns[here], level, one),
                unit, (n - 1) / n)  # fmt: skip


def factors_of(spec: str | Path | Callable[..., Any]) -> tuple[Callable[..., Any], str]:
    """(function, how it is called) of file.py:function, file.py with one function, or a function.

    Raises UsageError, with what is allowed, for anything else.
    """
    if callable(spec):
        return spec, getattr(spec, "__name__", type(spec).__name__)
    found = FILE.match(str(spec))
    if not found:
        msg = f"factors={shortened(str(spec), PATH)} is no file.py:function, such as {EXAMPLE}"
        raise UsageError(msg)
    place = Path(found["path"]).expanduser().resolve()
    if not place.is_file():
        msg = f"factors={shortened(str(spec), PATH)}: there is no file {found['path']}"
        raise UsageError(msg)
    from toyrl.rewards.sandbox.modules import by_location

    try:
        module = by_location(place)
    except Exception as error:
        msg = f"factors={found['path']} can't be imported: {type(error).__name__}: {error}"
        raise UsageError(msg) from error
    own = {n: f for n, f in vars(module).items() if _defined(f, module) and not n.startswith("_")}
    name = (found["name"] or "").strip() or ("factors" if "factors" in own else "")
    if not name and len(own) == 1:
        name = next(iter(own))
    if name not in own:
        there = ", ".join(own) or "none"
        msg = f"{found['path']} has no function {name or 'factors'!r}; it has {there}"
        raise UsageError(msg)
    return own[name], f"{place.name}:{name}"


def _defined(value: Any, module: Any) -> bool:
    return inspect.isfunction(value) and value.__module__ == module.__name__


def read_table(
    log: Any,
    factors: Any,
    *,
    steps: str = "line",
    returns: str | None = None,
    columns: Mapping[str, str] | str | None = None,
    skip_bad: bool = False,
) -> tuple[Table, str]:
    """A log with its factors, and how the factor function is called.

    Raises UsageError for a log, column, splitter or factor function that can't be used, and for
    returns that are all alike.
    """
    function, label = factors_of(factors)
    if steps not in SPLITTERS:
        msg = f"steps={shortened(steps)} is not one of {', '.join(SPLITTERS)}"
        raise UsageError(msg)
    try:
        read = read_log(log, columns=columns, skip_bad=skip_bad)
    except LogError as error:
        raise UsageError(str(error)) from error
    here = np.asarray(read.rollouts.w) > 0
    R, column = _returns(read, returns, here)
    groups = np.broadcast_to(np.arange(len(here))[:, None], here.shape)[here]
    if np.ptp(R) == 0:
        msg = (
            f"all {len(R)} returns ({column}) are {R[0]:g}: they say nothing about which step "
            "earned them; give a log with right and wrong rollouts, or --returns another column"
        )
        raise UsageError(msg)
    spans = [split(row.completion, steps) for row in read.rows]
    names, x = _factors(function, label, read, spans)
    which = np.repeat(np.arange(len(spans)), [len(s) for s in spans])
    siblings = np.bincount(groups)[groups] > 1
    baseline = "group" if siblings.any() else "all"
    table = Table(Path(log).name, read, R, column, groups, names, x, which, spans, baseline)
    if not table.told.any():
        msg = (
            f"no prompt has rollouts of different returns ({column}): every group is all right or "
            "all wrong, and none says which step earned what; log groups of prompts of middling "
            "difficulty"
        )
        raise UsageError(msg)
    return table, label


def _returns(log: Log, name: str | None, here: np.ndarray) -> tuple[np.ndarray, str]:
    if name in (None, "correct"):
        return np.asarray(log.rollouts.correct, dtype=float)[here], "correct"
    if name not in log.paid:
        there = ", ".join(("correct", *log.paid))
        msg = f"returns={shortened(name)} is no column of rewards; the log has {there}"
        raise UsageError(msg)
    found = np.asarray(log.paid[name], dtype=float)[here]
    if not np.isfinite(found).all():
        line = log.lines[int(np.argmin(np.isfinite(found)))]
        msg = f"line {line}: {name} holds no finite number; mend the row or leave it out"
        raise UsageError(msg)
    return found, name


def _factors(
    function: Callable[..., Any], label: str, log: Log, spans: Sequence[Sequence[Span]]
) -> tuple[tuple[str, ...], np.ndarray]:
    """(names, (S, D)) of all steps; UsageError with the line of the first row that is no use."""
    try:
        call = by_row(function, label)
    except ValueError as error:
        raise UsageError(str(error)) from error
    texts = [step_texts(row.completion, s) for row, s in zip(log.rows, spans, strict=True)]
    some = [i for i, t in enumerate(texts) if t]
    if not some:
        msg = f"no completion of the log has a step; {len(texts)} of them are empty"
        raise UsageError(msg)

    def named(steps: Sequence[str], row: TextRow) -> Any:
        return call(steps, row)

    named.__name__ = label
    try:
        names = verified([named], [(texts[i], log.rows[i]) for i in some[:SAMPLES]]).names
    except FactorError as error:
        said = str(error).removeprefix("no sound factor function in 1 rounds: ")
        raise UsageError(said) from error
    values: list[Any] = []
    for i in some:
        try:
            values.append(call(texts[i], log.rows[i]))
        except Exception as error:
            msg = f"line {log.lines[i]}: {label} raised {type(error).__name__}: {error}"
            raise UsageError(msg) from error
    quick = _together(values, [len(texts[i]) for i in some], names)
    if quick is not None:
        return names, quick
    tables = []
    for i, value in zip(some, values, strict=True):
        try:
            table, own = factor_table(value, len(texts[i]), by=label)
        except FactorError as error:
            msg = f"line {log.lines[i]}: {error}"
            raise UsageError(msg) from error
        if own != names:
            msg = f"line {log.lines[i]}: {label} gave {list(own)}, before it gave {list(names)}"
            raise UsageError(msg)
        tables.append(table)
    return names, np.concatenate(tables)


def _together(
    values: Sequence[Any], counts: Sequence[int], names: tuple[str, ...]
) -> np.ndarray | None:
    """(S, D) of mappings from name to a list of numbers, all at once; None for anything else."""
    if not all(type(v) is dict and tuple(v) == names for v in values):
        return None
    try:
        for value, n in zip(values, counts, strict=True):
            if any(len(column) != n for column in value.values()):
                return None
        flat = [np.array([*chain.from_iterable(v[k] for v in values)], dtype=float) for k in names]
    except (TypeError, ValueError):
        return None
    out = np.stack(flat, axis=-1) if all(c.ndim == 1 for c in flat) else None
    return out if out is not None and np.isfinite(out).all() else None
