"""A prior of worlds: Sobol points over what a user cannot know about their own run.

Each world is a chain with two prompt types (an easy and a hard difficulty), its noises, and a
base policy of two logits set by two targets: success rate and mean length over the mix. Ranges are
fields of `PriorRanges`, printed in every report. Where a log says more of the policy than these
two numbers, worlds come from `toyrl.dynamics.chain.observed`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import combinations
from typing import Annotated, Any

import numpy as np

from toyrl.dynamics.chain import exact
from toyrl.dynamics.chain.exact import Batch
from toyrl.objectives.policy_gradient import PolicyGradient
from toyrl.ranges import COUNT, POSITIVE, SHARE, Range, check_fields
from toyrl.worlds.chain.least_squares import Rules, levenberg_marquardt
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
RULES = Rules(
    iterations=25,
    relative=False,
    largest_step=2.0,
    whole=False,
    bound=8.0,
    most_damping=1e6,
    patience=26,
    enough=1e-3,
)
"""Of the search for the prior's two logits."""


@dataclass(frozen=True)
class PriorRanges:
    """(low, high) of each uniform parameter; `updates` and `depth` are choices.

    length_ratio : base policy's mean length over the typical length
    success : base policy's success rate over the prompt mix, before training

    Raises ValueError for a field out of its range, and for pairs that aren't (low, high).
    """

    easy_share: Annotated[tuple[float, float], SHARE.each] = (0.0, 1.0)
    flag_noise: Annotated[tuple[float, float], Range("[0, 0.5]").each] = (0.0, 0.5)
    slip: Annotated[tuple[float, float], SHARE.each] = (0.0, 0.1)
    guess: Annotated[tuple[float, float], SHARE.each] = (0.0, 0.2)
    progress: Annotated[tuple[float, float], SHARE.each] = (0.6, 0.95)
    success: Annotated[tuple[float, float], SHARE.each] = (0.1, 0.7)
    length_ratio: Annotated[tuple[float, float], POSITIVE.each] = (0.6, 1.6)
    updates: Annotated[tuple[int, ...], COUNT.each] = (250, 500, 1000)
    depth: Annotated[int, Range("[2, inf)", whole=True)] = 8

    def __post_init__(self) -> None:
        check_fields(self)
        for field in fields(self):
            ends = getattr(self, field.name)
            if field.name in ("updates", "depth"):
                continue
            if len(ends) != 2 or ends[0] > ends[1]:
                msg = f"{field.name}={ends} must be (low, high), low at most high"
                raise ValueError(msg)

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
    ranges = ranges or PriorRanges()
    batch, updates = numbers_at(chain, u, ranges)
    success = _scaled(u, 6, ranges.success)
    if success_rates is not None:
        success = np.resize(np.asarray(success_rates, dtype=float), len(u))
    length = np.minimum(typical_length * _scaled(u, 7, ranges.length_ratio), 0.7 * chain.max_length)
    return worlds_of(batch, two_logits(batch, success, length), updates)


def numbers_at(chain: Chain, u: np.ndarray, ranges: PriorRanges) -> tuple[Batch, np.ndarray]:
    """(the worlds' numbers, updates (n,)) at points of the unit cube, without base policies."""
    n = len(u)
    pairs = np.array(list(combinations(range(1, ranges.depth + 1), 2)))
    easy = _scaled(u, 0, ranges.easy_share)
    batch = Batch(
        chain.with_(difficulties=(1, ranges.depth), shares=(0.5, 0.5), depth=ranges.depth),
        pairs[np.minimum((u[:, 1] * len(pairs)).astype(int), len(pairs) - 1)],
        np.stack([easy, 1 - easy], axis=-1),
        _scaled(u, 2, ranges.progress),
        _scaled(u, 3, ranges.slip),
        np.full(n, chain.repair),
        _scaled(u, 4, ranges.guess),
        _scaled(u, 5, ranges.flag_noise),
    )
    choice = np.asarray(ranges.updates)[(u[:, 8] * len(ranges.updates)).astype(int)]
    return batch, choice


def _scaled(u: np.ndarray, i: int, span: tuple[float, float]) -> np.ndarray:
    return span[0] + u[:, i] * (span[1] - span[0])


def worlds_of(batch: Batch, theta: np.ndarray, updates: np.ndarray) -> Worlds:
    """Worlds with these base policies, and what these reach.

    theta : (W, *policy_shape) logits; updates : (W,)
    """
    prob = exact.class_probabilities(batch, theta)
    success = (prob @ batch.chain.class_correct() * batch.shares).sum(-1)
    length = (prob @ batch.chain.class_length() * batch.shares).sum(-1)
    return Worlds(batch, theta, updates, success, length)


def two_logits(batch: Batch, success: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Logits (W, *policy_shape) whose mix succeeds and lasts as asked, as nearly as they can.

    success, length : (W,) rate and tokens over the mix. Two numbers per world are fitted, the
    logits of FILL and of ANSWER; a raised done flag adds 1 to ANSWER, so that right rollouts are
    the shorter ones. Half of the prior's targets are out of these two numbers' reach; where the
    search ends there depends on `RULES`.
    """
    target = np.stack([_logit(success), np.log(length)], axis=-1)

    def miss(x: np.ndarray) -> np.ndarray:
        prob = exact.class_probabilities(batch, _table(batch.chain, x))
        s = (prob @ batch.chain.class_correct() * batch.shares).sum(-1)
        t = (prob @ batch.chain.class_length() * batch.shares).sum(-1)
        return np.stack([_logit(s), np.log(t)], axis=-1) - target

    def residual(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        step, error = 1e-4, miss(x)
        return error, np.stack([(miss(x + step * e) - error) / step for e in np.eye(2)], -1)

    x, _ = levenberg_marquardt(residual, np.tile([0.5, -2.0], (len(batch), 1)), RULES)
    return _table(batch.chain, x)


def _table(chain: Chain, x: np.ndarray) -> np.ndarray:
    theta = np.zeros((len(x), *chain.policy_shape))
    theta[..., chain.actions.index("FILL")] = x[:, 0, None, None, None]
    theta[..., chain.actions.index("ANSWER")] = x[:, 1, None, None, None]
    if chain.flags == 2:
        theta[:, :, 1, :, chain.actions.index("ANSWER")] += 1.0
    return theta


def _logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, 1e-9, 1 - 1e-9)
    return np.log(p / (1 - p))
