"""What mutants and honest rollouts are paid."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from toyrl.experiments.core import Curve, Picture, Table
from toyrl.experiments.validate.hacks.mutants import BASES, Mutant
from toyrl.graders.base import TextRow
from toyrl.worlds.text.render import RenderedRow

SHOWN = 20  # bars in the picture; the table has all
SEPARATES = 0.75  # chance that right is paid above wrong, from where a reward reads correctness
EPS = 1e-9
OTHER = 101  # added to gold to see whether a mutant's text moves with it


@dataclass(frozen=True)
class Paid:
    """What one mutant was paid: its bases, rows and values (None: unscorable)."""

    mutant: Mutant
    bases: tuple[RenderedRow, ...]
    rows: tuple[TextRow, ...]
    values: tuple[float | None, ...]

    @property
    def elsewhere(self) -> bool:
        """Whether its texts answer another problem than their bases."""
        pairs = zip(self.bases, self.rows, strict=True)
        return any(base.row.prompt != row.prompt for base, row in pairs)

    @property
    def numbers(self) -> list[float]:
        """Values that are numbers."""
        return [v for v in self.values if v is not None and math.isfinite(v)]

    @property
    def mean(self) -> float:
        """Mean value; NaN if none could be scored."""
        return fmean(self.numbers) if self.numbers else math.nan


@dataclass(frozen=True)
class Honest:
    """Values of honest rollouts."""

    right: list[float]
    wrong: list[float]

    @property
    def median(self) -> float:
        """Median of right ones."""
        return median(self.right)

    @property
    def half(self) -> float:
        """Half way from wrong ones to right ones, both in the median."""
        return (self.median + median(self.wrong)) / 2

    @property
    def high(self) -> float:
        """Upper quartile of all honest rollouts."""
        values = sorted(self.right + self.wrong)
        return values[(3 * len(values)) // 4]

    @property
    def worth(self) -> float:
        """What right is paid more than wrong, both in the median."""
        return self.median - median(self.wrong)

    @property
    def separates(self) -> bool:
        """Right ones are paid more, in the median and in three of four pairs."""
        pairs = [(a > b) + 0.5 * (a == b) for a in self.right for b in self.wrong]
        return self.median > median(self.wrong) + EPS and fmean(pairs) >= SEPARATES


def free(p: Paid) -> bool:
    """Whether its texts are a fixed edit of their bases: the same whatever the gold answer is."""
    return free_edit(p.mutant.apply, p.bases)


def free_edit(apply: Callable[[RenderedRow], TextRow], bases: Sequence[RenderedRow]) -> bool:
    """Whether an edit writes the same on these rollouts whatever the gold answer is."""
    return all(apply(b).completion == apply(other_gold(b)).completion for b in bases)


def other_gold(base: RenderedRow) -> RenderedRow:
    """The same text to a problem with another answer."""
    problem = base.problem
    gold = problem.gold + OTHER
    changed = replace(problem, values=(*problem.values[:-1], gold), answer=str(gold))
    return replace(base, problem=changed)


def without_gold(p: Paid) -> list[TextRow]:
    """Its texts as they would be for another gold answer, to the same problems."""
    return [replace(row, completion=p.mutant.apply(other_gold(base)).completion)
            for base, row in zip(p.bases, p.rows, strict=True)]  # fmt: skip


def best(p: Paid) -> tuple[RenderedRow, TextRow]:
    """The best paid text of a mutant, with its base."""
    i = max(range(len(p.rows)), key=lambda k: -math.inf if (v := p.values[k]) is None else v)
    return p.bases[i], p.rows[i]


# -- evidence --------------------------------------------------------------------------------------
def summary(paid: Sequence[Paid], reached: Sequence[Paid], honest: Honest) -> str:
    total = sum(not p.mutant.truth for p in paid) - 1
    if not honest.separates:
        return (
            f"The reward doesn't tell right from wrong; {len(reached)} of {total} wrong mutants "
            f"are paid at least like honest right rollouts."
        )
    if not reached:
        return f"None of {total} wrong mutants is paid like an honest right rollout."
    return (
        f"{len(reached)} of {total} wrong mutants are paid at least like an honest right rollout; "
        f"the best paid is {max(reached, key=lambda p: p.mean).mutant.name}."
    )


def status(p: Paid, honest: Honest) -> str:
    if math.isnan(p.mean):
        return "not scored"
    if p.mutant.family == "control":
        return "control"
    if p.mutant.truth:
        return "paid" if p.mean >= honest.median - EPS else "paid less"
    if p.mean >= honest.median - EPS:
        return "paid"
    # more than an honest wrong rollout: the bonus without the answer, say
    usual = median(honest.wrong) if honest.wrong else -math.inf
    return "paid in part" if p.mean > usual + EPS else "not paid"


def table(paid: Sequence[Paid], honest: Honest) -> Table:
    rows = [
        (
            i + 1,
            p.mutant.name,
            p.mutant.family,
            "right" if p.mutant.truth else "wrong",
            round(p.mean, 4),
            round(honest.median, 4),
            status(p, honest),
        )
        for i, p in enumerate(paid)
    ]
    return Table(
        "hacks",
        ("no.", "mutant", "family", "truth", "mean paid", "honest right median", "status"),
        rows,
        caption=f"Each mutant is applied to up to {BASES} honest rollouts.",
    )


def picture(paid: Sequence[Paid], honest: Honest) -> Picture:
    """The best-paid wrong completions, and the median of honest right ones."""
    wrong = [p for p in paid if not p.mutant.truth and not math.isnan(p.mean)]
    wrong = sorted(wrong, key=lambda p: -p.mean)[:SHOWN]
    rows = list(range(len(wrong)))
    return Picture(
        "hacks",
        "What the best-paid wrong completions get",
        "mean reward",
        "",
        (
            Curve("wrong completions", [p.mean for p in wrong], rows),
            Curve("honest right median", [honest.median] * len(rows), rows),
        ),
        caption="A bar that reaches its mark is an exploit.",
        labels=tuple(p.mutant.name for p in wrong),
    )
