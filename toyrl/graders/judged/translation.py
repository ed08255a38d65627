"""A translation, paid for being better than an exemplar; likeness to the exemplar is never paid.

    reward = parse_grader("translation()")     # columns reference, exemplar, direction

    r = 0                                          where the format is broken
      = grade + alpha analysis + beta quality      in the pivot direction, grade 1 to 5
      = 1[the text is in the target language]      in the other directions

The grade counts thresholds below the lead over the exemplar: BLEU or chrF of the text against a
reference less that of the exemplar against the same reference, or a judge's written comparison, or
its number. A copy of the exemplar gets the middle grade. The reward is the one of
`toyrl.shapers.judge.exemplar`, here with a scorer for texts.

BLEU and chrF are sacrebleu's for a sentence. Its tokenisers "13a" and "char" need nothing beside
it; those for Japanese, Korean and subwords need models of their own and are not offered: take
"char", or chrF, which has no tokeniser. Languages are told by py3langid.

Source: paper 45 (ExTrans); the paper's scorers are language models and CometKiwi, whose answers
come as columns. Metrics, tie and step are stand-ins of ours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Annotated, Any, ClassVar

import numpy as np

from toyrl.extras import needed_by
from toyrl.graders.base import TextRow
from toyrl.graders.judged.comparisons import comparison_grade
from toyrl.graders.learned.model_scores import number
from toyrl.graders.parts import Graded, TaskReward, is_blank, told
from toyrl.messages import shortened
from toyrl.ranges import COUNT, FLAG, NOT_NEGATIVE, POSITIVE, SHARE, one_of
from toyrl.registry import entry
from toyrl.shapers.judge.exemplar import grade, multilingual_reward, translation_reward

METRICS = one_of("chrf", "bleu")
TOKENISERS = one_of("13a", "char").so(
    "others need models beside sacrebleu; metric='chrf' has no tokeniser"
)
OPEN, CLOSE = "<think>", "</think>"
LAST = re.compile(r"[^\W_]+\Z")
SAME = "the exemplar is the reference: likeness to it is no lead over it"


# -- scorers ---------------------------------------------------------------------------------------
@lru_cache(maxsize=8)
def _metric(metric: str, tokenize: str) -> Any:
    with needed_by("the reward translation"):
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    return CHRF() if metric == "chrf" else BLEU(effective_order=True, tokenize=tokenize)


@lru_cache(maxsize=512)
def _kept_score(text: str, references: tuple[str, ...], metric: str, tokenize: str) -> float:
    return float(_metric(metric, tokenize).sentence_score(text, references).score)


def sentence_score(
    text: str, references: Sequence[str], *, metric: str = "chrf", tokenize: str = "13a"
) -> float:
    """chrF or BLEU of one sentence, in [0, 100], by sacrebleu; 0 for an empty text.

    references : one or more, not empty; metric : "chrf" or "bleu" (of the orders that the sentence
    has); tokenize : of BLEU, "13a" or "char" (for scripts without spaces)

    Raises ValueError for a word out of these, and without a reference that holds a word.
    """
    for allowed, name, word in ((METRICS, "metric", metric), (TOKENISERS, "tokenize", tokenize)):
        if not allowed.allows(word):
            raise ValueError(allowed.refusal(name, word))
    known = _texts(references)
    if not known:
        msg = "the reference is empty: nothing to compare a translation with"
        raise ValueError(msg)
    return float(_metric(metric, tokenize).sentence_score(text, known).score)


@lru_cache(maxsize=1)
def _identifier() -> Any:
    with needed_by("the reward translation"):
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def language(text: str) -> tuple[str, float]:
    """(code such as "en" or "zh", certainty in [0, 1]); a few letters are told with little."""
    return _identifier().classify(text)


def in_language(text: str, target: str, least: float = 0.5) -> float:
    """1.0 if the text is in the language `target` with a certainty of at least `least`, else 0.0.

    target : an ISO 639-1 code

    Raises ValueError for a code that py3langid doesn't know.
    """
    _check_code(target)
    found, sure = language(text)
    return float(found == target and sure >= least)


@lru_cache(maxsize=1)
def _codes() -> frozenset[str]:
    return frozenset(_identifier().labels)


def _check_code(target: str) -> None:
    known = _codes()
    if target not in known:
        msg = f"target language {shortened(target)} is not one of {', '.join(sorted(known))}"
        raise ValueError(msg)


# -- format ----------------------------------------------------------------------------------------
def translation_of(text: str, *, think: bool = True) -> str | None:
    """What stands behind the one closed think block that the text begins with; None without one.

    think : False takes a text without such a block whole, and one with a tag in it for broken
    """
    text = text.strip()
    if think:
        if not text.startswith(OPEN) or text.count(OPEN) != 1 or text.count(CLOSE) != 1:
            return None
        text = text.partition(CLOSE)[2].strip()
    elif OPEN in text or CLOSE in text:
        return None
    return text or None


@dataclass(slots=True)
class _Read:
    """What one row says, and what is amiss."""

    form: float
    pivot: float
    grade: float = math.nan
    leads: tuple[float, ...] = ()
    known: bool = False
    analysis: float = 0.0
    quality: float = 0.0
    said: float = 0.0
    sure: float = math.nan
    score: float = math.nan
    theirs: float = math.nan
    problem: str = ""


@entry(
    "translation",
    kind="grader",
    cards=("45",),
    formula="1[format] (1 + #{k: m(y) - m(e) > s_k} + alpha analysis + beta quality); 1[language]",
    section="r_all and the lightweight reward; metric, alpha, beta and s reconstructed",
    provenance="reconstructed",
)
@dataclass(frozen=True)
class Translation(TaskReward):
    """A translation graded over an exemplar behind its format; elsewhere its language alone.

    paid : "exemplar", grade 1 to 5 for the lead over it; "metric", the metric over 100 instead
    metric, tokenize : "chrf", or "bleu" with the tokeniser "13a" or "char"
    tie : half the width of the middle grade, in points of the metric; step : of the next two; ours
    alpha, beta : weights of the columns `analysis` (0, 1, 2) and `quality_estimate` ([0, 1]); ours
    pivot : the direction that is paid in full; rows without the column `direction` are
    check : where the language is asked for, "light" directions, "always", "never"
    least : certainty below which a language counts as the wrong one
    think : a text has to begin with one closed think block
    most : characters of a translation; a longer one breaks the format, so that no metric stalls

    Columns, all optional: `reference` and `exemplar` (a text or several; of several exemplars the
    mean grade), or `comparison`, a judge's answer or number, which goes before; `direction` such as
    "en-zh", `target_language` where its last part isn't the language's code; `only_translation`, a
    judge's 0 or 1 on commentary, which nothing else finds. A truncated text breaks the format.
    Without an exemplar the quality alone is paid, as the problem says; a comparison that can't be
    read is no reward. NaN of the quality counts as 0.

    Raises ValueError for a field out of its range and for languages that py3langid doesn't know.
    """

    paid: Annotated[str, one_of("exemplar", "metric")] = "exemplar"
    metric: Annotated[str, METRICS] = "chrf"
    tokenize: Annotated[str, TOKENISERS] = "13a"
    tie: Annotated[float, POSITIVE] = 1.0
    step: Annotated[float, NOT_NEGATIVE] = 5.0
    alpha: Annotated[float, NOT_NEGATIVE] = 0.5
    beta: Annotated[float, NOT_NEGATIVE] = 1.0
    pivot: str = "en-zh"
    check: Annotated[str, one_of("light", "always", "never")] = "light"
    least: Annotated[float, SHARE] = 0.5
    think: Annotated[bool, FLAG] = True
    most: Annotated[int, COUNT] = 20_000
    parts: ClassVar[tuple[str, ...]] = ("comparison", "analysis", "quality", "language")
    facts: ClassVar[tuple[str, ...]] = (
        "format", "score", "exemplar_score", "in_language", "certainty",
    )  # fmt: skip
    asks: ClassVar[tuple[str, ...]] = ("truncated",)

    def graded(self, row: TextRow, step: float = 0.0) -> Graded:
        """One text's parts."""
        return self.grade_parts([row], step)[0]

    def grade_parts(self, rows: Sequence[TextRow], step: float = 0.0) -> list[Graded]:
        """Each row's parts, by the formulas of `toyrl.shapers.judge.exemplar`.

        Raises ValueError for a language that py3langid doesn't know.
        """
        found = [self._read(row) for row in rows]
        if not found:
            return []
        names = ("form", "pivot", "grade", "analysis", "quality", "said")
        self._grade_leads(found)
        of = {n: np.array([getattr(x, n) for x in found], dtype=float) for n in names}
        zero, known = 0 * of["form"], np.array([x.known for x in found])
        each = {"comparison": (of["grade"], zero, zero), "analysis": (zero, of["analysis"], zero),
                "quality": (zero, zero, of["quality"])}  # fmt: skip
        pay = {
            n: multilingual_reward(
                translation_reward(
                    of["form"], *x, alpha=self.alpha, beta=self.beta, has_exemplar=known
                ),
                zero, zero, of["pivot"],
            )
            for n, x in each.items()
        }  # fmt: skip
        pay["language"] = multilingual_reward(zero, of["form"], of["said"], of["pivot"])
        listed = zip(*(pay[n].tolist() for n in self.parts), strict=True)
        return [
            Graded(dict(zip(self.parts, own, strict=True)), _facts(x), x.problem)
            for own, x in zip(listed, found, strict=True)
        ]

    def _grade_leads(self, found: Sequence[_Read]) -> None:
        """Give rows the mean grade of their leads over exemplars, all graded at once."""
        cuts = (-self.tie - self.step, -self.tie, self.tie, self.tie + self.step)
        every = iter(grade(np.array([v for x in found for v in x.leads]), cuts).tolist())
        for x in found:
            if x.leads:
                x.grade = sum(islice(every, len(x.leads))) / len(x.leads)

    def lead(self, text: str, references: Sequence[str], exemplar: str) -> float:
        """Points by which a text's metric exceeds the exemplar's, against the same references.

        Raises ValueError for references of which none holds a word.
        """
        mine, theirs = (
            sentence_score(x, references, metric=self.metric, tokenize=self.tokenize)
            for x in (text, exemplar)
        )
        return mine - theirs

    def _score(self, text: str, references: tuple[str, ...]) -> float:
        return float(_metric(self.metric, self.tokenize).sentence_score(text, references).score)

    def _read(self, row: TextRow) -> _Read:
        columns = row.columns
        direction = str(told(row, "direction", otherwise=self.pivot)).lower()
        pivot = float(direction == self.pivot.lower())
        text = None if row.truncated else translation_of(row.completion, think=self.think)
        if text is None or not _number(columns.get("only_translation"), 1.0) >= 0.5:
            return _Read(0.0, pivot, problem="" if text is None else "commentary")
        if len(text) > self.most:
            return _Read(0.0, pivot, problem=f"over {self.most} characters")
        said, sure = 1.0, math.nan
        if self.check == "always" or (self.check == "light" and not pivot):
            target = str(told(row, "target_language", otherwise=_last(direction))).lower()
            _check_code(target)
            found, sure = language(text)
            said = float(found == target and sure >= self.least)
        if not pivot:
            return _Read(1.0, pivot, said=said, sure=sure)
        return self._compared(columns, text, said, sure)

    def _compared(self, columns: Any, text: str, said: float, sure: float) -> _Read:
        read = self._grade(columns, text)
        read.form = read.said = said
        read.sure = sure
        read.analysis = _number(columns.get("analysis"), 0.0)
        read.quality = _number(columns.get("quality_estimate"), 0.0)
        return read

    def _grade(self, columns: Any, text: str) -> _Read:
        """What is known of a text against its exemplars; in good form."""
        judged = columns.get("comparison")
        if judged is not None and self.paid == "exemplar":
            level = (
                comparison_grade(judged) if isinstance(judged, str) else _number(judged, math.nan)
            )
            level = level if 1 <= level <= 5 else math.nan
            why = "the comparison can't be read" * math.isnan(level)
            return _Read(1.0, 1.0, level, known=True, problem=why)
        references = _texts(columns.get("reference"))
        if self.paid == "metric":
            if not references:
                return _Read(1.0, 1.0, known=True, problem="no reference")
            score = self._score(text, references)
            return _Read(1.0, 1.0, score / 100, known=True, score=score)
        exemplars = _texts(columns.get("exemplar"))
        if not exemplars:
            return _Read(1.0, 1.0, problem="no exemplar: quality alone")
        if not references:
            return _Read(1.0, 1.0, known=True, problem="neither a reference nor a comparison")
        if set(exemplars) & set(references):
            return _Read(1.0, 1.0, known=True, problem=SAME)
        score = self._score(text, references)
        theirs = [_kept_score(e, references, self.metric, self.tokenize) for e in exemplars]
        return _Read(
            1.0, 1.0, leads=tuple(score - v for v in theirs), known=True, score=score,
            theirs=sum(theirs) / len(theirs),
        )  # fmt: skip


def _facts(x: _Read) -> dict[str, float]:
    return {"format": x.form, "score": x.score, "exemplar_score": x.theirs,
            "in_language": x.said, "certainty": x.sure}  # fmt: skip


def _texts(value: Any) -> tuple[str, ...]:
    """One text or several as those that hold a word, without spaces at their ends."""
    if is_blank(value):
        return ()
    if isinstance(value, str):
        value = value.strip()
        return (value,) if value else ()
    return tuple(x.strip() for x in value if isinstance(x, str) and x.strip())


def _last(direction: str) -> str:
    found = LAST.search(direction.strip())
    return found[0] if found else ""


def _number(value: Any, missing: float) -> float:
    """A cell as a number; `missing` where there is no finite one."""
    found = number(value)
    return missing if math.isnan(found) else found
