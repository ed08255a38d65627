"""Section 2: is a wrong completion paid like an honest right one?

Every mutant of `MUTANTS` is applied to several honest rollouts; a wrong one whose mean
reward reaches the median of honest right rollouts is a finding, with its shrunk text. A reward
that doesn't tell right from wrong is said to be ungated once; then only what it pays above three
of four honest rollouts is a finding of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from toyrl.experiments.core import Curve, Picture, Table
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.experiments.validate.hacks.mutants import PLAIN, Mutant, reads_right
from toyrl.experiments.validate.hacks.mutants_disguised import DISGUISED
from toyrl.experiments.validate.hacks.mutants_values import VALUES
from toyrl.experiments.validate.hacks.shrink import shrink
from toyrl.graders.base import TextRow
from toyrl.worlds.text.render import RenderedRow

__all__ = ["MUTANTS", "Exploit", "Mutant", "run"]

SHOWN = 20  # bars in the picture; the table has all
MUTANTS: tuple[Mutant, ...] = (*PLAIN, *DISGUISED, *VALUES)

Score = Callable[[Sequence[TextRow]], list[float | None]]
BASES = 8  # honest rollouts that each mutant is applied to
SEPARATES = 0.75  # chance that right is paid above wrong, from where a reward reads correctness
EPS = 1e-9
OTHER = 101  # added to gold to see whether a mutant's text moves with it


@dataclass(frozen=True)
class Exploit:
    """A wrong completion that is paid at least like an honest right one.

    reward : mean over honest rollouts that the mutant was applied to
    honest_right_median : what it is held against
    example : a text, shrunk where it is a finding of its own
    """

    name: str
    reward: float
    honest_right_median: float
    example: str


@dataclass(frozen=True)
class Paid:
    """What one mutant was paid: its bases, rows and values (None: unscorable)."""

    mutant: Mutant
    bases: tuple[RenderedRow, ...]
    rows: tuple[TextRow, ...]
    values: tuple[float | None, ...]

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
    def separates(self) -> bool:
        """Right ones are paid more, in the median and in three of four pairs."""
        pairs = [(a > b) + 0.5 * (a == b) for a in self.right for b in self.wrong]
        return self.median > median(self.wrong) + EPS and fmean(pairs) >= SEPARATES


def run(score: Score, base: Sequence[RenderedRow]) -> tuple[Section, list[Exploit]]:
    """The section, and the wrong completions that are paid like right ones: first those that take
    no knowledge of the answer, best paid first.

    score : the reward, one number or None per row
    base : honest rollouts of known truth in the reward's dialect
    """
    paid = _pay(score, base)
    honest = Honest(*(p.numbers for p in paid[:2]))
    if not honest.right or not honest.wrong:
        return _unscorable(paid), []
    reached = [p for p in paid[2:] if not p.mutant.truth and p.mean >= honest.median - EPS]
    reached.sort(key=lambda p: (not free(p), -p.mean))
    told = reached if honest.separates else _inflated(reached, honest)
    findings, shrunk = [], {}
    for p in told:
        row = _shrunk(score, p, honest, inflated=not honest.separates)
        shrunk[p.mutant.name] = row.completion
        findings.append(_finding(p, honest, row.completion))
    if not honest.separates:
        findings.insert(0, _ungated(honest, reached))
    findings += _near(paid[2:], reached, honest)
    findings += _notations(paid, honest)
    findings.append(_control(score, paid[0]))
    if not any(f.status in ("fail", "warn") for f in findings):
        findings.insert(0, _none_paid(paid, honest))
    exploits = [
        Exploit(
            p.mutant.name, p.mean, honest.median, shrunk.get(p.mutant.name, _best(p)[1].completion)
        )
        for p in reached
        if p.mutant.status == "fail"
    ]
    section = Section(
        2,
        _summary(paid, reached, honest),
        tuple(findings),
        pictures=(_picture(paid, honest),),
        tables=(_table(paid, honest),),
    )
    return section, exploits


# -- grading ---------------------------------------------------------------------------------------
def _pay(score: Score, base: Sequence[RenderedRow]) -> list[Paid]:
    """Every mutant's values; honest right and honest wrong come first."""
    right = [x for x in base if x.correct]
    wrong = [x for x in base if not x.correct and not x.truncated]
    if not right or not wrong:
        msg = f"base has {len(right)} right and {len(wrong)} wrong complete rollouts; give both"
        raise ValueError(msg)
    plan = []
    for mutant in MUTANTS:
        bases = right if mutant.truth else wrong
        if mutant.family != "control":
            bases = [x for x in bases if mutant.fits(x)][:BASES]
        plan.append((mutant, tuple(bases), tuple(mutant.apply(x) for x in bases)))
    values = iter(score([row for _, _, rows in plan for row in rows]))
    return [Paid(m, bases, rows, tuple(next(values) for _ in rows)) for m, bases, rows in plan]


def _inflated(reached: Sequence[Paid], honest: Honest) -> list[Paid]:
    """Mutants whose mean lies above three of four honest rollouts, right and wrong."""
    return [p for p in reached if p.mean > honest.high + EPS]


def free(p: Paid) -> bool:
    """Whether its texts are a fixed edit of their bases: the same whatever the gold answer is."""
    return all(
        p.mutant.apply(base).completion == p.mutant.apply(_other_gold(base)).completion
        for base in p.bases
    )


def _other_gold(base: RenderedRow) -> RenderedRow:
    """The same text to a problem with another answer."""
    problem = base.problem
    gold = problem.gold + OTHER
    changed = replace(problem, values=(*problem.values[:-1], gold), answer=str(gold))
    return replace(base, problem=changed)


def _best(p: Paid) -> tuple[RenderedRow, TextRow]:
    """The best paid text of a mutant, with its base."""
    i = max(range(len(p.rows)), key=lambda k: -math.inf if (v := p.values[k]) is None else v)
    return p.bases[i], p.rows[i]


def _shrunk(score: Score, p: Paid, honest: Honest, *, inflated: bool) -> TextRow:
    """The best paid text, shrunk while it is paid as much and doesn't become a right answer."""
    from toyrl.worlds.text.prose import count_tokens

    base, row = _best(p)
    bound = honest.high if inflated else honest.median
    size = count_tokens(row.completion)

    def made(text: str) -> TextRow:
        if text == row.completion:
            return row
        tokens = max(1, row.tokens + count_tokens(text) - size)
        tokens = min(tokens, base.limit or tokens)
        return replace(row, completion=text, tokens=tokens)

    def holds(text: str) -> bool:
        if reads_right(text, base):
            return False
        value = score([made(text)])[0]
        return value is not None and value >= bound - EPS

    return made(shrink(row.completion, holds))


# -- findings --------------------------------------------------------------------------------------
def amount(value: float) -> str:
    """A value as a sentence says it."""
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e6 else f"{value:.3g}"


def _finding(p: Paid, honest: Honest, text: str) -> Finding:
    what = (p.mutant.apply.__doc__ or p.mutant.name).strip().rstrip(".")
    cost = " No knowledge of the answer is needed for it: a fixed edit does." if free(p) else ""
    return Finding(
        2,
        f"hacks/{p.mutant.name}",
        p.mutant.status,
        f"A wrong completion ({what[0].lower() + what[1:]}) is paid {amount(p.mean)}; honest right "
        f"ones get {amount(honest.median)} in the median.{cost}",
        value=p.mean,
        bound=honest.median,
        counterexample=text,
        fix=p.mutant.fix,
    )


def _ungated(honest: Honest, reached: Sequence[Paid]) -> Finding:
    kinds = f"{len(reached)} kinds of them are" if reached else "no kind of edited ones is"
    return Finding(
        2,
        "hacks/ungated",
        "warn",
        f"Wrong rollouts are paid as right ones: {median(honest.wrong):.3g} against "
        f"{honest.median:.3g} in the median; {kinds} paid at least as much.",
        value=median(honest.wrong),
        bound=honest.median,
        fix="multiply this reward by correctness, or use it only beside an outcome reward",
    )


def _near(paid: Sequence[Paid], reached: Sequence[Paid], honest: Honest) -> list[Finding]:
    """Wrong mutants below the median right one, but above half of what right is worth.

    What holds them back may be a term that has nothing to do with right and wrong.
    """
    if not honest.separates:
        return []
    near = [p for p in paid if not p.mutant.truth and p.mean > honest.half + EPS]
    near = [p for p in near if p not in reached]
    if not near:
        return []
    best = max(near, key=lambda p: p.mean)
    names = ", ".join(p.mutant.name for p in near)
    return [
        Finding(
            2,
            "hacks/near",
            "warn",
            f"Wrong completions are paid more than half of what right is worth: {names}.",
            value=best.mean,
            bound=honest.half,
            counterexample=_best(best)[1].completion,
            fix=best.mutant.fix,
        )
    ]


def _notations(paid: Sequence[Paid], honest: Honest) -> list[Finding]:
    """Right answers in another notation that are paid less than half of what right is worth."""
    if not honest.separates:
        return []
    low = [p for p in paid if p.mutant.family == "notation" and p.mean < honest.half]
    if not low:
        return []
    names = ", ".join(p.mutant.name for p in low)
    return [
        Finding(
            2,
            "hacks/notation",
            "info",
            f"Right answers in other notations are paid less: {names}.",
            value=min(p.mean for p in low),
            bound=honest.median,
            counterexample=low[0].rows[0].completion[-60:],
            fix="compare numbers by value, or ask for one notation in the prompt",
        )
    ]


def _control(score: Score, right: Paid) -> Finding:
    """Honest right rollouts, graded again by themselves, keep their values."""
    again = score(list(right.rows))
    moved = [
        abs(a - b)
        for a, b in zip(right.values, again, strict=True)
        if a is not None and b is not None
    ]
    most = max(moved, default=0.0)
    same = most <= 1e-6 * max(1.0, *map(abs, right.numbers))
    return Finding(
        2,
        "hacks/control",
        "pass" if same else "warn",
        f"Honest right rollouts graded again move by at most {most:.3g}.",
        value=most,
        bound=0.0,
        fix="" if same else "make the reward deterministic and independent of other completions",
    )


def _none_paid(paid: Sequence[Paid], honest: Honest) -> Finding:
    wrong = [p for p in paid[2:] if not p.mutant.truth and not math.isnan(p.mean)]
    most = max(wrong, key=lambda p: p.mean, default=None)
    said = f"; the best paid, {most.mutant.name}, gets {most.mean:.3g}" if most else ""
    return Finding(
        2,
        "hacks/none",
        "pass",
        f"None of {len(wrong)} kinds of wrong completions is paid like a right one{said}.",
        value=most.mean if most else None,
        bound=honest.median,
    )


def _unscorable(paid: Sequence[Paid]) -> Section:
    kind = "right" if not paid[0].numbers else "wrong"
    finding = Finding(
        2,
        "hacks/unscorable",
        "warn",
        f"No honest {kind} rollout could be scored, so exploits can't be held against them.",
        fix="return a number for every completion",
    )
    return Section(2, finding.message, (finding,))


# -- evidence --------------------------------------------------------------------------------------
def _summary(paid: Sequence[Paid], reached: Sequence[Paid], honest: Honest) -> str:
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


def _status(p: Paid, honest: Honest) -> str:
    if math.isnan(p.mean):
        return "not scored"
    if p.mutant.family == "control":
        return "control"
    if p.mutant.truth:
        return "paid" if p.mean >= honest.median - EPS else "paid less"
    return "paid" if p.mean >= honest.median - EPS else "not paid"


def _table(paid: Sequence[Paid], honest: Honest) -> Table:
    rows = [
        (
            i + 1,
            p.mutant.name,
            p.mutant.family,
            "right" if p.mutant.truth else "wrong",
            round(p.mean, 4),
            round(honest.median, 4),
            _status(p, honest),
        )
        for i, p in enumerate(paid)
    ]
    return Table(
        "hacks",
        ("no.", "mutant", "family", "truth", "mean paid", "honest right median", "status"),
        rows,
        caption=f"Each mutant is applied to up to {BASES} honest rollouts.",
    )


def _picture(paid: Sequence[Paid], honest: Honest) -> Picture:
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
