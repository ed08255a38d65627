"""A text reward on behaviours: graded on about a hundred rendered texts, interpolated between.

An `Author` writes them: `arithmetic` here, `task_texts.author` for the texts of a task.

The design holds right and wrong answers, readable or not, of six lengths; cut ones; and, at the
typical length, texts with more and more sentences of each kind that can be added for nothing. A
rollout's value is that of its answer, form and length, plus what its re-checks and its padding add;
padding is of the kind that is paid best, since training finds that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from toyrl.graders.base import TextRow
from toyrl.worlds.behaviour.knobs import Array
from toyrl.worlds.behaviour.rollouts import Played
from toyrl.worlds.text.dialects import Dialect
from toyrl.worlds.text.problems import Problem, make_problem
from toyrl.worlds.text.render import RenderedRow, render

FACTORS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Lengths of the design over the typical one, as far as the limit allows."""
ADDED = ("FILL", "CHECK", "REPEAT", "STEP", "phrases")
COUNTS = (4, 16, 64)
COPIES = 2
STEPS = 4
BINS, SEVERAL = 10, 3
"""Lengths that a design of many is read at, and texts of one length that have a spread."""
SENTENCE = 14.0
"""Tokens of a written sentence, about."""


@dataclass(frozen=True)
class Cell:
    """One text of the design: what it shows; `count` of the lines `added` are in it for nothing."""

    right: bool
    formed: bool
    cut: bool
    tokens: float
    added: str
    count: int
    row: TextRow


@dataclass(frozen=True)
class Shown:
    """What a text is to show: as in `Cell`, with its length in tokens.

    who : whose answer it gives: 0 the right one, 1 the common wrong one, others other wrong ones;
        None: the right one, or a mistake as it comes
    """

    right: bool
    formed: bool
    tokens: float
    cut: bool = False
    kind: str = ""
    count: int = 0
    who: int | None = None


class Author(Protocol):
    """Writes the texts of a design on problems of its own."""

    def __call__(self, number: int, shown: Shown, seed: int) -> tuple[TextRow, int]:
        """A text with its length declared, and whose answer it gives, -1 where none can be read.

        number : which problem; seed : of the wording
        """
        ...


def arithmetic(dialect: str | Dialect) -> Author:
    """Texts on arithmetic problems in a layout."""

    def write(number: int, shown: Shown, seed: int) -> tuple[TextRow, int]:
        problem, who = make_problem(STEPS, number), shown.who
        made = written(
            dialect, problem, shown.right, shown.formed, shown.tokens, shown.cut, shown.kind,
            shown.count, seed, None if shown.right or who is None else problem.gold + who,
        )  # fmt: skip
        return made.row, (0 if shown.right else who or 1) if shown.formed else -1

    return write


def design(write: Author, length: float, limit: float, seed: int = 0) -> list[Cell]:
    """The texts of this author, in the layout in which the reward reads answers; length, limit in
    tokens."""
    cells: list[Cell] = []

    def add(right: bool, formed: bool, tokens: float, cut: bool = False, kind: str = "",
            count: int = 0) -> None:  # fmt: skip
        shown = Shown(right, formed, tokens, cut, kind, count)
        for copy in range(COPIES):
            number = seed + 1000 * copy + len(cells)
            row, _ = write(number, shown, number)
            cells.append(Cell(right, formed, cut, row.tokens, kind, count, row))

    for tokens in lengths(length, limit):
        for right in (True, False):
            for formed in (True, False):
                add(right, formed, tokens)
    for _ in range(2):
        add(False, False, limit, cut=True)
    for kind in ADDED:
        for count in COUNTS:
            if count * SENTENCE + length < limit or count == COUNTS[0]:
                for right in (True, False):
                    add(right, True, length, kind=kind, count=count)
                add(False, False, limit, cut=True, kind=kind, count=count)
    return cells


def lengths(length: float, limit: float) -> list[float]:
    """The design's lengths in tokens."""
    return sorted({min(f * length, limit) for f in FACTORS})


def written(
    dialect: str | Dialect,
    problem: Problem,
    right: bool,
    formed: bool,
    tokens: float,
    cut: bool,
    kind: str,
    count: int,
    seed: int,
    answer: int | None = None,
) -> RenderedRow:
    """A text that shows this; answer : of a wrong one, None: what its work comes to."""
    steps = min(STEPS, int(tokens / SENTENCE))
    actions, flags = ["STEP"] * steps, [""] * steps
    if not right and steps:
        flags[seed % steps] = "slip"
    if kind and kind != "phrases":
        actions, flags = actions + [kind] * count, flags + [""] * count
    phrases = count if kind == "phrases" and actions else 0
    if cut:  # the last sentence is lost
        actions, flags = [*actions, "FILL"], [*flags, ""]
    else:
        actions, flags = [*actions, "ANSWER"], [*flags, ""]
    whole = max(tokens, (len(actions) + phrases) * SENTENCE) if kind else tokens
    return render(
        problem,
        actions,
        dialect=dialect,
        correct=right,
        truncated=cut,
        flags=flags,
        seed=seed,
        phrases=phrases,
        keep_format=formed,
        tokens=max(int(whole), 1),
        tokens_per_action=whole / len(actions),
        answer=answer,
    )


@dataclass(frozen=True)
class TextReward:
    """Values of a reward on the design.

    grid : (N,) log tokens; table : (2, 2, N) by wrong/right, unreadable/readable, length
    cut : of truncated texts
    added : kind -> (3, M) what `COUNTS` of its sentences add to wrong, right and truncated texts
    padding : the kind that is paid best
    noise : (2, 2) standard deviation of texts of one answer, form and length
    """

    grid: Array
    table: Array
    cut: float
    added: dict[str, Array]
    padding: str
    noise: Array = field(default_factory=lambda: np.zeros((2, 2)))

    def of(self, p: Played) -> Array:
        """(W, B, G) values of rollouts."""
        right, formed = (p.right > 0).astype(int), (p.formed > 0).astype(int)
        log = np.log(p.length)
        value = np.select(
            [(right == a) & (formed == b) for a in (0, 1) for b in (0, 1)],
            [np.interp(log, self.grid, self.table[a, b]) for a in (0, 1) for b in (0, 1)],
        )
        value = value + self.noise[right, formed] * p.judge
        cut = np.full_like(value, self.cut)
        for kind, count in (("CHECK", p.rounds), (self.padding, p.units)):
            wrong, fine, broken = (reached(count, row) for row in self.added[kind])
            value = value + np.where(right == 1, fine, wrong) * formed
            cut = cut + broken
        return np.where(p.cut, cut, value)

    def to_dict(self) -> dict[str, Any]:
        """JSON form, numbers to five significant digits."""
        added = {kind: _plain(rows) for kind, rows in self.added.items() if kind in self.kinds}
        own = {name: _plain(getattr(self, name)) for name in ("grid", "table", "noise")}
        return {**own, "cut": _plain(self.cut), "added": added, "padding": self.padding}

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of sentences whose price counts."""
        return ("CHECK", self.padding)

    @classmethod
    def from_dict(cls, x: Mapping[str, Any]) -> TextReward:
        """The reward that `to_dict` wrote."""
        added = {kind: np.array(rows) for kind, rows in x["added"].items()}
        grid, table, noise = (np.array(x[name]) for name in ("grid", "table", "noise"))
        return cls(grid, table, float(x["cut"]), added, x["padding"], noise)


def _plain(x: Any) -> Any:
    rounded = np.vectorize(lambda v: float(f"{v:.5g}"))(np.asarray(x, dtype=float))
    return rounded.tolist()


def reached(count: Array, row: Array) -> Array:
    """What sentences add, straight between the counts looked at and on beyond them; same shape."""
    at = np.array([0.0, *COUNTS[: len(row)]])
    y = np.array([0.0, *row])
    slope = (y[-1] - y[-2]) / (at[-1] - at[-2])
    return np.interp(count, at, y) + slope * np.maximum(count - at[-1], 0.0)


def graded(cells: Sequence[Cell], values: Sequence[float | None]) -> TextReward:
    """The reward as a function of behaviours, from its values on the design.

    Texts that could not be scored count as the mean of those of their answer and form, or 0.
    """
    v = np.array([np.nan if x is None else x for x in values], dtype=float)
    grid = _grid([c.tokens for c in cells if not c.cut and not c.added])
    at = np.array([int(np.argmin(np.abs(np.log(max(c.tokens, 1.0)) - grid))) for c in cells])
    plain = np.array([not c.cut and not c.added for c in cells])
    kind = np.array([2 * c.right + c.formed for c in cells])
    table, noise = np.zeros((2, 2, len(grid))), np.zeros((2, 2))
    for a in (0, 1):
        for b in (0, 1):
            own = plain & (kind == 2 * a + b)
            table[a, b], noise[a, b] = _by_length(v, own, at, grid)
    cut = _mean(v, np.array([c.cut and not c.added for c in cells]), 0.0)
    added = {"CHECK": np.zeros((3, len(COUNTS)))}
    for name in dict.fromkeys(c.added for c in cells if c.added):
        added[name] = _added(cells, v, name, table, grid, cut)
    paid = {name: rows[:2, min(1, rows.shape[1] - 1)].mean() for name, rows in added.items()}
    return TextReward(grid, table, cut, added, max(paid, key=paid.__getitem__), noise)


def _grid(tokens: Sequence[float]) -> Array:
    """(N,) increasing log lengths: those that there are, or `BINS` over them."""
    log = np.log(np.maximum(sorted(set(tokens)), 1.0))
    if len(log) <= BINS:
        return np.unique(log)
    return np.unique(np.quantile(np.log(np.maximum(tokens, 1.0)), np.linspace(0.02, 0.98, BINS)))


def _mean(v: Array, keep: Array, otherwise: float) -> float:
    rows = v[keep & np.isfinite(v)]
    return float(rows.mean()) if len(rows) else otherwise


def _by_length(v: Array, own: Array, at: Array, grid: Array) -> tuple[Array, float]:
    """Means (N,) of texts of one kind by length, between those that there are where there is none;
    and the standard deviation about them, where a length has several."""
    here = own & np.isfinite(v)
    if not here.any():
        return np.zeros(len(grid)), 0.0
    known = np.unique(at[here])
    means = np.array([v[here & (at == k)].mean() for k in known])
    table = np.interp(grid, grid[known], means)
    several = here & np.isin(at, [k for k in known if (here & (at == k)).sum() >= SEVERAL])
    rest = (v - table[at])[several]
    return table, float(rest.std()) if len(rest) else 0.0


def _added(
    cells: Sequence[Cell], v: Array, kind: str, table: Array, grid: Array, cut: float
) -> Array:
    """(3, M) what M counts of one kind of sentence add to wrong, right and truncated texts."""
    counts = sorted({c.count for c in cells if c.added == kind})
    rows = np.zeros((3, len(counts)))
    for a, (right, broken) in enumerate(((False, False), (True, False), (False, True))):
        for k, n in enumerate(counts):
            here = np.array(
                [(c.added, c.count, c.right, c.cut) == (kind, n, right, broken) for c in cells]
            )
            if not here.any():
                continue
            tokens = np.mean([c.tokens for c, h in zip(cells, here, strict=True) if h])
            base = cut if broken else float(np.interp(np.log(tokens), grid, table[a, 1]))
            rows[a, k] = _mean(v, here, base) - base
    return rows
