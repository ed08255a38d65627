"""The plan of a sweep: every number that its cells hang on, as one JSON document."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from toyrl import schemas
from toyrl.experiments.sweep.axes import Axis
from toyrl.experiments.sweep.parameters import BEHAVIOUR, CHAIN, PARAMETERS

ROWS = 128
"""Worlds that are trained in one part: lanes are full, and a kill loses a second of work."""
MOST = 1_000_000
"""Cells of a sweep."""


@dataclass(frozen=True)
class Plan:
    """What is swept.

    reward : as told; files : of the user -> sha256
    axes : the first changes fastest; at : parameters that all cells share
    worlds : "chain" or "behaviour"; draws : worlds of each cell; seed : of all draws
    estimator : where no axis says another; refine : cells are spent along the boundary
    """

    reward: str
    specs: tuple[str, ...]
    axes: tuple[Axis, ...]
    worlds: str
    draws: int
    at: Mapping[str, Any] = field(default_factory=dict)
    estimator: str = "grpo"
    seed: int = 0
    refine: bool = False
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """Values of each axis."""
        return tuple(len(a.values) for a in self.axes)

    @property
    def size(self) -> int:
        """Cells of the whole grid."""
        n = 1
        for m in self.shape:
            n *= m
        return n

    @property
    def part(self) -> int:
        """Cells that are trained together, and written together."""
        return max(1, ROWS // self.draws)

    @property
    def base(self) -> dict[str, Any]:
        """What a cell is where no axis says otherwise."""
        own = {
            p.name: p.default
            for p in PARAMETERS.values()
            if self.worlds in p.worlds and p.default is not None
        }
        if self.draws > 1 and self.worlds == CHAIN:  # the rest is drawn from the prior
            own = {k: own[k] for k in ("weight", "length", "limit", "beta")}
        return {**own, "estimator": self.estimator, **self.at}

    def cell(self, index: tuple[int, ...]) -> dict[str, Any]:
        """The setting at a place of the grid."""
        own = {a.name: a.values[i] for a, i in zip(self.axes, index, strict=True)}
        out = {**self.base, **own}
        if self.worlds == CHAIN:
            for p in PARAMETERS.values():
                if CHAIN in p.worlds:
                    out.setdefault(p.name, None)
        elif self.worlds == BEHAVIOUR:
            out.setdefault("group_size", None)
        return out

    def places(self) -> Iterator[tuple[int, ...]]:
        """All places of the grid, the first axis fastest."""
        for back in itertools.product(*(range(n) for n in reversed(self.shape))):
            yield tuple(reversed(back))

    def limits(self) -> list[int]:
        """The completion limits that cells have."""
        axis = next((a for a in self.axes if a.name == "limit"), None)
        return [int(v) for v in axis.values] if axis else [int(self.base["limit"])]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "schema": schemas.tag("sweep-plan"),
            "reward": self.reward,
            "specs": list(self.specs),
            "files": dict(self.files),
            "axes": [{"name": a.name, "values": list(a.values), "log": a.log} for a in self.axes],
            "at": dict(self.at),
            "worlds": self.worlds,
            "draws": self.draws,
            "estimator": self.estimator,
            "seed": self.seed,
            "refine": self.refine,
            "part": self.part,
        }

    def to_json(self) -> str:
        """Text of plan.json."""
        return json.dumps(self.to_dict(), indent=1, sort_keys=True) + "\n"

    @property
    def digest(self) -> str:
        """What the plan's parts carry, so that none of another plan is taken for one of it."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What differs between two plans, in words; "" for equal ones."""
    said = []
    for key in sorted({*before, *now}):
        old, new = before.get(key), now.get(key)
        if old == new:
            continue
        if key == "axes":
            a, b = ({x["name"]: x["values"] for x in v or ()} for v in (old, new))
            for name in dict.fromkeys([*a, *b]):
                if a.get(name) != b.get(name):
                    said.append(
                        f"axis {name}: {_brief(a.get(name))} there, {_brief(b.get(name))} now"
                    )
            if list(a) != list(b) and a == b:
                said.append("the order of the axes")
        elif key == "files":
            differ = [
                f
                for f in {**(old or {}), **(new or {})}
                if (old or {}).get(f) != (new or {}).get(f)
            ]
            said.append(f"the file {', '.join(differ)} holds something else")
        else:
            said.append(f"{key}: {old!r} there, {new!r} now")
    return "; ".join(said)


def _brief(values: Any) -> str:
    if values is None:
        return "none"
    if len(values) == 1:
        return f"{values[0]}"
    return f"{len(values)} values from {values[0]} to {values[-1]}"
