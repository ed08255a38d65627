"""Section 5: does the reward order policies as the truth does, at outcome level."""

from __future__ import annotations

import numpy as np

from toyrl.experiments.core import Curve, Picture
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.theory.distance.order import correlation, potential_like, regret

NATS = np.array([0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0])
WARN = 0.1  # lost accuracy inside some KL ball


def run(prob: np.ndarray, reward: np.ndarray, truth: np.ndarray, shares: np.ndarray) -> Section:
    """Correlation, distance and regret within KL balls on base class probabilities (B, K)."""
    rho = correlation(prob, reward, truth, shares)
    lost = regret(prob, reward, truth, shares, NATS)
    worst = int(np.argmax(lost.regret))
    value = float(lost.regret[worst])
    same = potential_like(prob, reward, truth)
    if same:
        message = (
            "The reward differs from correctness by a constant per prompt: it orders all "
            "policies as the truth does."
        )
    elif np.isnan(rho):
        message = "The reward is constant within prompts: it orders no policies."
    else:
        farthest = ", the farthest looked at" if worst == len(NATS) - 1 and value > 0 else ""
        message = (
            f"Correlation with the truth {rho:.2f} (distance "
            f"{np.sqrt(2 * (1 - rho)):.2f}); following the reward costs up to {value:.2f} "
            f"accuracy, most at {NATS[worst]:g} nats from the base{farthest}."
        )
    findings = (
        Finding(
            5, "order/distance", "info", message, value=None if np.isnan(rho) else rho, bound=1.0
        ),
        Finding(
            5,
            "order/regret",
            "warn" if value > WARN else "pass",
            f"Worst regret within {NATS[-1]:g} nats: {value:.3f} accuracy.",
            value=value,
            bound=WARN,
            fix="lower the weight of what the reward adds to correctness" if value > WARN else "",
        ),
    )
    picture = Picture(
        "order",
        "Accuracy of the best policy within a distance",
        "distance from the base (nats)",
        "true accuracy",
        log_x=True,
        curves=(
            Curve("best for the truth", NATS.tolist(), lost.best.tolist(), style="dashed"),
            Curve("best for this reward", NATS.tolist(), lost.reached.tolist()),
        ),
    )
    return Section(5, message, findings, (picture,))
