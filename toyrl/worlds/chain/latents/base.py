"""Per-rollout latents of the chain: mode, style, answer identity, judge and step scores.

They lie outside the dynamic program: given a rollout's class, a latent is drawn from a law that
depends on the class only (for the mode: the class law itself depends on the mode). Exactly, that
is a product of classes with a small mixture (`expand`); in simulation, one draw per rollout
(`sample`). Laws of several latents multiply: expand one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import numpy as np

from toyrl.ranges import COUNT, FINITE, NOT_NEGATIVE, SHARE, Range, check_fields
from toyrl.rollouts import Rollouts
from toyrl.rollouts.classes import class_rollouts, token_mask
from toyrl.rollouts.fields import behind
from toyrl.worlds.chain.model import Chain


@dataclass(frozen=True, eq=False)
class ClassTable:
    """Classes as plain tables: correct, length (tokens), truncated and `fields`, each (K,).

    parent : (K,) the class of the chain that each refines
    """

    chain: Chain
    correct: np.ndarray
    length: np.ndarray
    truncated: np.ndarray
    parent: np.ndarray
    fields: Mapping[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, classes: Any) -> ClassTable:
        """From a Chain, a `ClassSpace` or a table."""
        if isinstance(classes, ClassTable):
            return classes
        if isinstance(classes, Chain):
            c = classes
            tables = (c.class_correct(), c.class_length(), c.class_truncated())
            return cls(c, *tables, parent=np.arange(c.n_classes))
        tables = (classes.correct, classes.length, classes.truncated)
        return cls(
            classes.chain, *tables, parent=np.arange(classes.n_classes), fields=classes.fields()
        )

    @property
    def n_classes(self) -> int:
        """K."""
        return len(self.correct)

    def rollouts(self, prob: Any, *, group_size: float = math.inf, step: Any = 0) -> Rollouts:
        """Class probabilities (..., B, K) as Rollouts weighted by share x probability."""
        return class_rollouts(
            prob,
            correct=self.correct,
            length=self.length,
            truncated=self.truncated,
            fields=self.fields,
            shares=self.chain.shares,
            max_length=self.chain.max_length,
            group_size=group_size,
            step=step,
        )


@dataclass(frozen=True, eq=False)
class Kinds:
    """What a latent's law may look at, one entry a class or rollout: (K,) each.

    correct : 1 right, 0 wrong; length : tokens, of at most `max_length`; truncated : bool
    difficulty : steps that the prompt needs, NaN where unknown
    """

    correct: np.ndarray
    length: np.ndarray
    truncated: np.ndarray
    max_length: float
    difficulty: np.ndarray

    @classmethod
    def of(cls, table: Any, max_length: float, difficulty: Any = math.nan) -> Kinds:
        """From anything flat with correct, length and truncated, on prompts of one difficulty."""
        correct = np.asarray(table.correct, dtype=float)
        return cls(
            correct,
            np.asarray(table.length, dtype=float),
            np.asarray(table.truncated, dtype=bool),
            float(max_length),
            np.broadcast_to(np.asarray(difficulty, dtype=float), correct.shape),
        )

    def __len__(self) -> int:
        return len(self.correct)


Law = tuple[np.ndarray, dict[str, np.ndarray]]
"""(K, L) probabilities of a latent's values in each class, and its fields, (K, L) or (K, L, T)."""


class Latent:
    """Base of latents; subclasses define `law`, and `says`: one sentence on what is assumed.

    Fields say their ranges (`toyrl.ranges`): one out of its range raises ValueError when built.
    """

    says: ClassVar[str] = ""

    def __post_init__(self) -> None:
        check_fields(self)

    def law(self, kinds: Kinds) -> Law:
        """The latent's finite law in each class; arrays may broadcast to (K, L) or (K, L, T)."""
        msg = f"{type(self).__name__} defines no law(kinds)"
        raise TypeError(msg)

    def expand(self, classes: Any, prob: Any) -> tuple[ClassTable, Any]:
        """Split every class by this latent; prob (..., K) -> (..., K'), any backend.

        Values of probability 0 in a class make no class.
        """
        from array_api_compat import array_namespace

        table = ClassTable.of(classes)
        weight, fields = self.law(Kinds.of(table, table.chain.max_length))
        own, _ = kept = np.nonzero(weight > 0)
        xp = array_namespace(prob)
        new = ClassTable(
            table.chain,
            table.correct[own],
            table.length[own],
            table.truncated[own],
            parent=table.parent[own],
            fields={
                **{name: value[own] for name, value in table.fields.items()},
                **{name: spread(name, v, weight.shape)[kept] for name, v in fields.items()},
            },
        )
        split = xp.take(prob, xp.asarray(own), axis=-1)
        return new, split * xp.asarray(weight[kept], dtype=prob.dtype)

    def sample(self, rollouts: Rollouts, rng: np.random.Generator) -> Rollouts:
        """Sampled rollouts (NumPy) with this latent's fields drawn for each."""
        shape = rollouts.shape
        r = rollouts
        correct, length, cut = (np.asarray(x).ravel() for x in (r.correct, r.length, r.cut))
        unknown = np.full(len(correct), np.nan)
        kinds = Kinds(correct, length, cut, float(r.max_length), unknown)
        weight, fields = self.law(kinds)
        cdf = np.cumsum(weight, axis=-1)
        u = rng.random(len(cdf)) * cdf[:, -1]
        drawn = (cdf <= u[:, None]).sum(-1)
        row = np.arange(len(cdf))
        own = {name: spread(name, v, weight.shape)[row, drawn] for name, v in fields.items()}
        made = rollouts.with_(**{name: v.reshape(*shape, *v.shape[1:]) for name, v in own.items()})
        return made if made.mask is not None else made.with_(mask=token_mask(own, made.length))


@dataclass(frozen=True)
class Style(Latent):
    """Style bits: format kept or not, and how many stock phrases are used.

    kept_right, kept_wrong : probability that a right / wrong answer keeps the format (field
        `format`); a truncated rollout never does
    phrases : probabilities of 0, 1, 2, ... phrases (field `phrases`), independent of the rest

    Raises ValueError for chances outside [0, 1] and phrases that are no probabilities.
    """

    kept_right: Annotated[float, SHARE] = 0.95
    kept_wrong: Annotated[float, SHARE] = 0.8
    phrases: Annotated[tuple[float, ...], SHARE.each] = (1.0,)
    says: ClassVar[str] = (
        "a right answer keeps the format with probability {kept_right}, a wrong one {kept_wrong}, "
        "a truncated rollout never; 0, 1, ... stock phrases have the probabilities {phrases}"
    )

    def __post_init__(self) -> None:
        check_fields(self)
        if abs(sum(self.phrases) - 1) > 1e-9:
            msg = f"phrases={self.phrases} must be probabilities of 0, 1, ... that sum to 1"
            raise ValueError(msg)

    def law(self, kinds: Kinds) -> Law:
        kept = np.where(kinds.correct > 0, self.kept_right, self.kept_wrong) * ~kinds.truncated
        bits = np.stack([1 - kept, kept], axis=-1)
        weight = bits[:, :, None] * np.asarray(self.phrases)
        values = np.indices(weight.shape[1:]).reshape(2, -1).astype(float)
        return weight.reshape(len(kinds), -1), {"format": values[0], "phrases": values[1]}


@dataclass(frozen=True)
class Answers(Latent):
    """Answer identity: the right one (0) or one of `wrong` others by Zipf's law; -1 = none.

    The j-th most common wrong answer has probability proportional to j**-exponent: what
    majority voting meets. A truncated rollout has no answer, another wrong one with probability
    `missing`. Fields: `answer`, `answered`.

    Raises ValueError for fewer than one wrong answer or a `missing` outside [0, 1].
    """

    wrong: Annotated[int, COUNT] = 4
    exponent: Annotated[float, FINITE] = 1.0
    missing: Annotated[float, SHARE] = 0.0
    says: ClassVar[str] = (
        "the j-th most common of {wrong} wrong answers has probability proportional to "
        "j^-{exponent}; a truncated rollout has no answer, another wrong one with probability "
        "{missing}"
    )

    def law(self, kinds: Kinds) -> Law:
        zipf = np.arange(1, self.wrong + 1) ** -float(self.exponent)
        zipf /= zipf.sum()
        right, none = (kinds.correct > 0)[:, None], kinds.truncated[:, None]
        wrong = ~(right | none)
        weights = [none + self.missing * wrong, right, wrong * (1 - self.missing) * zipf]
        weight = np.concatenate(weights, axis=-1).astype(float)
        identity = np.arange(-1, self.wrong + 1).astype(float)
        return weight, {"answer": identity, "answered": (identity >= 0).astype(float)}


@dataclass(frozen=True)
class JudgeNoise(Latent):
    """A judge's score of the whole rollout: a level by correctness plus Gaussian noise.

    Exactly, the noise is its Gauss-Hermite rule with `nodes` points, so that polynomials of the
    score up to degree 2 nodes - 1 have their exact mean. Field: `judge`.
    """

    right: Annotated[float, FINITE] = 1.0
    wrong: Annotated[float, FINITE] = 0.0
    sd: Annotated[float, NOT_NEGATIVE] = 0.3
    nodes: Annotated[int, Range("[1, 100]", whole=True)] = 5
    says: ClassVar[str] = (
        "a judge gives right answers {right} and wrong ones {wrong} on average, with Gaussian "
        "noise of standard deviation {sd}"
    )

    def law(self, kinds: Kinds) -> Law:
        x, w = np.polynomial.hermite_e.hermegauss(self.nodes)
        level = np.where(kinds.correct > 0, self.right, self.wrong)[:, None]
        weight = np.broadcast_to(w / w.sum(), (len(kinds), self.nodes))
        return weight, {"judge": level + self.sd * x}

    def sample(self, rollouts: Rollouts, rng: np.random.Generator) -> Rollouts:
        """Rollouts with `judge` drawn from the Gaussian itself."""
        level = np.where(np.asarray(rollouts.correct) > 0, self.right, self.wrong)
        return rollouts.with_(judge=level + self.sd * rng.standard_normal(level.shape))


@dataclass(frozen=True)
class Mode(Latent):
    """Long or short mode (field `mode`, 1 = long): which of two policies a rollout follows."""

    long: Annotated[float, SHARE] = 0.5

    def law(self, kinds: Kinds) -> Law:
        weight = np.broadcast_to([1 - self.long, self.long], (len(kinds), 2))
        return weight, {"mode": np.array([0.0, 1.0])}

    def expand(self, classes: Any, prob: Any) -> tuple[ClassTable, Any]:
        """prob : (prob_short, prob_long), class probabilities (..., K) under each policy.

        Classes: all of the short mode, then all of the long one. Raises TypeError for a single
        array, since a mode that changes nothing is no mode.
        """
        if not isinstance(prob, (tuple, list)) or len(prob) != 2:
            msg = "Mode.expand takes (prob_short, prob_long), the class law under each policy"
            raise TypeError(msg)
        from array_api_compat import array_namespace

        table = ClassTable.of(classes)
        xp = array_namespace(*prob)

        def twice(x: np.ndarray) -> np.ndarray:
            return np.concatenate([x, x])

        fields = {name: twice(v) for name, v in table.fields.items()}
        new = ClassTable(
            table.chain,
            twice(table.correct),
            twice(table.length),
            twice(table.truncated),
            parent=twice(table.parent),
            fields={**fields, "mode": np.repeat([0.0, 1.0], table.n_classes)},
        )
        return new, xp.concat([(1 - self.long) * prob[0], self.long * prob[1]], axis=-1)

    def sample_trajectories(
        self, chain: Chain, thetas: tuple[Any, Any], difficulty: int, n: int, seed: int
    ) -> tuple[Any, Any, np.ndarray]:
        """(short trajectories, long ones, mode (n,) in the order short, long)."""
        from toyrl.worlds.chain.simulate import sample_trajectories

        count = int(np.random.default_rng(seed).binomial(n, self.long))
        short = sample_trajectories(chain, thetas[0], difficulty, n - count, seed)
        long = sample_trajectories(chain, thetas[1], difficulty, count, seed + 1)
        return short, long, np.repeat([0.0, 1.0], [n - count, count])


STEP_LAW = {
    "STEP": (0.9, 0.2),
    "FILL": (0.5, 0.3),
    "CHECK": (0.8, 0.5),
    "REPEAT": (0.9, 0.2),
    "END_THINK": (0.5, 0.5),
    "ANSWER": (0.9, 0.2),
}


@dataclass(frozen=True)
class StepScores:
    """A process reward model: each action's score, by the error bit after it, plus noise.

    law : action -> (mean score without error, with error), in [0, 1]. The default scores a
        restated step as highly as a new one: what a naive process reward pays for.
    sd : the judge's noise per step; noisy scores are clipped to [0, 1]

    Raises ValueError for scores outside [0, 1] and a negative `sd`.
    """

    law: Mapping[str, tuple[float, float]] = field(default_factory=lambda: dict(STEP_LAW))
    sd: Annotated[float, NOT_NEGATIVE] = 0.0

    def __post_init__(self) -> None:
        check_fields(self)
        bad = [f"law[{a!r}]={v}" for a, v in self.law.items() if not SHARE.each.allows(tuple(v))]
        if bad:
            msg = f"{bad[0]} is not {SHARE.each}: a score without error and one with"
            raise ValueError(msg)

    def table(self, chain: Chain) -> np.ndarray:
        """(A, 2) mean score before clipping, by action and error bit."""
        missing = [a for a in chain.actions if a not in self.law]
        if missing:
            msg = f"law has no score for {missing}; give (without error, with error) for each"
            raise ValueError(msg)
        return np.array([self.law[a] for a in chain.actions], dtype=float)

    def sample(self, trajectories: Any, rng: np.random.Generator) -> np.ndarray:
        """(N, H) scores, 0 after the end."""
        t = trajectories
        after = (t.error | t.slipped) & ~t.repaired
        mean = self.table(t.chain)[np.maximum(t.actions, 0), after.astype(int)]
        noisy = np.clip(mean + self.sd * rng.standard_normal(mean.shape), 0, 1)
        return noisy * t.alive

    def attach(
        self, trajectories: Any, rng: np.random.Generator, *, group_size: int | None = None
    ) -> Rollouts:
        """Rollouts of these trajectories with `step_scores` and `mask` (..., H), one per action."""
        r = trajectories.to_rollouts(group_size=group_size)
        wide = (*r.shape, trajectories.chain.H)
        scores = self.sample(trajectories, rng).reshape(wide)
        return r.with_(mask=trajectories.alive.astype(float).reshape(wide), step_scores=scores)


def spread(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """A latent's field as (K, L), or (K, L, T) if it is per token, (K, L, M) if per reference."""
    value = np.asarray(value, dtype=float)
    return np.broadcast_to(value, (*shape, value.shape[-1]) if behind(name) else shape)


def token_places(kinds: Kinds) -> np.ndarray:
    """(1, 1, T): the number of tokens before each token."""
    return np.arange(int(np.ceil(kinds.max_length)), dtype=float)[None, None]
