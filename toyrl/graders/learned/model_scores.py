"""A learned model's score of each text, where a reward has a place for one.

    writing(model="column")                    each row's column holds the score
    writing(model="models/writing-rm")         a folder with a sequence classifier
    Writing(model=scores)                      a function of (prompt, completion) pairs

A column serves logs and files; in training the completions are new, so give a model. A trainer that
hands over the gold answer alone (OpenRLHF, verifiers) has no such column: the gold is no score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from toyrl.graders.base import TextRow
from toyrl.graders.parts import Graded, TaskReward
from toyrl.messages import PATH, shortened

COLUMN, NONE = "column", "none"
Model = Callable[[Sequence[tuple[str, str]]], Sequence[float]]


class ScoredByModel(TaskReward):
    """Base of rewards with a field `model`, and `column` for where "column" finds its score.

    A subclass grades many rows at once (`grade_parts`). Source: ours.
    """

    model: Any
    column: str

    @property
    def reads(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The score's column, if a column has it."""
        return (self.column,) if self.model == COLUMN else ()

    @property
    def of_text(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The score's column: no data set holds the score of a new text."""
        return self.reads

    @property
    def asks(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The prompt, if a model sees it."""
        return () if self.model in (COLUMN, NONE) else ("prompt",)

    def graded(self, row: TextRow, step: float = 0.0) -> Graded:
        """One text's parts."""
        return self.grade_parts([row], step)[0]


def check_model(model: Any) -> None:
    """Raises ValueError unless it is a text or a function."""
    if not callable(model) and not (isinstance(model, str) and model):
        msg = (
            f"model={shortened(model)} must be 'column', a folder that save_pretrained wrote, or a "
            "function from (prompt, completion) pairs to numbers"
        )
        raise ValueError(msg)


def model_scores(model: Any, rows: Sequence[TextRow], *, column: str, by: str) -> list[float]:
    """One score a row, NaN where it is no number; rows alike are scored once.

    model : "column", a folder for `SequenceClassifier`, or a function of (prompt, completion) pairs
    column : where the score stands if it is a column's; by : the reward, for messages

    Raises KeyError for a row without the column, ValueError for a folder without a model and for
    another number of scores than texts.
    """
    if isinstance(model, str) and model == COLUMN:
        return [number(_column(row, column, by)) for row in rows]
    place = {pair: i for i, pair in enumerate(dict.fromkeys(map(_pair, rows)))}
    scorer = _loaded(model) if isinstance(model, str) else model
    found = list(scorer(list(place))) if place else []
    if len(found) != len(place):
        msg = f"the model of {by} gave {len(found)} scores for {len(place)} texts; give one a text"
        raise ValueError(msg)
    return [number(found[place[_pair(row)]]) for row in rows]


def _column(row: TextRow, column: str, by: str) -> Any:
    if column not in row.columns:
        there = ", ".join(map(str, row.columns)) or "none"
        msg = (
            f"{by} reads a model's score in the column {shortened(column)}, which a row lacks "
            f"(there are {there}); name it by column=..., or give model= a folder or a function"
        )
        raise KeyError(msg)
    return row.columns[column]


def number(value: Any) -> float:
    """A finite number, or one written as text; NaN for anything else."""
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
    return found if math.isfinite(found) else math.nan


def refuse_nan(score: float, row: TextRow, by: str) -> None:
    """Raises ValueError for NaN: one would spoil its whole group's advantages."""
    if math.isnan(score):
        msg = (
            f"{by}: the model's score of {shortened(row.completion)} is no finite number, and one "
            "spoils its whole group; mend the model, or leave such texts out with nan='nan'"
        )
        raise ValueError(msg)


def _pair(row: TextRow) -> tuple[str, str]:
    return row.prompt, row.completion


@lru_cache(maxsize=4)
def _loaded(folder: str) -> Model:
    from pathlib import Path

    from toyrl.graders.learned.reward_models import SequenceClassifier

    if not Path(folder).is_dir():
        msg = f"model={shortened(folder, PATH)} is no folder, and not 'column'"
        raise ValueError(msg)
    return SequenceClassifier(folder)
