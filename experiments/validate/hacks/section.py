"""Section 2: is a wrong completion paid like an honest right one?

Every mutant of `MUTANTS` is applied to several honest rollouts; a wrong one whose mean
reward reaches the median of honest right rollouts is a finding, with its shrunk text. A reward
that doesn't tell right from wrong is said to be ungated once; then only what it pays above three
of four honest rollouts is a finding of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from toyrl.experiments.validate.contract.kinds import named
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.experiments.validate.hacks import findings as say
from toyrl.experiments.validate.hacks import length, ranking, unpaid
from toyrl.experiments.validate.hacks import paid as evidence
from toyrl.experiments.validate.hacks.findings import Score
from toyrl.experiments.validate.hacks.mutants import (
    BASES,
    PLAIN,
    Mutant,
    ends_in_gold,
    reads_right,
    text_after_answer,
)
from toyrl.experiments.validate.hacks.mutants_disguised import DISGUISED
from toyrl.experiments.validate.hacks.mutants_right import RIGHT
from toyrl.experiments.validate.hacks.mutants_values import VALUES
from toyrl.experiments.validate.hacks.paid import EPS, Honest, Paid, best, free
from toyrl.experiments.validate.hacks.shapes import shape
from toyrl.experiments.validate.hacks.shrink import shrink
from toyrl.graders.base import TextRow
from toyrl.worlds.text.problems import problem_of
from toyrl.worlds.text.render import RenderedRow

__all__ = ["MUTANTS", "Exploit", "Mutant", "run"]

MUTANTS: tuple[Mutant, ...] = (*PLAIN, *DISGUISED, *VALUES, *RIGHT)


@dataclass(frozen=True)
class Exploit:
    """A wrong completion that is paid at least like an honest right one.

    reward : mean over honest rollouts that the mutant was applied to
    honest_right_median : what it is held against
    example : a text, shrunk where it is a finding of its own
    free : it takes no knowledge of the answer
    """

    name: str
    reward: float
    honest_right_median: float
    example: str
    free: bool = False


def run(
    score: Score, base: Sequence[RenderedRow], again: Score | None = None
) -> tuple[Section, list[Exploit]]:
    """The section, and the wrong completions that are paid like right ones: first those that take
    no knowledge of the answer, best paid first.

    score : the reward, one number or None per row
    base : honest rollouts of known truth in the reward's dialect
    again : the reward called anew, where `score` remembers values
    """
    paid = _pay(score, base)
    honest = Honest(*(p.numbers for p in paid[:2]))
    if not honest.right or not honest.wrong:
        return say.unscorable(paid), []
    reached = [
        p
        for p in paid[2:]
        if not p.mutant.truth
        and p.mean >= honest.median - EPS
        and (honest.separates or not p.elsewhere)
    ]
    reached.sort(key=lambda p: (not free(p), -p.mean))
    told = reached if honest.separates else _inflated(reached, honest)
    causes = ranking.rank(paid)
    wrong = {
        x.row.completion: v
        for x, v in zip(paid[1].bases, paid[1].values, strict=True)
        if v is not None
    }
    findings, shrunk = [], {}
    for p in told:
        row = _shrunk(score, p, honest, inflated=not honest.separates)
        shrunk[p.mutant.name] = row.completion
        findings.append(say.finding(p, honest, row.completion, causes.advice(p, wrong, honest)))
    if not honest.separates:
        findings.insert(0, say.ungated(honest, reached))
    rest = [p for p in paid[2:] if p not in reached]
    findings += _near(score, rest, honest, lambda p: causes.advice(p, wrong, honest))
    if not findings:
        findings.append(say.none_paid(paid, honest))
    findings += unpaid.findings(score, paid[2:], honest)
    findings += _last_number(score, base, honest)
    findings += ranking.finding(causes, honest)
    findings.append(say.control(again or score, paid[0]))
    exploits = [
        Exploit(
            p.mutant.name,
            p.mean,
            honest.median,
            shrunk.get(p.mutant.name, best(p)[1].completion),
            free(p),
        )
        for p in reached
        if p.mutant.status == "fail"
    ]
    section = Section(
        2,
        evidence.summary(paid, reached, honest),
        tuple(findings),
        pictures=(evidence.picture(paid, honest),),
        tables=(evidence.table(paid, honest), *ranking.table(causes)),
    )
    return section, exploits


def in_each(
    bases: Mapping[str, tuple[Score, Sequence[RenderedRow]]],
    again: Callable[[str], Score] | None = None,
) -> tuple[Section, list[Exploit]]:
    """`run` in the first dialect, with what length does there, unless it is the answer's place that
    does it; of the others, failures and warnings that it doesn't show. Failures that take no
    knowledge of the answer come first.

    bases : dialect -> the reward there, and honest rollouts in it
    again : dialect -> the reward called anew there, where `bases` remember values
    """
    anew = {d: None if again is None else again(d) for d in bases}
    (name, (score, rows)), *others = bases.items()
    section, exploits = run(score, rows, anew[name])
    findings = list(section.findings)
    if not any(f.name == unpaid.WINDOW and f.status == "warn" for f in findings):
        findings += length.finding(score, rows[0])
    tables = list(section.tables)
    for dialect, given in others:
        more, paid = run(*given, anew[dialect])
        known = {f.name for f in findings if f.status in ("fail", "warn")}
        where = f" That is in the {named(dialect)}, which it reads too."
        findings += [
            replace(f, message=f.message + where)
            for f in more.findings
            if f.status in ("fail", "warn") and f.name not in known
        ]
        exploits += [e for e in paid if e.name not in {x.name for x in exploits}]
        tables += [replace(t, name=f"{t.name}-{len(tables)}") for t in more.tables]
    if others:
        exploits.sort(key=lambda e: (not e.free, -e.reward))
        free_ones = {f"hacks/{e.name}" for e in exploits if e.free}
        findings.sort(key=lambda f: not (f.status == "fail" and f.name in free_ones))
    return replace(section, findings=tuple(findings), tables=tuple(tables)), exploits


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
            bases = [x for x in bases if mutant.fits(x)][: mutant.most]
        made = [(x, mutant.apply(x)) for x in bases]
        if not mutant.truth and mutant.family != "control":
            made = [(x, row) for x, row in made if not ends_in_gold(row.completion, x)]
        plan.append((mutant, tuple(x for x, _ in made), tuple(row for _, row in made)))
    values = iter(score([row for _, _, rows in plan for row in rows]))
    return [Paid(m, bases, rows, tuple(next(values) for _ in rows)) for m, bases, rows in plan]


def _last_number(score: Score, base: Sequence[RenderedRow], honest: Honest) -> list[Finding]:
    """A note where the format has no mark and the last number counts wherever it stands."""
    wrong = [x for x in base if not x.correct and not x.truncated][:BASES]
    rows = [r for x in wrong if ends_in_gold((r := text_after_answer(x)).completion, x)]
    values = [v for v in score(rows) if v is not None] if rows else []
    if not values or not honest.separates or fmean(values) < honest.median - EPS:
        return []
    return [say.last_number(rows[0], fmean(values), honest)]


def _near(
    score: Score, rest: Sequence[Paid], honest: Honest, advice: Callable[[Paid], str]
) -> list[Finding]:
    """Of mutants that don't reach the median right one: those to which correctness is paid in full,
    and the others above half of what right is worth, fixed edits apart."""
    if not honest.separates:
        return []
    near = [p for p in rest if not p.mutant.truth and p.mean > honest.half + EPS]
    out, full = say.half_for_free([p for p in near if free(p)], honest, advice), []
    near = [p for p in near if not free(p)]
    for p in near:
        known = [v for v in score(evidence.without_gold(p)) if v is not None]
        if known and p.mean - fmean(known) >= honest.worth - EPS:
            full.append(p)
            out.append(say.in_full(p, fmean(known), honest, advice(p)))
    return out + say.near([p for p in near if p not in full], honest, advice)


def _inflated(reached: Sequence[Paid], honest: Honest) -> list[Paid]:
    """Mutants whose mean lies above three of four honest rollouts, right and wrong."""
    return [p for p in reached if p.mean > honest.high + EPS]


def _shrunk(score: Score, p: Paid, honest: Honest, *, inflated: bool) -> TextRow:
    """The best paid text, shrunk while it is paid as much, stays of its kind and stays wrong."""
    from toyrl.worlds.text.prose import count_tokens

    base, row = best(p)
    if row.prompt != base.row.prompt and (other := problem_of(row.prompt)) is not None:
        base = replace(base, problem=other)
    kind = shape(row.completion, base.dialect, base.problem.answer).kind
    bound = honest.high if inflated else honest.median
    size = count_tokens(row.completion)

    def made(text: str) -> TextRow:
        if text == row.completion:
            return row
        tokens = max(1, row.tokens + count_tokens(text) - size)
        tokens = min(tokens, base.limit or tokens)
        return replace(row, completion=text, tokens=tokens)

    def holds(text: str) -> bool:
        if reads_right(text, base) or shape(text, base.dialect, base.problem.answer).kind != kind:
            return False
        value = score([made(text)])[0]
        return value is not None and value >= bound - EPS

    return made(shrink(row.completion, holds))
