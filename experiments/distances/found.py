"""The answer of `toyrl distance`: numbers, pictures, a page, JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from toyrl import schemas
from toyrl.experiments.core import Curve, Picture, Table
from toyrl.experiments.distances.logs import LogDistances
from toyrl.experiments.distances.pairs import Pair, Trusted
from toyrl.experiments.distances.worlds import World
from toyrl.experiments.results import Answer, tables

DRAWN = 48  # states up to which every pair is drawn
KEPT = 20_000  # entries of a canonical form that JSON holds
ROUNDING = 1e-9  # of a distance, for who reads tables; JSON has the digits
SCALE = "distance: 0 the same order of policies, 2 the opposite"


@dataclass(frozen=True, repr=False)
class Distances(Answer):
    """How far apart rewards are.

    where : the process or the log; names : of the rewards
    matrix : (n, n) STARC distances, of a log pooled within prompts
    pairs : the first reward against each other one; () for a log
    log : bands and counts; None for a process
    notes : what was frozen, left out or taken
    """

    where: str
    names: tuple[str, ...]
    matrix: np.ndarray
    pairs: tuple[Pair, ...] = ()
    log: LogDistances | None = None
    world: World | None = None
    notes: tuple[str, ...] = ()
    command: str = ""
    exit_code: int = 0

    def lines(self) -> list[str]:
        """The answer for the first pair, and how many there are."""
        if self.pairs:
            more = len(self.pairs) - 1
            told = f"and {more} more rewards" if more else f"on {self.where}"
            return [self.pairs[0].sentence, told]
        i, j = np.unravel_index(np.argmax(self.matrix), self.matrix.shape)
        first, second = self.names[int(i)], self.names[int(j)]
        return [f"{first} and {second} are farthest apart: {self.matrix[i, j]:.2f}",
                f"{len(self.names)} columns of {self.where}"]  # fmt: skip

    # -- tables and pictures ----------------------------------------------------------------------
    def table(self) -> Table:
        """Every pair of names with its distance, of a log with its band."""
        n, rows = len(self.names), []
        for i in range(n):
            for j in range(i + 1, n):
                row: list[Any] = [self.names[i], self.names[j], _snapped(self.matrix[i, j])]
                if self.log is not None:
                    row += [float(self.log.low[i, j]), float(self.log.high[i, j])]
                rows.append(row)
        band = ("95% from", "to") if self.log is not None else ()
        caption = "Distance: 0 the same order of policies, 1 from a reward that orders nothing, 2 "
        return Table("distances", ("first", "second", "distance", *band), rows,
                     caption + "the opposite order")  # fmt: skip

    def tables_of(self, p: Pair) -> tuple[Table, ...]:
        """Metrics and tests of a pair, what may be lost, and where both differ most."""
        facts = [
            ["kind", p.kind],
            *([f"distance, {name}", _snapped(x)] for name, x in p.distances.items()),
            [f"{p.first} less {p.share:.4g} times {p.second} is shaping here", _said(p.holds)],
            ["the same for all laws of the next state", _said(p.transitions)],
            ["largest residual, by pairs", p.residual],
            ["what the rest can cost at most (W)", p.worst],
        ]
        facts += [[f"the distance bounds what {t.trusted} can lose under {t.truth}", _bounds(t)]
                  for t in p.trusted]  # fmt: skip
        lost: list[list[Any]] = []
        for t in p.trusted:
            lost.append([t.truth, t.trusted, t.share, t.words[0]])
            lost.append(["", "", None, f"called no worse: {t.words[1]}"])
        found = [Table("facts", ("fact", "answer"), facts, f"{p.first} and {p.second}")]
        if lost:
            found.append(
                Table("lost", ("under", "trusting", "can lose", "two policies in the wrong order"),
                      lost, "The most that can be lost, as a share of the range of returns")
            )  # fmt: skip
        balls = [t for t in p.trusted if t.ball]
        if balls:
            nats = [f"{x:g} nats" for x, _ in balls[0].ball]
            rows = [[t.truth, t.trusted, *(y for _, y in t.ball)] for t in balls]
            found.append(Table("ball", ("under", "trusting", *nats), rows,
                               "Lost when one is optimised within a KL ball of the base policies: "
                               "on a chain the bounds from the distance say nothing"))  # fmt: skip
        w = self.world
        if p.most and w is not None:
            rows = [[w.state(s), w.action(a), float(p.forms[0, s, a]), float(p.forms[1, s, a])]
                    for s, a in p.most]  # fmt: skip
            found.append(Table("most", ("state", "action", p.first, p.second), rows,
                               "Where they differ most (canonical rewards of norm 1)"))  # fmt: skip
        return tuple(found)

    def pictures(self) -> tuple[Picture, ...]:
        """The matrix, for more than two; where the first pair differs."""
        drawn = []
        if len(self.names) > 2:
            drawn.append(
                Picture("distances", "Distances between rewards", "", "",
                        grid=self.matrix.tolist(), labels=self.names, columns=self.names,
                        grid_label=SCALE)
            )  # fmt: skip
        drawn += [self._difference(k, p) for k, p in enumerate(self.pairs) if p.most]
        return tuple(drawn)

    def _difference(self, k: int, p: Pair) -> Picture:
        w = self.world
        assert w is not None
        gap, S = p.forms[0] - p.forms[1], w.mdp.n_states
        title = f"{p.first} less {p.second}"
        live = np.flatnonzero(w.mdp.usable.any(-1))
        if S <= DRAWN:
            shown = np.where(w.mdp.usable, gap, np.nan)[live]
            return Picture(f"difference-{k}", title, "", "", grid=shown.tolist(),
                           labels=[w.state(int(s)) for s in live],
                           columns=[w.action(a) for a in range(w.mdp.n_actions)],
                           grid_label="canonical rewards of norm 1, first less second")  # fmt: skip
        places = [f"{w.state(s)}: {w.action(a)}" for s, a in p.most]
        values = [float(gap[s, a]) for s, a in p.most]
        bars = Curve("first less second", values, list(range(len(places))))
        return Picture(f"difference-{k}", title, "canonical rewards of norm 1", "", (bars,),
                       labels=places)  # fmt: skip

    # -- forms ------------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """JSON form, schema toyrl.distance."""
        log = self.log
        return {
            "schema": schemas.tag("distance"),
            "where": self.where,
            "rewards": list(self.names),
            "distances": self.matrix.tolist(),
            "band": None if log is None else {
                "low": log.low.tolist(), "high": log.high.tolist(), "level": 0.95,
                "prompts": log.prompts, "rows": log.rows,
            },
            "pairs": [self._pair(p) for p in self.pairs],
            "notes": list(self.notes),
            "command": self.command,
        }  # fmt: skip

    def _pair(self, p: Pair) -> dict[str, Any]:
        w = self.world
        assert w is not None
        small = p.forms[0].size <= KEPT
        return {
            "first": p.first,
            "second": p.second,
            "kind": p.kind,
            "sentence": p.sentence,
            "distances": dict(p.distances),
            "potential": {
                "share": p.share, "residual": p.residual, "pairs": p.holds,
                "transitions": p.transitions, "worst_regret": p.worst,
            },
            "canonical": p.forms.tolist() if small else None,
            "lost": [
                {"truth": t.truth, "trusted": t.trusted, "share": t.share, "lost": t.lost,
                 "bounds": [t.least, t.most], "better": t.words[0], "worse": t.words[1],
                 "kl_ball": [list(x) for x in t.ball]}
                for t in p.trusted
            ],
            "most": [
                {"state": s, "action": a, "words": f"{w.state(s)}: {w.action(a)}",
                 "first": float(p.forms[0, s, a]), "second": float(p.forms[1, s, a])}
                for s, a in p.most
            ],
        }  # fmt: skip

    def forms(self) -> dict[str, Callable[[], str]]:
        """.html: the page; .csv, .md: the distances; .svg: the first picture."""
        from toyrl.experiments.render.html import distance_page
        from toyrl.experiments.render.svg.pictures import svg

        me: Any = self  # a type checker meets this file under two paths
        drawn = self.pictures()
        return {
            ".html": lambda: distance_page(me),
            **tables(self.table()),
            **({".svg": lambda: svg(drawn[0], standalone=True)} if drawn else {}),
        }


def _snapped(x: Any) -> float:
    """A number, 0 where it is rounding alone."""
    return 0.0 if abs(x) < ROUNDING else float(x)


def _said(answer: bool | None) -> str:
    return "not looked at" if answer is None else "yes" if answer else "no"


def _bounds(t: Trusted) -> str:
    if t.most >= 1:
        return f"at least {t.least:.2g}; the upper bound is above 1, it says nothing"
    return f"{t.least:.2g} to {t.most:.2g}"
