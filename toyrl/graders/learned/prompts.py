"""Is a prompt a good prompt? Paid by what a fixed model makes of inputs under it.

    reward = parse_grader("prompt_classification(others='label')")     # columns probs, labels
    reward = parse_grader("prompt_style()")                            # column scores

The completion is the prompt that is tried; how the model did under it stands in columns: class
probabilities (or the logits of the classes' words), or scores of sampled outputs.

    gap(x) = P(label) - max over other classes of P          r = wrong gap + (right - wrong) gap+

r is convex in the gap where right > wrong: of prompts of equal mean gap it prefers the uneven one,
(60 - 18)/2 = 21 for gaps 0.3 and -0.1 above 20 for 0.1 twice, which has twice the accuracy. How
that and a tie are hacked: docs/theory/prompts.md. Training by soft Q-learning on these rewards is
`toyrl.objectives.soft_q`.

Source: paper 37 (RLPrompt), code fsc_reward.py, tst_reward.py, output_selector.py.
"""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np

from toyrl import stats
from toyrl.graders.base import TextRow
from toyrl.graders.parts import Graded, TaskReward, need
from toyrl.messages import shortened
from toyrl.ranges import COUNT, FINITE, FLAG, NOT_NEGATIVE, POSITIVE, one_of
from toyrl.registry import entry

Array = Any
EPS = 1e-4
SUMS = 0.01
"""How far probabilities may be from a sum of 1: those of half precision are."""
OTHERS = one_of("equality", "label")
NAN = one_of("nan", "raise")
ONE = "one prompt for this input: its z-score is 0"


# -- what is paid ----------------------------------------------------------------------------------
def class_gap(probs: Array, labels: Array, *, others: str = "equality") -> Array:
    """(..., N) the label's probability less the largest of the other classes.

    probs : (..., N, C), C >= 2, over the classes alone; labels : (N,) or (..., N) whole numbers
    others : what "other" leaves out: "label" the label, gap in [-1, 1]; "equality", as released,
        every class of exactly the label's probability, counting as -1, so that a tie of all has the
        gap 1/C + 1 and counts as right

    Raises ValueError for another word.
    """
    if not OTHERS.allows(others):
        raise ValueError(OTHERS.refusal("others", others))
    xp = stats.array_namespace(probs)
    mine = labels[..., None] == xp.arange(probs.shape[-1])
    zero = xp.zeros_like(probs)
    own = xp.sum(xp.where(mine, probs, zero), axis=-1)
    left_out = (probs == own[..., None]) if others == "equality" else mine
    return own - xp.max(xp.where(left_out, zero - 1, probs), axis=-1)


def piecewise_reward(gap: Array, *, wrong: Any = 180.0, right: Any = 200.0) -> Array:
    """wrong gap where the gap is at most 0, right gap above; any shape, in [-wrong, right]."""
    xp = stats.array_namespace(gap)
    return gap * xp.where(gap > 0, xp.zeros_like(gap) + right, xp.zeros_like(gap) + wrong)


def gap_reward(
    probs: Array, labels: Array, *, wrong: Any = 180.0, right: Any = 200.0, others: str = "equality"
) -> tuple[Array, Array, Array]:
    """(gap (..., N), reward (...,), accuracy (...,)): `piecewise_reward` of gaps, mean over inputs.

    Arguments of `class_gap` and `piecewise_reward`; right is a gap above 0.
    """
    xp = stats.array_namespace(probs)
    gap = class_gap(probs, labels, others=others)
    hit = xp.where(gap > 0, xp.ones_like(gap), xp.zeros_like(gap))
    paid = piecewise_reward(gap, wrong=wrong, right=right)
    return gap, xp.mean(paid, axis=-1), xp.mean(hit, axis=-1)


def style_score(content: Array, style: Array) -> Array:
    """(100 max(content, 0) + 100 style)/2; any shape, in [0, 100].

    content : likeness to the source, BERTScore's F in [-1, 1]; style : P(target style) in [0, 1]
    """
    xp = stats.array_namespace(content, style)
    return 50.0 * (xp.where(content > 0, content, xp.zeros_like(content)) + style)


def bootstrapped_maximum(scores: Array, segments: int = 4) -> tuple[Array, Array]:
    """(maxima (..., k), their mean (...,)) of scores cut, in order, into k segments.

    scores : (..., n k), k = segments; one segment gives the maximum, segments of one the mean

    Raises ValueError for scores that are not k segments of one length.
    """
    size = scores.shape[-1]
    if segments < 1 or not size or size % segments:
        msg = f"{size} scores are not {segments} segments of one length; draw a multiple of them"
        raise ValueError(msg)
    xp = stats.array_namespace(scores)
    cut = xp.reshape(scores, (*scores.shape[:-1], segments, size // segments))
    maxima = xp.max(cut, axis=-1)
    return maxima, xp.mean(maxima, axis=-1)


def zscore(reward: Array, *, eps: float = EPS) -> Array:
    """(..., Z) rewards of prompts on the same inputs, less the mean, over (std + eps).

    The population's standard deviation: |z| <= sqrt(Z - 1), and 0 where all are equal.
    """
    return _over(reward, reward, eps)


def input_zscore(maxima: Array, *, eps: float = EPS) -> Array:
    """(..., Z) z-scores of prompts on one source: maxima (..., Z, k) are pooled for the statistics.

    The numerator is a prompt's mean, the standard deviation that of single maxima, so that z varies
    less than by 1 where segments differ.
    """
    xp = stats.array_namespace(maxima)
    pool = xp.reshape(maxima, (*maxima.shape[:-2], -1))
    return _over(xp.mean(maxima, axis=-1), pool, eps)


def shaped(reward: Array, old: tuple[float, float] = (0.0, 1.0),
           new: tuple[float, float] = (0.0, 5.0)) -> Array:  # fmt: skip
    """The affine map that takes the interval `old` to `new`; any shape, not clipped.

    Raises ValueError for an `old` without width.
    """
    if not old[1] > old[0]:
        msg = f"old={old} must have its second end above the first"
        raise ValueError(msg)
    return (reward - old[0]) / (old[1] - old[0]) * (new[1] - new[0]) + new[0]


def _over(x: Array, pool: Array, eps: float) -> Array:
    """x less the pool's mean, over its population standard deviation and eps."""
    xp = stats.array_namespace(x)
    mean = xp.mean(pool, axis=-1, keepdims=True)
    spread = xp.sqrt(xp.mean((pool - mean) ** 2, axis=-1, keepdims=True))
    return (x - mean) / (spread + eps)


# -- graders ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class PromptReward(TaskReward):
    """What rewards of prompts share: a z-score among the prompts that a call has of one input.

    zscore : paid is the z-score, mapped so that 0 is paid `low` and 1 `high` (as released in
        training; off, as released at evaluation). Off by default, since `grpo` does it
    eps : added to the standard deviation; nan : a NaN is paid as "nan" (no reward) or refused

    Raises ValueError for a field out of its range, and for NaN as `nan` says.
    """

    zscore: Annotated[bool, FLAG] = False
    eps: Annotated[float, POSITIVE] = EPS
    low: Annotated[float, FINITE] = 0.0
    high: Annotated[float, FINITE] = 5.0
    nan: Annotated[str, NAN] = "nan"

    def graded(self, row: TextRow, step: float = 0.0) -> Graded:
        """One prompt's reward; its z-score is 0, as there is none to compare it with."""
        return self.grade_parts([row], step)[0]

    def grade_parts(self, rows: Sequence[TextRow], step: float = 0.0) -> list[Graded]:
        """Each row's reward; with z-scores among the rows of the same input.

        Raises KeyError for columns that a row lacks, ValueError for NaN if `nan` says so.
        """
        rows = [self._lent(row) for row in rows]
        found: list[tuple[Graded, np.ndarray]] = []
        for row in rows:
            try:
                found.append(self.measured(row))
            except _Unread as error:
                if self.nan == "raise" and error.is_nan:
                    raise ValueError(str(error)) from None
                nothing = dict.fromkeys(self.parts, math.nan)
                found.append((Graded(nothing, problem=str(error)), np.empty(0)))
        if self.zscore:
            return self._compared(found, [self.same_input(row) for row in rows])
        return [graded for graded, _ in found]

    def measured(self, row: TextRow) -> tuple[Graded, np.ndarray]:
        """A row's reward before z-scores, and the numbers (n,) that it is the mean of.

        Raises TypeError where a subclass has none.
        """
        msg = f"{type(self).__name__} defines no measured(row)"
        raise TypeError(msg)

    def same_input(self, row: TextRow) -> Hashable:
        """What the prompts of one z-score have alike."""
        return row.prompt, str(row.columns.get("source", ""))

    def _compared(
        self, found: Sequence[tuple[Graded, np.ndarray]], keys: Sequence[Hashable]
    ) -> list[Graded]:
        groups: dict[Hashable, list[int]] = {}
        for i, key in enumerate(keys):
            if found[i][1].size:
                groups.setdefault(key, []).append(i)
        out = [graded for graded, _ in found]
        for members in groups.values():
            raw = np.array([out[i].total for i in members])
            z = _over(raw, np.concatenate([found[i][1] for i in members]), self.eps)
            z = z if len(members) > 1 else 0 * z
            pay = shaped(z, new=(self.low, self.high))
            for i, paid in zip(members, pay.tolist(), strict=True):
                out[i] = Graded({"reward": paid}, out[i].facts, "" if len(members) > 1 else ONE)
        return out


@entry(
    "prompt_classification",
    kind="grader",
    cards=("37",),
    formula="mean_x (wrong gap + (right - wrong) gap+), gap = P(y|x) - max_{c != y} P(c|x)",
    section="code fsc_reward.py",
    provenance="code",
)
@dataclass(frozen=True)
class PromptClassification(PromptReward):
    """A prompt for a classifier: the piecewise gap reward, mean over inputs, in [-wrong, right].

    wrong, right : slopes below and above a gap of 0
    others : "equality" (released: a tie with the label counts as right, and a model that is
        undecided pays up to 1.5 right) or "label" (a tie is a gap of 0); see `class_gap`
    zscore : among the prompts of a call with the same text prompt, labels and `inputs`

    Columns: `labels` (N,), and `probs` (N, C) or `logits` (N, C) of the classes' words, as lists or
    JSON; `inputs` where several batches share a text prompt. Facts: mean gap, accuracy, inputs.

    Raises as `PromptReward`; a table of the wrong shape is no reward, and the problem says why.
    """

    wrong: Annotated[float, NOT_NEGATIVE] = 180.0
    right: Annotated[float, NOT_NEGATIVE] = 200.0
    others: Annotated[str, OTHERS] = "equality"
    reads: ClassVar[tuple[str, ...]] = ("labels",)
    any_of: ClassVar[tuple[str, ...]] = ("probs", "logits")
    of_text: ClassVar[tuple[str, ...]] = ("probs",)
    facts: ClassVar[tuple[str, ...]] = ("raw", "gap", "accuracy", "inputs")

    def measured(self, row: TextRow) -> tuple[Graded, np.ndarray]:
        """Mean of the inputs' piecewise gaps."""
        labels = _numbers(need(row, "labels", self.__name__), "labels").ravel()
        given = "logits" if "logits" in row.columns and "probs" not in row.columns else "probs"
        table = _numbers(need(row, given, self.__name__), given)
        table = table[None] if table.ndim == 1 else table
        probs = _probabilities(table, given)
        if labels.size != len(probs):
            msg = f"{len(probs)} inputs, but {labels.size} labels"
            raise _Unread(msg)
        if np.any((labels % 1 != 0) | (labels < 0) | (labels >= probs.shape[1])):
            msg = f"labels aren't places among {probs.shape[1]} classes"
            raise _Unread(msg)
        gap, reward, accuracy = gap_reward(
            probs, labels, wrong=self.wrong, right=self.right, others=self.others
        )
        facts = {"raw": float(reward), "gap": float(gap.mean()), "accuracy": float(accuracy),
                 "inputs": float(len(gap))}  # fmt: skip
        return Graded({"reward": float(reward)}, facts), np.array([float(reward)])

    def same_input(self, row: TextRow) -> Hashable:
        """The text prompt, the labels and the inputs."""
        return row.prompt, str(row.columns.get("labels")), str(row.columns.get("inputs", ""))


@entry(
    "prompt_style",
    kind="grader",
    cards=("37",),
    formula="mean over k segments of the largest of n scores (100 max(content, 0) + 100 style)/2",
    section="code tst_reward.py, output_selector.py",
    provenance="code",
)
@dataclass(frozen=True)
class PromptStyle(PromptReward):
    """A prompt for rewriting in another style: the mean of segments' best outputs, in [0, 100].

    segments : k; the outputs' scores are cut in order, one segment is best of all
    zscore : among the prompts of a call with the same text prompt and `source`, by the statistics
        of single maxima (`input_zscore`); paid is 100 z - 20

    Columns: `scores` (n k,) in [0, 100], or `content` and `style` (n k,) each as in `style_score`;
    lists or JSON. Facts: the reward before z-scores, the mean and the best score, outputs.

    Raises as `PromptReward`; what can't be read is no reward, and the problem says why.
    """

    low: Annotated[float, FINITE] = -20.0
    high: Annotated[float, FINITE] = 80.0
    segments: Annotated[int, COUNT] = 4
    any_of: ClassVar[tuple[str, ...]] = ("scores", "content")
    of_text: ClassVar[tuple[str, ...]] = ("scores",)
    facts: ClassVar[tuple[str, ...]] = ("raw", "mean", "best", "outputs")

    def measured(self, row: TextRow) -> tuple[Graded, np.ndarray]:
        """The bootstrapped maximum of a row's scores, and its maxima."""
        if "scores" not in row.columns and "content" in row.columns:
            content, style = (_numbers(need(row, n, self.__name__), n).ravel()
                              for n in ("content", "style"))  # fmt: skip
            if content.size != style.size:
                msg = f"{content.size} numbers of content, but {style.size} of style"
                raise _Unread(msg)
            scores = style_score(content, style)
        else:
            scores = _numbers(need(row, "scores", self.__name__), "scores").ravel()
        try:
            maxima, reward = bootstrapped_maximum(scores, self.segments)
        except ValueError as error:
            raise _Unread(str(error)) from None
        facts = {"raw": float(reward), "mean": float(scores.mean()), "best": float(scores.max()),
                 "outputs": float(scores.size)}  # fmt: skip
        return Graded({"reward": float(reward)}, facts), maxima


# -- reading columns -------------------------------------------------------------------------------
class _Unread(Exception):
    """Why a row's columns can't be graded; is_nan : that is a NaN."""

    def __init__(self, why: str, *, is_nan: bool = False) -> None:
        super().__init__(why)
        self.is_nan = is_nan


def _numbers(value: Any, name: str) -> np.ndarray:
    """A column's cell as an array of finite numbers, not empty."""
    try:
        found = json.loads(value) if isinstance(value, str) else value
        out = np.asarray(found, dtype=float)
    except (ValueError, TypeError, RecursionError):
        msg = f"{name} is no table of numbers: {shortened(value, 40)}"
        raise _Unread(msg) from None
    if not out.size:
        msg = f"{name} is empty"
        raise _Unread(msg)
    if not np.isfinite(out).all():
        msg = f"{name} has {'NaN' if np.isnan(out).any() else 'inf'}"
        raise _Unread(msg, is_nan=True)
    return out


def _probabilities(table: np.ndarray, name: str) -> np.ndarray:
    """(N, C) class probabilities; of logits their softmax."""
    if table.ndim != 2 or table.shape[1] < 2:
        msg = f"{name} has the shape {table.shape}, not (inputs, 2 classes or more)"
        raise _Unread(msg)
    if name == "logits":
        odds = np.exp(table - table.max(-1, keepdims=True))
        return odds / odds.sum(-1, keepdims=True)
    total = table.sum(-1)
    if np.any(table < 0) or np.any(np.abs(total - 1) > SUMS):
        worst = float(total[np.abs(total - 1).argmax()])
        msg = f"probs are below 0 or sum to {worst:.3g}, not 1: over the classes alone"
        raise _Unread(msg)
    return table
