"""The reward model of `cooper` beside it on texts: a grader of `judge` that learns as it grades.

    grader = CoTrained(features, learner, learner.start(features=F))
    ShapedGRPOTrainer(..., "cooper()", graders={"judge": grader.graded})

Every call scores all its rows by the model as it is, then makes one step: for each prompt the first
completion that the verifier accepts against a text written to be wrong. What an assistant model
writes in the paper is by default a rule here, another number in the place of the marked answer
(`corrupted`): right until its last line, it teaches to read the answer and nothing else. `rewrite`
takes a model's.

Several processes each train a copy on rows of their own: reduce the gradients, or let one of them
grade for all. Source: paper 28, sections on its pairs; the rule and the features are ours.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from toyrl.graders.answers import is_correct, marked_answer, same_answer
from toyrl.graders.base import TextRow
from toyrl.messages import shortened
from toyrl.models.reward.cooper import Cooper, CooperModel, Update, first_accepted

TRIES = 3
"""Times that a wrong text is asked for."""
DIGIT = re.compile(r"\d")

Features = Callable[[Sequence[TextRow]], Any]
Rewrite = Callable[[TextRow, random.Random], str]


def corrupted(row: TextRow, rng: random.Random) -> str:
    """The completion with one digit of its marked answer changed, wherever that answer stands last.

    An answer without a digit gets one. A completion without a marked answer is given back as it is,
    which no verifier tells from itself: the pair is dropped.
    """
    said = marked_answer(row.completion)
    place = -1 if not said else row.completion.rfind(said)
    if said is None or place < 0:
        return row.completion
    digits = [m.start() for m in DIGIT.finditer(said)]
    other = f"{said}{rng.randrange(1, 10)}"
    if digits:
        at = rng.choice(digits)
        other = said[:at] + rng.choice([d for d in "123456789" if d != said[at]]) + said[at + 1 :]
    return row.completion[:place] + other + row.completion[place + len(said) :]


def differs(row: TextRow, written: str) -> bool:
    """Whether a verifier of marked answers tells the written text's answer from the row's.

    A text without an answer differs from one with: it is wrong for sure.
    """
    one, other = marked_answer(row.completion), marked_answer(written)
    return one is not None and (other is None or not same_answer(one, other))


def written_wrong(row: TextRow, rewrite: Rewrite, rng: random.Random, *, tries: int = TRIES,
                  told_apart: Callable[[TextRow, str], bool] = differs) -> str | None:  # fmt: skip
    """The first of `tries` texts that is told from the right one; None if there is none."""
    for _ in range(tries):
        text = rewrite(row, rng)
        if told_apart(row, text):
            return text
    return None


@dataclass
class CoTrained:
    """A grader of the field `judge` that trains its model on what it has just graded.

    features : rows -> (N, F) numbers, the same for the same text; embeddings of question, reference
        and completion by a frozen model, say
    learner, model : see `toyrl.models.reward.cooper`; `model` is the newest one, and can be saved
    rewrite : (row, random numbers) -> a wrong text; verdict : row -> 1 where the verifier accepts
    told_apart : (row, wrong text) -> whether the verifier sees that their answers differ
    learns : False grades with a fixed model, as when the policy is evaluated
    last : the last update (None: none yet), with its number of pairs
    """

    features: Features
    learner: Cooper
    model: CooperModel
    rewrite: Rewrite = corrupted
    verdict: Callable[[TextRow], float] = is_correct
    told_apart: Callable[[TextRow, str], bool] = differs
    tries: int = TRIES
    seed: int = 0
    learns: bool = True
    last: Update | None = field(default=None, init=False)
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def graded(self, rows: Sequence[TextRow]) -> list[float]:
        """One logit a row by the model before this call's update; NaN where a feature is NaN.

        Raises ValueError where the features aren't a row of numbers for each text.
        """
        if not rows:
            return []
        x = self._read(rows)
        scores = self.model.score(x).tolist()
        if self.learns:
            self._learn(rows, x)
        return scores

    def _learn(self, rows: Sequence[TextRow], x: np.ndarray) -> None:
        groups: dict[str, list[int]] = {}
        for i, row in enumerate(rows):
            groups.setdefault(row.prompt, []).append(i)
        chosen, negatives = [], []
        for places in groups.values():
            # A completion that ran out is never a positive, whatever stands in it.
            verdicts = [0.0 if rows[i].truncated else self.verdict(rows[i]) for i in places]
            hit = np.flatnonzero(first_accepted(np.array(verdicts, dtype=float)))
            if not hit.size:
                continue
            row = rows[places[int(hit[0])]]
            wrong = written_wrong(row, self.rewrite, self._random, tries=self.tries,
                                  told_apart=self.told_apart)  # fmt: skip
            if wrong is not None:
                chosen.append(places[int(hit[0])])
                negatives.append(_with(row, wrong))
        if not chosen:
            self.last = None
            return
        self.last = self.learner.update(self.model, x[chosen], self._read(negatives))
        self.model = self.last.model

    def _read(self, rows: Sequence[TextRow]) -> np.ndarray:
        x = np.asarray(self.features(rows), dtype=float)
        width = self.model.weight.shape[-1]
        if x.shape != (len(rows), width):
            msg = f"features of {len(rows)} texts have the shape {shortened(x.shape)}; the model "
            raise ValueError(msg + f"reads ({len(rows)}, {width}), a row for each")
        return x


def _with(row: TextRow, completion: str) -> TextRow:
    return TextRow(row.prompt, completion, row.columns, row.tokens, False, row.written)
