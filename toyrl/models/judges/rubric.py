"""A reasoning judge in two steps: it picks a rubric for a task's type, then says which is better.

    judge = ReasoningJudge.of(right=[[0.9, 0.6], [0.55, 0.85]])      even rubrics
    judge.accuracy, judge.places                                     0.725, both places alike
    judge = distilled(judge, task, rubric)                           a teacher's traces
    judge.score(np.eye(2))                                           accuracy on each type

The policy is over rubrics, a softmax for each type; how well a rubric judges is given, for each of
the two places at which the better answer may stand. A judge that always names the first answer has
the chances 1 and 0 there: its accuracy is the share of labels at the first place, and no more.

Source: paper 31 (chain of rubrics); the two steps are a toy of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from toyrl.graders.judged.verdicts import TAGS
from toyrl.messages import shortened
from toyrl.models.base import model

Array = Any


@model("reasoning_judge")
@dataclass(frozen=True, eq=False)
class ReasoningJudge:
    """logits (types, rubrics); right (2, types, rubrics); share (types,).

    logits : of the rubrics; -inf is never drawn
    right : chance of a right verdict where the better answer stands first, and second, in [0, 1]
    share : how often each type is asked, >= 0, scaled to sum to 1

    Raises ValueError for arrays that don't fit, chances outside [0, 1], and types without weight.
    """

    logits: np.ndarray
    right: np.ndarray
    share: np.ndarray

    def __post_init__(self) -> None:
        z, v, s = (np.asarray(x, dtype=float) for x in (self.logits, self.right, self.share))
        if z.ndim != 2 or not z.size or v.shape != (2, *z.shape) or s.shape != z.shape[:1]:
            msg = f"logits, right and share have the shapes {z.shape}, {v.shape}, {s.shape}; they "
            msg += "must be (types, rubrics), (2, types, rubrics) and (types,)"
            raise ValueError(msg)
        if not np.isfinite(z.max(-1)).all():
            msg = "each type needs a rubric of finite logit, and no logit may be NaN or inf"
            raise ValueError(msg)
        if not (np.all((v >= 0) & (v <= 1)) and np.all(s >= 0) and 0 < s.sum() < np.inf):
            msg = "right must lie in [0, 1] and share be at least 0, not all 0"
            raise ValueError(msg)

    @classmethod
    def of(cls, right: Array, logits: Array | None = None, share: Array | None = None
           ) -> ReasoningJudge:  # fmt: skip
        """right : (types, rubrics), both places alike, or (2, types, rubrics); the rest even."""
        v = np.asarray(right, dtype=float)
        v = np.stack([v, v]) if v.ndim == 2 else v
        z = np.zeros(v.shape[1:]) if logits is None else np.asarray(logits, dtype=float)
        s = np.ones(len(z)) if share is None else np.asarray(share, dtype=float)
        return cls(z, v, s)

    @property
    def rubrics(self) -> np.ndarray:
        """(types, rubrics) the chance of each rubric given the type."""
        e = np.exp(self.logits - self.logits.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    @property
    def places(self) -> np.ndarray:
        """(2,) accuracy where the better answer stands first, and second."""
        return (self.right * self.rubrics).sum(-1) @ (self.share / self.share.sum())

    @property
    def accuracy(self) -> float:
        """Chance of a right verdict where labels are balanced over the places."""
        return float(self.places.mean())

    def reward(self, *, right: float = 1.0, wrong: float = -1.0) -> float:
        """Expected reward of a verdict; a judge that looks at the place alone has their mean."""
        return wrong + (right - wrong) * self.accuracy

    def score(self, x: Array) -> np.ndarray:
        """(N,) accuracy on tasks x (N, types), one type marked by 1 in each row or several mixed.

        Raises ValueError for another number of types.
        """
        x = np.asarray(x, dtype=float)
        if x.ndim != 2 or x.shape[1] != len(self.share):
            msg = f"features have the shape {x.shape}; give (N, {len(self.share)}), a type a column"
            raise ValueError(msg)
        return x @ (self.right.mean(0) * self.rubrics).sum(-1)

    def write(self, task: Array, label: Array, rng: np.random.Generator, *, trailing: int = 0
              ) -> list[str]:  # fmt: skip
        """Texts of the judge's answers: type, rubric, verdict, and `trailing` characters after it.

        task : (N,) types; label : (N,) 0 where the first answer is better, 1 where the second is
        """
        task, label = np.asarray(task, dtype=int), np.asarray(label, dtype=int)
        u = rng.random((2, len(task)))
        rubric = (u[0][:, None] > self.rubrics.cumsum(-1)[task, :-1]).sum(-1)
        said = label ^ (u[1] >= self.right[label, task, rubric])
        tags = (TAGS["A"], TAGS["B"])
        return [
            f"<type>{t}</type><rubric>{k}</rubric>{tags[s]}" + "." * trailing
            for t, k, s in zip(task, rubric, said, strict=True)
        ]


def distilled(judge: ReasoningJudge, task: Array, rubric: Array, *, smoothing: float = 1.0
              ) -> ReasoningJudge:  # fmt: skip
    """The judge after the first stage: its rubrics fitted to a teacher's traces by likelihood.

    task, rubric : (N,) whole numbers, which rubric the teacher used on which type
    smoothing : traces >= 0 that each rubric has beforehand; at 0 a rubric that is in no trace is
        never drawn again, and no reward finds it

    A type without traces keeps its logits. The source's traces are right by construction: wrong
    ones are written anew by a teacher that is shown the answer.

    Raises ValueError for numbers that name no type or rubric, and for a negative smoothing.
    """
    types, size = judge.logits.shape
    t, k = np.asarray(task), np.asarray(rubric)
    fits = t.ndim == 1 and t.shape == k.shape and t.dtype.kind + k.dtype.kind in {"ii", "iu", "ui",
                                                                                  "uu"}  # fmt: skip
    if not fits or np.any((t < 0) | (t >= types) | (k < 0) | (k >= size)):
        msg = f"task={shortened(task)} and rubric={shortened(rubric)} must be as many whole "
        msg += f"numbers, below {types} and {size}"
        raise ValueError(msg)
    if not 0 <= smoothing < np.inf:
        msg = f"smoothing={smoothing} must be a number of 0 or more"
        raise ValueError(msg)
    count = np.zeros((types, size))
    np.add.at(count, (t, k), 1.0)
    with np.errstate(divide="ignore"):
        log = np.log(count + smoothing)
    seen = count.sum(-1, keepdims=True) > 0
    return replace(judge, logits=np.where(seen, log, judge.logits))
