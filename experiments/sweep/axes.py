"""Axes of a sweep as they are typed: `weight=0:2:64`, `beta=log:0.001:1:20`, `G=4,8,16`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl.experiments.errors import UsageError
from toyrl.experiments.sweep.parameters import ESTIMATOR, NAMED, PARAMETERS, near
from toyrl.messages import shortened
from toyrl.ranges import Range

MOST = 100_000
"""Values of an axis."""
WRITE = "write it as START:STOP:COUNT, log:START:STOP:COUNT or A,B,C"


@dataclass(frozen=True)
class Axis:
    """One parameter and its values, in the order that was told.

    name : as in `parameters`, `reward.FIELD` (or `reward.TERM.FIELD`), `estimator.FIELD`
    log : the values lie evenly in the logarithm
    """

    name: str
    values: tuple[Any, ...]
    log: bool = False

    @property
    def numeric(self) -> bool:
        """Whether all values are numbers."""
        return all(isinstance(v, (int, float)) for v in self.values)

    @property
    def label(self) -> str:
        """For a picture."""
        known = PARAMETERS.get(self.name)
        return self.name if known is None else f"{known.says}"


def axes_of(
    told: Sequence[str] | Mapping[str, Any], fields: Mapping[str, Range]
) -> tuple[Axis, ...]:
    """The axes of a call: texts "name=values", or {name: text, sequence or array}.

    fields : names of the reward's and the estimator's own parameters -> what they may be

    Raises UsageError for an unknown name, an empty range, and for values that are not allowed.
    """
    pairs = list(told.items()) if isinstance(told, Mapping) else [_split(t) for t in told]
    if not pairs:
        msg = f"over is empty; name at least one axis: over=weight=0:2:16 ({WRITE})"
        raise UsageError(msg)
    found = tuple(_axis(name, values, fields) for name, values in pairs)
    names = [a.name for a in found]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        msg = f"over={twice!r} is given twice; an axis has one list of values"
        raise UsageError(msg)
    return found


def _split(text: str) -> tuple[str, str]:
    name, sign, values = str(text).partition("=")
    if not sign or not name.strip() or not values.strip():
        msg = f"over={shortened(text)} is no axis; write NAME=VALUES, where VALUES is "
        msg += "START:STOP:COUNT, log:START:STOP:COUNT or A,B,C"
        raise UsageError(msg)
    return name.strip(), values.strip()


def _axis(name: str, values: Any, fields: Mapping[str, Range]) -> Axis:
    name = resolved(name, fields)
    read = _values(name, values)
    allowed = PARAMETERS[name].allowed if name in PARAMETERS else fields[name]
    out = []
    for value in read[0]:
        if isinstance(value, float) and not math.isfinite(value):
            msg = f"over={name}: {value} is not finite; {WRITE}"
            raise UsageError(msg)
        whole = value if isinstance(value, str) else _whole(value, allowed)
        if not allowed.allows(whole):
            raise UsageError("over=" + allowed.refusal(name, whole))
        out.append(whole)
    if len(set(out)) < len(out):
        msg = f"over={name} has a value twice; {WRITE}"
        raise UsageError(msg)
    return Axis(name, tuple(out), read[1])


def resolved(name: str, fields: Mapping[str, Range]) -> str:
    """The full name of what was typed; UsageError with a near one where it is unknown."""
    if name in NAMED:
        return NAMED[name]
    if name in ESTIMATOR and ESTIMATOR[name] in fields:
        return ESTIMATOR[name]
    hits = [f for f in fields if f == name or f.endswith(f".{name}")]
    if len(hits) == 1:
        return hits[0]
    if hits:
        msg = f"over={name!r} may be {' or '.join(h for h in hits)}; write one of them"
        raise UsageError(msg)
    short = {f.rpartition(".")[2] for f in fields}
    hint = near(name, [*NAMED, *ESTIMATOR, *fields, *short])
    own = ", ".join(sorted(f.removeprefix("reward.") for f in fields if f.startswith("reward.")))
    msg = (
        f"over={shortened(name)} is no parameter; {hint}there are "
        f"{', '.join([*PARAMETERS][:13])}, normalisation, estimator"
        + (f", of this reward {own}" if own else "")
    )
    raise UsageError(msg)


def _whole(value: float, allowed: Range) -> float | int:
    """A whole number where only those are allowed: ranges are rounded."""
    return round(value) if allowed.whole else float(value)


def _values(name: str, values: Any) -> tuple[list[Any], bool]:
    """The values, and whether they lie evenly in the logarithm."""
    if not isinstance(values, str):
        listed = [v.item() if hasattr(v, "item") else v for v in np.atleast_1d(np.asarray(values))]
        if not listed:
            msg = f"over={name} is empty; give at least one value"
            raise UsageError(msg)
        return listed, _even_in_log(listed)
    log = values.startswith("log:")
    body = values.removeprefix("log:")
    if ":" in body or log:
        return _range(name, body, values, log), log
    listed = [_number(v.strip()) for v in values.split(",") if v.strip()]
    if not listed:
        msg = f"over={name}={values!r} is empty; {WRITE}"
        raise UsageError(msg)
    return listed, False


def _even_in_log(listed: list[Any]) -> bool:
    if len(listed) < 3 or not all(isinstance(v, (int, float)) and v > 0 for v in listed):
        return False
    steps = np.diff(np.log(listed))
    return bool(
        np.allclose(steps, steps[0]) and not np.allclose(np.diff(listed), listed[1] - listed[0])
    )


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _range(name: str, body: str, typed: str, log: bool) -> list[float]:
    parts = body.split(":")
    try:
        low, high, count = float(parts[0]), float(parts[1]), int(parts[2])
        if len(parts) != 3:
            raise ValueError
    except (ValueError, IndexError):
        msg = f"over={name}={typed!r} is no range; {WRITE}"
        raise UsageError(msg) from None
    if not (math.isfinite(low) and math.isfinite(high)):
        msg = f"over={name}={typed!r} has an end that is not finite; {WRITE}"
        raise UsageError(msg)
    if not 1 <= count <= MOST or (count > 1 and low == high):
        msg = f"over={name}={typed!r} is an empty range: {count} values from {low:g} to {high:g}; "
        msg += f"COUNT is 1 to {MOST} and the ends differ"
        raise UsageError(msg)
    if log and not (low > 0 and high > 0):
        msg = f"over={name}={typed!r} reaches {min(low, high):g}; a log range has ends above 0"
        raise UsageError(msg)
    made = np.geomspace(low, high, count) if log else np.linspace(low, high, count)
    return [float(x) for x in made]
