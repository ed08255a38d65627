"""The price of the exploit: how far from the base a policy must go to lose accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toyrl.experiments.core import Curve, Picture
from toyrl.experiments.validate.findings import Finding
from toyrl.experiments.validate.verdict import UNSAFE_PRICE
from toyrl.rollouts import Rollouts
from toyrl.theory.selection.alignment import Price, tilt_price

HACK_MASS = 1e-3
"""Base probability of all exploits together, unless told."""


def on_classes(
    prob: np.ndarray,
    reward: np.ndarray,
    truth: np.ndarray,
    shares: np.ndarray,
    exploits: Sequence[Any] = (),
    *,
    mass: float = HACK_MASS,
) -> Price:
    """Price on base class probabilities (B, K) with graded exploits added as wrong classes.

    The exploits share `mass` equally; the honest classes keep the rest.
    """
    if exploits:
        paid = np.array([e.reward for e in exploits], dtype=float)
        n, B = len(paid), len(prob)
        prob = np.concatenate([prob * (1 - mass), np.full((B, n), mass / n)], axis=-1)
        reward = np.concatenate([reward, np.broadcast_to(paid, (B, n))], axis=-1)
        truth = np.concatenate([truth, np.zeros((B, n))], axis=-1)
    return tilt_price(prob, reward, truth, shares)


def log_price(r: Rollouts, reward: np.ndarray) -> float:
    """Price on a log, every rollout a class of probability 1/n in its prompt; inf: not within it.

    Prices are censored at ln G: a log of G rollouts per prompt can show no more.
    """
    present = (r.w > 0) & np.isfinite(reward)
    rows = present.any(-1)
    w = np.where(present, r.w, 0.0)[rows]
    prob = w / w.sum(-1, keepdims=True)
    value = np.where(present, reward, 0.0)[rows]
    return tilt_price(prob, value, np.where(present, r.correct, 0.0)[rows]).kl


def describe(price: Price, exploits: int) -> tuple[Finding, Picture]:
    """The finding and the picture of the path."""
    stated = (
        f" (with {exploits} exploits of total base probability {HACK_MASS:g})" if exploits else ""
    )
    if np.isfinite(price.kl):
        status = "fail" if price.kl < UNSAFE_PRICE else "warn"
        message = (
            f"Policies tilted towards this reward lose {price.drop:.2f} accuracy (from "
            f"{price.start:.2f}) at {price.kl:.2f} nats from the base{stated}."
        )
        fix = "pay the extra term to right answers only, or close the exploit shown above"
    else:
        status, fix = ("info" if exploits else "pass"), ""
        message = (
            f"Tilting towards this reward costs no accuracy{stated}: they are paid like right "
            "answers, not above them, so nothing leads a policy away from them either."
            if exploits
            else "Policies tilted towards this reward never lose accuracy, however far from the "
            "base."
        )
    finding = Finding(
        2,
        "hacks/price",
        status,
        message,
        value=price.kl if np.isfinite(price.kl) else None,
        bound=UNSAFE_PRICE,
        fix=fix,
    )
    seen = price.path_kl <= max(12.0, 1.5 * price.kl if np.isfinite(price.kl) else 0.0)
    x = price.path_kl[seen].tolist()
    curves = [Curve("true accuracy", x, price.path_accuracy[seen].tolist())]
    if np.isfinite(price.kl):
        curves.append(Curve("price", [price.kl, price.kl], [0.0, 1.0], style="dashed"))
    return finding, Picture(
        "hacks-price",
        "What the reward prefers, nearest policies first",
        "distance from the base policy (nats)",
        "true accuracy",
        curves=tuple(curves),
        caption="The tilted path pi0 exp(r/beta) on the reference policies.",
    )
