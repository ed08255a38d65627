"""What an experiment finds: checks, curves, pictures, tables."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}


@dataclass(frozen=True)
class Check:
    """One statement that can fail: `value op bound`, or |value - bound| <= tolerance for "~".

    stderr : standard error of `value` where it was sampled
    routes : the independent ways in which the number was found
    claim : the statement belongs to the paper's claim and has to be proven by a mutant; False:
        support (a picture's data, a setting that the claim rests on)
    why_one_route : for a claim's check with fewer than two routes, why there is no second
    """

    name: str
    value: float
    bound: float
    op: str = "<="
    tolerance: float = 0.0
    stderr: float | None = None
    routes: tuple[str, ...] = ()
    claim: bool = True
    why_one_route: str = ""

    @property
    def has_routes(self) -> bool:
        """Two different routes, or the reason why there is one; support needs none."""
        return not self.claim or len(set(self.routes)) > 1 or bool(self.why_one_route)

    @property
    def holds(self) -> bool:
        """False for NaN, whatever the operator."""
        if math.isnan(self.value) or math.isnan(self.bound):
            return False
        if self.op == "~":
            return abs(self.value - self.bound) <= self.tolerance
        return bool(OPERATORS[self.op](self.value, self.bound))

    def to_dict(self) -> dict[str, Any]:
        """JSON form, `holds` included."""
        data = {**asdict(self), "holds": self.holds, "routes": list(self.routes)}
        for key in ("value", "bound", "stderr", "tolerance"):
            number = data[key]
            if isinstance(number, float) and not math.isfinite(number):
                data[key] = str(number)
        return data


@dataclass(frozen=True)
class Curve:
    """One line of a picture: y over x, with an optional band (low, high)."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] | None = None
    high: Sequence[float] | None = None
    style: str = "line"  # line | points | dashed

    def within(self, x: tuple[float, float], y: tuple[float, float]) -> Curve:
        """The curve with a gap wherever it leaves these ranges."""
        seen = [
            b if x[0] <= a <= x[1] and y[0] <= b <= y[1] else math.nan
            for a, b in zip(self.x, self.y, strict=True)
        ]
        return replace(self, y=seen)


@dataclass(frozen=True)
class Picture:
    """One panel: curves on shared axes, a heat map (`grid` with x, y edges), or bars.

    labels : names of the rows of horizontal bars; the first curve gives their values as x, rows as
        y, and further curves are marks on the same rows
    columns : names of the columns of a heat map whose rows have `labels`
    """

    name: str
    title: str
    x_label: str
    y_label: str
    curves: Sequence[Curve] = ()
    grid: Any = None  # (len(y), len(x)) values
    grid_x: Sequence[float] = ()
    grid_y: Sequence[float] = ()
    grid_label: str = ""
    log_x: bool = False
    log_y: bool = False
    caption: str = ""
    labels: Sequence[str] = ()
    columns: Sequence[str] = ()


@dataclass(frozen=True)
class Table:
    """A table with units in its headings."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""


@dataclass(frozen=True)
class Result:
    """What an experiment found."""

    checks: tuple[Check, ...]
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """All checks hold, and there is at least one."""
        return bool(self.checks) and all(c.holds for c in self.checks)
