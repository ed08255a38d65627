"""A prompt made short: what is still answered from its first L tokens, times likeness to it.

    reward = parse_grader("capsule(budget=200)")
    Capsule(downstream=model_that_answers, embed=retriever.encode)

The text is cut at the budget before anything is looked at, so that what stands behind it neither
pays nor costs. What each part alone is hacked by: docs/theory/relevance.md.

Source: paper 16 (Nano-Capsulator). Certain are two terms (semantics, utility), questions drawn from
the training set, a strict cut-off, and that reward and loss interact. **Their algebra is
reconstructed and unverified**: the product is one of several combinations here.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np

from toyrl.graders.answers import same_answer
from toyrl.graders.base import TextRow
from toyrl.graders.likeness.embedded import HASHED, cosines, embedded, embedder, mean_rows
from toyrl.graders.packed import listed
from toyrl.graders.parts import Graded, TaskReward, is_blank, need, told
from toyrl.messages import shortened
from toyrl.ranges import SHARE, Range, one_of
from toyrl.registry import entry

Array = Any
COMBINATIONS = ("product", "sum", "utility", "semantic")
OVERFLOWS = ("truncate", "zero")
UNITS = ("words", "characters", "tokens")
WORDS = re.compile(r"\S+")


class Compressed(NamedTuple):
    """What a capsule is worth.

    utility : weight of the questions still answered, in [0, 1]; semantic : cosine, in [-1, 1]
    reward : of both; kept : min(m, L); ratio : 1 - kept / n, in tokens
    """

    utility: float
    semantic: float
    reward: float
    kept: int
    ratio: float


def combined(utility: Array, semantic: Array, *, combine: str = "product", weight: float = 0.5
             ) -> Array:  # fmt: skip
    """The reward from utility and semantics, scalars or of one shape (broadcast).

    combine : "product", of the utility and a cosine of at least 0, "sum" (weight U + (1 - weight)
        s), "utility" or "semantic" alone, which keep their sign

    Raises ValueError for another combination.
    """
    if combine not in COMBINATIONS:
        msg = f"combine={shortened(combine)} is not one of {', '.join(COMBINATIONS)}"
        raise ValueError(msg)
    if combine == "sum":
        return weight * utility + (1 - weight) * semantic
    if combine == "product":
        return utility * np.maximum(semantic, 0.0)
    return utility if combine == "utility" else semantic


def answered_share(answered: Array, weights: Array | None = None) -> float:
    """Weight of the answered questions over all of it; answered, weights : (Q,).

    A NaN (the model failed) counts as not answered. Without questions: NaN.

    Raises ValueError for weights that are not finite and above 0, or of another number.
    """
    given = np.asarray(answered, dtype=float)
    right = np.where(np.isnan(given), 0.0, given)
    w = np.ones(right.shape) if weights is None else np.asarray(weights, dtype=float)
    if w.shape != right.shape:
        msg = f"{right.size} questions need as many weights, not {w.size}"
        raise ValueError(msg)
    if not (np.isfinite(w).all() and (w > 0).all()):
        msg = f"weights={shortened(w.tolist())} must be finite and above 0; leave a question out"
        raise ValueError(msg)
    return float(w @ right / w.sum()) if w.size else math.nan


def score(prompt: Sequence[int], capsule: Sequence[int], need: Sequence[Sequence[int]],
          weights: Array, matrix: Array, *, budget: float, combine: str = "product",
          weight: float = 0.5, overflow: str = "truncate") -> Compressed:  # fmt: skip
    """A capsule of token ids: a question is answered if all that it needs stands in the budget.

    prompt, capsule : token ids; need : ids a question; weights : (Q,); matrix : (V, d) rows
    budget : tokens that are looked at, inf: all; overflow : "truncate", or "zero" for one too long

    Raises ValueError for a budget below 0 and what `combined` and `answered_share` refuse.
    """
    if not budget >= 0:
        msg = f"budget={shortened(budget)} must be 0 or more"
        raise ValueError(msg)
    read = list(capsule[: int(min(budget, len(capsule)))])
    there = set(read)
    utility = answered_share([float(there.issuperset(q)) for q in need], weights)
    vectors = (mean_rows(matrix, ids)[None] for ids in (prompt, read))
    semantic = float(cosines(*vectors)[0])
    reward = float(combined(utility, semantic, combine=combine, weight=weight))
    reward *= not (overflow == "zero" and len(capsule) > budget)
    return Compressed(utility, semantic, reward, len(read), ratio(len(read), len(prompt)))


def ratio(kept: int, whole: int) -> float:
    """Share of the prompt that is saved, 1 - kept/whole; below 0 if it grew, 0 for an empty one."""
    return 1 - kept / whole if whole else 0.0


def masked_scores(prompt: Array, keep: Array, need: Array, matrix: Array, budget: Array
                  ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """(utility, semantic, kept) of many capsules that keep some of the prompt's tokens.

    prompt : (n,) ids; keep : (..., n) bool, cut at the budget; need : (Q,) the one id a question
    asks for; matrix : (V, d); budget : scalar, or (..., 1) for one each
    """
    ids, keep = np.asarray(prompt), np.asarray(keep, dtype=bool)
    read = keep & (np.cumsum(keep, -1) <= budget)
    kinds = np.eye(len(matrix))[ids]
    counts = read.astype(float) @ kinds
    utility = (counts[..., np.asarray(need)] > 0).mean(-1)
    vectors = np.asarray(matrix, dtype=float)
    semantic = cosines(counts @ vectors, kinds.sum(0) @ vectors)
    return utility, semantic, read.sum(-1)


def contains(text: str, answer: str, *, whole: bool = True) -> bool:
    """True if the answer stands in the text, up to case and spaces; an empty one always does.

    whole : not as a part of a longer word or number; for scripts without spaces say False
    """
    return _holds(plain(text), plain(answer), whole)


def plain(text: str) -> str:
    """The text up to case and spaces."""
    return " ".join(text.casefold().split())


def _holds(text: str, answer: str, whole: bool) -> bool:
    if answer not in text or not (answer and whole):
        return answer in text
    left = r"(?<!\w)" if re.match(r"\w", answer) else ""
    right = r"(?!\w)" if re.search(r"\w$", answer) else ""
    return re.search(left + re.escape(answer) + right, text) is not None


@entry(
    "capsule",
    kind="grader",
    cards=("16",),
    formula="U(C_1:L) max(cos(e(K), e(C_1:L)), 0)",
    section="Eqs. 1 and 2 and how they interact: reconstructed, unverified",
    provenance="reconstructed",
)
@dataclass(frozen=True)
class Capsule(TaskReward):
    """Questions still answered from the text's first tokens, times likeness to the long prompt.

    budget : L, in `unit`; None: all is read; the column `budget` of a row comes first
    unit : "words" (between spaces), "characters" (for scripts without spaces), or "tokens" of
        `tokenizer`, an object with `encode` and `decode` or a model's name
    combine, weight : see `combined`; the paper's own combination is not known
    overflow : "truncate" a text that is too long, or pay it "zero"
    match : planted answers are looked for as whole "words", or as a "substring"
    downstream : (texts, questions) -> answers, one each; None: planted answers are looked for. A
        number is taken as the match itself, None and NaN as a failure, a text is compared with the
        answer of the row (`same_answer`)
    embed : "hashed", or a function from texts to (n, d)

    Columns: `answers`, one or a list, JSON of one too; `questions` and `question_weights`, lists of
    the same length, optional (the first is needed by a downstream model); `context`, the long
    prompt, else the prompt itself; `budget`, optional; `completion_ids`, read for tokens where
    there are some.

    Raises ValueError for a field out of its range, and for tokens without a tokenizer.
    """

    budget: Annotated[int | None, Range("[0, inf)", whole=True).or_none] = 100
    unit: Annotated[str, one_of(*UNITS)] = "words"
    combine: Annotated[str, one_of(*COMBINATIONS)] = "product"
    weight: Annotated[float, SHARE] = 0.5
    overflow: Annotated[str, one_of(*OVERFLOWS)] = "truncate"
    match: Annotated[str, one_of("words", "substring")] = "words"
    downstream: Callable[[Sequence[str], Sequence[str]], Sequence[Any]] | None = None
    embed: Any = HASHED
    tokenizer: Any = None
    parts: ClassVar[tuple[str, ...]] = ("reward",)
    facts: ClassVar[tuple[str, ...]] = ("utility", "semantic", "kept", "ratio", "failed")
    reads: ClassVar[tuple[str, ...]] = ("answers",)
    asks: ClassVar[tuple[str, ...]] = ("prompt",)

    def __post_init__(self) -> None:
        super().__post_init__()
        embedder(self.embed)
        if self.unit == "tokens" and self.tokenizer is None:
            msg = "unit='tokens' needs a tokenizer: give tokenizer=NAME or an object with encode"
            raise ValueError(msg)

    def graded(self, row: TextRow, step: float = 0.0) -> Graded:
        """One capsule's reward and what it is made of."""
        return self.grade_parts([row], step)[0]

    def grade_parts(self, rows: Sequence[TextRow], step: float = 0.0) -> list[Graded]:
        """Each row's reward; the downstream model and the embedding are called once for all.

        Raises KeyError for a row without `answers`, ValueError for columns that don't fit.
        """
        del step
        rows = [self._lent(row) for row in rows]
        asked = [_asked(row) for row in rows]
        read = [self._cut(row) for row in rows]
        found = self._answered([text for text, _, _ in read], asked)
        contexts = [_text(told(row, "context", otherwise=row.prompt)) for row in rows]
        vectors, place = embedded(embedder(self.embed), [*contexts, *(r[0] for r in read)])
        n = len(rows)
        semantic = cosines(vectors[place[:n]], vectors[place[n:]])
        sizes = {text: len(self._units(text)) for text in set(contexts)}
        long = [sizes[text] for text in contexts]
        return [self._graded(*each) for each in zip(asked, read, found, long, semantic,
                                                    strict=True)]  # fmt: skip

    def _graded(self, asked: _Asked, read: tuple[str, int, bool], answered: list[float],
                size: int, semantic: float) -> Graded:  # fmt: skip
        _, kept, over = read
        utility = answered_share(answered, asked.weights)
        reward = float(combined(utility, semantic, combine=self.combine, weight=self.weight))
        if self.overflow == "zero" and over:
            reward = 0.0
        failed = sum(math.isnan(a) for a in answered)
        said = "no answers" if not asked.answers else "" if size else "an empty context"
        said = "the embedding is NaN" if math.isnan(semantic) else said
        if failed and not said:
            said = f"{failed} of {len(answered)} questions failed downstream"
        saved = ratio(kept, size)
        facts = {"utility": utility, "semantic": float(semantic), "kept": float(kept),
                 "ratio": saved, "failed": float(failed)}  # fmt: skip
        return Graded({"reward": reward}, facts, said)

    def _answered(self, texts: Sequence[str], asked: Sequence[_Asked]) -> list[list[float]]:
        """Match of each question of each text, NaN where the model failed."""
        if self.downstream is None:
            whole = self.match == "words"
            return [[float(_holds(own, plain(a), whole)) for a in row.answers]
                    for own, row in zip(map(plain, texts), asked, strict=True)]  # fmt: skip
        if any(len(row.questions) != len(row.answers) for row in asked):
            msg = "a downstream model needs the column `questions`, one for each of `answers`"
            raise ValueError(msg)
        pairs = [(t, q) for t, row in zip(texts, asked, strict=True) for q in row.questions]
        said = list(self.downstream([t for t, _ in pairs], [q for _, q in pairs])) if pairs else []
        if len(said) != len(pairs):
            msg = f"the downstream model gave {len(said)} answers to {len(pairs)} questions"
            raise ValueError(msg)
        rest = iter(said)
        return [[_matched(next(rest), a) for a in row.answers] for row in asked]

    def _cut(self, row: TextRow) -> tuple[str, int, bool]:
        """The text up to the budget, its length in units, and whether more was written."""
        budget = row.columns.get("budget")
        budget = self.budget if budget is None else budget
        most = math.inf if budget is None else _number(budget)
        text = row.completion
        if self.unit == "tokens":
            given = row.columns.get("completion_ids")
            ids = list(self._units(text) if given is None else given)
            kept = ids[: int(min(most, len(ids)))]
            return self._tool.decode(kept), len(kept), len(ids) > most
        if self.unit == "characters":
            kept = text[: int(min(most, len(text)))]
            return kept, len(kept), len(text) > most
        m = len(text.split())
        if m <= most:
            return text, m, False
        ends = [e.end() for e in itertools.islice(WORDS.finditer(text), int(most))]
        return text[: ends[-1] if ends else 0], int(most), True

    def _units(self, text: str) -> Sequence[Any]:
        if self.unit == "tokens":
            return self._tool.encode(text, add_special_tokens=False)
        return text if self.unit == "characters" else text.split()

    @property
    def _tool(self) -> Any:
        from toyrl.serving import tokenizer_named

        named = isinstance(self.tokenizer, str)
        return tokenizer_named(self.tokenizer) if named else self.tokenizer


class _Asked(NamedTuple):
    answers: list[str]
    questions: list[str]
    weights: list[float] | None


def _asked(row: TextRow) -> _Asked:
    answers, questions = (
        _list(x) for x in (need(row, "answers", "capsule"), row.columns.get("questions"))
    )
    weights = listed(told(row, "question_weights"))
    numbers = None if weights is None else [float(w) for w in weights]
    return _Asked([_text(a) for a in answers], [_text(q) for q in questions], numbers)


def _list(given: Any) -> list[Any]:
    """The column's values; one value stands for a list of one, nothing (`is_blank`) for none."""
    if is_blank(given):
        return []
    given = listed(given)
    alone = isinstance(given, str) or not hasattr(given, "__iter__")
    return [given] if alone else list(given)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _number(budget: Any) -> float:
    fits = isinstance(budget, (int, float, np.number)) and not isinstance(budget, bool)
    if fits and budget >= 0:
        return float(budget)
    msg = f"budget={shortened(budget)} of a row must be a number, 0 or more"
    raise ValueError(msg)


def _matched(said: Any, answer: str) -> float:
    """1, 0, a given number, or NaN for a failure."""
    if said is None:
        return math.nan
    if isinstance(said, str):
        return float(same_answer(said, answer))
    return float(said) if math.isnan(float(said)) else min(max(float(said), 0.0), 1.0)
