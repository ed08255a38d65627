"""Process rewards, on texts: who scores the steps, and the fields that terms such as step_sum read.

    scorer = step_scorer("prm.py:score")
    row = with_scores(row, scores_of(row, scorer, "line", by="prm.py"), "line")

gives a row the columns step_scores and step_ends. `of_step` asks a scorer in a trainer's calling
form, one step a row, so that it runs where rewards run: in the sandbox, with its time limit.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from toyrl.graders.answers import is_correct
from toyrl.graders.base import TextRow
from toyrl.graders.steps.scores import (
    StepScorer,
    by_row,
    checked,
    even_offsets,
    step_fields,
    step_texts,
)
from toyrl.graders.steps.splits import SPLITTERS
from toyrl.graders.steps.splits import steps as split
from toyrl.messages import PATH, shortened
from toyrl.rewards.specs import FILE
from toyrl.serving import text_rows

STEP = "toyrl_step"
"""Column that says which step `of_step` is asked for, from 0."""
SCORES = "toyrl_scores"
"""Column of the scores of a row's steps, one a step."""
CORRECT = "toyrl_correct"
"""Column that says whether a text is right, where that is known without its gold answer."""
KINDS = "file.py:function, the folder of a token-classification model, or a column of the log"


def step_scorer(spec: str | Path | Callable[..., Any]) -> StepScorer:
    """The scorer of a function, of file.py:function, or of a model's folder.

    Raises ValueError, with what is allowed, for what is none of these; MissingExtra for a model
    where torch or transformers is missing.
    """
    if callable(spec):
        return by_row(spec)
    text = str(spec)
    if Path(text).is_dir():
        from toyrl.graders.steps.models import StepClassifier

        return StepClassifier(text)
    found = FILE.match(text)
    if not found or not found["name"]:
        msg = f"process={shortened(text, PATH)} is none of {KINDS}"
        raise ValueError(msg)
    from toyrl.rewards.sandbox.modules import by_location

    module, name = by_location(Path(found["path"]).expanduser().resolve()), found["name"].strip()
    function = getattr(module, name, None)
    if not callable(function):
        there = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        msg = f"{found['path']} has no function {name!r}; it has {', '.join(there) or 'none'}"
        raise ValueError(msg)
    return by_row(function, Path(found["path"]).name + f":{name}")


def scores_of(row: TextRow, scorer: StepScorer, how: str, *, by: str) -> list[float]:
    """One score per step of a row's text, NaN where it is missing; [] without a step.

    how : one of `toyrl.graders.steps.splits.SPLITTERS`; by : who scores, for the message

    Raises ValueError for scores that can't be used (`toyrl.graders.steps.scores.checked`).
    """
    spans = split(row.completion, how)
    if not spans:
        return []
    return checked(scorer(step_texts(row.completion, spans), row), len(spans), by=by)


def with_scores(row: TextRow, scores: Sequence[float], how: str) -> TextRow:
    """The row with the columns step_scores and step_ends, a number per token each, and the scores
    themselves in the column `SCORES`.

    Raises ValueError for another number of scores than of steps.
    """
    tokens, spans = max(int(row.tokens), 1), split(row.completion, how)
    fields = step_fields(scores, spans, even_offsets(len(row.completion), tokens))
    own = {name: array("d", value) for name, value in fields.items()}  # long, so packed
    columns = {**row.columns, **own, SCORES: [float(x) for x in scores]}
    return replace(row, tokens=tokens, columns=columns)


def of_step(
    scores: str | Callable[..., Any], *, steps: str = "line"
) -> Callable[..., list[float | None]]:
    """f(prompts, completions, toyrl_step, **columns) -> the score of that step of each text.

    scores : as for `step_scorer`; steps : one of `toyrl.graders.steps.splits.SPLITTERS`
    None for a missing score, and for a text that has no such step.

    Raises ValueError for a splitter that doesn't exist, and as `step_scorer`.
    """
    _known(steps)
    scored = _Remembered(step_scorer(scores), steps, by=_label(scores))

    def score(
        prompts: Sequence[Any],
        completions: Sequence[Any],
        toyrl_step: Sequence[int],
        **columns: Any,
    ) -> list[float | None]:
        out: list[float | None] = []
        rows = text_rows(prompts, completions, columns)
        for row, k in zip(rows, toyrl_step, strict=True):
            found = scored(row)
            known = int(k) < len(found) and not math.isnan(found[int(k)])
            out.append(found[int(k)] if known else None)
        return out

    return score


def correctness(row: TextRow) -> float | None:
    """What the column `CORRECT` says, else whether the marked answer is the gold one.

    A column `correct` is not read: it may be another row's, lent with the columns of a data set.
    """
    return row.columns[CORRECT] if CORRECT in row.columns else is_correct(row)


class _Remembered:
    """Scores of a row's steps, asked for once while the row is the one asked for last."""

    def __init__(self, scorer: StepScorer, how: str, *, by: str) -> None:
        self.scorer, self.how, self.by = scorer, how, by
        self.last: tuple[Any, list[float]] | None = None

    def __call__(self, row: TextRow) -> list[float]:
        key = (row.prompt, row.completion, repr(sorted(row.columns.items(), key=str)))
        if self.last is None or self.last[0] != key:
            self.last = (key, scores_of(row, self.scorer, self.how, by=self.by))
        return self.last[1]


def _label(scores: Any) -> str:
    if callable(scores):
        return getattr(scores, "__name__", type(scores).__name__)
    return Path(str(scores)).name


def _known(steps: str) -> None:
    if steps not in SPLITTERS:
        msg = f"steps={shortened(steps)} is not one of {', '.join(SPLITTERS)}"
        raise ValueError(msg)
