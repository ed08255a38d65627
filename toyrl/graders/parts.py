"""Rewards of real tasks: a text and the gold columns of its row become named parts that add up.

    reward = parse_grader("tool_calls(scale='max1')")
    reward(prompts, completions, ground_truth=[...])  # as TRL calls a reward function
    reward.grade_parts(rows)                          # parts, facts, and what couldn't be read
    reward.functions()                                # one function a part, for reward_weights

A new one is a frozen dataclass with `@entry(name, kind="grader", ...)`, its constants as fields,
`parts` and `reads` as class variables, and `graded`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from toyrl import ranges
from toyrl.graders.base import Grader, TextRow
from toyrl.messages import shortened

LABELS = ("ground_truth", "label", "answer", "solution", "target", "reference")
"""Names under which trainers hand over the one gold column that they know."""


class Graded(NamedTuple):
    """What a text is paid.

    parts : name -> number; they add up to the reward. NaN: that part can't be graded
    facts : name -> number that explains the parts and is not added (a factor, a share, a count)
    problem : what couldn't be read, in a few words; "" where all could
    """

    parts: Mapping[str, float]
    facts: Mapping[str, float] = {}
    problem: str = ""

    @property
    def total(self) -> float:
        """The reward, NaN where a part is."""
        return math.fsum(self.parts.values())


@dataclass(frozen=True)
class TaskReward(Grader):
    """Base of rewards of real tasks; subclasses are frozen dataclasses.

    parts : names of the parts, in order; the text reward is their sum
    facts : names of what else is measured
    reads : data columns without which nothing can be graded
    any_of : data columns of which it needs one more, whichever a row has
    of_text : of these columns, those that say what somebody found of the text itself (a model's
        score, a verdict): logs hold them, the data of a training run can't
    asks : what else of a row it reads: "prompt", "tokens", "truncated"
    of_task : the task of `toyrl.worlds.text.tasks` whose texts it grades, "" for none of them

    Raises ValueError for a field out of its range.
    """

    parts: ClassVar[tuple[str, ...]] = ("reward",)
    facts: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[tuple[str, ...]] = ()
    any_of: ClassVar[tuple[str, ...]] = ()
    of_text: ClassVar[tuple[str, ...]] = ()
    asks: ClassVar[tuple[str, ...]] = ()
    of_task: ClassVar[str] = ""

    def __post_init__(self) -> None:
        ranges.check_fields(self)

    @property
    def by_step(self) -> bool:
        """True if the update's number changes what is paid."""
        return False

    @property
    def __name__(self) -> str:
        """What a trainer logs it under: the class's name in lower case with underscores."""
        name = type(self).__qualname__.rpartition(".")[2]
        return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower()
                       for i, c in enumerate(name))  # fmt: skip

    def graded(self, row: TextRow, step: float = 0.0) -> Graded:
        """One text's parts. step : the update's number, for scales that change in training."""
        msg = f"{type(self).__name__} defines no graded(row, step)"
        raise TypeError(msg)

    def grade_parts(self, rows: Sequence[TextRow], step: float = 0.0) -> list[Graded]:
        """Each row's parts, in order.

        A reward that reads one column takes it under another of the names `LABELS` too, in which
        trainers hand over the gold column that they know.

        Raises KeyError for a column that the reward reads and a row lacks.
        """
        rows, own = [self._lent(row) for row in rows], self.__name__
        for row in rows:
            for name in self.reads:
                need(row, name, own)
        return self.graded_all(rows, step)

    def graded_all(self, rows: Sequence[TextRow], step: float = 0.0) -> list[Graded]:
        """`graded` of each row, in order; a reward that can do several at once does so here."""
        return [self.graded(row, step) for row in rows]

    def _lent(self, row: TextRow) -> TextRow:
        """The row with its gold column under the one name that the reward reads."""
        if len(self.reads) != 1 or self.reads[0] in row.columns:
            return row
        found = [row.columns[name] for name in LABELS if name in row.columns]
        return replace(row, columns={**row.columns, self.reads[0]: found[0]}) if found else row

    def grade(self, rows: Sequence[TextRow]) -> list[float]:
        """One reward a row, NaN where it can't be graded."""
        return [found.total for found in self.grade_parts(rows)]

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        trainer_state: Any = None,
        **columns: Any,
    ) -> list[float | None]:
        """TRL's form: one reward a completion, None where it can't be graded.

        columns : lists, tuples or arrays with an entry a completion; anything else is passed over

        Whether a text was cut off isn't known here: each counts as ended (`toyrl export` knows it)
        """
        return self._column("", prompts, completions, trainer_state, columns)

    def functions(self) -> list[Callable[..., list[float | None]]]:
        """A function in TRL's form for each part, called as the part is."""
        return [_Part(self, name) for name in self.parts]

    def _column(
        self,
        part: str,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        trainer_state: Any,
        columns: Mapping[str, Any],
    ) -> list[float | None]:
        from toyrl.serving import text_rows

        rows = text_rows(prompts, completions, columns)
        found = self.grade_parts(rows, float(getattr(trainer_state, "global_step", 0)))
        values = [f.parts.get(part, math.nan) if part else f.total for f in found]
        return [None if math.isnan(v) else v for v in values]


@dataclass(frozen=True)
class _Part:
    """One part of a reward as a function of its own."""

    reward: TaskReward
    __name__: str = field()

    def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Any], trainer_state: Any = None,
        **columns: Any,
    ) -> list[float | None]:  # fmt: skip
        return self.reward._column(self.__name__, prompts, completions, trainer_state, columns)


def is_blank(value: Any) -> bool:
    """True for what stands in a table where nothing is said: None, "" and NaN."""
    if value is None or (isinstance(value, str) and not value):
        return True
    return isinstance(value, (float, np.floating)) and math.isnan(value)


def told(row: TextRow, *names: str, otherwise: Any = None) -> Any:
    """The first of a row's columns that holds something (`is_blank`), else `otherwise`."""
    found = (row.columns[name] for name in names if not is_blank(row.columns.get(name)))
    return next(found, otherwise)


def need(row: TextRow, name: str, by: str) -> Any:
    """A row's column; KeyError names it and what there is."""
    if name not in row.columns:
        there = ", ".join(map(str, row.columns)) or "none"
        msg = f"{by} reads the column {shortened(name)}, which a row lacks (there are {there})"
        raise KeyError(msg)
    return row.columns[name]
