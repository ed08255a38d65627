"""What stops a training run, said in one message."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from toyrl.graders.base import TextRow
from toyrl.messages import shortened

OUT_OF_MEMORY = (
    "out of memory; lower per_device_train_batch_size (raise gradient_accumulation_steps by the "
    "same factor, the batch stays), max_completion_length or num_generations, or set "
    "gradient_checkpointing=True"
)


class TrainingFault(RuntimeError):
    """The run can't go on; the message says why, at which step, and where the checkpoint is."""


class RewardFault(RuntimeError):
    """A reward raised or gave an unusable value; the message names it and the completion."""


def graded(
    name: str, grader: Callable[[Sequence[TextRow]], Sequence[Any]], rows: Sequence[TextRow]
) -> list[Any]:
    """One value a row from a grader of rows; RewardFault names the first row it fails on."""
    try:
        values = list(grader(rows))
    except Exception as error:
        place = getattr(error, "row", None)
        if not isinstance(place, int):
            place = next((i for i, row in enumerate(rows) if _fails(grader, row)), None)
        raise RewardFault(_report(name, f"raised {_short(error)}", rows, place)) from error
    if len(values) != len(rows):
        raise RewardFault(
            _report(name, f"gave {len(values)} values for {len(rows)} rows", (), None)
        )
    return values


def by_row(function: Callable[[TextRow], Any]) -> Callable[[Sequence[TextRow]], list[Any]]:
    """A grader of rows from a function of one row."""

    def grade(rows: Sequence[TextRow]) -> list[Any]:
        return [function(row) for row in rows]

    return grade


def unusable(name: str, problem: str, rows: Sequence[TextRow], place: int) -> RewardFault:
    """A RewardFault about the value of one row."""
    return RewardFault(_report(name, problem, rows, place))


def _fails(grader: Callable[[Sequence[TextRow]], Sequence[Any]], row: TextRow) -> bool:
    try:
        grader([row])
    except Exception:
        return True
    return False


def _report(name: str, problem: str, rows: Sequence[TextRow], place: int | None) -> str:
    if place is None or place >= len(rows):
        return f"the reward {shortened(name)} {problem}"
    row = rows[place]
    return (
        f"the reward {shortened(name)} {problem} on completion {place} of {len(rows)}: "
        f"{_cut(row.completion)} (prompt {_cut(row.prompt)})"
    )


def _short(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _cut(text: str) -> str:
    return shortened(text, 160)
