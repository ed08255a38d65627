"""The answer of `toyrl grade`: numbers a row, a summary of every part, what couldn't be read."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from toyrl import schemas
from toyrl.experiments.core import Curve, Picture, Table
from toyrl.experiments.errors import UsageError
from toyrl.experiments.results import Answer
from toyrl.extras import install

BINS = 10
BLOCKS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True, repr=False)
class Grades(Answer):
    """What a task's reward pays N rows.

    reward : its expression; rows : N
    parts : name -> (N,), which add up to total (N,); facts : name -> (N,), what explains them.
        NaN where it can't be graded
    problems : N reasons, "" where all was read; seconds : of grading alone
    """

    reward: str
    rows: int
    parts: Mapping[str, np.ndarray]
    facts: Mapping[str, np.ndarray]
    total: np.ndarray
    problems: Sequence[str]
    seconds: float = 0.0
    notes: Sequence[str] = ()
    command: str = ""

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """1 where no row could be graded."""
        return int(bool(np.isnan(self.total).all()))

    @property
    def unread(self) -> int:
        """Rows of which something couldn't be read."""
        return sum(bool(problem) for problem in self.problems)

    @property
    def milliseconds(self) -> float:
        """A row."""
        return 1000 * self.seconds / max(self.rows, 1)

    @property
    def measured(self) -> dict[str, np.ndarray]:
        """The reward, its parts where there are several, and the facts, by name."""
        several = self.parts if len(self.parts) > 1 else {}
        return {"reward": self.total, **several, **self.facts}

    def reasons(self) -> list[tuple[str, int]]:
        """What couldn't be read, with the number of rows, the most frequent first."""
        return Counter(problem for problem in self.problems if problem).most_common()

    def lines(self) -> list[str]:
        """Mean reward, what couldn't be read, the speed."""
        known = self.total[np.isfinite(self.total)]
        paid = "no reward"
        if known.size:
            paid = f"mean reward {known.mean():.4g}, spread {known.std():.3g}"
        head = f"{self.reward}: {_rows(self.rows)}, {paid}"
        said = [f"{head}; {self.milliseconds:.3g} ms a row"]
        if self.unread:
            first, count = self.reasons()[0]
            said.append(
                f"{_rows(self.unread)} couldn't be read in full; most often ({count}): {first}"
            )
        if self.rows > known.size:
            none = self.rows - known.size
            said.append(f"{_rows(none)} {'has' if none == 1 else 'have'} no reward")
        return said

    def table(self) -> Table:
        """A row for the reward, each part and each fact, with a histogram in ten steps."""
        rows = []
        for name, values in self.measured.items():
            known = values[np.isfinite(values)]
            if not known.size:
                rows.append([name, "", "", "", "", "", "", self.rows])
                continue
            low, middle, high = np.quantile(known, (0.0, 0.5, 1.0))
            bars = _bars(known)
            numbers = (f"{x:.4g}" for x in (known.mean(), known.std(), low, middle, high))
            rows.append([name, *numbers, bars, self.rows - known.size])
        return Table(
            "grades",
            ("", "mean", "spread", "least", "median", "most", "histogram", "no number"),
            rows,
        )

    def reason_table(self) -> Table:
        """What couldn't be read, and how often."""
        return Table(
            "unread", ("rows", "what couldn't be read"), [[n, r] for r, n in self.reasons()]
        )

    def long_table(self) -> Table:
        """A row for each text, in the order of the file, counted from 1."""
        names = ["row", *self.measured, "problem"]
        columns = [
            range(1, self.rows + 1),
            *([_blank(x) for x in values] for values in self.measured.values()),
            self.problems,
        ]
        return Table("rows", names, [list(row) for row in zip(*columns, strict=True)])

    def pictures(self) -> tuple[Picture, ...]:
        """A histogram of the reward and of each part."""
        return tuple(_histogram(name, values) for name, values in self.measured.items())

    def to_dict(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "schema": schemas.tag("grade"),
            "command": self.command,
            "reward": self.reward,
            "rows": self.rows,
            "unread": self.unread,
            "milliseconds": self.milliseconds,
            "total": [_null(x) for x in self.total],
            "parts": {n: [_null(x) for x in v] for n, v in self.parts.items()},
            "facts": {n: [_null(x) for x in v] for n, v in self.facts.items()},
            "problems": list(self.problems),
            "notes": list(self.notes),
            "exit_code": self.exit_code,
        }

    def forms(self) -> dict[str, Callable[[], str]]:
        """.csv: every row; .md: the summary; .svg: the histogram of the reward."""
        from toyrl.experiments.render.folder import csv_table, markdown_table
        from toyrl.experiments.render.svg.pictures import svg

        return {
            ".csv": lambda: csv_table(self.long_table()),
            ".md": lambda: markdown_table(self.table()),
            ".svg": lambda: svg(self.pictures()[0], standalone=True),
        }

    def save(self, path: str | Path) -> Path:
        """As `Answer.save`; .parquet too, every row (package pyarrow)."""
        place = Path(path)
        if place.suffix.lower() != ".parquet":
            return super().save(place)
        from toyrl.experiments.commands.output import refuse_unwritable
        from toyrl.files import write_file

        refuse_unwritable("path", place)
        write_file(place, self.parquet())
        return place

    def parquet(self) -> bytes:
        """Every row as a parquet file; UsageError without pyarrow."""
        from toyrl.experiments.render.columnar import parquet

        names = {n: [_null(x) for x in v] for n, v in self.measured.items()}
        rows = {"row": range(1, self.rows + 1), **names, "problem": self.problems}
        made = parquet(rows)
        if made is None:
            msg = f"writing parquet needs pyarrow: {install('sweep')}; or write .csv"
            raise UsageError(msg)
        return made


def _bars(known: np.ndarray) -> str:
    """Ten blocks from the least to the most; one where all are equal."""
    if known.min() == known.max():
        return BLOCKS[-1]
    counts = np.histogram(known, bins=BINS)[0]
    steps = np.ceil((len(BLOCKS) - 1) * counts / counts.max()).astype(int)
    return "".join(BLOCKS[s] for s in steps)


def _histogram(name: str, values: np.ndarray) -> Picture:
    known = values[np.isfinite(values)]
    counts, edges = np.histogram(known, bins=BINS) if known.size else (np.zeros(1), np.arange(2))
    labels = tuple(f"{a:.3g} to {b:.3g}" for a, b in itertools.pairwise(edges))
    rows = list(range(len(counts)))
    return Picture(
        f"grade-{name}", f"Rows by {name}", "rows", "", labels=labels,
        curves=(Curve(name, counts.tolist(), rows),),
        caption=f"{known.size} rows; {len(values) - known.size} have no number.",
    )  # fmt: skip


def _rows(n: int) -> str:
    return f"{n:,} row{'s' * (n != 1)}"


def _null(x: float) -> float | None:
    return None if np.isnan(x) else float(x)


def _blank(x: float) -> float | str:
    return "" if np.isnan(x) else float(x)
