"""A learned conciseness model in the place of the toy's assumption, and what its errors cost.

How far off the model is, is measured on unseen texts of known redundancy, right and wrong. Wherever
a reward reads `conciseness`, the chain's classes and the forecast's behaviours then have their own
share of needed work with errors of that mean and spread, and a log has the model's scores of its
texts: signal and collapse are those of the scores that would train.

Source: paper 01, whose model is a language model; `toyrl.models.conciseness` is the stand-in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import InitVar, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from toyrl.experiments.core import Table
from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.experiments.validate.reward_law.bench import as_shaper
from toyrl.models import base
from toyrl.models.conciseness import FEATURES, LOWEST, ConcisenessModel, padded_rows, true_score
from toyrl.rollouts import Rollouts
from toyrl.shapers.base import Shaper
from toyrl.worlds.behaviour.rollouts import Played
from toyrl.worlds.chain.latents.base import Kinds, Latent, Law
from toyrl.worlds.chain.latents.declared import Work, instead, supplied

FIELD = "conciseness"
UNSEEN, BINS, SEED = (
    300,
    9,
    4711,
)  # texts of each answer, apart from those that a user is shown to fit to
RANKS = 0.8
"""Least rank correlation with the true scores that part D of the toy asks of a model."""
TAIL = 0.95


def load(path: Path) -> ConcisenessModel:
    """The model of a file that `toyrl.models.base.save` wrote.

    Raises UsageError for another file, and for a model of other features.
    """
    try:
        scorer = base.load(path)
        got = np.asarray(scorer.score(np.full((2, len(FEATURES)), 0.5)))
        if got.shape != (2,):
            msg = f"its scores of two texts have the shape {got.shape}"
            raise ValueError(msg)
    except ValueError as error:
        msg = (
            f"conciseness={str(path)!r} can't be used: {error}; it must score the {len(FEATURES)} "
            "features of toyrl.models.conciseness.table"
        )
        raise UsageError(msg) from error
    return ConcisenessModel(scorer)


# -- its error -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Curve:
    """What a model gives texts of a true score: mean and standard deviation, wrong then right.

    grid : (N,) true scores; mean, sd : (2, N)
    """

    grid: np.ndarray
    mean: np.ndarray
    sd: np.ndarray

    def of(self, true: Any, correct: Any) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation, each of the shape of `true` and `correct`."""
        right = np.asarray(correct) > 0.5
        return tuple(
            np.where(right, *(np.interp(true, self.grid, rows[k]) for k in (1, 0)))
            for rows in (self.mean, self.sd)
        )  # pyright: ignore[reportReturnType]

    def behaviours(self, p: Played) -> np.ndarray:
        """(W, B, G) scores of behaviours: the error's mean, and its spread by lot."""
        mean, sd = self.of(p.concise, p.right)
        return mean + sd * p.judge


@dataclass(frozen=True)
class Unseen:
    """Texts of known redundancy: their true and learned scores, (N,) each, right ones first."""

    correct: np.ndarray
    tokens: np.ndarray
    true: np.ndarray
    learned: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """(N,) learned less true."""
        return self.learned - self.true

    @property
    def ranks(self) -> float:
        """Rank correlation of both scores; 0 where the model gives all texts one score."""
        from scipy.stats import rankdata

        if not np.ptp(self.learned) > 0:
            return 0.0
        return float(np.corrcoef(rankdata(self.learned), rankdata(self.true))[0, 1])

    def rollouts(self, off: float = 0.0, *, learned: bool = True) -> Rollouts:
        """(1, N) one prompt; right texts scored `off` lower and wrong ones `off` higher."""
        score = (self.learned if learned else self.true) - off * (2 * self.correct - 1)
        field = {FIELD: np.clip(score, LOWEST, 1.0)[None]}
        most = float(self.tokens.max())
        return Rollouts(self.correct[None], self.tokens[None], 2 * most, fields=field)

    def curve(self) -> Curve:
        """The learned score along the true one, in `BINS` bins."""
        edges = np.linspace(LOWEST, 1.0, BINS + 1)
        place = np.clip(np.searchsorted(edges, self.true, side="right") - 1, 0, BINS - 1)
        found, middle = np.zeros((2, 2, BINS)), (edges[:-1] + edges[1:]) / 2
        for k in range(BINS):
            for right in (0, 1):
                own = self.learned[(place == k) & (self.correct == right)]
                both = own if len(own) else self.learned[place == k]
                found[:, right, k] = (both.mean(), both.std()) if len(both) else (middle[k], 0.0)
        return Curve(middle, *found)


def unseen(model: ConcisenessModel) -> Unseen:
    """`UNSEEN` right and as many wrong texts, of problems of 2 to 8 steps."""
    rows = [r for right in (True, False) for r in padded_rows(UNSEEN, SEED, correct=right)]
    correct = np.repeat([1.0, 0.0], UNSEEN)
    tokens = np.array([float(r.row.tokens) for r in rows])
    true = np.array([true_score(r) for r in rows])
    return Unseen(correct, tokens, true, np.array(model.graded([r.row for r in rows])))


def _moments(shaper: Shaper, r: Rollouts) -> tuple[float, float]:
    """(E[Var(R | o)], mean right less wrong) of one prompt's texts, half of them right."""
    value = np.asarray(shaper.reward(r), dtype=float)[0]
    right, wrong = (value[np.asarray(r.correct)[0] == o] for o in (1.0, 0.0))
    return float(right.var() + wrong.var()) / 2, float(right.mean() - wrong.mean())


# -- in the worlds ---------------------------------------------------------------------------------
@dataclass(frozen=True, eq=False)
class LearnedScore(Latent):
    """Conciseness as a model gives it: the share of needed work, and the model's error about it.

    model : the model's name, for the report; actions : at the completion limit, as in `Work`
    curve : what the model gives texts of known redundancy
    Field: `conciseness`, two values a class: the mean plus and minus one standard deviation.
    """

    model: str
    actions: int
    curve: InitVar[Curve]
    says: ClassVar[str] = (
        "conciseness is the share of needed work among {actions} actions at the limit, with the "
        "errors that {model} makes on texts of that share"
    )

    def __post_init__(self, curve: Curve) -> None:
        super().__post_init__()
        object.__setattr__(self, "_curve", curve)

    def law(self, kinds: Kinds) -> Law:
        _, work = Work(actions=self.actions).law(kinds)
        steps, fillers = (work[name][:, 0] for name in ("steps", "fillers"))
        true = np.maximum(steps, LOWEST) / np.maximum(steps + fillers, 1.0)
        mean, sd = self.__dict__["_curve"].of(true, kinds.correct)
        both = np.clip(np.stack([mean + sd, mean - sd], axis=1), LOWEST, 1.0)
        return np.full(both.shape, 0.5), {FIELD: both}


# -- in the report ---------------------------------------------------------------------------------
def findings(
    seen: Unseen, name: str, reward: str, terms: Sequence[tuple[Any, float]]
) -> tuple[tuple[Finding, ...], tuple[Table, ...]]:
    """How far off the model is, and what that does to the reward's noise and to its sign.

    terms : the reward's catalogue terms that read the score, with their weights
    """
    if not terms:
        text = f"{name} was given, but {reward} reads no conciseness score."
        fix = "judge crf() or conciseness_additive(), or leave --conciseness out"
        return (Finding(1, "contract/learned-unused", "warn", text, fix=fix),), ()
    shaper = as_shaper(terms)
    bias, rmse = float(seen.error.mean()), float(np.sqrt((seen.error**2).mean()))
    off = float(np.quantile(np.abs(seen.error), TAIL))
    plans = (("true scores", False, 0.0), (f"scores of {name}", True, 0.0),
             ("the same, errors against the outcome", True, off))  # fmt: skip
    rows = [(n, *_moments(shaper, supplied(seen.rollouts(d, learned=own), shaper)))
            for n, own, d in plans]  # fmt: skip
    (noise, _), (noisier, gap), (_, worst) = (r[1:] for r in rows)
    ranks = seen.ranks
    told = (
        f"{name} ranks unseen texts by redundancy with a correlation of {ranks:.2f} (bias "
        f"{bias:+.3f}, root mean square error {rmse:.3f}, 95 % of errors within {off:.2f})."
    )
    low = "" if ranks >= RANKS else f" Below {RANKS} it pays for something else than conciseness."
    good = "pass" if ranks >= RANKS else "warn"
    out = [
        Finding(1, "contract/learned-score", good, told + low, value=ranks, bound=RANKS,
                fix="" if ranks >= RANKS else "fit it to more texts, or to other features"),
        Finding(1, "contract/learned-noise", "info",
                f"Its scores take the noise within an outcome from {noise:.3g} to {noisier:.3g}; "
                "signal and training below are under its scores."),
    ]  # fmt: skip
    if gap > 0 >= worst:
        text = (
            f"Right texts are paid {gap:.2f} above wrong ones under its scores; were its errors "
            f"({off:.2f}) to favour wrong answers, {-worst:.2f} below."
        )
        fix = "pay the score to right answers only (crf), or lower its weight"
        out.append(Finding(1, "contract/learned-sign", "warn", text, value=worst, bound=0.0,
                           fix=fix))  # fmt: skip
    else:
        text = f"Errors of its size can't turn the reward against the outcome (gap {worst:.2f})."
        if gap <= 0:
            text = f"Under its scores wrong texts are paid {-gap:.2f} above right ones."
        status = "pass" if gap > 0 else "warn"
        out.append(Finding(1, "contract/learned-sign", status, text, value=worst, bound=0.0))
    heads = ("texts of known redundancy", "noise within an outcome", "right less wrong")
    return tuple(out), (Table("learned score", heads, [[*r] for r in rows]),)


@dataclass(frozen=True)
class LearnedScores:
    """The learned scores of a run: path of the model; the reward's name and its terms."""

    path: Path
    reward: str
    terms: Sequence[tuple[Any, float]]

    @cached_property
    def model(self) -> ConcisenessModel:
        """The model; UsageError where the file holds none."""
        return load(self.path)

    @cached_property
    def unseen(self) -> Unseen:
        """Texts of known redundancy with the model's scores."""
        return unseen(self.model)

    @property
    def reading(self) -> list[tuple[Any, float]]:
        """The catalogue terms that read conciseness."""
        return [(s, w) for s, w in self.terms if s is not None and FIELD in s.all_wants()]

    @contextmanager
    def served(self, actions: int) -> Iterator[None]:
        """The chain's classes have the learned score for a while; actions : at the limit."""
        self.model  # noqa: B018 - refused now
        if not self.reading:
            yield
            return
        with instead({FIELD: LearnedScore(self.path.name, actions, self.unseen.curve())}):
            yield

    @property
    def on_behaviours(self) -> dict[str, Callable[[Played], np.ndarray]]:
        """What the model gives behaviours, by field."""
        return {FIELD: self.unseen.curve().behaviours} if self.reading else {}

    def told(self, section: Section) -> Section:
        """The contract's section with what is found of the model."""
        own, tables = findings(self.unseen, self.path.name, self.reward, self.reading)
        return replace(
            section, findings=(*section.findings, *own), tables=(*section.tables, *tables)
        )
