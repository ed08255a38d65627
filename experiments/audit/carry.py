"""What a judge's likings do to GRPO: each alone, and all together, in worlds of behaviours.

The reward is the judge's score in its own distance between right and wrong,

    R = right + length ln(tokens/typical) + format [marked] + style phrases/4 + praise [a sentence
        for nothing] + sycophancy [the common wrong answer] + noise z,

a liking being what was measured of it, and counted no further than it was measured. Beside it
stand the same worlds with the noise alone, so that what a liking costs is a difference.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from toyrl.experiments.audit.items import LONG, PHRASED, SHORT
from toyrl.experiments.audit.measures import Bias
from toyrl.experiments.forecast.word import BEHIND, LOSS, word
from toyrl.experiments.validate.reward_law.law import UserReward
from toyrl.expressions import parse_estimator
from toyrl.shapers.outcome import Outcome
from toyrl.worlds.behaviour import prior
from toyrl.worlds.behaviour.rollouts import Played
from toyrl.worlds.behaviour.training import Path, Plan, train
from toyrl.worlds.behaviour.worlds import Worlds, fitted
from toyrl.worlds.chain.latents.judge_errors import JudgeErrors

Array = np.ndarray
CARRIED = ("length", "format", "style", "praise", "sycophancy")
ALL, NOISE = "all together", "noise alone"
PROMPTS = 24
SHARES = tuple(k / 8 for k in range(8, -1, -1))
"""Shares of a judge's errors at which the worlds are trained, for the accuracy that is needed."""
MOST = 8.0
"""Likings and noise beyond so many distances of right and wrong count as so many."""


@dataclass(frozen=True)
class Base:
    """Of the planned run: accuracy, mean length and limit in tokens, estimator, group size, KL."""

    accuracy: float = 0.4
    length: float = 150.0
    limit: float = 512.0
    estimator: str = "grpo"
    group_size: int = 8
    beta: float = 0.0
    worlds: int = 8
    seed: int = 0


@dataclass(frozen=True)
class Consequence:
    """The end of runs under a reward: change of accuracy, factor of length (means over worlds),
    the chances of ending 5 points below the base and 10 below true labels, and the word."""

    accuracy: float
    length: float
    p_loss_5: float
    p_behind_10: float

    @property
    def word(self) -> str:
        """SAFE, RISKY or UNSAFE, by the forecast's rule."""
        return word({"p_loss_5": self.p_loss_5, "p_behind_10": self.p_behind_10})

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"accuracy_change": self.accuracy, "length_factor": self.length,
                "p_loss_5": self.p_loss_5, "p_behind_10": self.p_behind_10,
                "word": self.word}  # fmt: skip


def worlds_of(base: Base) -> Worlds:
    """Untrained worlds like the base told."""
    balanced = 1 << (base.worlds - 1).bit_length()
    drawn = prior.drawn(balanced, None, base.length, base.seed)
    numbers = {k: v[: base.worlds] for k, v in drawn.items()}
    return fitted(numbers, accuracy=base.accuracy, length=base.length, limit=base.limit,
                  prompts=PROMPTS, seed=base.seed)  # fmt: skip


def noise_of_accuracy(a: float) -> float:
    """Standard deviation of a score's luck, over the distance of right and wrong, at which a right
    text wins over a wrong one with chance a in (1/2, 1]: 1/(sqrt 2 ndtri(a)); inf below."""
    return math.inf if a <= 0.5 else 1 / (math.sqrt(2) * float(ndtri(min(a, 1 - 1e-9))))


def likings(biases: Sequence[Bias]) -> dict[str, float]:
    """Those that can be carried, by name: shifts whose interval excludes 0."""
    out = {}
    for b in biases:
        if b.name in CARRIED and b.shown and math.isfinite(b.shift):
            out[b.name] = float(np.clip(b.shift, -MOST, MOST))
    return out


def consequences(
    worlds: Worlds, base: Base, found: Mapping[str, float], noise: float
) -> dict[str, Consequence]:
    """Runs under the noise alone, each liking with it, and all of them."""
    rows: dict[str, dict[str, float]] = {NOISE: {}}
    rows |= {name: {name: value} for name, value in found.items()}
    if len(found) > 1:
        rows[ALL] = dict(found)
    size = worlds.size[0]
    wide = {name: np.repeat([r.get(name, 0.0) for r in rows.values()], size)[:, None, None]
            for name in CARRIED}  # fmt: skip
    z = min(noise, MOST)

    def paid(p: Played) -> dict[str, Array]:
        return {"user_reward": value(p, wide, base.length) + z * p.judge}

    many = _copies(worlds, len(rows))
    plan = _plan(base, copies=len(rows))
    path = train(many, UserReward(), parse_estimator(base.estimator), plan,
                 serve=(("user_reward",), paid))  # fmt: skip
    return _ends(path, many, alone(worlds, base), list(rows))


def value(p: Played, w: Mapping[str, Array], typical: float) -> Array:
    """(W, B, G) of the formula above without its noise; w : (W, 1, 1) by name."""
    step = math.log(LONG / SHORT)
    long = np.log(p.length / typical) / step
    sentences = np.minimum(p.rounds + p.units, PHRASED) / PHRASED
    return (
        p.right
        + w["length"] * np.where(p.cut, math.log(LONG) / step, long)
        + w["format"] * p.formed
        + w["style"] * sentences
        + w["praise"] * np.minimum(p.units, 1.0)
        + w["sycophancy"] * (p.identity == 1)
    )


def needed(
    worlds: Worlds, base: Base, errors: JudgeErrors, accuracy: float
) -> tuple[float | None, dict[float, Consequence]]:
    """The least accuracy of verdicts at which a run on them is SAFE, and the runs by accuracy.

    The judge keeps the shape of its errors and has fewer of them. None where not even true labels
    are safe for such a base.
    """
    judges = tuple(errors.scaled(s) for s in SHARES)
    many = _copies(worlds, len(judges))
    plan = _plan(base, copies=len(judges), judge=judges)
    path = train(many, Outcome(), parse_estimator(base.estimator), plan)
    names = [f"{s:g}" for s in SHARES]
    ends = _ends(path, many, alone(worlds, base), names)
    found = {1 - s * (1 - accuracy): ends[name] for s, name in zip(SHARES, names, strict=True)}
    # from perfect labels down: the last accuracy before a run is no longer safe
    least = None
    for a in sorted(found, reverse=True):
        if found[a].word != "SAFE":
            break
        least = a
    return least, found


def alone(worlds: Worlds, base: Base) -> Path:
    """Runs of the same worlds on true labels."""
    return train(worlds, Outcome(), parse_estimator(base.estimator), _plan(base))


def _plan(base: Base, **more: Any) -> Plan:
    return Plan(group_size=base.group_size, beta=base.beta, looks=1, seed=base.seed, **more)


def _copies(worlds: Worlds, n: int) -> Worlds:
    from toyrl.experiments.sweep.behaviours import together

    return together([worlds] * n)


def _ends(path: Path, many: Worlds, true: Path, names: Sequence[str]) -> dict[str, Consequence]:
    change = path.change.reshape(len(names), -1)
    factor = path.factor.reshape(len(names), -1)
    luck = many.numbers["luck"][:, 0, 0].reshape(len(names), -1)
    behind = ndtr((true.change - BEHIND - change) / (luck * 2**0.5)).mean(1)
    below = ndtr((-LOSS - change) / luck).mean(1)
    length = np.exp(np.log(factor).mean(1))
    return {
        name: Consequence(float(change[k].mean()), float(length[k]), float(below[k]),
                          float(behind[k]))
        for k, name in enumerate(names)
    }  # fmt: skip
