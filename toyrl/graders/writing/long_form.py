"""Long-form writing: a length within a range, a model's quality, tags without copied paragraphs.

    reward = parse_grader("writing(model='models/writing-rm')")
    toyrl export "writing()" --estimator averaged --to trl

Its three parts have scales of their own: in a sum the widest decides, averaged as advantages (the
estimator `averaged`) none does. What each part alone is hacked by: `toyrl reproduce 10`.

Source: paper 10, reward section, second-hand; no code was released. The format part is
reconstructed, and so is that the answer part alone is counted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from toyrl.graders.base import TextRow
from toyrl.graders.learned.model_scores import (
    COLUMN,
    NONE,
    ScoredByModel,
    check_model,
    model_scores,
    number,
    refuse_nan,
)
from toyrl.graders.likeness.repetition import WORDS, duplicate_paragraphs, similar_paragraphs
from toyrl.graders.parts import Graded, told
from toyrl.graders.steps.phases import answer_part, is_laid_out
from toyrl.ranges import NOT_NEGATIVE, PART, POSITIVE, one_of
from toyrl.registry import entry
from toyrl.shapers.length.band import band_score

HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
CHARACTERS = re.compile(rf"[{HAN}]|[^\s{HAN}]+")
WORD_CHARACTERS = re.compile(rf"[{HAN}]|[^\W{HAN}]+")


def count_words(text: str, unit: str = "words") -> int:
    """Words between spaces; with unit "characters" each Han or Kana character is one of its own.

    Other scripts without spaces, such as Thai, count as one word a run.
    """
    return len(CHARACTERS.findall(text)) if unit == "characters" else len(text.split())


def copied(text: str, docking: str = "similar", tau: float = 0.8, unit: str = "words") -> float:
    """Share of an answer's paragraphs that are copies of earlier ones, in [0, 1).

    docking : "similar" (sets of words as alike as tau), "exact" (the same up to spaces), "none"
    """
    if docking == "similar":
        words = (WORD_CHARACTERS if unit == "characters" else WORDS).findall
        return similar_paragraphs(text, tau, words)
    return duplicate_paragraphs(text) if docking == "exact" else 0.0


@entry(
    "writing",
    kind="grader",
    cards=("10",),
    formula="band(words) + model(text) + laid out (1 - copied paragraphs)",
    section="rewards for length, writing and format; the last is reconstructed",
    provenance="second-hand",
)
@dataclass(frozen=True)
class Writing(ScoredByModel):
    """Length within a band, a model's quality, and tags times paragraphs that are not copies.

    lower, upper : the band, in words; columns `L_lower` and `L_upper` give each prompt its own,
        which a judge predicts in the paper
    last : words at which the length part reaches 0, and the column `L_max`; the paper has its
        limit of 14,000 tokens there
    unit : "words" between spaces, or "characters", where each Han or Kana character is a word
    docking : copies are found by "similar" sets of words (least `tau` of them shared), by "exact"
        texts, or "none": tags alone
    tau : in (0, 1], of "similar"
    model : "column", "none" (the part is 0), a folder, or a function of (prompt, completion)
        pairs; see `toyrl.graders.learned.model_scores`
    column : where "column" finds the score
    nan : a score that is no number is refused by "raise", or leaves the text without a reward

    An empty answer has no paragraphs and earns 0 for format. A range that can't be read (lower
    above upper, no number) leaves the text without a reward, with the reason.

    Raises ValueError for a field out of its range and for NaN as `nan` says, KeyError for a row
    without the score's column.
    """

    lower: Annotated[float, NOT_NEGATIVE] = 400.0
    upper: Annotated[float, NOT_NEGATIVE] = 600.0
    last: Annotated[float, POSITIVE] = 1400.0
    unit: Annotated[str, one_of("words", "characters")] = "words"
    docking: Annotated[str, one_of("similar", "exact", NONE)] = "similar"
    tau: Annotated[float, PART] = 0.8
    model: Any = COLUMN
    column: str = "score"
    nan: Annotated[str, one_of("raise", "nan")] = "raise"
    parts: ClassVar[tuple[str, ...]] = ("length", "write", "format")
    facts: ClassVar[tuple[str, ...]] = ("words", "laid_out", "copied")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_model(self.model)
        if self.lower > self.upper:
            msg = f"lower={self.lower} is above upper={self.upper}; give the band's edges in order"
            raise ValueError(msg)

    def grade_parts(self, rows: Sequence[TextRow], step: float = 0.0) -> list[Graded]:
        """Each row's parts; the model sees all rows in one call.

        Raises ValueError and KeyError as the class says.
        """
        if self.model == NONE:
            return [self._graded(row, 0.0) for row in rows]
        found = model_scores(self.model, rows, column=self.column, by=self.__name__)
        return [self._graded(row, score) for row, score in zip(rows, found, strict=True)]

    def _graded(self, row: TextRow, score: float) -> Graded:
        if self.nan == "raise":
            refuse_nan(score, row, self.__name__)
        text = answer_part(row.completion)
        words, tidy = count_words(text, self.unit), is_laid_out(row.completion)
        share = copied(text, self.docking, self.tau, self.unit)
        band, problem = self._band(row)
        length = math.nan if problem else float(band_score(np.asarray(float(words)), *band))
        if math.isnan(score):
            problem = problem or "the model's score is no number"
        paid = (1 - share) * (tidy and bool(text.strip()))
        parts = {"length": length, "write": score, "format": paid}
        return Graded(
            parts, {"words": float(words), "laid_out": float(tidy), "copied": share}, problem
        )

    def _band(self, row: TextRow) -> tuple[tuple[float, float, float], str]:
        """The prompt's own range, else the fields', and what is amiss with it."""
        own = (("L_lower", self.lower), ("L_upper", self.upper), ("L_max", self.last))
        found = [number(told(row, name, otherwise=default)) for name, default in own]
        lower, upper, last = found
        wrong = [name for x, (name, _) in zip(found, own, strict=True) if not x >= 0]
        problem = f"{wrong[0]} is no number from 0 on" if wrong else ""
        if not problem and lower > upper:
            problem = f"L_lower {lower:g} is above L_upper {upper:g}"
        return (lower, upper, last), problem

    def _lent(self, row: TextRow) -> TextRow:
        """A prompt's gold column is no model's score."""
        return row
