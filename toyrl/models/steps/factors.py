"""Factors of steps, written by a model or by hand, and verified before they are trusted.

    def factors(steps, prompt):
        return {"says 'so'": [float("so" in s) for s in steps],
                "length": [len(s) for s in steps]}

A factor function looks at the steps of one completion and gives, for each factor, a number a step.
`verified` runs candidates on samples and takes the first sound one; `self_verified` asks whoever
writes them again, with what was wrong, as LaRe does.

Source: paper 41, code `chat_with_gpt.py`: two sample inputs, five rounds, error messages fed back.
The original looks at exceptions and shapes alone; that numbers are finite is asked here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from toyrl.messages import shortened
from toyrl.ranges import COUNT, checked

ROUNDS = 5
"""Rounds of feedback in the released code."""


class FactorError(ValueError):
    """A factor function can't be used: what it raised, or what is wrong with what it gave."""


@dataclass(frozen=True)
class Verified:
    """A factor function that passed.

    function : as given; place : of it among those that were tried, from 0; names : of its d factors
    failures : a sentence for each one that was tried before
    """

    function: Callable[..., Any]
    place: int
    names: tuple[str, ...]
    failures: tuple[str, ...] = ()


def factor_table(
    value: Any, steps: int, *, by: str = "the factors"
) -> tuple[np.ndarray, tuple[str, ...]]:
    """(table (K, d) of K steps, names of the d factors) of what a factor function gave.

    value : name -> (steps,) numbers; a list of factors, each (steps,) or a column (steps, 1), as
        LaRe's functions give them; or an array (steps, d). True is 1, False 0
    by : who gave it, for the message

    Raises FactorError for another shape, for what is no number, and for numbers that aren't finite.
    """
    if isinstance(value, Mapping):
        names, listed = tuple(map(str, value)), list(value.values())
    elif isinstance(value, np.ndarray) and value.ndim == 2:
        listed = list(value.T)
        names = tuple(f"factor {k + 1}" for k in range(len(listed)))
    elif isinstance(value, (list, tuple)):
        listed = list(value)
        names = tuple(f"factor {k + 1}" for k in range(len(listed)))
    else:
        msg = f"{by} gave {shortened(value)}; give {{name: one number a step}}"
        raise FactorError(msg)
    if not listed:
        msg = f"{by} gave no factor; give {{name: one number a step}}, one name or more"
        raise FactorError(msg)
    columns = [_column(v, steps, name, by) for v, name in zip(listed, names, strict=True)]
    return np.stack(columns, axis=-1), names


def _column(value: Any, steps: int, name: str, by: str) -> np.ndarray:
    try:
        column = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        msg = f"{by}: {name!r} is {shortened(value)}; give {steps} numbers, one a step"
        raise FactorError(msg) from None
    if column.shape not in ((steps,), (steps, 1)):
        want = f"{{name: ({steps},)}}, one number a step"
        msg = f"{by}: {name!r} has the shape {column.shape}; give {want}"
        raise FactorError(msg)
    bad = ~np.isfinite(column)
    if bad.any():
        place = int(np.argmax(bad.ravel()))
        msg = f"{by}: {name!r} is {column.ravel()[place]} at step {place + 1} of {steps}; give "
        raise FactorError(msg + "finite numbers (0 where it has no meaning)")
    return column.reshape(steps)


def fault(function: Callable[..., Any], samples: Sequence[tuple[Any, ...]]) -> str | None:
    """What is wrong with a factor function on samples, in a sentence; None for a sound one.

    samples : the arguments of each call, the steps first

    Whatever it raises is told, never raised. Sound: every call gives one finite number a step for
    the same factors.

    Raises ValueError without a sample: nothing would be looked at.
    """
    _some(samples)
    return _tried(function, samples)[0]


def _some(samples: Sequence[tuple[Any, ...]]) -> None:
    if not samples:
        msg = "no sample to run the factors on: give the steps of two completions, say"
        raise ValueError(msg)


def _tried(
    function: Callable[..., Any], samples: Sequence[tuple[Any, ...]]
) -> tuple[str | None, tuple[str, ...]]:
    by, seen = getattr(function, "__name__", type(function).__name__), None
    for k, sample in enumerate(samples):
        try:
            value = function(*sample)
        except Exception as error:  # somebody else's code
            return f"{by} raised {type(error).__name__} on sample {k + 1}: {error}", ()
        try:
            names = factor_table(value, len(sample[0]), by=by)[1]
        except FactorError as error:
            return f"{error} (sample {k + 1})", ()
        if seen not in (None, names):
            return f"{by} gave {list(names)} on sample {k + 1} and {list(seen or ())} before", ()
        seen = names
    return None, seen or ()


def verified(
    candidates: Sequence[Callable[..., Any]], samples: Sequence[tuple[Any, ...]]
) -> Verified:
    """The first sound candidate.

    candidates : factor functions; samples : the arguments of each call, the steps first; two in
        the released code, which has five candidates merged into one before this

    Raises ValueError without a sample or candidate, FactorError, with each one's fault, where none
    is sound.
    """
    listed = list(candidates)
    if not listed:
        msg = "no candidate: give one factor function or more"
        raise ValueError(msg)
    return self_verified(lambda failed: listed[len(failed)], samples, rounds=len(listed))


@checked
def self_verified(
    write: Callable[[Sequence[str]], Callable[..., Any]],
    samples: Sequence[tuple[Any, ...]],
    *,
    rounds: Annotated[int, COUNT] = ROUNDS,
) -> Verified:
    """Ask for a factor function until one is sound, telling each time what was wrong so far.

    write : failures so far -> a factor function: a language model with its messages, or a list's
        next entry; samples : as for `verified`; rounds : most calls of `write`

    Raises ValueError without a sample, FactorError after `rounds` without a sound one.
    """
    _some(samples)
    failures: list[str] = []
    for place in range(rounds):
        function = write(tuple(failures))
        said, names = _tried(function, samples)
        if said is None:
            return Verified(function, place, names, tuple(failures))
        failures.append(said)
    msg = f"no sound factor function in {rounds} rounds: {'; '.join(failures)}"
    raise FactorError(msg)


@dataclass(frozen=True)
class FactorScorer:
    """Steps scored by a model of their factors: a `toyrl.graders.steps.scores.StepScorer`.

    factors : as verified, a function of the steps' texts, and of the prompt or data columns by
    their names; model : as `toyrl.models.steps.return_decoder` fits it
    """

    factors: Callable[..., Any]
    model: Any

    def __call__(self, steps: Sequence[str], row: Any) -> list[float]:
        """One reward a step; row : a `toyrl.graders.base.TextRow`.

        Raises FactorError for factors that can't be used.
        """
        from toyrl.graders.steps.scores import by_row

        if not len(steps):
            return []
        return self.model.score(
            factor_table(by_row(self.factors)(steps, row), len(steps))[0]
        ).tolist()
