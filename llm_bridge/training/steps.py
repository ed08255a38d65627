"""Step scores of a trainer's completions, on the tokens that the model drew.

The text of the steps is that of the tokens themselves, so a step ends on a token of its own text
whatever a chat template makes of it. End tokens belong to the last step, which may have been cut
off; a completion without text has no step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np

from toyrl.graders.base import TextRow
from toyrl.graders.steps.scores import StepScorer, checked, step_fields, step_texts
from toyrl.graders.steps.splits import Splitter
from toyrl.graders.steps.splits import steps as split

FIELDS = ("step_scores", "step_ends")


def token_offsets(tokenizer: Any, ids: Sequence[int]) -> tuple[str, np.ndarray]:
    """The text of tokens without special ones, and (T, 2) the characters of each token in it.

    tokenizer : of transformers; ids : T token ids. A token that is no text by itself (a special
    one, or a part of a character) begins and ends where the text so far does.
    """

    def text_of(part: Sequence[int]) -> str:
        return str(tokenizer.decode(list(part), skip_special_tokens=True))

    text = text_of(ids)
    pieces = [text_of([i]) for i in ids]
    if "".join(pieces) == text:
        ends = [0, *accumulate(map(len, pieces))]
    else:  # spaces or characters that come of several tokens
        kept = [text_of(ids[:t]) for t in range(len(ids) + 1)]
        ends = [len(k.rstrip("\N{REPLACEMENT CHARACTER}")) for k in kept]
        ends = [*np.maximum.accumulate(np.minimum(ends, len(text))).tolist()]
        ends[-1] = len(text)
    return text, np.stack([ends[:-1], ends[1:]], axis=1).astype(int).reshape(-1, 2)


class StepGraders:
    """Graders of the fields `step_scores` and `step_ends`: a scorer asked once a completion.

    tokenizer : of the model that is trained; scorer : `toyrl.graders.steps.scores.StepScorer`
    how : as for `toyrl.graders.steps.splits.steps`
    """

    def __init__(
        self, tokenizer: Any, scorer: StepScorer, how: str | re.Pattern[str] | Splitter
    ) -> None:
        self.tokenizer, self.scorer, self.how = tokenizer, scorer, how
        self._last: tuple[list[Any], list[dict[str, np.ndarray]]] | None = None

    def graders(self) -> dict[str, Callable[[Sequence[TextRow]], list[list[float]]]]:
        """Field name -> function of rows with a column completion_ids: a number per token each."""
        return {name: self._grader(name) for name in FIELDS}

    def _grader(self, name: str) -> Callable[[Sequence[TextRow]], list[list[float]]]:
        def grade(rows: Sequence[TextRow]) -> list[list[float]]:
            return [fields[name].tolist() for fields in self._fields(rows)]

        return grade

    def _fields(self, rows: Sequence[TextRow]) -> list[dict[str, np.ndarray]]:
        """Of the rows asked for last they are kept, for the other field asks for the same."""
        key = [(row.prompt, tuple(row.columns["completion_ids"])) for row in rows]
        if self._last is None or self._last[0] != key:
            self._last = (key, [self._of(row) for row in rows])
        return self._last[1]

    def _of(self, row: TextRow) -> dict[str, np.ndarray]:
        ids = row.columns["completion_ids"]
        text, offsets = token_offsets(self.tokenizer, ids)
        spans = split(text, self.how)
        if not spans:
            return dict.fromkeys(FIELDS, np.zeros(len(ids)))
        given = self.scorer(step_texts(text, spans), replace(row, completion=text))
        return step_fields(checked(given, len(spans)), spans, offsets)
