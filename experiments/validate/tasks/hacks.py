"""Section 2 on a task's texts: wrong mutants that are paid, right notations that aren't."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from toyrl.experiments.core import Curve, Picture, Table
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.experiments.validate.hacks.findings import amount
from toyrl.experiments.validate.hacks.paid import EPS, SHOWN, Honest
from toyrl.experiments.validate.hacks.section import Exploit
from toyrl.experiments.validate.tasks.alone import Alone, Score
from toyrl.graders.base import TextRow
from toyrl.rewards.chats import written_messages
from toyrl.worlds.text.tasks.rows import TaskText, shortest

if TYPE_CHECKING:
    from toyrl.rewards.user import UserReward

NOTATION = "hacks/task-notation"


@dataclass(frozen=True)
class Paid:
    """What the texts of one mutant were paid; None: unscorable."""

    name: str
    texts: tuple[TaskText, ...]
    values: tuple[float | None, ...]

    @property
    def mean(self) -> float | None:
        """Mean value; None where none could be scored."""
        known = [v for v in self.values if v is not None]
        return fmean(known) if known else None

    @property
    def best(self) -> TaskText:
        """The best paid text; of several one that is a failure, not a warning."""
        known = [
            (-1e300 if v is None else v, t.said.status == "fail", i)
            for i, (v, t) in enumerate(zip(self.values, self.texts, strict=True))
        ]
        return self.texts[max(known)[2]]

    @property
    def free(self) -> bool:
        """No knowledge of the answer is needed for it."""
        return all(t.said.free for t in self.texts)


def paid(score: Alone, texts: Mapping[str, Sequence[TaskText]]) -> list[Paid]:
    """What every mutant's texts are paid, by one call but for those that a reward may die on."""
    values = iter(score([t for some in texts.values() for t in some]))
    return [Paid(n, tuple(some), tuple(next(values) for _ in some)) for n, some in texts.items()]


def run(
    score: Score,
    base: Sequence[TaskText],
    wrong: Mapping[str, Sequence[TaskText]],
    right: Mapping[str, Sequence[TaskText]],
    reward: UserReward | None = None,
) -> tuple[Section, list[Exploit]]:
    """The section, and the wrong completions that are paid like right ones: first those that take
    no knowledge of the answer, best paid first.

    base : honest texts of known truth; wrong, right : mutants and other notations by name
    reward : whose functions `score` calls, where some mutants may end it
    """
    honest = _honest(score, base)
    if not honest.right or not honest.wrong:
        kind = "wrong" if honest.right else "right"
        text = f"No honest {kind} text could be scored, so exploits can't be held against them."
        fix = "return a number for every completion"
        return Section(2, text, (Finding(2, "hacks/unscorable", "warn", text, fix=fix),)), []
    alone = Alone(score, reward)
    all_right, all_wrong = paid(alone, right), paid(alone, wrong)
    all_right = [p for p in all_right if p.texts]
    reached = [p for p in all_wrong if p.mean is not None and p.mean >= honest.median - EPS]
    reached.sort(key=lambda p: (p.best.said.status == "warn", not p.free, -(p.mean or 0.0)))
    if honest.separates:
        shown = _short(score, reached, honest)
        findings = [_finding(p, honest, shown[p.name]) for p in reached] or [
            _none(all_wrong, honest)
        ]
        findings += _near([p for p in all_wrong if p not in reached], honest)
        findings += _unpaid(all_right, honest)
    else:
        findings = [_ungated(honest, reached)]
    findings += alone.findings()
    exploits = [
        Exploit(p.name, p.mean or 0.0, honest.median, readable(p.best.row), p.free)
        for p in reached
        if p.best.said.status == "fail"
    ]
    table, picture = _table([*all_wrong, *all_right], honest), _picture(all_wrong, honest)
    summary = (
        f"{len(reached)} of {len(all_wrong)} wrong mutants of the task are paid at least like an "
        "honest right text."
    )
    return Section(2, summary, tuple(findings), (picture,), (table,)), exploits


def _honest(score: Score, base: Sequence[TaskText]) -> Honest:
    kept = [t for t in base if not t.truncated]
    values = score([t.row for t in kept])
    both = [(t.correct, v) for t, v in zip(kept, values, strict=True) if v is not None]
    return Honest([v for good, v in both if good], [v for good, v in both if not good])


def _short(score: Score, reached: Sequence[Paid], honest: Honest) -> dict[str, str]:
    """Name -> the best paid text without its padding, where that is paid as well; else as it is."""
    short = [shortest(p.best) for p in reached]
    values = Alone(score)(short)  # each was paid, so it ends nothing
    return {
        p.name: readable((t if v is not None and v >= honest.median - EPS else p.best).row)
        for p, t, v in zip(reached, short, values, strict=True)
    }


def readable(row: TextRow) -> str:
    """The completion as it is shown: chat messages as JSON, each call in a line of its own."""
    found = written_messages(row.completion) if row.messages else None
    if found is None:
        return row.completion
    lines = ",\n ".join(map(_message, found))
    return f"[{lines}]"


def _message(message: dict[str, Any]) -> str:
    said = {k: v for k, v in message.items() if k != "tool_calls"}
    calls = message.get("tool_calls")
    if not isinstance(calls, list) or not calls:
        return json.dumps(message, ensure_ascii=False)
    lines = ",\n   ".join(json.dumps(c, ensure_ascii=False) for c in calls)
    return f'{json.dumps(said, ensure_ascii=False)[:-1]}, "tool_calls": [\n   {lines}]}}'


def _finding(p: Paid, honest: Honest, shown: str) -> Finding:
    said = p.best.said
    cost = " No knowledge of the answer is needed for it." if p.free else ""
    text = (
        f"A wrong completion ({said.why}) is paid {amount(p.mean or 0.0)}; honest right ones get "
        f"{amount(honest.median)} in the median.{cost}"
    )
    return Finding(2, f"hacks/task-{p.name}", said.status, text, p.mean, None, honest.median,
                   shown, said.fix)  # fmt: skip


def _none(wrong: Sequence[Paid], honest: Honest) -> Finding:
    text = f"None of {len(wrong)} kinds of wrong completions is paid like a right one."
    return Finding(2, "hacks/none", "pass", text, bound=honest.median)


def _ungated(honest: Honest, reached: Sequence[Paid]) -> Finding:
    wrong = median(honest.wrong)
    text = (
        f"Wrong rollouts are paid as right ones: {wrong:.3g} against {honest.median:.3g} in the "
        f"median; {len(reached)} kinds of edited ones are paid at least as much."
    )
    fix = "multiply this reward by correctness, or use it only beside an outcome reward"
    return Finding(2, "hacks/ungated", "warn", text, wrong, None, honest.median, fix=fix)


def _near(rest: Sequence[Paid], honest: Honest) -> list[Finding]:
    """Mutants paid more than half of what right is worth: one that is free is a failure."""
    close = [p for p in rest if p.mean is not None and p.mean > honest.half + EPS]
    if not close:
        return []
    top = max(close, key=lambda p: (p.free, p.mean or 0.0))
    names = ", ".join(p.name for p in close)
    text = f"Wrong completions are paid more than half of what right is worth: {names}."
    shown, fix = readable(top.best.row), top.best.said.fix
    name = "hacks/half-for-free" if top.free else "hacks/near"
    status = "fail" if top.free else "warn"
    return [Finding(2, name, status, text, top.mean, None, honest.half, shown, fix)]


def _unpaid(right: Sequence[Paid], honest: Honest) -> list[Finding]:
    """Right answers in other notations that get less than half of what right is worth."""
    low = [p for p in right if p.mean is None or p.mean < honest.half - EPS]
    if not low:
        return []
    names = ", ".join(p.name for p in low)
    text = (
        f"Right answers go unpaid in {len(low)} of {len(right)} other notations: {names}. If "
        "policies write so, that is signal lost."
    )
    shown, fix = readable(low[0].best.row), low[0].best.said.fix
    return [Finding(2, NOTATION, "info", text, low[0].mean, None, honest.half, shown, fix)]


def _table(rows: Sequence[Paid], honest: Honest) -> Table:
    heads = ("mutant", "truth", "mean paid", "honest right median", "texts")
    said = [
        (p.name, "right" if p.texts[0].correct else "wrong",
         "not scored" if p.mean is None else round(p.mean, 4), round(honest.median, 4),
         len(p.texts))
        for p in rows
    ]  # fmt: skip
    most = max((len(p.texts) for p in rows), default=0)
    told = f"The task's own mutants, on up to {most} problems each."
    return Table("hacks", heads, said, caption=told)


def _picture(wrong: Sequence[Paid], honest: Honest) -> Picture:
    top = sorted((p for p in wrong if p.mean is not None), key=lambda p: -(p.mean or 0.0))[:SHOWN]
    places = list(range(len(top)))
    return Picture(
        "hacks",
        "What the best-paid wrong completions get",
        "mean reward",
        "",
        (
            Curve("wrong completions", [p.mean or 0.0 for p in top], places),
            Curve("honest right median", [honest.median] * len(top), places),
        ),
        caption="A bar that reaches its mark is an exploit.",
        labels=tuple(p.name for p in top),
    )
