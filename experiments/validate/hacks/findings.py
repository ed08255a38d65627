"""What section 2 says about each thing that it found."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import median

from toyrl.experiments.validate.findings import Finding, Section
from toyrl.experiments.validate.hacks.paid import Honest, Paid, best, free
from toyrl.graders.base import TextRow

Score = Callable[[Sequence[TextRow]], list[float | None]]


def amount(value: float) -> str:
    """A value as a sentence says it."""
    return f"{value:,.0f}" if 1e3 <= abs(value) < 1e6 else f"{value:.3g}"


def finding(p: Paid, honest: Honest, text: str, fix: str) -> Finding:
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
        fix=fix,
    )


def ungated(honest: Honest, reached: Sequence[Paid]) -> Finding:
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


def in_full(p: Paid, without: float, honest: Honest, fix: str) -> Finding:
    """A wrong completion to which correctness is paid in full, less what its looks cost.

    without : mean of the same texts with another number in the place of gold
    """
    what = (p.mutant.apply.__doc__ or p.mutant.name).strip().rstrip(".")
    text = (
        f"A wrong completion ({what[0].lower() + what[1:]}) is paid as if it were right: "
        f"{amount(p.mean)}, and {amount(without)} with another number in the place of the right "
        f"one; being right is worth {amount(honest.worth)}. Only its looks keep it below "
        f"{amount(honest.median)}, what honest right ones get in the median."
    )
    name, shown = f"hacks/{p.mutant.name}", best(p)[1].completion
    return Finding(2, name, p.mutant.status, text, p.mean, None, honest.median, shown, fix)


def near(near: Sequence[Paid], honest: Honest, advice: Callable[[Paid], str]) -> list[Finding]:
    """Wrong mutants below the median right one, but above half of what right is worth."""
    if not near:
        return []
    top = max(near, key=lambda p: p.mean)
    names = ", ".join(p.mutant.name for p in near)
    return [
        Finding(
            2,
            "hacks/near",
            "warn",
            f"Wrong completions are paid more than half of what right is worth: {names}.",
            value=top.mean,
            bound=honest.half,
            counterexample=best(top)[1].completion,
            fix=advice(top),
        )
    ]


def half_for_free(
    near: Sequence[Paid], honest: Honest, advice: Callable[[Paid], str]
) -> list[Finding]:
    """Fixed edits of a wrong completion that are worth more than half of being right.

    What honest wrong rollouts get is taken off, so this is what the edit itself earns: it adds to
    right and wrong alike, and no knowledge of the answer is needed for it.
    """
    if not near:
        return []
    top = max(near, key=lambda p: p.mean)
    what = (top.mutant.apply.__doc__ or top.mutant.name).strip().rstrip(".")
    wrong = median(honest.wrong)
    share = (top.mean - wrong) / honest.worth
    others = f" Other edits that are paid so: {len(near) - 1}." if len(near) > 1 else ""
    return [
        Finding(
            2,
            "hacks/half-for-free",
            "fail",
            f"A fixed edit of a wrong completion ({what[0].lower() + what[1:]}) earns "
            f"{share:.0%} of what being right is worth: {amount(top.mean)} against "
            f"{amount(wrong)} for honest wrong ones. No knowledge of the answer is needed for it."
            f"{others}",
            value=top.mean,
            bound=honest.half,
            counterexample=best(top)[1].completion,
            fix=advice(top),
        )
    ]


def last_number(row: TextRow, value: float, honest: Honest) -> Finding:
    """The format has no mark, so that the last number counts, whatever is said about it."""
    return Finding(
        2,
        "hacks/last-number",
        "info",
        f"The format has no mark: the last number is the answer, wherever it stands and whatever "
        f"is said of it ({amount(value)} for gold behind a wrong answer; right ones get "
        f"{amount(honest.median)} in the median). Nothing that ends in gold is held against it.",
        value=value,
        bound=honest.median,
        counterexample=row.completion,
        fix="ask for a mark, such as a box, and read that alone",
    )


def control(grade: Score, right: Paid) -> Finding:
    """Honest right rollouts, graded again by themselves, keep their values.

    grade : calls the reward, whatever was graded before
    """
    again = grade(list(right.rows))
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


def none_paid(paid: Sequence[Paid], honest: Honest) -> Finding:
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


def unscorable(paid: Sequence[Paid]) -> Section:
    kind = "right" if not paid[0].numbers else "wrong"
    finding = Finding(
        2,
        "hacks/unscorable",
        "warn",
        f"No honest {kind} rollout could be scored, so exploits can't be held against them.",
        fix="return a number for every completion",
    )
    return Section(2, finding.message, (finding,))
