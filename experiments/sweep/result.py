"""The answer of `toyrl sweep`: the map, where it turns, and the weight to take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from toyrl import schemas
from toyrl.experiments.core import Picture, Table
from toyrl.experiments.results import Answer, tables
from toyrl.experiments.sweep import boundary
from toyrl.experiments.sweep.boundary import Edge
from toyrl.experiments.sweep.cells import COLUMNS
from toyrl.experiments.sweep.plan import Plan

FAR = 40.0  # nats a completion; runs that are known rest 2 to 40 from their base


@dataclass(frozen=True, repr=False)
class Sweep(Answer):
    """A map over a grid of cells.

    columns : by `cells.COLUMNS`, arrays of the grid's shape, NaN where a cell was not trained
    words : SAFE, RISKY, UNSAFE, or "" there
    exported : weight -> the line that writes the reward for a trainer
    published : (name, {axis: value}) settings to mark
    """

    plan: Plan
    columns: dict[str, np.ndarray]
    words: np.ndarray
    exported: Callable[[float], str] = field(default=lambda _: "", repr=False)
    published: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    command: str = ""
    trained: int = 0
    seconds: float = 0.0

    @cached_property
    def whole(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Words and columns with cells that were not trained as their nearest trained one."""
        return boundary.filled(self.words, self.columns)

    @cached_property
    def edges(self) -> list[Edge]:
        """Where each setting of the other axes turns."""
        return boundary.edges(self.plan, self.whole[1], self.whole[0])

    @property
    def safe(self) -> float | None:
        """The largest value of the strength axis that is good at every setting; None: none is."""
        found = [e.safe for e in self.edges]
        return None if not found or None in found else min(x for x in found if x is not None)

    @property
    def lost(self) -> float | None:
        """The smallest value that collapses at some setting; None where none does."""
        return min((e.lost for e in self.edges if e.lost is not None), default=None)

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """1 where no value of the strength axis is good at every setting, else 0."""
        return int(bool(self.edges) and self.safe is None)

    # -- in words ----------------------------------------------------------------------------------
    @property
    def sentence(self) -> str:
        """The largest good weight, and the first that collapses, with intervals."""
        axis = boundary.strength(self.plan)
        if axis is None:
            good = int((self.words == boundary.GOOD).sum())
            return f"{good} of {self.trained} cells are forecast to be good; no axis is a strength."
        name = self.plan.axes[axis].name
        return f"{self._safe(name)} {self._lost(name)}"

    def _safe(self, name: str) -> str:
        if self.safe is None:
            where = next(e for e in self.edges if e.safe is None)
            return f"No {name} tried is forecast to be good{self._where(where)}."
        tight = min(self.edges, key=lambda e: e.safe or 0.0)
        most = max(e.safe or 0.0 for e in self.edges)
        end = " (the end of what was tried)" if self.lost is None else ""
        next_up = end if tight.safe_high is None else f" (it turns by {tight.safe_high:.3g})"
        said = (
            f"Largest {name} whose forecast is good: {self.safe:.3g}{next_up}{self._where(tight)}"
        )
        return f"{said}, up to {most:.3g} elsewhere." if most > self.safe else f"{said}."

    def _lost(self, name: str) -> str:
        if self.lost is None:
            return "None that was tried collapses."
        first = min((e for e in self.edges if e.lost is not None), key=lambda e: e.lost or 0.0)
        since = "" if first.lost_low is None else f" (not yet at {first.lost_low:.3g})"
        return f"First that collapses: {self.lost:.3g}{since}{self._where(first)}."

    def _where(self, edge: Edge) -> str:
        axis = boundary.strength(self.plan)
        others = [a for i, a in enumerate(self.plan.axes) if i != axis and len(a.values) > 1]
        places = [p for i, p in zip([i for i in range(len(self.plan.axes)) if i != axis], edge.at,
                                    strict=True) if len(self.plan.axes[i].values) > 1]  # fmt: skip
        said = [f"{a.name} {_shown(a.values[p])}" for a, p in zip(others, places, strict=True)]
        return f", at {', '.join(said)}" if said else ""

    @property
    def export_line(self) -> str:
        """What writes the reward at the largest good weight; "" where there is none."""
        return "" if self.safe is None else self.exported(self.safe)

    def lines(self) -> list[str]:
        """The sentence, the worlds, the export line."""
        plan = self.plan
        size = " x ".join(str(n) for n in plan.shape)
        some = "" if self.trained == plan.size else f", {self.trained} of them trained"
        each = "one world" if plan.draws == 1 else f"{plan.draws} worlds"
        how = f"{plan.reward}: {size} cells{some}, {each} of {plan.worlds} each"
        return [x for x in (self.sentence, self.distance, how, self.export_line) if x]

    @property
    def distance(self) -> str:
        """A warning where cells end farther from the base than runs do; else ""."""
        nats = self.columns["kl"]
        far = int((nats > FAR).sum())
        if not far:
            return ""
        return (
            f"{far} of {self.trained} cells end more than {FAR:g} nats a completion from the base "
            f"(up to {np.nanmax(nats):.3g}), farther than known runs: there the map shows where "
            f"training leads, not where a run stops; ask for fewer updates."
        )

    # -- as tables and pictures --------------------------------------------------------------------
    def rows(self) -> Iterator[list[Any]]:
        """A row for each cell that was trained: axes, columns, word; the first axis fastest."""
        for place in self.plan.places():
            if self.words[place]:
                at = [a.values[i] for a, i in zip(self.plan.axes, place, strict=True)]
                found = [float(self.columns[c][place]) for c in COLUMNS]
                yield [*at, *found, str(self.words[place])]

    @property
    def heads(self) -> list[str]:
        """Names of the columns of `rows`."""
        return [*(a.name for a in self.plan.axes), *COLUMNS, "forecast"]

    def table(self) -> Table:
        """All cells."""
        return Table("cells", self.heads, list(self.rows()))

    def edge_table(self) -> Table:
        """Where each setting of the other axes turns; at most 16 of them, evenly chosen."""
        axis = boundary.strength(self.plan)
        others = [a for i, a in enumerate(self.plan.axes) if i != axis]
        shown = self.edges[:: -(-len(self.edges) // 16)] if self.edges else []
        rows = [
            [*(_shown(a.values[i]) for a, i in zip(others, e.at, strict=True)), _number(e.safe),
             _number(e.lost)]
            for e in shown
        ]  # fmt: skip
        name = self.plan.axes[axis].name if axis is not None else "strength"
        heads = [*(a.name for a in others), f"largest good {name}", "first that collapses"]
        return Table("boundary", heads, rows)

    def pictures(self) -> tuple[Picture, ...]:
        """The map of the forecast with its boundary, then accuracy and length."""
        from toyrl.experiments.sweep.picture import pictures

        return pictures(self)

    def forms(self) -> dict[str, Callable[[], str]]:
        """.csv, .md: all cells; .svg: the map; .html: a page with sliders."""
        from toyrl.experiments.render.svg.pictures import svg
        from toyrl.experiments.sweep.page import page

        return {
            **tables(self.table()),
            ".svg": lambda: svg(self.pictures()[0], standalone=True),
            ".html": lambda: page(self),
        }

    def card(self) -> str:
        """The map and the sentence, for a notebook."""
        from markupsafe import escape

        from toyrl.experiments.render.svg.pictures import svg

        return f"<p>{escape(self.sentence)}</p>{svg(self.pictures()[0], standalone=True)}"

    def to_dict(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "schema": schemas.tag("sweep"),
            "command": self.command,
            "plan": self.plan.to_dict(),
            "sentence": self.sentence,
            "largest_good": self.safe,
            "first_collapse": self.lost,
            "export": self.export_line,
            "trained": self.trained,
            "edges": [
                {"at": list(e.at), "safe": e.safe, "safe_high": e.safe_high, "lost": e.lost,
                 "lost_low": e.lost_low}
                for e in self.edges
            ],
            "published": [{"name": n, "at": dict(v)} for n, v in self.published],
        }  # fmt: skip


def _shown(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _number(x: float | None) -> str:
    return "none" if x is None else f"{x:.3g}"
