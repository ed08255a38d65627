"""Which causes move this reward beside right and wrong, and which of them pays an exploit.

Advice follows the cause that the graded texts show, not the name of the edit that found it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from toyrl.experiments.core import Table
from toyrl.experiments.validate.findings import Finding
from toyrl.experiments.validate.hacks import length
from toyrl.experiments.validate.hacks.causes import LENGTHS, Cause, Model, explain
from toyrl.experiments.validate.hacks.mutants import CAP, GATE, GIVEN, ONE
from toyrl.experiments.validate.hacks.mutants_values import BY_VALUE, CLOSE
from toyrl.experiments.validate.hacks.paid import EPS, Honest, Paid
from toyrl.experiments.validate.hacks.shapes import Shape, shape
from toyrl.experiments.validate.hacks.unpaid import NOTATIONS
from toyrl.graders.base import TextRow
from toyrl.worlds.text.problems import problem_of
from toyrl.worlds.text.render import RenderedRow

MATTERS = 0.05  # deviation given correctness over what right is worth, from where it is told
SHOWN = 3  # causes in the sentence; the table has all
HALF = 0.5  # of what an exploit gains, from where one cause is said to pay it
PLACE = "read the marked answer wherever it stands, and don't charge or pay for what follows it"
BLANK = "refuse an empty answer"

SAID: Mapping[str, tuple[str, str]] = {
    **{unit: (f"length in {plural}", length.FIX) for unit, plural in LENGTHS.items()},
    "place": ("the answer's place and what follows it", PLACE),
    "format": ("marks and tags", GATE),
    "blank": ("a mark without an answer", BLANK),
    "phrases": ("phrases of reflection or praise", CAP),
    "style": ("markup, other scripts, invisible signs", CAP),
    "mentioned": ("gold standing somewhere in the text", GIVEN),
    "several": ("several answers", ONE),
    "digits": ("answers that hold gold's digits or are held by them", BY_VALUE),
    "near": ("answers near gold", CLOSE),
}
"""Cause -> what it is called, and what keeps a reward from paying it."""
OF_GOLD = ("mentioned", "several", "digits", "near")
"""Causes that only a reward that reads the gold answer can have."""


def features(shapes: Sequence[Shape], tokens: Sequence[float]) -> dict[str, np.ndarray]:
    """(N, k) features of each cause; tokens : declared lengths."""

    def columns(*of: Sequence[float]) -> np.ndarray:
        return np.array(of, dtype=float).T.reshape(len(shapes), len(of))

    def counts(*names: str) -> np.ndarray:
        each = [[float(getattr(s, n)) for s in shapes] for n in names]
        return columns(*each, *([float(v > 0) for v in x] for x in each))

    return {
        "character": columns([s.characters for s in shapes]),
        "token": columns(tokens),
        "word": columns([s.words for s in shapes]),
        "place": columns(
            [s.behind for s in shapes],
            [s.remark for s in shapes],
            [s.start / max(1, s.characters) for s in shapes],
        ),
        "format": columns([s.marks > 0 for s in shapes], [s.framed for s in shapes]),
        "blank": columns([s.relation == "blank" for s in shapes]),
        "phrases": counts("reflection", "praise"),
        "style": counts("markup", "foreign", "invisible"),
        "mentioned": columns([s.mentioned for s in shapes]),
        "several": columns(
            [s.marks > 1 for s in shapes],
            [s.values > 1 and s.relation == "holds" for s in shapes],
        ),
        "digits": columns(
            [s.relation == "holds" and s.values < 2 for s in shapes],
            [s.relation == "within" for s in shapes],
        ),
        "near": columns([s.relation == "near" for s in shapes]),
    }


@dataclass(frozen=True)
class Ranking:
    """What moves a reward on the texts that were graded, and whether that is much.

    texts : how many they are; spread : standard deviation given correctness
    """

    model: Model = field(default_factory=Model)
    texts: int = 0
    spread: float = 0.0

    @property
    def causes(self) -> tuple[Cause, ...]:
        """The causes, most explaining first."""
        return self.model.causes

    def payer(self, p: Paid, wrong: Mapping[str, float]) -> str:
        """The cause that pays most of what a wrong mutant gains over its bases; "" if none does.

        wrong : completion -> value of honest wrong rollouts
        """
        pairs = [
            (base, row, value - wrong[base.row.completion])
            for base, row, value in zip(p.bases, p.rows, p.values, strict=True)
            if value is not None and base.row.completion in wrong
        ]
        if not pairs or not self.causes:
            return ""
        gain = float(np.mean([g for _, _, g in pairs]))
        after = _features([(base, row) for base, row, _ in pairs])
        before = _features([(base, base.row) for base, _, _ in pairs])
        names = [c.name for c in self.causes]
        added = {
            n: float(np.mean(self.model.added(n, after[n]) - self.model.added(n, before[n])))
            for n in names
        }
        best = max(added, key=lambda n: added[n])
        return best if gain > EPS and added[best] >= HALF * gain else ""

    def advice(self, p: Paid, wrong: Mapping[str, float], honest: Honest) -> str:
        """What to do about a paid mutant: by the cause that pays it, else by what it edits.

        Nothing about gold answers is said of a reward that doesn't tell right from wrong.
        """
        name = self.payer(p, wrong)
        if name:
            return SAID[name][1]
        if honest.separates:
            return p.mutant.fix
        of_gold = {SAID[n][1] for n in OF_GOLD}
        if p.mutant.family == "value" or p.mutant.fix in of_gold:
            return SAID[self.causes[0].name][1] if self.causes else GATE
        return p.mutant.fix


def rank(paid: Sequence[Paid]) -> Ranking:
    """The causes on all graded texts but right answers in other notations."""
    known = [
        (base, row, value, p.mutant.truth)
        for p in paid
        if p.mutant.family not in (*NOTATIONS, "spacing")
        for base, row, value in zip(p.bases, p.rows, p.values, strict=True)
        if value is not None and math.isfinite(value)
    ]
    if not known:
        return Ranking()
    values = np.array([v for _, _, v, _ in known])
    right = np.array([r for _, _, _, r in known])
    deviation = np.concatenate([values[s] - values[s].mean() for s in (right, ~right) if s.any()])
    spread = float(np.sqrt((deviation**2).mean()))
    if spread <= EPS * max(1.0, float(np.abs(values).max())):
        return Ranking()
    model = explain(values, right, _features([(base, row) for base, row, _, _ in known]))
    return Ranking(model, len(known), spread)


def _features(rows: Sequence[tuple[RenderedRow, TextRow]]) -> dict[str, np.ndarray]:
    shapes = []
    for base, row in rows:
        problem = (problem_of(row.prompt) if row.written else None) or base.problem
        shapes.append(shape(row.completion, base.dialect, problem.answer))
    return features(shapes, [row.tokens for _, row in rows])


# -- what is said of it ----------------------------------------------------------------------------
def finding(ranking: Ranking, honest: Honest) -> list[Finding]:
    """The ranked causes; nothing where they move little beside what right is worth."""
    causes = ranking.causes
    worth = 2 * (honest.median - honest.half)
    if not causes or ranking.spread <= MATTERS * max(worth, 0.0):
        return []
    top, *others = causes[:SHOWN]
    rest = "".join(f", then {SAID[c.name][0]} ({c.share:.0%}{_slope(c)})" for c in others)
    text = (
        f"Given right or wrong, its value follows {SAID[top.name][0]} ({top.share:.0%} of the "
        f"variance over {ranking.texts} texts{_slope(top)}){rest}."
    )
    return [
        Finding(2, "hacks/causes", "info", text, value=top.share, bound=None, fix=SAID[top.name][1])
    ]


def _slope(c: Cause) -> str:
    """The change by one more character, token or word, and where it turns round."""
    if c.name not in LENGTHS:
        return ""
    turns = ", ".join(f"{t:,.0f}" for t in c.turns)
    if turns:
        return f"; it turns round at about {turns} {LENGTHS[c.name]}"
    sides = {"right": c.right, "wrong": c.wrong}
    known = {k: v for k, v in sides.items() if not math.isnan(v)}
    if not known:
        return ""
    if len(known) == 2 and abs(c.right - c.wrong) <= 0.1 * max(abs(c.right), abs(c.wrong)):
        return f"; a {c.name} {_changes((c.right + c.wrong) / 2)}"
    most = max(abs(v) for v in known.values())
    told = [f"{_changes(v)} in {k} ones" for k, v in known.items() if abs(v) >= 0.01 * most]
    return f"; a {c.name} {', '.join(told)}"


def _changes(slope: float) -> str:
    return f"{'adds' if slope > 0 else 'costs'} {abs(slope):.2g}"


def table(ranking: Ranking) -> list[Table]:
    """All causes with their shares and slopes."""
    if not ranking.causes:
        return []
    rows = [
        (
            i + 1,
            SAID[c.name][0],
            f"{c.share:.1%}",
            *("-" if math.isnan(v) else f"{v:.3g}" for v in (c.right, c.wrong)),
            ", ".join(f"{t:,.0f}" for t in c.turns) or "-",
            SAID[c.name][1],
        )
        for i, c in enumerate(ranking.causes)
    ]
    heads = ("no.", "cause", "share", "per unit, right", "per unit, wrong", "turns at", "advice")
    return [
        Table(
            "causes",
            heads,
            rows,
            caption=(
                f"Shares of the variance given correctness on {ranking.texts} texts, each beyond "
                "the causes above it."
            ),
        )
    ]
