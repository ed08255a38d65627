"""Section 0: what this reward does to rollouts that the user already has.

Every logged rollout is a class of its own with base probability 1/n in its prompt's group. The
one-step drift is that of natural-gradient ascent on those classes: d pi_i = pi_i (A_i - mean A),
so accuracy moves by cov(A, correct) and length by cov(A, length) within a prompt. No toy model
is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toyrl import stats
from toyrl.estimators.base import Estimator
from toyrl.experiments.core import Curve, Picture, Table
from toyrl.experiments.validate.collapse.statistics import bootstrap
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.rollouts import Rollouts


@dataclass(frozen=True)
class OwnFacts:
    """Numbers of a log: drifts per unit step with 95 % intervals over prompts.

    reward : (B, G) of the reward judged, NaN where there is none
    """

    accuracy: float
    accuracy_drift: float
    accuracy_interval: tuple[float, float]
    length_drift: float
    length_interval: tuple[float, float]
    right_length_drift: float
    zero_signal: float
    zero_signal_outcome: float
    reward: np.ndarray


def analyse(
    r: Rollouts, reward: np.ndarray, estimator: Estimator, *, seed: int = 0
) -> tuple[OwnFacts, np.ndarray]:
    """Facts of a log and the advantages (B, G)."""
    advantage, _ = estimator.apply({"reward": reward}, r)
    w = np.where(np.isnan(reward), 0.0, r.w)
    drift_c = _drift(advantage, r.correct, w)
    drift_l = _drift(advantage, r.length, w)
    right = np.where(r.correct > 0.5, w, 0.0)
    drift_r = _drift(advantage, r.length, right)

    def means(counts: np.ndarray) -> np.ndarray:
        pair = np.stack([drift_c, drift_l], axis=-1)
        return counts @ pair / counts.sum(-1, keepdims=True)

    low, high = bootstrap(means, len(drift_c), seed=seed)
    outcome, _ = estimator.apply({"outcome": r.correct}, r)
    return OwnFacts(
        accuracy=float(np.mean(stats.mean(r.correct, w))),
        accuracy_drift=float(drift_c.mean()),
        accuracy_interval=(float(low[0]), float(high[0])),
        length_drift=float(drift_l.mean()),
        length_interval=(float(low[1]), float(high[1])),
        right_length_drift=float(drift_r.mean()),
        zero_signal=float(np.mean(np.all(advantage == 0, axis=-1))),
        zero_signal_outcome=float(np.mean(np.all(outcome == 0, axis=-1))),
        reward=reward,
    ), advantage


def _drift(advantage: np.ndarray, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """(B,) covariance of advantage and x within each prompt."""
    centred = x - stats.mean(x, w)
    return stats.mean(advantage * centred, w)[..., 0]


def advantage_by_length(
    r: Rollouts, advantage: np.ndarray, w: np.ndarray, *, bins: int = 10
) -> tuple[Table, tuple[Curve, ...]]:
    """Mean advantage by correctness and length decile."""
    present = w > 0
    edges = np.quantile(r.length[present], np.linspace(0, 1, bins + 1))
    which = np.clip(np.searchsorted(edges[1:-1], r.length, side="right"), 0, bins - 1)
    rows, lines = [], {0: ([], []), 1: ([], [])}
    for b in range(bins):
        row = [f"{edges[b]:.0f} to {edges[b + 1]:.0f}"]
        for right in (1, 0):
            pick = present & (which == b) & ((r.correct > 0.5) == bool(right))
            n = int(pick.sum())
            mean = float(advantage[pick].mean()) if n else float("nan")
            row += [f"{mean:+.3f}" if n else "-", n]
            if n:
                lines[right][0].append(float(r.length[pick].mean()))
                lines[right][1].append(mean)
        rows.append(row)
    table = Table(
        "advantage-by-length",
        (
            "length decile (tokens)",
            "right: mean advantage",
            "right: rollouts",
            "wrong: mean advantage",
            "wrong: rollouts",
        ),
        rows,
    )
    curves = (Curve("right", *lines[1], style="points"), Curve("wrong", *lines[0], style="points"))
    return table, curves


def run(
    r: Rollouts,
    reward: np.ndarray,
    estimator: Estimator,
    *,
    estimator_name: str,
    source: str,
    seed: int = 0,
    price_nats: float | None = None,
) -> tuple[Section, OwnFacts]:
    """The section for a log.

    r : (B, G) rollouts padded with weight 0; reward (B, G), NaN where unscorable
    price_nats : smallest KL along the tilted path pi0 exp(r/beta) at which accuracy falls by
        min(0.1, half), from `toyrl.experiments.validate.hacks.price`; inf: not within ln G
    """
    facts, advantage = analyse(r, reward, estimator, seed=seed)
    w = np.where(np.isnan(reward), 0.0, r.w)
    table, curves = advantage_by_length(r, advantage, w)
    low, high = facts.accuracy_interval
    status = "fail" if high < 0 else ("warn" if facts.accuracy_drift < 0 else "pass")
    findings = [
        Finding(
            0,
            "own/accuracy-drift",
            status,
            f"One update moves accuracy by {facts.accuracy_drift:+.4f} per unit step on your "
            f"{len(reward)} prompts (accuracy now {facts.accuracy:.3f}).",
            value=facts.accuracy_drift,
            interval=facts.accuracy_interval,
            bound=0.0,
            fix=""
            if status == "pass"
            else "lower the weight of the term that pays wrong rollouts, or gate it on correctness",
        ),
        Finding(
            0,
            "own/length-drift",
            "info",
            f"Mean length moves by {facts.length_drift:+.2f} tokens per unit step, among "
            f"right rollouts by {facts.right_length_drift:+.2f}.",
            value=facts.length_drift,
            interval=facts.length_interval,
        ),
        Finding(
            0,
            "own/zero-signal",
            "info",
            f"{facts.zero_signal:.0%} of groups give no signal under {estimator_name}, "
            f"{facts.zero_signal_outcome:.0%} with correctness alone.",
            value=facts.zero_signal,
            bound=facts.zero_signal_outcome,
        ),
    ]
    if price_nats is not None:
        findings.append(_price(price_nats, r.shape[-1]))
    direction = "raises" if facts.accuracy_drift >= 0 else "lowers"
    summary = (
        f"On your own rollouts ({source}) the first update {direction} accuracy "
        f"({facts.accuracy_drift:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}) and "
        f"{'shortens' if facts.length_drift < 0 else 'lengthens'} answers."
    )
    picture = Picture(
        "own-advantage",
        "Mean advantage by length in your log",
        "length (tokens)",
        "mean advantage",
        curves=curves,
        caption="Above zero a rollout is pushed up, below zero down.",
    )
    return Section(0, summary, tuple(findings), (picture,), (table,)), facts


def _price(nats: float, group: int) -> Finding:
    limit = float(np.log(group))
    if not np.isfinite(nats):
        return Finding(
            0,
            "own/tilted-price",
            "pass",
            "Tilting your rollouts towards this reward never lowers accuracy by "
            f"min(0.1, half) within the {limit:.2f} nats a log of {group} per prompt "
            "can show.",
            bound=limit,
        )
    return Finding(
        0,
        "own/tilted-price",
        "fail" if nats < limit else "warn",
        f"Tilting your rollouts towards this reward lowers accuracy by min(0.1, half) "
        f"at {nats:.2f} nats.",
        value=nats,
        bound=limit,
        fix="the reward prefers wrong rollouts of your own model: look at the table",
    )
