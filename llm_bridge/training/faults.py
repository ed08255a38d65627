"""What stops a training run, said in one message."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from toyrl.graders.base import TextRow
from toyrl.messages import shortened

OUT_OF_MEMORY = (
    "out of memory; lower per_device_train_batch_size (raise gradient_accumulation_steps by the "
    "same factor, the batch stays), max_completion_length or num_generations, or set "
    "gradient_checkpointing=True"
)


NO_NUMBERS = (
    "the policy's probabilities are not finite: an update was too large; lower learning_rate or "
    "max_grad_norm, or train in float32"
)


class TrainingFault(RuntimeError):
    """The run can't go on; the message says why, at which step, and where the checkpoint is."""


class Diverged(TrainingFault):
    """The policy is lost: its loss or its probabilities are no longer finite."""


class RewardFault(RuntimeError):
    """A reward raised or gave an unusable value; the message names it and the completion."""


def advice(error: BaseException) -> str:
    """What an error of torch means, with a way out; "" for one that means something else.

    Memory of the device and of the machine, and sampling from what is no probability.
    """
    import torch

    text = str(error)
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return OUT_OF_MEMORY
    if not isinstance(error, RuntimeError) or isinstance(error, (TrainingFault, RewardFault)):
        return ""  # the latter have said already what they mean
    if "DefaultCPUAllocator" in text or "out of memory" in text:
        return OUT_OF_MEMORY
    return NO_NUMBERS if "probability tensor contains" in text else ""


def fault(problem: str) -> type[TrainingFault]:
    """The kind of a problem that `advice` names."""
    return Diverged if problem == NO_NUMBERS else TrainingFault


@contextlib.contextmanager
def told(where: str) -> Iterator[None]:
    """Errors that `advice` knows, as a TrainingFault that says where they came."""
    try:
        yield
    except Exception as error:
        problem = advice(error)
        if not problem:
            raise
        msg = f"{where} failed: {problem}. What was finished before is kept"
        raise fault(problem)(msg) from error


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
