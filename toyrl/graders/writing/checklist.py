"""ACE-RL: a long text paid for each constraint of its own instruction, and for its length.

    s(y, c_i) = 1 fully met, 0.5 partially met, 0 not met                            (Eq. 6)
    R_C       = (1/N) sum_i s(y, c_i)                                                (Eq. 7)
    R         = (R_L + R_C)/2                                                        (Eq. 8)
    R_L       = 1 where d = |len(y) - l*|/l* is at most delta, else max(0, (1 - d)/(1 - delta))

R_L counts words and is `band_score` with edges (1 -+ delta) l* and last = 2 l*. Who says what is
met: a column of verdicts, constraints that a machine can decide
(`toyrl.graders.writing.constraints`), or a function such as a language model.

Source: paper 55, Eqs. 6 to 8 second-hand; the shape of R_L is reconstructed, the exponential one
and the units other than words are ours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from toyrl import stats
from toyrl.graders.base import TextRow
from toyrl.graders.learned.model_scores import number
from toyrl.graders.packed import listed, unpacked
from toyrl.graders.parts import Graded, TaskReward, need, told
from toyrl.graders.steps.phases import answer_part
from toyrl.graders.writing.constraints import met
from toyrl.graders.writing.long_form import count_words
from toyrl.messages import shortened
from toyrl.ranges import POSITIVE, SHARE, Range, checked, one_of
from toyrl.registry import entry
from toyrl.shapers.length.band import band_score

Array = Any
Verifier = Callable[[str, str, Sequence[str]], Any]
LABELS = {
    "fully met": 1.0, "partially met": 0.5, "not met": 0.0, "fully": 1.0, "partially": 0.5,
    "not": 0.0, "1": 1.0, "1.0": 1.0, "0.5": 0.5, "0": 0.0, "0.0": 0.0,
}  # fmt: skip
EXACT = {"Fully Met": 1.0, "Partially Met": 0.5, "Not Met": 0.0}
NUMBERED = re.compile(r"^\W{0,4}(?:constraint\s{0,4})?\d{1,4}\s{0,4}[.):]\s", re.IGNORECASE)
SHAPES = ("linear", "exp")
TOLERANCE = Range("[0, 1)")


# -- length ----------------------------------------------------------------------------------------
@checked
def target_length_score(
    length: Array,
    target: Array,
    delta: Annotated[float, TOLERANCE] = 0.1,
    shape: Annotated[str, one_of(*SHAPES)] = "linear",
    decay: Annotated[float, POSITIVE] = 0.25,
) -> Array:
    """R_L in [0, 1]: 1 within delta of the target, less on both sides alike.

    length, target : any shapes that broadcast, in one unit; length >= 0, target > 0
    shape : "linear", to 0 at length 0 and at twice the target, or "exp", exp(-(d - delta)/decay)

    Raises ValueError for a delta, shape or decay out of its range.
    """
    length = length if hasattr(length, "dtype") else np.asarray(length, dtype=float)
    if shape == "linear":
        return band_score(length, (1 - delta) * target, (1 + delta) * target, 2 * target)
    xp = stats.array_namespace(length)
    off = abs(length - target) / target - delta
    return xp.exp(-xp.where(off > 0, off, xp.zeros_like(off)) / decay)


def counted_words(text: str, unit: str = "words") -> int:
    """Length of a text: words between spaces ("words"), or those, but for signs of Chinese and
    Japanese, of which each counts ("signs"); a text in these has hardly any spaces.
    """
    return count_words(text, "words" if unit == "words" else "characters")


# -- verdicts --------------------------------------------------------------------------------------
def verdict_score(label: Any) -> float:
    """1, 0.5 or 0 for a label ("Fully Met", "partially met.", 0.5, ...), NaN for anything else.

    Raises ValueError for a number that isn't finite.
    """
    if isinstance(label, (int, float)):
        if not math.isfinite(label):
            msg = f"a verdict is {label}; give 1, 0.5, 0 or a label such as 'Fully Met'"
            raise ValueError(msg)
        return float(label) if label in (0, 0.5, 1) else math.nan
    found = EXACT.get(label) if isinstance(label, str) else None
    if found is not None:
        return found
    bare = " ".join(str(label).strip().strip("*`\"'.[]() ").lower().split())
    return LABELS.get(bare, math.nan)


def read_verdicts(given: Any) -> list[Any]:
    """The verdicts in a list, in a JSON list, or in the lines of a verifier's answer.

    A line may begin with its number, "2. Partially Met"; what stands behind its last colon counts.
    """
    found = listed(given)
    if isinstance(found, list):
        return found
    lines = [NUMBERED.sub("", line).strip() for line in str(found).splitlines()]
    return [line.rpartition(":")[2].strip() for line in lines if line]


def constraint_score(verdicts: Sequence[Any], constraints: int | None = None) -> float:
    """R_C in [0, 1]: mean of the verdicts over N constraints; 0 for N = 0.

    A verdict that is missing or can't be read counts 0 and stays in N: dropping it would pay a
    policy for confusing its verifier. constraints : N, None: as many as verdicts

    Raises ValueError for a verdict that is a number and not finite.
    """
    n = len(verdicts) if constraints is None else constraints
    return _mean([verdict_score(v) for v in verdicts[:n]], n)


# -- the reward ------------------------------------------------------------------------------------
@entry(
    "checklist",
    kind="grader",
    formula="R = w R_L + (1 - w) mean_i s(y, c_i),  s in {0, 1/2, 1},  w = 1/2",
    cards=("55",),
    section="Eqs. 6-8; the length reward is reconstructed",
    provenance="second-hand",
)
@dataclass(frozen=True)
class Checklist(TaskReward):
    """A text is paid for its constraints, the column `checklist`, and for its length in words.

    verifier : "verdicts", the column `verdicts` with a label a constraint; "constraints", each
        constraint decided by itself ("contains: kite|bay"); or a function (prompt, text,
        constraints) -> labels, or an answer with a line each
    static : constraints for all rows instead of the column: the rival of the paper
    delta, length_shape, decay : of `target_length_score`, for the column `target_len` in words; a
        row without one (or with None) has R_L = 1
    length_weight : of R_L; Eq. 8 has 0.5
    over : "mean" of the constraints, or "all": 1 if all are fully met, else 0
    unit : what is counted, "words" or "signs" (`counted_words`)

    A trainer that hands over one label gives {"checklist": [...], "target_len": 500} in it.
    Counted and shown to the verifier is the answer part, without thinking. Parts: length and
    constraints, which add up to R in [0, 1]. Without constraints nothing is paid for them, and the
    problem says so. Verdicts beyond the constraints don't count.

    Raises ValueError for a target length that isn't above 0, a verdict that isn't finite, and a
    constraint that can't be decided.
    """

    verifier: Any = "verdicts"
    static: tuple[str, ...] | None = None
    delta: Annotated[float, TOLERANCE] = 0.1
    length_shape: Annotated[str, one_of(*SHAPES)] = "linear"
    decay: Annotated[float, POSITIVE] = 0.25
    length_weight: Annotated[float, SHARE] = 0.5
    over: Annotated[str, one_of("mean", "all")] = "mean"
    unit: Annotated[str, one_of("words", "signs")] = "words"
    parts: ClassVar[tuple[str, ...]] = ("length", "constraints")
    facts: ClassVar[tuple[str, ...]] = ("R_L", "R_C", "words", "asked", "unread")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.verifier not in ("verdicts", "constraints") and not callable(self.verifier):
            msg = (
                f"verifier={shortened(self.verifier)} must be 'verdicts', 'constraints' or a "
                "function (prompt, text, constraints) -> labels"
            )
            raise ValueError(msg)

    @property
    def reads(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The columns: `checklist` unless it is static, `verdicts` where they are given."""
        asked = () if self.static is not None else ("checklist",)
        return (*asked, *self.of_text)

    @property
    def of_text(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The verdicts, where they are given: no data set holds those of a new text."""
        return ("verdicts",) if self.verifier == "verdicts" else ()

    @property
    def asks(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The prompt, if a function sees it."""
        return ("prompt",) if callable(self.verifier) else ()

    def graded(self, row: TextRow, step: float = 0.0) -> Graded:
        return self.grade_parts([row], step)[0]

    def grade_parts(self, rows: Sequence[TextRow], step: float = 0.0) -> list[Graded]:
        """Each row's parts, in order; lengths are scored at once.

        Raises KeyError for a missing column, ValueError as the class says.
        """
        del step
        rows = [unpacked(self._lent(row), "checklist") for row in rows]
        texts = [answer_part(row.completion) for row in rows]
        words = np.array([counted_words(text, self.unit) for text in texts], dtype=float)
        target = np.array([_target(row) for row in rows], dtype=float)  # NaN: none
        known = np.isfinite(target)
        near = np.ones(len(rows))
        near[known] = target_length_score(
            words[known], target[known], self.delta, self.length_shape, self.decay
        )
        each = zip(rows, texts, words.tolist(), near.tolist(), strict=True)
        return [self._graded(*row) for row in each]

    def _graded(self, row: TextRow, text: str, words: float, near: float) -> Graded:
        asked = self._asked(row)
        verdicts = self._verdicts(row, text, asked)
        scores = [verdict_score(v) for v in verdicts[: len(asked)]]
        unread = len(asked) - len(scores) + sum(map(math.isnan, scores))
        mean = _mean(scores, len(asked))
        kept = mean if self.over == "mean" else float(mean == 1)
        w = self.length_weight
        facts = {"R_L": near, "R_C": mean, "words": words, "asked": len(asked), "unread": unread}
        return Graded({"length": w * near, "constraints": (1 - w) * kept}, facts,
                      _problem(len(asked), len(verdicts), unread))  # fmt: skip

    def _asked(self, row: TextRow) -> list[str]:
        given = self.static if self.static is not None else need(row, "checklist", self.__name__)
        found = listed(given)
        if found is None:
            return []
        if isinstance(found, str):
            found = [line.strip() for line in found.splitlines() if line.strip()]
        if not isinstance(found, list):
            msg = f"checklist={shortened(given)} is no list of constraints, nor text of lines"
            raise ValueError(msg)
        return [str(c) for c in found]

    def _verdicts(self, row: TextRow, text: str, asked: Sequence[str]) -> list[Any]:
        if self.verifier == "verdicts":
            return read_verdicts(need(row, "verdicts", self.__name__))
        if self.verifier == "constraints":
            return [met(text, c) for c in asked]
        return read_verdicts(self.verifier(row.prompt, text, asked)) if asked else []


def _mean(scores: Sequence[float], n: int) -> float:
    """Sum of the scores that aren't NaN over n; 0 for n = 0."""
    return sum(s for s in scores if not math.isnan(s)) / n if n else 0.0


def _target(row: TextRow) -> float | None:
    given = told(row, "target_len")
    if given is None:
        return None
    target = number(given)
    if not target > 0:
        msg = f"target_len={shortened(given)} must be a number of words above 0, or None"
        raise ValueError(msg)
    return target


def _problem(asked: int, said: int, unread: int) -> str:
    if not asked:
        return "no constraints"
    if said != asked:
        return f"{said} verdicts for {asked} constraints"
    return f"{unread} of {asked} verdicts can't be read" if unread else ""
