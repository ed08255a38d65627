"""A prior of worlds: Sobol points over what a user cannot know about their own run.

Each world is a chain with two prompt types (an easy and a hard difficulty), its noises, and a
base policy set by observable targets: success rate and mean length. Ranges are fields of
`PriorRanges`, printed in every report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import Any

import numpy as np

from toyrl.dynamics.chain import exact
from toyrl.dynamics.chain.exact import Batch
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.worlds.chain.model import Chain

PARAMETERS = (
    "share of easy prompts",
    "difficulties",
    "progress per step",
    "slip",
    "guessing rate",
    "done-flag noise",
    "base success rate",
    "base length (tokens)",
    "updates T",
)
"""What each coordinate of the unit cube sets."""
DIMENSIONS = len(PARAMETERS)


@dataclass(frozen=True)
class PriorRanges:
    """(low, high) of each uniform parameter; `updates` and `depth` are choices.

    length_ratio : base policy's mean length over the typical length
    success : base policy's success rate over the prompt mix, before training
    """

    easy_share: tuple[float, float] = (0.0, 1.0)
    flag_noise: tuple[float, float] = (0.0, 0.5)
    slip: tuple[float, float] = (0.0, 0.1)
    guess: tuple[float, float] = (0.0, 0.2)
    progress: tuple[float, float] = (0.6, 0.95)
    success: tuple[float, float] = (0.1, 0.7)
    length_ratio: tuple[float, float] = (0.6, 1.6)
    updates: tuple[int, ...] = (250, 500, 1000)
    depth: int = 8

    def describe(self) -> dict[str, str]:
        """name -> range in words."""
        return {
            "share of easy prompts": _span(self.easy_share),
            "difficulties": f"pairs from 1 to {self.depth}",
            "done-flag noise": _span(self.flag_noise),
            "slip (error per step)": _span(self.slip),
            "guessing rate": _span(self.guess),
            "progress per step": _span(self.progress),
            "base success rate": _span(self.success),
            "base length / typical length": _span(self.length_ratio),
            "updates T": ", ".join(map(str, self.updates)) + " (judged again at 4T)",
        }


def _span(x: tuple[float, float]) -> str:
    return f"{x[0]:g} to {x[1]:g}"


@dataclass(frozen=True)
class Worlds:
    """W worlds in one batch.

    theta (W, *policy_shape) base logits; updates (W,) T; success, length (W,) reached by the
    base policy over the mix (length in tokens)
    """

    batch: Batch
    theta: np.ndarray
    updates: np.ndarray
    success: np.ndarray
    length: np.ndarray

    def __len__(self) -> int:
        return len(self.batch)

    def take(self, rows: Any) -> Worlds:
        """Some of the worlds."""
        return Worlds(
            self.batch.take(rows),
            *(getattr(self, f.name)[rows] for f in fields(self) if f.name != "batch"),
        )

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """name -> (W,) the numbers that may explain an outcome."""
        b = self.batch
        return {
            "share of easy prompts": b.shares[:, 0],
            "easy difficulty": b.difficulties[:, 0].astype(float),
            "hard difficulty": b.difficulties[:, 1].astype(float),
            "done-flag noise": b.flag_noise,
            "slip": b.slip,
            "guessing rate": b.guess,
            "progress per step": b.progress,
            "base success rate": self.success,
            "base length (tokens)": self.length,
            "updates T": self.updates.astype(float),
        }

    def reference_length(self, objective: PolicyGradient) -> np.ndarray:
        """(W,) tokens by which per-token aggregations are multiplied, so that a learning rate
        means the same first update under each."""
        if objective.aggregation == "sum":
            return np.ones(len(self))
        if objective.aggregation == "dr_grpo":
            return np.full(len(self), self.batch.chain.max_length)
        return self.length


def prior(
    chain: Chain,
    n: int = 256,
    *,
    seed: int = 0,
    typical_length: float,
    ranges: PriorRanges | None = None,
    success_rates: Sequence[float] | None = None,
) -> Worlds:
    """Draw n worlds (Sobol points, scrambled by `seed`) on the structure of `chain`.

    typical_length : tokens; success_rates: fixed base success rates, cycled over the worlds,
    instead of the prior's range. Targets out of reach give the nearest policy; the worlds say
    what was reached.
    """
    from scipy.stats import qmc

    log2 = int(np.ceil(np.log2(max(n, 2))))
    u = qmc.Sobol(DIMENSIONS, rng=seed).random_base2(log2)[:n]
    return from_unit_cube(
        chain, u, typical_length=typical_length, ranges=ranges, success_rates=success_rates
    )


def from_unit_cube(
    chain: Chain,
    u: np.ndarray,
    *,
    typical_length: float,
    ranges: PriorRanges | None = None,
    success_rates: Sequence[float] | None = None,
) -> Worlds:
    """The worlds at points u (n, DIMENSIONS) of the unit cube, in the order of `PARAMETERS`."""
    n = len(u)
    ranges = ranges or PriorRanges()
    pairs = np.array(list(combinations(range(1, ranges.depth + 1), 2)))

    def scaled(i: int, span: tuple[float, float]) -> np.ndarray:
        return span[0] + u[:, i] * (span[1] - span[0])

    easy = scaled(0, ranges.easy_share)
    batch = Batch(
        chain.with_(difficulties=(1, ranges.depth), shares=(0.5, 0.5), depth=ranges.depth),
        pairs[np.minimum((u[:, 1] * len(pairs)).astype(int), len(pairs) - 1)],
        np.stack([easy, 1 - easy], axis=-1),
        scaled(2, ranges.progress),
        scaled(3, ranges.slip),
        np.full(n, chain.repair),
        scaled(4, ranges.guess),
        scaled(5, ranges.flag_noise),
    )
    success = scaled(6, ranges.success)
    if success_rates is not None:
        success = np.resize(np.asarray(success_rates, dtype=float), n)
    length = np.minimum(typical_length * scaled(7, ranges.length_ratio), 0.7 * chain.max_length)
    choice = np.asarray(ranges.updates)[(u[:, 8] * len(ranges.updates)).astype(int)]
    theta = fit_base(batch, success, length)
    return _worlds(batch, theta, choice)


def _worlds(batch: Batch, theta: np.ndarray, updates: np.ndarray) -> Worlds:
    prob = exact.class_probabilities(batch, theta)
    success = (prob @ batch.chain.class_correct() * batch.shares).sum(-1)
    length = (prob @ batch.chain.class_length() * batch.shares).sum(-1)
    return Worlds(batch, theta, updates, success, length)


def fit_base(
    batch: Batch,
    success: np.ndarray,
    length: np.ndarray,
    *,
    flag_bonus: np.ndarray | float = 1.0,
    iterations: int = 25,
) -> np.ndarray:
    """Logits (W, *policy_shape) whose mix succeeds and lasts as asked, as nearly as they can.

    Two numbers per world are fitted, the logits of FILL and of ANSWER; a raised done flag adds
    `flag_bonus` to ANSWER, so that right rollouts are the shorter ones. Levenberg-Marquardt with
    finite differences on (logit success, log length), all worlds at once.

    success : (W,) in (0, 1); length : (W,) tokens.
    """
    W = len(batch)
    x = np.tile([0.5, -2.0], (W, 1))
    target = np.stack([_logit(success), np.log(length)], axis=-1)

    def observe(x: np.ndarray) -> np.ndarray:
        prob = exact.class_probabilities(batch, _two_logits(batch.chain, x, flag_bonus))
        s = (prob @ batch.chain.class_correct() * batch.shares).sum(-1)
        t = (prob @ batch.chain.class_length() * batch.shares).sum(-1)
        return np.stack([_logit(s), np.log(t)], axis=-1)

    damping = np.full(W, 1e-2)
    error = observe(x) - target
    for _ in range(iterations):
        step = 1e-4
        J = np.stack([(observe(x + step * e) - target - error) / step for e in np.eye(2)], -1)
        JT = np.swapaxes(J, -1, -2)
        normal = JT @ J + damping[:, None, None] * np.eye(2)
        move = np.linalg.solve(normal, (JT @ error[..., None]))[..., 0]
        tried = np.clip(x - np.clip(move, -2, 2), -8, 8)
        new = observe(tried) - target
        better = (new**2).sum(-1) < (error**2).sum(-1)
        x = np.where(better[:, None], tried, x)
        error = np.where(better[:, None], new, error)
        damping = np.clip(np.where(better, damping / 4, damping * 6), 1e-9, 1e6)
        if np.abs(error).max() < 1e-3:
            break
    return _two_logits(batch.chain, x, flag_bonus)


def _two_logits(chain: Chain, x: np.ndarray, flag_bonus: np.ndarray | float) -> np.ndarray:
    theta = np.zeros((len(x), *chain.policy_shape))
    theta[..., chain.actions.index("FILL")] = x[:, 0, None, None, None]
    theta[..., chain.actions.index("ANSWER")] = x[:, 1, None, None, None]
    if chain.flags == 2:
        bonus = np.broadcast_to(flag_bonus, len(x))[:, None, None]
        theta[:, :, 1, :, chain.actions.index("ANSWER")] += bonus
    return theta


def _logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return np.log(p / (1 - p))


def narrowed(ranges: PriorRanges, changes: Mapping[str, Any]) -> PriorRanges:
    """The prior with some ranges replaced by what a log shows."""
    return replace(ranges, **changes)
