"""What edited texts are paid by each way of turning step scores into a return, and as judged."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from toyrl.experiments.validate.steps.edits import COPIES, OTHERS, Edit, copies, edited
from toyrl.graders.base import TextRow
from toyrl.rewards.process import correctness, with_scores
from toyrl.serving import ServedReward
from toyrl.shapers.process.clip_delta import StepClip, StepClipDelta, StepDelta
from toyrl.shapers.process.summaries import StepMean, StepMin, StepProduct, StepSum

SCHEMES: dict[str, Any] = {
    "sum": StepSum(),
    "min": StepMin(),
    "mean": StepMean(),
    "product": StepProduct(),
    "Clip": StepClip(),
    "Delta": StepDelta(),
    "Clip-Delta": StepClipDelta(),
}
"""Returns of step scores, each with weight 1 and the prompt's mean score for a threshold."""
DRAWN = ("sum", "min", "mean", "Clip", "Delta")
JUDGED = "as judged"


@dataclass(frozen=True)
class Text:
    """A text whose steps were scored: K scores, NaN missing; whether it is right."""

    row: TextRow
    scores: list[float]
    right: bool


@dataclass(frozen=True)
class Tried:
    """An edit on the texts that it fits.

    places : (n,) numbers of those texts; paid : scheme -> (n,) totals, NaN unscorable
    fits : (n,) whether the edited text keeps within the limit; rows : the edited texts
    """

    edit: Edit
    places: np.ndarray
    paid: Mapping[str, np.ndarray]
    fits: np.ndarray
    rows: list[TextRow] = field(default_factory=list)


def scheme_totals(
    shaper: Any, rows: Sequence[TextRow], base: Sequence[TextRow], places: Sequence[int]
) -> np.ndarray:
    """(n,) what a shaper pays rows with step columns; NaN unscorable.

    base : the texts as they were, the siblings of each row but for its own, places[i]

    Raises KeyError for a field that the rows don't have.
    """
    if not rows:
        return np.zeros(0)
    limit = max(r.tokens for r in (*rows, *base))
    served = ServedReward(shaper, limit, correct=correctness)
    alone = shaper.all_scope() == "rollout"
    flat, keys = [], []
    for i, (row, place) in enumerate(zip(rows, places, strict=True)):
        others = [] if alone else [b for k, b in enumerate(base) if k != place]
        flat += [row, *others]
        keys += [i] * (1 + len(others))
    values = served(flat, keys).rewards
    first = [k for k in range(len(keys)) if k == 0 or keys[k] != keys[k - 1]]
    return np.array([math.nan if (v := values[k]) is None else v for k in first], dtype=float)


def tried(
    texts: Sequence[Text],
    edits: Sequence[Edit],
    how: str,
    *,
    scores: Callable[[Sequence[TextRow]], list[list[float]]] | None,
    judged: Callable[..., np.ndarray] | None,
    limit: float,
) -> list[Tried]:
    """Every edit on every text that it fits, graded.

    scores : scores the steps of new texts; None where nobody can be asked, and a step has the
        score of the one that it is a copy of
    judged : f(rows, base, places) of rows with step columns, what the reward pays them
    limit : of the run in tokens
    """
    base = [with_scores(t.row, t.scores, how) for t in texts]
    plan: list[tuple[Edit, list[int], list[TextRow], list[list[float] | None]]] = []
    for edit in edits:
        found = [(k, edited(t.row, t.scores, edit, how)) for k, t in enumerate(texts)]
        kept = [(k, *e) for k, e in found if e is not None and (scores or e[1] is not None)]
        plan.append((edit, [k for k, _, _ in kept], [r for _, r, _ in kept], [s for *_, s in kept]))
    asked = iter(scores([row for _, _, rows, _ in plan for row in rows])) if scores else None
    out = []
    for edit, places, rows, known in plan:
        got = [next(asked) for _ in rows] if asked is not None else [s or [] for s in known]
        full = [with_scores(row, s, how) for row, s in zip(rows, got, strict=True)]
        paid = {n: scheme_totals(x, full, base, places) for n, x in SCHEMES.items()}
        if judged is not None:
            paid[JUDGED] = judged(full, base, places)
        fits = np.array([row.tokens <= limit for row in rows], dtype=bool)
        out.append(Tried(edit, np.array(places, dtype=int), paid, fits, list(rows)))
    return out


def untouched() -> Edit:
    """The text as it is."""
    return Edit("", "", lambda pieces, _s, _e, _n: [(p, k) for k, p in enumerate(pieces)])


def plan() -> list[Edit]:
    """The text as it is, copies of its best-paid step, and the other edits, in this order."""
    return [untouched(), *(copies(m) for m in COPIES), *OTHERS]
