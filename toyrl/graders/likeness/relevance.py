"""Relevance by a retriever, times length, less repetition: a reward without preference data.

    reward = parse_grader("relevance()")               # words hashed
    Relevance(embed=retriever.encode, max_sequence_length=512)

An open question is paid for likeness to the question, length and variety; one with a right answer
for likeness to the reference. Which is which says the column `qtype` (CONSTRAINED or OPENENDED).
How it is hacked: docs/theory/relevance.md.

Source: paper 39 (R3), code of its later title, reward_model.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from toyrl.graders.base import TextRow
from toyrl.graders.likeness.embedded import (
    HASHED,
    HashedWords,
    dots,
    embedded,
    embedder,
    lowered,
    mean_rows,
    words_and_marks,
)
from toyrl.graders.likeness.repetition import distinct_share
from toyrl.graders.parts import LABELS, Graded, TaskReward, told
from toyrl.messages import shortened
from toyrl.ranges import COUNT, FLAG, POSITIVE, one_of
from toyrl.registry import entry

Array = Any
MARKS = ("### Instruction:", "### Response:", "\n\n\n\n", "\n\n--", "\n\n____")
"""Where a response is over: the roles of the released template, and what follows an answer."""
CONSTRAINED, OPEN = "CONSTRAINED", "OPENENDED"


def cut(text: str, marks: Sequence[str] = MARKS) -> str:
    """The text up to the first mark, without line breaks and spaces at its ends."""
    text = text.strip("\n ")
    places = [i for mark in marks if (i := text.find(mark)) >= 0]
    return text[: min(places)].strip("\n ") if places else text


def length_incentive(tokens: Array, *, unit: float = 100.0) -> Array:
    """N over `unit`; tokens : scalar or (...,) counts of words and marks."""
    return np.asarray(tokens, dtype=float) / unit


def repetition_penalty(tokens: Sequence[str], n: int = 3) -> float:
    """Distinct trigrams over all of them, in (0, 1]; 1 for fewer than three tokens."""
    return distinct_share(tokens, n)


def interpolated(relevance: Array, *, largest: float = 3.5, limit: int = 512, unit: float = 100.0
                 ) -> np.ndarray:  # fmt: skip
    """F(r) = r / largest * limit / unit, not clipped: 0 at 0, at `largest` a full length's pay.

    relevance : any shape; limit : tokens of a response at most
    """
    return np.asarray(relevance, dtype=float) / largest * (limit / unit)


def token_relevance(matrix: Array, query: Sequence[int], response: Sequence[int]) -> float:
    """Dot product of the mean rows (V, d) of two lists of token ids; 0 where one is empty."""
    return float(mean_rows(matrix, query) @ mean_rows(matrix, response))


@entry(
    "relevance",
    kind="grader",
    cards=("39",),
    formula="open: r_x LI RP; constrained: F(r_y) RP",
    section="R3; reward_model.py, ReversedEngineeredRewardForInference",
    provenance="code",
)
@dataclass(frozen=True)
class Relevance(TaskReward):
    """Relevance times length times variety, or for a known answer likeness to it times variety.

    length_incentive, repetition_penalty : off, their factor is 1
    relevance_scaling : off, r is 1 and every question counts as open
    reward_branching : off, every question counts as open
    embed : "hashed", or a function from texts to (n, d); see `toyrl.graders.likeness.embedded`. The
        released one is facebook/contriever, mean over tokens, not normalised
    max_sequence_length : tokens of a response at most
    largest : dot product that is paid as much as a full length; the released 3.5 is contriever's,
        so give what your own embedding reaches
    strip : what the text is cut for (`cut`): "counts" (released: relevance still sees what was cut
        off), "all", "none"
    empty : an empty text is "paid" for likeness (released: its F(r_y) may be positive) or "zero"
    clip : relevance above `largest` counts as `largest`, in the branch that F is for
    nan : a NaN of the embedding is paid as "nan" (no reward), or refused by "raise"

    Columns: `qtype` and `reference` (or another of `LABELS`), both optional; `query`, where the
    prompt holds more than the question. Without a type or a reference a question is open; so is
    every one under a trainer that hands over one gold column (OpenRLHF).

    Raises ValueError for a field out of its range, and for NaN as `nan` says.
    """

    length_incentive: Annotated[bool, FLAG] = True
    repetition_penalty: Annotated[bool, FLAG] = True
    relevance_scaling: Annotated[bool, FLAG] = True
    reward_branching: Annotated[bool, FLAG] = True
    embed: Any = HASHED
    max_sequence_length: Annotated[int, COUNT] = 512
    largest: Annotated[float, POSITIVE] = 3.5
    strip: Annotated[str, one_of("counts", "all", "none")] = "counts"
    empty: Annotated[str, one_of("paid", "zero")] = "paid"
    clip: Annotated[bool, FLAG] = False
    nan: Annotated[str, one_of("nan", "raise")] = "nan"
    parts: ClassVar[tuple[str, ...]] = ("reward",)
    asks: ClassVar[tuple[str, ...]] = ("prompt",)
    facts: ClassVar[tuple[str, ...]] = (
        "relevance", "length_incentive", "repetition_penalty", "tokens", "constrained",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        embedder(self.embed)

    def graded(self, row: TextRow, step: float = 0.0) -> Graded:
        """One text's reward and factors."""
        return self.grade_parts([row], step)[0]

    def grade_parts(self, rows: Sequence[TextRow], step: float = 0.0) -> list[Graded]:
        """Each row's reward; every text and question is embedded once.

        Raises ValueError for what the embedding gives, as `nan` and its shape say.
        """
        asked = [self._asked(row) for row in rows]
        cuts = [row.completion if self.strip == "none" else cut(row.completion) for row in rows]
        tokens = [self.counted(text) for text in cuts]
        whole = cuts if self.strip == "all" else [row.completion for row in rows]
        likeness = np.ones(len(rows))
        if self.relevance_scaling:
            split = dict(zip(cuts, tokens, strict=True))
            likeness = self.related([question for question, _, _ in asked], whole, split)
        return [
            self.scored(own, float(r), constrained=known, problem=problem)
            for own, r, (_, known, problem) in zip(tokens, likeness, asked, strict=True)
        ]

    def counted(self, text: str) -> list[str]:
        """The tokens that length and repetition are counted in."""
        return words_and_marks(text)

    def share(self, tokens: Sequence[str]) -> float:
        """The repetition factor of a list of tokens."""
        return repetition_penalty(tokens)

    def related(self, questions: Sequence[str], texts: Sequence[str],
                split: dict[str, list[str]] | None = None) -> np.ndarray:  # fmt: skip
        """(n,) dot products of each text with its question or reference.

        split : tokens of texts that are known already, of use to hashed words

        Raises ValueError for NaN if `nan` says so.
        """
        embed, known = embedder(self.embed), split or {}
        if isinstance(embed, HashedWords):
            found, place = embedded(lambda t: _hashed(embed, t, known), [*questions, *texts])
        else:
            found, place = embedded(embed, [*questions, *texts])
        n = len(questions)
        r = dots(found[place[:n]], found[place[n:]])
        if self.nan == "raise" and np.isnan(r).any():
            i = int(np.flatnonzero(np.isnan(r))[0])
            msg = f"row {i + 1}: the embedding of {shortened(texts[i])} or its question is NaN"
            raise ValueError(msg)
        return r

    def paid(self, relevance: float, tokens: int, share: float, constrained: bool) -> float:
        """The reward from its factors; those switched off count as 1."""
        variety = share if self.repetition_penalty else 1.0
        if not tokens and self.empty == "zero":
            return 0.0
        if constrained and self.relevance_scaling and self.reward_branching:
            r = min(relevance, self.largest) if self.clip else relevance
            scaled = interpolated(r, largest=self.largest, limit=self.max_sequence_length)
            return float(scaled) * variety
        length = float(length_incentive(tokens)) if self.length_incentive else 1.0
        r = relevance if self.relevance_scaling else 1.0
        return r * length * variety

    def scored(self, tokens: Sequence[str], relevance: float, *, constrained: bool = False,
               problem: str = "") -> Graded:  # fmt: skip
        """The reward of a list of tokens with a known relevance."""
        share, n = self.share(tokens), len(tokens)
        if math.isnan(relevance):
            problem = "the embedding is NaN"
        facts = {
            "relevance": relevance, "length_incentive": float(length_incentive(n)),
            "repetition_penalty": share, "tokens": float(n), "constrained": float(constrained),
        }  # fmt: skip
        return Graded({"reward": self.paid(relevance, n, share, constrained)}, facts, problem)

    def _asked(self, row: TextRow) -> tuple[str, bool, str]:
        """What a text is compared with, whether that is the reference, and what is amiss."""
        question = str(told(row, "query", otherwise=row.prompt))
        said = told(row, "qtype")
        kind = "" if said is None else str(said).strip().upper()
        if not (self.reward_branching and self.relevance_scaling) or kind in ("", OPEN):
            return question, False, ""
        if kind != CONSTRAINED:
            return question, False, f"qtype {shortened(said, 30)}: open"
        reference = told(row, "reference", *LABELS)
        if reference is None:
            return question, False, "no reference: open"
        return str(reference), True, ""


def _hashed(embed: HashedWords, texts: Sequence[str], split: dict[str, list[str]]) -> Any:
    """Hashed texts, with the tokens of those that were split already."""
    return embed.of_tokens([lowered(split[t] if t in split else words_and_marks(t)) for t in texts])
