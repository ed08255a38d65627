"""What a suite's rewards will do, said before training, by the toy and by a sceptic's rules.

All predictions are about the moment when the policy has moved a given number of nats (KL a
completion) from its base: the change of accuracy and of log length there, and the probability of
collapse, accuracy having fallen by min(0.1, half).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from toyrl.dynamics.chain import exact
from toyrl.dynamics.chain.distance import trajectory_kl
from toyrl.dynamics.chain.prior import Worlds
from toyrl.estimators.base import Estimator
from toyrl.experiments.transfer.calibrate import BaseLog
from toyrl.experiments.transfer.rewards import Family, SuiteReward
from toyrl.experiments.validate.collapse.run import critical
from toyrl.experiments.validate.collapse.train_worlds import RATE, Runner
from toyrl.experiments.validate.reward_law import own_rollouts
from toyrl.experiments.validate.reward_law.law import RewardLaw, grade_classes
from toyrl.expressions import to_expression
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.theory import policies
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.text import render

UPDATES, CHECKPOINTS = 1500, 30
FALLBACK = 1.0
"""Weight that stands for a family's threshold where fewer than half of the worlds collapse at any
weight up to 8."""


@dataclass(frozen=True)
class Prediction:
    """Of one reward, at `kl` nats from the base.

    accuracy, log_length : predicted changes; collapse : probability
    low, high : 5 % and 95 % of the change of accuracy over worlds (equal where there is one)
    """

    accuracy: float
    log_length: float
    collapse: float
    low: float
    high: float


@dataclass(frozen=True)
class Path:
    """One reward in every world while it trains: (W, C) KL, accuracy, length; C from the base."""

    kl: np.ndarray
    accuracy: np.ndarray
    length: np.ndarray

    def at(self, kl: float) -> tuple[np.ndarray, np.ndarray]:
        """(W,) accuracy and log-length changes at the first crossing of kl, else at the end."""
        accuracy, length = (
            np.array([first_crossing(k, v, kl) for k, v in zip(self.kl, values, strict=True)])
            for values in (self.accuracy, np.log(self.length))
        )
        return accuracy - self.accuracy[:, 0], length - np.log(self.length[:, 0])


def first_crossing(kl: ArrayLike, values: ArrayLike, level: float) -> float:
    """`values` where kl first reaches `level`, linearly between points; the last one if never."""
    x, y = np.asarray(kl, dtype=float), np.asarray(values, dtype=float)
    above = np.flatnonzero(x >= level)
    if len(above) == 0 or above[0] == 0:
        return float(y[-1] if len(above) == 0 else y[0])
    i = int(above[0])
    share = (level - x[i - 1]) / (x[i] - x[i - 1])
    return float(y[i - 1] + share * (y[i] - y[i - 1]))


def threshold_drop(base: float) -> float:
    """The fall of accuracy that counts as collapse: min(0.1, half)."""
    return min(0.1, base / 2)


# -- the toy --------------------------------------------------------------------------------------
def law_of(
    reward: SuiteReward | Family,
    chain: Chain,
    *,
    dialect: str,
    rows: Callable[..., list[Any]] = render.class_rows,
    seed: int = 0,
) -> RewardLaw:
    """The reward on the chain's outcome classes; text terms are graded on texts that `rows` writes
    of each class."""
    shaper = reward.shaper if isinstance(reward, SuiteReward) else reward.alone
    if reward.text is None:
        return RewardLaw(chain, shaper)
    score = reward.text
    mean, variance, ends, _ = grade_classes(
        chain, lambda texts: list(score(texts)), rows, dialect=dialect, seed=seed
    )
    return RewardLaw(chain, shaper, mean, variance, ends)


def path(runner: Runner, worlds: Worlds) -> Path:
    """Train every world on the runner's reward and look at it on the way."""
    chain, shares, theta = runner.law.chain, worlds.batch.shares, worlds.theta
    reward, variance = runner.reward(worlds), runner.variance(worlds)
    rows, done = [], 0

    def look(theta: np.ndarray) -> np.ndarray:
        prob = (exact.class_probabilities(worlds.batch, theta) * shares[..., None]).sum(1)
        kl = (trajectory_kl(worlds.batch, theta, worlds.theta) * shares).sum(-1)
        return np.stack([kl, prob @ chain.class_correct(), prob @ chain.class_length()])

    rows.append(look(theta))
    for c in range(1, CHECKPOINTS + 1):
        target = int(UPDATES * (c / CHECKPOINTS) ** 3) + c  # early training is fast
        theta = exact.train(
            worlds.batch,
            theta,
            reward,
            updates=target - done,
            rate=RATE,
            estimator=runner.estimator,  # type: ignore[arg-type]
            objective=runner.objective,
            reward_variance=variance,
            reference_length=worlds.reference_length(runner.objective),
            loss=replace(runner.loss, reference=worlds.theta),
        ).theta
        done = target
        rows.append(look(theta))
    return Path(*np.stack(rows, axis=-1))


def predict(runner: Runner, worlds: Worlds, kl: float) -> tuple[Prediction, Path]:
    """The toy's prediction and the paths it rests on."""
    found = path(runner, worlds)
    accuracy, length = found.at(kl)
    fell = [-a >= threshold_drop(b) for a, b in zip(accuracy, found.accuracy[:, 0], strict=True)]
    low, high = np.quantile(accuracy, [0.05, 0.95])
    return (
        Prediction(
            float(accuracy.mean()),
            float(length.mean()),
            float(np.mean(fell)),
            float(low),
            float(high),
        ),
        found,
    )


@dataclass(frozen=True)
class Toy:
    """The calibrated worlds and how rewards are trained in them.

    form : `dialect` and `rows` of `law_of`
    """

    chain: Chain
    worlds: Worlds
    estimator: Estimator
    objective: PolicyGradient
    group_size: int
    form: dict[str, Any]

    def entry(self, reward: SuiteReward, kl: float, *, texts: bool = True) -> dict[str, Any]:
        """What the toy says of one reward at `kl` nats; the path is a mean over worlds.

        texts : whether the toy's classes can be written as texts that the reward reads
        Of a reward that it can't train, `toy` is None and `unpredicted` says why.
        """
        why = unpredicted(reward, texts=texts)
        about = {
            "family": reward.family,
            "weight": reward.weight,
            "multiple": reward.multiple,
            "formula": formula(reward),
            "reads": {name: graded_by(grade) for name, grade in reward.graders().items()},
        }
        if why:
            return {**about, "toy": None, "unpredicted": why}
        law = law_of(reward, self.chain, **self.form)
        runner = runner_of(law, self.estimator, self.objective, self.group_size)
        said, walked = predict(runner, self.worlds, kl)
        return {
            **about,
            "toy": plain(said),
            "reached": float((walked.kl[:, -1] >= kl).mean()),
            "path": {
                "kl": walked.kl.mean(0).tolist(),
                "accuracy": walked.accuracy.mean(0).tolist(),
                "length": walked.length.mean(0).tolist(),
            },
        }

    def thresholds(self, chosen: Sequence[Family]) -> tuple[dict[str, float], dict[str, float]]:
        """(weights that stand for one threshold, the measured ones, inf where none) by family."""
        return family_thresholds(
            chosen,
            self.chain,
            self.worlds,
            self.estimator,
            self.objective,
            self.group_size,
            **self.form,
        )


def unpredicted(reward: SuiteReward, *, texts: bool) -> str:
    """Why the toy can't be trained on a reward, or ""."""
    scope = reward.shaper.all_scope()
    if scope != "rollout":
        return f"it pays by {scope}, and training on it has no population limit"
    if reward.reads:
        names = ", ".join(sorted(reward.reads))
        return f"it reads {names} in texts, which outcome classes don't have"
    if reward.text is not None and not texts:
        return "it reads texts of a task whose outcome classes aren't written as texts"
    return ""


def formula(reward: SuiteReward) -> str:
    """The catalogue expression of a reward, "" for one that has none."""
    try:
        return "" if reward.text is not None else to_expression(reward.shaper)
    except ValueError:
        return ""


def graded_by(grade: Any) -> str:
    """The name of a grader."""
    return getattr(grade, "__name__", type(grade).__name__)


def threshold(runner: Runner, worlds: Worlds) -> float:
    """Median over worlds of the weight at which a family's term collapses accuracy; inf if none."""
    reference = runner.outcome_only(worlds)
    weights, _ = critical(runner, worlds, reference, 0.0, True)
    return float(np.median(weights)) if len(weights) else float("inf")


# -- the sceptic ----------------------------------------------------------------------------------
def sceptic(reward: SuiteReward, log: BaseLog, estimator: Estimator, kl: float) -> dict[str, Any]:
    """Predictions of simple rules from the base rollouts alone: name -> Prediction.

    length sign : the sign of corr(reward, length) among right rollouts; a reward that pays short
        right answers more is expected to cost accuracy
    one step : the drift of accuracy and length in the first update, from the log
    tilted : the log reweighted by exp(r/beta) until it is `kl` nats away (or ln G, its reach)
    protected : a reward that pays nothing to wrong answers is safe, any other isn't
    """
    r = log.rollouts
    values = reward.values(r, log.rows)
    right = r.correct > 0.5
    sign = sign_of(values[right], r.length[right])
    facts, _ = own_rollouts.analyse(r, values, estimator)
    there, longer = tilted(values, r.correct, r.length, kl)
    safe = 0.0 if reward.protected else 1.0
    return {
        "length sign": _flat(sign, sign, float(sign < 0)),
        "one step": _flat(
            facts.accuracy_drift, facts.length_drift, float(facts.accuracy_drift < 0)
        ),
        "tilted": _flat(there, longer, float(-there >= threshold_drop(log.success))),
        "protected": _flat(-safe, 0.0, safe),
    }


def _flat(accuracy: float, length: float, collapse_probability: float) -> Prediction:
    return Prediction(float(accuracy), float(length), collapse_probability, accuracy, accuracy)


def sign_of(x: np.ndarray, y: np.ndarray) -> float:
    """Sign of the correlation of x (n,) and y (n,); 0 where there is none."""
    if len(x) < 3 or np.ptp(x) < 1e-12 or np.ptp(y) < 1e-12:
        return 0.0
    c = float(np.corrcoef(x, y)[0, 1])
    return float(np.sign(c)) if abs(c) > 1e-9 else 0.0


def tilted(
    values: np.ndarray, correct: np.ndarray, length: np.ndarray, kl: float
) -> tuple[float, float]:
    """Changes of accuracy and of log mean length of rollouts (B, N) that are reweighted by
    exp(values / beta) until they are `kl` nats from where they were, or as far as they go."""
    prob = np.full(values.shape, 1.0 / values.shape[-1])
    grid = np.concatenate([[0.0], np.geomspace(1e-3, 1e5, 400)]) / (float(np.ptp(values)) or 1.0)
    accuracy, _, distance = policies.tilt_curve(prob, values, correct, grid)
    longer = np.log(policies.tilt_curve(prob, values, length, grid)[0])
    return (
        float(first_crossing(distance, accuracy, kl) - accuracy[0]),
        float(first_crossing(distance, longer, kl) - longer[0]),
    )


# -- kept before training -------------------------------------------------------------------------
def sealed(data: dict[str, Any]) -> tuple[str, str]:
    """(canonical JSON text, its SHA-256) of predictions."""
    text = json.dumps(data, sort_keys=True, indent=1, allow_nan=False) + "\n"
    return text, hashlib.sha256(text.encode()).hexdigest()


def plain(prediction: Prediction) -> dict[str, float]:
    """JSON form."""
    return asdict(prediction)


def runner_of(
    law: RewardLaw, estimator: Estimator, objective: PolicyGradient, group_size: int
) -> Runner:
    """The same training as `validate` runs, in the population limit."""
    return Runner(law, estimator, objective, group_size)


def family_thresholds(
    chosen: Sequence[Family],
    chain: Chain,
    worlds: Worlds,
    estimator: Estimator,
    objective: PolicyGradient,
    group_size: int,
    *,
    dialect: str,
    rows: Callable[..., list[Any]] = render.class_rows,
) -> tuple[dict[str, float], dict[str, float]]:
    """(weights that stand for one threshold, the measured thresholds, inf where none) by family."""
    measured = {}
    for family in chosen:
        law = law_of(family, chain, dialect=dialect, rows=rows)
        measured[family.name] = threshold(runner_of(law, estimator, objective, group_size), worlds)
    finite = {k: v for k, v in measured.items() if np.isfinite(v)}
    # A gate is compared with the same weights ungated.
    stand_in = finite.get("additive", FALLBACK)
    used = {k: finite.get(k, stand_in if k == "gated" else FALLBACK) for k in measured}
    return used, measured
