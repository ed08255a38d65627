"""Phrases of reasoning: paid by themselves, or added to a reward model's low scores.

    reward = parse_grader("reasoning_patterns()")
    reward = parse_grader("calibrated(tau=0.5, alpha=0.1)")      # reads the column `score`

Each phrase counts once, however often it stands there. The released penalty on repetition counts
distinct repeated 20-grams over all of them, which does not stop loops: `repetition="distinct"`
does. What it pays for and where it ends: docs/theory/writing.md.

Source: paper 25, section 3 and figure 9; code trestad/Noisy-Rewards-in-Learning-to-Reason,
math_score.py (alone) and fsdp_workers.py (calibration).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from toyrl import stats
from toyrl.graders.answers import marked_answer
from toyrl.graders.base import TextRow
from toyrl.graders.learned.model_scores import (
    COLUMN,
    ScoredByModel,
    check_model,
    model_scores,
    refuse_nan,
)
from toyrl.graders.likeness.repetition import distinct_share, repeated_share
from toyrl.graders.parts import Graded, TaskReward
from toyrl.messages import shortened
from toyrl.ranges import COUNT, FLAG, NOT_NEGATIVE, POSITIVE, SHARE, one_of
from toyrl.registry import entry

Array = Any
PHRASES = (
    *("i need to", "we need to", "wait", "alternatively", "let me check", "let me see"),
    *("let's focus on", "we know that", "we can observe ", "we can see ", "let me try"),
    *("let's try", "let us try", "first, ", "firstly, ", "next, ", "finally, ", "let us first"),
    *("let's first", "let me first", "try again", "still not", "not working", "not correct"),
    *("does not work", "doesn't work", "makes sence", "since we ", "because we ", "consequently"),
    *("as a result", "thus", "therefore", "hence", "so that", "thereby", "if we", "given there "),
    *("for instance ", "for example "),
)
"""The 40 phrases, spelled as released."""
STEPS = (
    *("1. ", "2. ", "3. ", "4. ", "step 1 ", "step 2 ", "step 3. ", "step 4 "),
    *("considering the", "i'll", "i will", "i would", "i should"),
)
"""What the calibration of a reward model looks for besides."""
LISTS = {"reasoning": PHRASES, "reasoning and steps": (*PHRASES, *STEPS)}
PENALTIES = ("released", "distinct", "none")


def repetition_of(words: Sequence[str], penalty: str = "released", n: int = 20) -> float:
    """What repeated n-grams are charged, in [0, 1].

    penalty : "released" (`repeated_share`), "distinct" (1 - `distinct_share`) or "none"
    """
    if penalty == "none":
        return 0.0
    return repeated_share(words, n) if penalty == "released" else 1 - distinct_share(words, n)


def phrase_hits(text: str, phrases: Sequence[str] = PHRASES) -> int:
    """How many of the phrases stand in the text, in lower case, each counted once."""
    low = text.lower()
    return sum(phrase in low for phrase in phrases)


def _namespace(*values: Array) -> Any:
    """The arrays' own, NumPy for plain numbers."""
    arrays = [v for v in values if hasattr(v, "dtype")]
    return stats.array_namespace(*arrays) if arrays else np


def pattern_score(hits: Array, repetition: Array = 0.0, turns: Array = 0.0, *,
                  divisor: float = 20.0) -> Array:  # fmt: skip
    """max(0, min(1, hits/divisor) - repetition - turns), in [0, 1]; arrays broadcast."""
    xp = _namespace(hits, repetition, turns)
    hits = xp.asarray(hits) * 1.0
    one = xp.ones_like(hits)
    return xp.maximum(xp.minimum(hits / divisor, one) - repetition - turns, 0 * one)


def calibrate(score: Array, patterns: Array, *, tau: float = 0.5, alpha: float = 0.1) -> Array:
    """min(1, score + alpha patterns) where score < tau, else the score; arrays broadcast.

    score : a reward model's, about [0, 1]; patterns : in [0, 1]

    Below tau the result lies in [score, score + alpha]. It can overtake a score above tau.
    """
    xp = _namespace(score, patterns)
    score = xp.asarray(score) * 1.0
    raised = score + alpha * patterns
    return xp.where(score < tau, xp.minimum(raised, xp.ones_like(raised)), score)


@dataclass(frozen=True)
class _Phrases(TaskReward):
    """What both rewards count by."""

    phrases: Any = "reasoning"
    divisor: Annotated[float, POSITIVE] = 20.0
    repetition: Annotated[str, one_of(*PENALTIES)] = "released"
    n: Annotated[int, COUNT] = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        own = self.phrases
        listed = isinstance(own, (tuple, list)) and bool(own)
        if not (listed and all(isinstance(p, str) and p for p in own)) and own not in LISTS:
            msg = (
                f"phrases={shortened(own)} must be one of {', '.join(map(repr, LISTS))}, or a "
                "tuple of texts that are not empty"
            )
            raise ValueError(msg)

    @property
    def listed(self) -> tuple[str, ...]:
        """The phrases that count, in lower case."""
        found = LISTS[self.phrases] if isinstance(self.phrases, str) else self.phrases
        return tuple(phrase.lower() for phrase in found)

    def counted(self, text: str) -> tuple[int, float]:
        """Phrases found in the text, and its share of repetition."""
        low = text.lower()
        share = repetition_of(low.split(), self.repetition, self.n)
        return phrase_hits(low, self.listed), share


@entry(
    "reasoning_patterns",
    kind="grader",
    cards=("25",),
    formula="max(0, min(1, hits/divisor) - repetition - turns)",
    section="reasoning pattern reward, figure 9; math_score.py",
    provenance="code",
)
@dataclass(frozen=True)
class ReasoningPatterns(_Phrases):
    """Phrases of reasoning, less repetition and less questions of one's own.

    phrases : "reasoning" (40), "reasoning and steps" (53, of the calibration), or a tuple of texts
    divisor : phrases for full pay; the code has 20, the paper's figure 40
    repetition : "released" (distinct repeated n-grams over all: loops pass), "distinct" (1 -
        distinct over all) or "none"; n : words of an n-gram
    scope : what is read, "after" the first <think> (the thought and the answer, as released; the
        whole where there is none), or the "thought" alone, as the paper says
    turns : each "user: " costs 1
    answered : a text without a marked answer gets 0 first, as in the released training, whose
        parser was left out

    An empty text is paid 0.

    Raises ValueError for a field out of its range.
    """

    scope: Annotated[str, one_of("after", "thought")] = "after"
    turns: Annotated[bool, FLAG] = True
    answered: Annotated[bool, FLAG] = False
    facts: ClassVar[tuple[str, ...]] = ("hits", "repetition", "turns")

    def graded(self, row: TextRow, step: float = 0.0) -> Graded:
        """One text's reward."""
        low = row.completion.lower()
        text = low.partition("<think>")[2] or low
        if self.scope == "thought":
            text = text.partition("</think>")[0]
        hits, share = self.counted(text)
        asked = float(text.count("user: ")) if self.turns else 0.0
        paid = float(pattern_score(float(hits), share, asked, divisor=self.divisor))
        facts = {"hits": float(hits), "repetition": share, "turns": asked}
        if self.answered and not marked_answer(row.completion):
            return Graded({"reward": 0.0}, facts, "no marked answer")
        return Graded({"reward": paid}, facts)


def thought_and_answer(text: str) -> tuple[str, str] | None:
    """What stands in the last think and answer tags, None unless both hold something, in order."""
    ends = [text.rfind(tag) for tag in ("<think>", "</think>", "<answer>", "</answer>")]
    begin, closed, answer, end = ends
    begin, after = begin + len("<think>"), answer + len("<answer>")
    if min(ends) < 0 or closed <= begin or end <= after or closed >= answer:
        return None
    return text[begin:closed], text[after:end]


@entry(
    "calibrated",
    kind="grader",
    cards=("25",),
    formula="score < tau: min(1, score + alpha patterns), else score",
    section="calibration of a reward model; fsdp_workers.py",
    provenance="code",
)
@dataclass(frozen=True)
class Calibrated(ScoredByModel, _Phrases):
    """A reward model's score, raised by phrases of reasoning where it is low.

    phrases, divisor, repetition, n : as of `reasoning_patterns`, here with the phrases for steps
        and without a price on "user: "
    tau : scores from it on are left as they are; alpha : what full patterns add
    scope : the phrases are looked for in thought and answer ("both", as released) or in the
        "thought" alone, as the paper says
    tags : a text whose think and answer tags don't hold something each in order has the score 0
        first and no patterns ("needed", as released), or keeps its score and is read as a whole
    model : "column", a folder, or a function of (prompt, completion) pairs; see
        `toyrl.graders.learned.model_scores`. The released one is shown the answer alone
    column : where "column" finds the score; nan : as of `writing`

    The parts add up to the calibrated score: `model`, and `patterns`, what is added.

    Raises ValueError for a field out of its range and for NaN as `nan` says, KeyError for a row
    without the score's column.
    """

    phrases: Any = "reasoning and steps"
    tau: Annotated[float, SHARE] = 0.5
    alpha: Annotated[float, NOT_NEGATIVE] = 0.1
    scope: Annotated[str, one_of("both", "thought")] = "both"
    tags: Annotated[str, one_of("needed", "ignored")] = "needed"
    model: Any = COLUMN
    column: str = "score"
    nan: Annotated[str, one_of("raise", "nan")] = "raise"
    parts: ClassVar[tuple[str, ...]] = ("model", "patterns")
    facts: ClassVar[tuple[str, ...]] = ("score", "pattern_score", "hits", "repetition")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_model(self.model)

    def grade_parts(self, rows: Sequence[TextRow], step: float = 0.0) -> list[Graded]:
        """Each row's parts; the model sees all rows in one call.

        Raises ValueError and KeyError as the class says.
        """
        found = model_scores(self.model, rows, column=self.column, by=self.__name__)
        return [self._graded(row, score) for row, score in zip(rows, found, strict=True)]

    def _graded(self, row: TextRow, score: float) -> Graded:
        if self.nan == "raise":
            refuse_nan(score, row, self.__name__)
        text, problem = row.completion, ""
        inside = thought_and_answer(text)
        kept = score
        if inside is not None:
            text = inside[0] if self.scope == "thought" else "".join(inside)
        elif self.tags == "needed":
            text, problem, kept = "", "no think and answer tags", 0.0 * score
        hits, share = self.counted(text)
        patterns = float(pattern_score(float(hits), share, divisor=self.divisor))
        raised = float(calibrate(kept, patterns, tau=self.tau, alpha=self.alpha))
        facts = {"score": score, "pattern_score": patterns, "hits": float(hits),
                 "repetition": share}  # fmt: skip
        if math.isnan(score):
            problem = "the model's score is no number"
        return Graded({"model": kept, "patterns": raised - kept}, facts, problem)

    def _lent(self, row: TextRow) -> TextRow:
        """A prompt's gold column is no model's score."""
        return row
