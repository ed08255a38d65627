"""Section 6: best of k under this reward."""

from __future__ import annotations

import numpy as np

from toyrl.experiments.core import Curve, Picture, Table
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.theory.selection.best_of_k import curves, kl_bound

K = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024)
FALL = 0.01  # accuracy below the best k that makes the best k finite


def run(prob: np.ndarray, reward: np.ndarray, truth: np.ndarray, shares: np.ndarray) -> Section:
    """Gold accuracy and KL against k on base class probabilities (B, K)."""
    gold, proxy, nats = curves(prob, reward, truth, K, shares)
    ideal, _, _ = curves(prob, truth, truth, K, shares)
    best = int(np.argmax(gold))
    finite = gold[-1] < gold[best] - FALL
    if finite:
        message = (
            f"Best-of-k helps up to k = {K[best]} (accuracy {gold[best]:.2f}) and then "
            f"falls to {gold[-1]:.2f} at k = {K[-1]}."
        )
    else:
        message = (
            f"Best-of-k raises accuracy from {gold[0]:.2f} to {gold[-1]:.2f} at "
            f"k = {K[-1]}, the largest looked at, without a fall."
        )
    if gold[-1] < gold[0] - FALL:
        message = (
            f"Picking the best of k by this reward lowers accuracy: {gold[0]:.2f} at k = 1, "
            f"{gold[-1]:.2f} at k = {K[-1]}."
        )
    finding = Finding(
        6,
        "selection/best-of-k",
        "warn" if finite else "pass",
        message,
        value=float(gold[-1]),
        bound=float(gold[0]),
        fix="do not rerank with this reward beyond that k" if finite else "",
    )
    table = Table(
        "best-of-k",
        ("k", "true accuracy", "mean reward", "KL (nats)", "log k - (k-1)/k"),
        [
            [k, f"{g:.3f}", f"{p:.3f}", f"{d:.3f}", f"{u:.3f}"]
            for k, g, p, d, u in zip(K, gold, proxy, nats, kl_bound(K), strict=True)
        ],
        caption="The last column is the KL without ties, an upper bound.",
    )
    picture = Picture(
        "selection",
        "Best of k",
        "k",
        "true accuracy",
        curves=(
            Curve("by this reward", list(K), gold.tolist()),
            Curve("by the truth", list(K), ideal.tolist(), style="dashed"),
        ),
        log_x=True,
    )
    return Section(6, message, (finding,), (picture,), (table,))
