"""Models of what is new: predictors that chase a target (RND, RDD, DRND), ellipses, and counts.

    learner = NoveltyLearner("rdd", d=64)
    model = learner.start(features=F, rng=rng)
    b = model.score(x)                          (N,) bonuses of features (N, F), 0 and more
    model = learner.update(model, x, rng)       one visit of each row, a fresh draw for each

A linear predictor; rows of one-hot features are states in a table. Score first, then update. The
elliptical bonus draws nothing: it is what RDD's is on average, and 1 over it a pseudo-count.

    Visits().graded       a grader of the field `visits`: how often this prompt got this answer
    NoveltyGrader(...)    a grader of the field `novelty` on features of texts

Source: paper 14, section 2, (1), second-hand; the linear case derived; DRND's code for its bonus.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np

from toyrl.graders.answers import marked_answer
from toyrl.graders.base import TextRow
from toyrl.models.base import model
from toyrl.ranges import COUNT, NOT_NEGATIVE, PART, POSITIVE, Range, check_fields
from toyrl.shapers.explore.distilled import distillation_bonus, drnd_bonus, elliptical_bonus

Array = Any
RULES = ("rdd", "rnd", "drnd", "elliptical")
KIND = Range(words=RULES)


@model("novelty")
@dataclass(frozen=True, eq=False)
class NoveltyModel:
    """A predictor beside what it chases.

    weight : (F, d) of the predictor; targets : (N, F, d) frozen, N = 1 but for DRND
    inverse : (F, F) of X^T X of the visits so far, and a ridge; rule : () place in `RULES`
    sigma : () of RDD's draws
    """

    weight: np.ndarray
    targets: np.ndarray
    inverse: np.ndarray
    rule: np.ndarray
    sigma: np.ndarray

    @property
    def name(self) -> str:
        """The rule by name."""
        return RULES[int(self.rule)]

    def score(self, x: Array) -> np.ndarray:
        """(N,) bonuses of features (N, F); 0 for a row with numbers that aren't finite.

        Raises ValueError for another number of features.
        """
        rows, good = _rows(x, len(self.weight))
        if self.name == "elliptical":
            b = elliptical_bonus(rows, self.inverse, sigma=float(self.sigma))
        elif self.name == "drnd":
            b = drnd_bonus(rows @ self.weight, np.moveaxis(rows @ self.targets, 0, 1))
        else:
            b = distillation_bonus(rows @ self.weight, rows @ self.targets[0])
        return np.where(good & np.isfinite(b), b, 0.0)

    def pseudo_count(self, x: Array) -> np.ndarray:
        """(N,) 1/(x^T (X^T X)^-1 x) of features (N, F); inf for a row of zeros, NaN for a row with
        numbers that aren't finite.

        Raises ValueError for another number of features.
        """
        rows, good = _rows(x, len(self.weight))
        norm = elliptical_bonus(rows, self.inverse)
        count = np.where(norm > 0, 1 / np.where(norm > 0, norm, 1.0), np.inf)
        return np.where(good, count, np.nan)


@dataclass(frozen=True)
class NoveltyLearner:
    """Settings of a predictor of novelty.

    rule : one of `RULES`; d : coordinates, 16 and more (the relative spread of b is sqrt(2/d))
    sigma : of RDD's draws; step : None is least squares, whose tabular case is the mean of the
        draws, else plain gradient steps of that size
    networks : frozen targets of DRND; ridge : on X^T X, in visits; None: 1 for "elliptical", whose
        bonus of the unseen is 1/ridge, else 1e-6

    RDD's mean has coordinates of modulus 1 on one-hot features, by frozen random signs: an unseen
    state then has bonus 1, whichever it is; other features x have |x|^2 on average. With a mean
    that is equal for all states a predictor that generalises learns "1 everywhere". Raises
    ValueError for settings out of their ranges.
    """

    rule: Annotated[str, KIND] = "rdd"
    d: Annotated[int, COUNT] = 64
    sigma: Annotated[float, NOT_NEGATIVE] = 1.0
    step: Annotated[float | None, PART.or_none] = None
    networks: Annotated[int, COUNT] = 10
    ridge: Annotated[float | None, POSITIVE.or_none] = None

    def __post_init__(self) -> None:
        check_fields(self)

    def start(self, features: int, rng: np.random.Generator) -> NoveltyModel:
        """Before the first visit: a predictor of 0, and frozen targets drawn once.

        Raises ValueError for fewer than one feature.
        """
        if features < 1:
            msg = f"features={features} must be 1 or more"
            raise ValueError(msg)
        many = self.networks if self.rule == "drnd" else 1
        targets = rng.standard_normal((many, features, self.d))
        if self.rule == "rdd":
            targets = np.where(targets < 0, -1.0, 1.0)
        sigma = np.array(0.0 if self.rule in ("rnd", "drnd") else float(self.sigma))
        ridge = self.ridge or (1.0 if self.rule == "elliptical" else 1e-6)
        weight, inverse = np.zeros((features, self.d)), np.eye(features) / ridge
        return NoveltyModel(
            weight, targets, inverse, np.array(float(RULES.index(self.rule))), sigma
        )

    def update(self, model: NoveltyModel, x: Array, rng: np.random.Generator) -> NoveltyModel:
        """The model after one visit of each row (N, F), in their order; the given one stays.

        Rows with numbers that aren't finite are no visits. Raises ValueError for another number of
        features.
        """
        rows, good = _rows(x, len(model.weight))
        weight, inverse = model.weight.copy(), model.inverse.copy()
        for row in rows[good]:
            pull = inverse @ row
            inverse = inverse - np.outer(pull, pull) / (1 + row @ pull)
            network = rng.integers(len(model.targets)) if len(model.targets) > 1 else 0
            aim = row @ model.targets[network]
            if model.sigma > 0 and model.name == "rdd":
                aim = aim + model.sigma * rng.standard_normal(self.d)
            gain = inverse @ row if self.step is None else self.step * row
            weight = weight + np.outer(gain, aim - row @ weight)
        return replace(model, weight=weight, inverse=inverse)


def _rows(x: Array, features: int) -> tuple[np.ndarray, np.ndarray]:
    """(features (N, F) with bad rows at 0, (N,) whether each row is finite)."""
    rows = np.asarray(x, dtype=float)
    if rows.ndim != 2 or rows.shape[1] != features:
        msg = f"features have the shape {rows.shape}; the model reads (N, {features})"
        raise ValueError(msg)
    good = np.asarray(np.isfinite(rows).all(-1))
    return np.where(good[:, None], rows, 0.0), good


# -- on texts --------------------------------------------------------------------------------------
class Visits:
    """How often each key came before; `graded` is a grader of the field `visits`.

    key : row -> what is counted, by default its prompt and its marked answer; None is no visit
    All rows of a call are told the counts before it, so that members of one group are alike.
    """

    def __init__(self, key: Callable[[TextRow], Hashable] | None = None) -> None:
        self.key, self.seen = key or answer_to, dict[Hashable, int]()

    def graded(self, rows: Sequence[TextRow]) -> list[float]:
        """Visits before this call, one number a row; then each row is one more."""
        keys = [self.key(row) for row in rows]
        before = [float(self.seen.get(k, 0)) for k in keys]
        for k in keys:
            if k is not None:
                self.seen[k] = self.seen.get(k, 0) + 1
        return before


def answer_to(row: TextRow) -> Hashable:
    """The prompt with the marked answer, or None without one."""
    said = marked_answer(row.completion)
    return None if said is None else (str(row.prompt), said)


class NoveltyGrader:
    """A grader of the field `novelty`: scores all rows, then learns from each once.

    features : rows -> (N, F), such as `toyrl.models.steps.texts.hashed_words` of the completions
    """

    def __init__(self, learner: NoveltyLearner, features: Callable[[Sequence[TextRow]], Array],
                 *, seed: int = 0) -> None:  # fmt: skip
        self.learner, self.features = learner, features
        self.rng, self.model = np.random.default_rng(seed), None

    def graded(self, rows: Sequence[TextRow]) -> list[float]:
        """Bonuses of the model as it is, one a row."""
        x = np.asarray(self.features(rows), dtype=float)
        model = self.model or self.learner.start(x.shape[1], self.rng)
        found = model.score(x).tolist()
        self.model = self.learner.update(model, x, self.rng)
        return found
