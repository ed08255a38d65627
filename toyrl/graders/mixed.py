"""Mixed-R1: one reward for many kinds of tasks, each row paid by the rule of its own kind.

    match   1 if the answer is the target, as a text, up to case, outer spaces, trailing dots and
            one pair of parentheses
    chart   1 if both are numbers and |a - g| <= tolerance |g|, or if they are the same text
    iou     what both boxes share over what either covers
    open    BMAS, the mean of two averages of best cosines between the tokens of answer and target

    r = r_kind + weight 1[<think>...</think> <answer>...</answer>]

Source: paper 50. The kinds, the name BMAS and its ingredients are those of the abstract; the
formulas are reconstructed from them, the weight and the clip at 0 are ours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, ClassVar

import numpy as np

from toyrl.graders.base import TextRow
from toyrl.graders.likeness.embedded import HASHED
from toyrl.graders.likeness.overlap import bmas, one_hot_bmas, row_texts, tokens
from toyrl.graders.packed import unpacked
from toyrl.graders.parts import Graded, TaskReward, is_blank, need
from toyrl.graders.steps.phases import last_answer
from toyrl.messages import shortened
from toyrl.ranges import NOT_NEGATIVE, one_of
from toyrl.registry import entry

KINDS = ("match", "chart", "iou", "open")
SIDES = ("mean", "precision", "recall", "harmonic")
NUMBER = re.compile(r"([+-]?)(\d{1,60}|\d{1,3}(?:,\d{3}){1,18})?(\.\d{0,60})?(?:e([+-]?\d{1,3}))?")
COORDINATE = re.compile(r"[+-]?(?:\d{1,15}\.?\d{0,15}|\.\d{1,15})")
MIDDLE = re.compile(r"</think>\s*<answer>")
Box = Sequence[float]


# -- the answer ------------------------------------------------------------------------------------
def answer_text(row: TextRow) -> str | None:
    """What stands in the last closed answer tag, else the whole text; None if it was cut off.

    Cut off is a text with an open answer tag that was never closed, and a truncated one without.
    """
    found = last_answer(row.completion)
    if found is not None:
        return found.strip()
    cut = row.truncated or "<answer>" in row.completion
    return None if cut else row.completion.strip()


def has_layout(text: str) -> bool:
    """True for <think>...</think>, white space or none, <answer>...</answer>, nothing around them.

    A full match, as the paper has it: further tags may stand inside
    (`toyrl.graders.steps.phases` has the strict one).
    """
    if not (text.startswith("<think>") and text.endswith("</answer>")):
        return False
    return MIDDLE.search(text, len("<think>"), len(text) - len("</answer>")) is not None


# -- match and chart -------------------------------------------------------------------------------
def plain_answer(text: str) -> str:
    """Without outer white space, case, trailing dots and one enclosing pair of parentheses."""
    bare = text.strip().lower().rstrip(".")
    if len(bare) > 1 and bare[0] == "(" and bare[-1] == ")":
        bare = bare[1:-1]
    return bare.strip()


def match(said: str, target: str) -> float:
    """1.0 if both are equal by `plain_answer`; 0 for an empty answer. Inner dots stay."""
    return float(bool(said.strip()) and plain_answer(said) == plain_answer(target))


def chart_number(text: str) -> Fraction | None:
    """The number that a text is, exactly, or None; commas between thousands and % are dropped.

    "97 %" is 97: a share and its percentage are two numbers. At most 60 digits and 3 of an
    exponent, so that no text takes long.
    """
    bare = text.strip().lower().removesuffix("%").rstrip()
    found = NUMBER.fullmatch(bare)
    if found is None or not any(c.isdigit() for c in (found[2] or "") + (found[3] or "")):
        return None
    sign, whole, rest, power = found.groups()
    number = Fraction((whole or "0").replace(",", "") + (rest or "").rstrip("."))
    return (-number if sign == "-" else number) * Fraction(10) ** int(power or 0)


def chart(said: str, target: str, tolerance: float = 0.05) -> float:
    """1.0 within a relative tolerance (>= 0) of the target, or for the same text but for case.

    The edge counts, exactly in decimals; a target of 0 asks for 0. 0 for an empty answer.
    """
    a, g = chart_number(said), chart_number(target)
    if a is not None and g is not None:
        return float(abs(a - g) <= Fraction(repr(float(tolerance))) * abs(g))
    bare = said.strip().lower()
    return float(bool(bare) and bare == target.strip().lower())


# -- boxes -----------------------------------------------------------------------------------------
def read_box(given: Any) -> tuple[float, float, float, float] | None:
    """(x1, y1, x2, y2) out of four numbers or a text of four; None for anything else.

    A text holds the numbers alone, between commas or spaces, in brackets or not.
    """
    if isinstance(given, str):
        bare = given.strip()
        if bare[:1] in tuple("[(") and bare[-1:] in tuple("])"):
            bare = bare[1:-1]
        pieces = [p for p in re.split(r"[,\s]+", bare.strip(), maxsplit=8) if p]
        if len(pieces) != 4 or not all(COORDINATE.fullmatch(p) for p in pieces):
            return None
        given = pieces
    try:
        box = tuple(float(x) for x in given)
    except (TypeError, ValueError, OverflowError):
        return None
    return box if len(box) == 4 and all(map(math.isfinite, box)) else None


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes (x1, y1, x2, y2), in [0, 1].

    0 where one has x2 <= x1 or y2 <= y1: a box in the wrong order has no area, never a negative one
    """
    top = max(*map(abs, a), *map(abs, b))
    if not top:
        return 0.0
    (ax, ay, aw, ah), (bx, by, bw, bh) = ([x / top for x in box] for box in (a, b))  # no overflow
    if not (aw > ax and ah > ay and bw > bx and bh > by):
        return 0.0
    shared = max(min(aw, bw) - max(ax, bx), 0.0) * max(min(ah, bh) - max(ay, by), 0.0)
    whole = (aw - ax) * (ah - ay) + (bw - bx) * (bh - by) - shared
    return min(shared / whole, 1.0) if whole > 0 else 0.0


# -- the reward ------------------------------------------------------------------------------------
@entry(
    "mixed",
    kind="grader",
    formula="R = r_kind + weight 1[format],  kind in {match, chart, iou, open}",
    cards=("50",),
    section="four rewards and BMAS, abstract",
    provenance="reconstructed",
)
@dataclass(frozen=True)
class Mixed(TaskReward):
    """A row is paid by the rule that its column `task_type` names, against its column `target`.

    A trainer that hands over one label gives both in it, {"task_type": ..., "target": ...}.

    tolerance : of charts, relative to the target (0.05: the usual relaxed accuracy)
    weight : of the format
    side : of BMAS: "mean" of both directions, "precision" or "recall" alone, or their "harmonic"
        mean, which sends the hacks of one direction nearly to 0 (an addition)
    rule : "routed", or one of the four for every row, whatever it is; then no `task_type` is needed
    embed : "hashed", every distinct token a direction of its own; or a function from texts to one
        (M, d) array of token vectors each (`toyrl.graders.likeness.overlap.TokenRows`)

    Parts: task in [0, 1], NaN where the target can't be read; format, 0 or `weight`. Facts: the
    task's number under its kind, and both directions of BMAS.

    Raises ValueError for another task type: no row falls through to BMAS.
    """

    tolerance: Annotated[float, NOT_NEGATIVE] = 0.05
    weight: Annotated[float, NOT_NEGATIVE] = 0.5
    side: Annotated[str, one_of(*SIDES)] = "mean"
    rule: Annotated[str, one_of("routed", *KINDS)] = "routed"
    embed: Any = HASHED
    parts: ClassVar[tuple[str, ...]] = ("task", "format")
    facts: ClassVar[tuple[str, ...]] = (*KINDS, "precision", "recall")
    reads: ClassVar[tuple[str, ...]] = ("target",)
    asks: ClassVar[tuple[str, ...]] = ("truncated",)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.embed != HASHED and not callable(self.embed):
            msg = f"embed={shortened(self.embed)} must be {HASHED!r} or a function of texts"
            raise ValueError(msg)

    def graded(self, row: TextRow, step: float = 0.0) -> Graded:
        return self.grade_parts([row], step)[0]

    def grade_parts(self, rows: Sequence[TextRow], step: float = 0.0) -> list[Graded]:
        """Each row's parts, in order; a given embedding is called once for all distinct texts.

        Raises KeyError for a missing column, ValueError for an unknown task type.
        """
        del step
        rows = [unpacked(self._lent(row), "target") for row in rows]
        for row in rows:
            if "target" not in row.columns:
                need(row, "target", self.__name__)
        vectors = self._vectors(rows)
        return [self._graded(row, vectors) for row in rows]

    def _kind(self, row: TextRow) -> str:
        kind = row.columns.get("task_type", self.rule)
        if kind == "routed":
            kind = need(row, "task_type", self.__name__)
        if kind not in KINDS:
            msg = f"task_type={shortened(kind)} is not one of {', '.join(KINDS)}"
            raise ValueError(msg)
        return kind if self.rule == "routed" else self.rule

    def _vectors(self, rows: Sequence[TextRow]) -> Mapping[str, np.ndarray]:
        """Token vectors of every answer and target that BMAS compares, with a given embedding."""
        if self.embed == HASHED:
            return {}
        texts = [t for row in rows if self._kind(row) == "open"
                 for t in (answer_text(row), _said(row.columns["target"])) if t]  # fmt: skip
        return row_texts(self.embed, texts)

    def _graded(self, row: TextRow, vectors: Mapping[str, np.ndarray]) -> Graded:
        kind, said, target = self._kind(row), answer_text(row), row.columns["target"]
        form = self.weight * has_layout(row.completion)
        facts: dict[str, float] = {}
        value, problem = 0.0, ""
        if kind == "iou" and not _is_box(target):
            value, problem = math.nan, "the target is no box x1 < x2, y1 < y2"
        elif kind in ("match", "chart") and not _said(target).strip():
            value, problem = math.nan, "the target is empty"
        elif said is None:
            problem = "the answer was cut off"
        elif kind == "open":
            value, facts = self._open(said, _said(target), vectors)
        elif kind == "iou":
            box = read_box(said)
            value = 0.0 if box is None else iou(box, read_box(target) or (0.0,) * 4)
            problem = "" if _is_box(said) else "the answer is no box x1 < x2, y1 < y2"
        elif kind == "chart":
            value = chart(said, _said(target), self.tolerance)
        else:
            value = match(said, _said(target))
        return Graded({"task": value, "format": form}, {kind: value, **facts}, problem)

    def _open(
        self, said: str, target: str, vectors: Mapping[str, np.ndarray]
    ) -> tuple[float, dict[str, float]]:
        if self.embed == HASHED:
            sides = one_hot_bmas(tokens(said), tokens(target))
        else:
            empty = np.zeros((0, 1))
            sides = bmas(*(vectors[t] if t else empty for t in (said, target)))
        value = min(max(getattr(sides, self.side), 0.0), 1.0)
        return value, {"precision": sides.precision, "recall": sides.recall}


Embedding = Callable[[Sequence[str]], Sequence[Any]]


def _said(target: Any) -> str:
    """A target as a text: lists as they are written, nothing for what is blank."""
    return "" if is_blank(target) else str(target)


def _is_box(given: Any) -> bool:
    box = read_box(given)
    return box is not None and box[2] > box[0] and box[3] > box[1]
