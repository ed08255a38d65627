"""ONI as a reward function on texts: steps are captions, a completion is an episode.

    reward = CaptionReward(judge, template=without_numbers)
    GRPOTrainer(..., reward_funcs=[reward])                 # columns: `correct`, or a `verify`

Labels are merged before a batch is scored and never while it is: all members of a group are judged
by one table. The table is this process's own: with several, share the labels, or equal completions
are paid differently.

Source: paper 06, sections 2 and 7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from toyrl.graders.steps.splits import steps as split
from toyrl.models.captions.annotator import BATCH, Annotator, Judge
from toyrl.models.captions.table import CaptionTable, TemplateVotes
from toyrl.serving import text_rows
from toyrl.shapers.explore.oni import BETA, caption_counts, mixed_reward

KINDS = ("retrieval", "classification")


def without_numbers(caption: str) -> str:
    """The caption with every number replaced by "0": a template of steps that count."""
    return re.sub(r"\d+", "0", caption)


def same_words(caption: str) -> str:
    """The caption in lower case with single spaces: what counts as verbatim."""
    return " ".join(caption.lower().split())


class CaptionReward:
    """alpha_ext correct + alpha_int sum_t r_hat(c_t)/N_t^beta for each completion.

    judge : captions -> labels 0 or 1, in the annotator's thread; splitter : of steps, as
        `toyrl.graders.steps.splits.steps` takes it; normalised : what makes a step a caption
    template : of captions; N_t counts templates, and so does classification. None: exact captions
    kind : "retrieval" (labels as they are) or "classification" (votes by template)
    verify : completion and its columns -> correctness, where there is no column `correct`

    Raises ValueError for another kind.
    """

    __name__ = "captions"

    def __init__(
        self,
        judge: Judge,
        *,
        kind: str = "retrieval",
        splitter: Any = "sentence",
        normalised: Callable[[str], str] = same_words,
        template: Callable[[str], str] | None = None,
        verify: Callable[..., float] | None = None,
        alpha_ext: float = 1.0,
        alpha_int: float = 0.1,
        beta: float = BETA,
        batch_size: int = BATCH,
    ) -> None:
        if kind not in KINDS:
            msg = f"kind={kind!r} is not one of {', '.join(KINDS)}"
            raise ValueError(msg)
        self.kind, self.splitter, self.normalised = kind, splitter, normalised
        self.template, self.verify = template or (lambda c: c), verify
        self.alpha_ext, self.alpha_int, self.beta = alpha_ext, alpha_int, beta
        self.labels: dict[str, float] = {}
        self.table = CaptionTable.of()
        self.annotator = Annotator(judge, batch_size=batch_size)

    def captions(self, completion: str) -> list[str]:
        """A completion's steps as captions, in order."""
        found = (completion[a:b] for a, b in split(completion, self.splitter))
        return [c for c in map(self.normalised, found) if c]

    def merge(self) -> None:
        """Take over the labels that have arrived."""
        new = {c: 1.0 if y > 0 else 0.0 for c, y in self.annotator.collect().items()}
        if new:
            self.labels |= new
            self.table = self.table.labelled(new)

    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float]:
        """One number a completion; a column `correct` or `verify` says which are right.

        Raises ValueError without either.
        """
        self.merge()
        votes = None
        if self.kind == "classification":
            votes = TemplateVotes.of(self.labels, template=self.template)
        rows = text_rows([""] * len(completions), completions, columns)
        given = columns.get("correct")
        if given is None and self.verify is None:
            msg = "there is neither a column `correct` nor verify=: who says what is right?"
            raise ValueError(msg)
        paid, unseen = [], []
        for i, row in enumerate(rows):
            own, text = self.captions(row.completion), row.completion
            right = float(given[i] if given is not None else self.verify(text, **row.columns))  # type: ignore[misc]
            unseen += [c for c in own if c not in self.labels]
            paid.append(right * self.alpha_ext + self._intrinsic(own, votes))
        self.annotator.offer(unseen)
        return paid

    def _intrinsic(self, captions: list[str], votes: TemplateVotes | None) -> float:
        if not captions or self.alpha_int == 0:
            return 0.0
        if votes is None:
            good = self.table.rewards(captions)
        else:
            good = votes.rewards(captions, self.template)
        count = caption_counts([self.template(c) for c in captions])
        paid = mixed_reward(0.0 * good, good, count, alpha_int=self.alpha_int, beta=self.beta)
        return float(np.sum(paid))

    def close(self) -> None:
        """End the annotator's thread."""
        self.annotator.close()
