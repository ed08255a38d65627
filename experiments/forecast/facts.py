"""What decides a run, as exact functionals of the reward on groups of the base's rollouts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toyrl.experiments.forecast.evidence import Evidence, Sample

FACTORS = (0.85, 0.7, 0.55, 0.4, 0.3, 0.2, 0.1)
"""Lengths, as shares of the present ones, at which the pull on length is looked at again."""
STILL = 0.2
"""Share of its first value below which the pull counts as gone."""
LONGER = (1.5, 2.0, 3.0, 5.0)
"""The same for the pull towards longer completions, as far as the limit allows."""
TINY = 1e-9


@dataclass(frozen=True)
class Facts:
    """Functionals of a reward under an estimator on a base's groups.

    signal_right, signal_mixed, signal_wrong : shares of the summed squared advantages in groups
        whose rollouts are all right, mixed, all wrong; they sum to 1 (or are all 0)
    gap : mean reward of right less wrong rollouts of one prompt, in standard deviations of the
        reward within prompts; 0 where no group is mixed
    drift_accuracy, drift_length : covariance of the advantage with correctness and with log length
    drift_alike : the part of drift_length that isn't bought by correctness: covariance with log
        length among rollouts of one group that are right or wrong alike
    pull_right, pull_wrong : slope of the advantage over log length among right, among wrong
        rollouts of one group
    floor : share of the present length at which right rollouts are no longer pulled shorter; 0 if
        they are pulled at every length looked at, 1 if they aren't pulled at all
    ceiling : multiple of the present length at which completions, right or wrong, are no longer
        pulled longer; 1 if they aren't, inf if they are pulled up to the limit
    paid : share of right rollouts at present lengths that get at least half of the most that a
        right one gets
    easiest : the most that a wrong answer gets, as a share of the way from the median wrong to the
        median right one; above 1 a wrong answer is paid better than most right ones
    crowd : share of rollouts in groups that give no signal
    """

    signal_right: float
    signal_mixed: float
    signal_wrong: float
    gap: float
    drift_accuracy: float
    drift_length: float
    drift_alike: float
    pull_right: float
    pull_wrong: float
    floor: float
    ceiling: float
    paid: float
    easiest: float
    crowd: float


def facts(e: Evidence) -> Facts:
    """The functionals on the evidence's groups."""
    advantage, reward = np.nan_to_num(e.now.advantages), np.nan_to_num(e.now.rewards)
    right, length = _read(e.now)
    solved, none = right.all(-1), ~right.any(-1)
    energy = (advantage**2).sum(-1)
    total = energy.sum()
    shares = [float(energy[m].sum() / total) if total > TINY else 0.0
              for m in (solved, ~solved & ~none, none)]  # fmt: skip
    return Facts(
        *shares,
        gap=_gap(reward, right),
        drift_accuracy=_covariance(advantage, right * 1.0),
        drift_length=_covariance(advantage, length),
        drift_alike=_alike(advantage, length, right),
        pull_right=_slope(advantage, length, right),
        pull_wrong=_slope(advantage, length, ~right),
        floor=_floor(e),
        ceiling=_ceiling(e),
        paid=_paid(reward, right),
        easiest=_easiest(e, reward, right),
        crowd=float((energy <= TINY).mean()),
    )


def _covariance(a: np.ndarray, x: np.ndarray) -> float:
    """Within prompts: between prompts nothing is learnt by comparison."""
    return float((a * (x - x.mean(-1, keepdims=True))).mean())


def _alike(a: np.ndarray, x: np.ndarray, right: np.ndarray) -> float:
    out = np.zeros_like(x)
    for rows in (right, ~right):
        n = np.maximum(rows.sum(-1, keepdims=True), 1)
        out += (x - (x * rows).sum(-1, keepdims=True) / n) * rows
    return float((a * out).mean())


def _gap(reward: np.ndarray, right: np.ndarray) -> float:
    mixed = right.any(-1) & ~right.all(-1)
    if not mixed.any():
        return 0.0
    r, ok = reward[mixed], right[mixed]
    means = [(r * m).sum(-1) / m.sum(-1) for m in (ok, ~ok)]
    spread = float(r.std(-1).mean())
    return float((means[0] - means[1]).mean() / spread) if spread > TINY else 0.0


def _slope(y: np.ndarray, x: np.ndarray, rows: np.ndarray) -> float:
    """Of y over x within the rows of each group that are marked; 0 where there is no spread."""
    n = rows.sum(-1, keepdims=True)
    some = np.maximum(n, 1)
    dy, dx = ((v - (v * rows).sum(-1, keepdims=True) / some) * rows for v in (y, x))
    spread = float((dx**2).sum())
    return float((dx * dy).sum() / spread) if spread > TINY else 0.0


def _read(s: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Whether rollouts are right, and their log length."""
    r = s.rollouts
    return np.asarray(r.correct) > 0.5, np.log(np.asarray(r.length, dtype=float))


def _floor(e: Evidence) -> float:
    """Where the pull on right rollouts' length ends."""
    first = -_pull(e.now, of_right=True)
    if first <= TINY:
        return 1.0
    # By token: what a token costs is what is still there to be paid for being shorter.
    seen = ((f, e.at(f)) for f in FACTORS)
    gone = (f for f, s in seen if s and -_pull(s, of_right=True) / f < STILL * first)
    return next(gone, 0.0)


def _ceiling(e: Evidence) -> float:
    """Where the pull towards longer completions ends, whoever is pulled."""
    first = _pull(e.now)
    if first <= TINY:
        return 1.0
    seen = ((f, e.at(f)) for f in LONGER)
    return next((f for f, s in seen if s and _pull(s) / f < STILL * first), np.inf)


def _pull(s: Sample, *, of_right: bool = False) -> float:
    """Slope of the advantage over log length among right rollouts, or among all with the same
    correctness."""
    right, length = _read(s)
    advantage = np.nan_to_num(s.advantages)
    own = _slope(advantage, length, right)
    return own if of_right else own + _slope(advantage, length, ~right)


def _paid(reward: np.ndarray, right: np.ndarray) -> float:
    if not right.any():
        return 0.0
    own = reward[right]
    top, low = float(own.max()), float(reward.min())
    return float((own >= (top + low) / 2).mean()) if top - low > TINY else 0.0


def _easiest(e: Evidence, reward: np.ndarray, right: np.ndarray) -> float:
    if not right.any() or right.all():
        return 0.0
    high, low = float(np.median(reward[right])), float(np.median(reward[~right]))
    way, best = high - low, float(np.nanmax(e.of_wrong()))
    if way <= TINY:
        return np.inf if best > low + TINY else 1.0
    return (best - low) / way
