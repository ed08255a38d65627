"""What the numbers among the commands' options may be, said once for Python, command and help.

Those of `validate` stand beside the fields of its `Settings`, those of a training run beside the
fields of `RunSettings`; both take them from here where they mean the same.
"""

from __future__ import annotations

from typing import Annotated, Any

from toyrl.experiments.errors import UsageError
from toyrl.ranges import COUNT, POSITIVE, Range, fault

GROUP = Range("[2, 65536]", whole=True)
LENGTH = Range("[2, 1e7]", whole=True)
TYPICAL_LENGTH = Range("[1, 1e7]", whole=True)
SEED = Range("[0, 9e18]", whole=True)
WORKERS = Range("[1, 256]", whole=True)
CALLS = Range("[1, 9e18]", whole=True)
SEARCH = Range("[0, 1e6]", whole=True)
BETA = Range("[0, 1e6]")
SECONDS = Range("(0, 1e6]")
RATE = Range("(0, 1)")
UPDATES = Range("[1, 1e9]", whole=True)
COMPLETIONS = Range("[2, 1e9]", whole=True)
LEARNING_RATE = Range("(0, 1]")


class Amounts:
    """The options of `validate` (worlds), `reproduce`, `transfer`, `export`, `distance`,
    `scaling`, `credit` and `grade` that are numbers."""

    worlds: Annotated[int, COUNT]
    seed: Annotated[int, SEED]
    seeds: Annotated[int, COUNT]
    kl: Annotated[float | None, POSITIVE.or_none]
    warm_up: Annotated[int, Range("[0, 1e7]", whole=True)]
    workers: Annotated[int, WORKERS]
    max_completion_length: Annotated[int, TYPICAL_LENGTH]
    group_size: Annotated[int | None, GROUP.or_none]
    discount: Annotated[float | None, Range("[0, 1]").or_none]
    top: Annotated[int, Range("[0, 9e18]", whole=True)]
    samples: Annotated[int | None, COUNT.or_none]
    temperature: Annotated[float | None, POSITIVE.or_none]
    level: Annotated[float, RATE]
    penalty: Annotated[float, Range("[0, 1e9]")]
    picked: Annotated[int | None, Range("[2, 1e9]", whole=True).or_none]
    step: Annotated[float, Range("[0, 1e9]")]


def refuse_outside(**given: Any) -> None:
    """UsageError for the first of these options that is out of its range."""
    for name, value in given.items():
        said = fault(Amounts, name, value)
        if said:
            raise UsageError(said)
