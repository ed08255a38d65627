"""A process reward model on disk: a token classifier of transformers, read behind each step.

It is given the prompt and, one after another, each step with the separator behind it. Its score is
read on the last token of its separator: with two labels the probability of the second (the step
is good), with one label the logistic function of its number. So are such models usually trained
(0 bad, 1 good on the separator); another layout needs a function of one's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from toyrl.graders.base import TextRow
from toyrl.graders.learned.pretrained import classifier

SEPARATOR = "\n"
LAYOUT = (
    "a step is bad or good, so give a model of two (the second is good) or one, or "
    "file.py:function that reads it as you do"
)


class StepClassifier:
    """The `StepScorer` of a folder with a model for token classification and its tokenizer.

    folder : as `save_pretrained` writes it; separator : text behind each step

    Runs on the current CUDA device where there is one. A step beyond the model's longest input has
    no score (NaN). Raises MissingExtra without torch and transformers, ValueError for a folder that
    holds no such model, or one of more than two labels.
    """

    def __init__(self, folder: str | Path, *, separator: str = SEPARATOR) -> None:
        self._torch, self._tokenizer, self._model, self._device, longest = classifier(
            folder, "token", by="the process reward model", layout=LAYOUT
        )
        self._separator = self._ids(separator)
        self._longest = longest or math.inf

    def _ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def __call__(self, texts: Sequence[str], row: TextRow) -> list[float]:
        """One score in [0, 1] per step, NaN behind the longest input."""
        ids, ends = self._ids(row.prompt), []
        for text in texts:
            ids += self._ids(text) + self._separator
            ends.append(len(ids) - 1)
        if not ends or ends[0] < 0:
            return []
        torch = self._torch
        kept = ids[: int(min(len(ids), self._longest))]
        with torch.no_grad():
            logits = self._model(input_ids=torch.tensor([kept], device=self._device)).logits[0]
            logits = logits.double().cpu()
        if logits.shape[-1] == 2:
            good = torch.softmax(logits, dim=-1)[:, 1]
        else:
            good = torch.sigmoid(logits[:, 0])
        return [float(good[end]) if end < len(kept) else math.nan for end in ends]
