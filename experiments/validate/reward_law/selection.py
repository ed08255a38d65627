"""Section 6: what more samples buy under this reward, in the toy and on the user's own log."""

from __future__ import annotations

import numpy as np

from toyrl.experiments.core import Curve, Picture, Table
from toyrl.experiments.scaling.result import Scaling
from toyrl.experiments.scaling.run import scaled
from toyrl.experiments.scaling.scores import scores_of
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.experiments.validate.inputs import Inputs
from toyrl.theory.selection.best_of_k import curves, kl_bound
from toyrl.theory.selection.softmax_selection import softmax_selection

K = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024)
FALL = 0.01  # accuracy below the best k that makes the best k finite
LEVELS = 200  # distinct rewards up to which softmax selection is shown
JUDGED = "this reward"


def of(run_: Inputs) -> Section:
    """The section of a run: the toy's, and the log's where its rollouts were graded."""
    found = run(*run_.reference_points, run_.reference.shares)
    own = _own(run_)
    if own is None:
        return found
    best = own.curve("best of k")
    # The log's own fall is told by `toyrl scaling`, which can be asked to fail on it.
    finding = Finding(
        6,
        "selection/own-log",
        "warn" if best.hurts is not None else "pass",
        f"On your {own.prompts} prompts, up to k = {own.samples}: {own.said(best)}.",
        value=float(best.gold[best.best]),
        interval=None
        if np.isnan(best.low[best.best])
        else (float(best.low[best.best]), float(best.high[best.best])),
        bound=float(best.gold[0]),
        fix=f"keep at most k = {own.k[best.alike[1]]} of your samples by this reward"
        if best.hurts is not None
        else "",
    )
    return Section(
        6,
        f"{found.summary} {finding.message}",
        (*found.findings, finding),
        (*found.pictures, own.picture()),
        (*found.tables, own.table()),
    )


def _own(run_: Inputs) -> Scaling | None:
    """The log's curves; None without a graded log, or where no prompt has two rollouts."""
    log, facts = run_.log, run_.own_facts
    if log is None or facts is None:
        return None
    r = log.rollouts
    used, texts = np.asarray(r.w) > 0, iter(log.rows)
    completions = [next(texts).completion if there else "" for there in used.ravel()]
    scores = scores_of("your log", np.asarray(r.correct, dtype=float), {JUDGED: facts.reward},
                       used=used, completions=completions, length=np.asarray(r.length))  # fmt: skip
    return None if scores is None else scaled(scores, seed=run_.settings.seed)


def _softmax(
    prob: np.ndarray, reward: np.ndarray, truth: np.ndarray, shares: np.ndarray
) -> np.ndarray | None:
    """(N,) accuracy of softmax selection at the reward's spread; None for very many rewards."""
    if max(len(np.unique(r)) for r in reward) > LEVELS:
        return None
    mean = (prob * reward).sum(-1, keepdims=True)
    heat = float(((prob * (reward - mean) ** 2).sum(-1) @ shares) ** 0.5)
    if heat == 0:
        return np.full(len(K), float((prob * truth).sum(-1) @ shares))
    return (softmax_selection(prob, reward, K, heat) * truth).sum(-1) @ shares


def _table(
    found: tuple[np.ndarray, np.ndarray, np.ndarray], ideal: np.ndarray, soft: np.ndarray | None
) -> Table:
    """A row for each k: (gold, proxy, KL), the bound, pass@k and softmax selection."""
    softly = soft if soft is not None else np.full(len(K), np.nan)
    return Table(
        "best-of-k",
        ("k", "true accuracy", "mean reward", "KL (nats)", "log k - (k-1)/k", "pass@k", "softmax"),
        [
            [k, f"{g:.3f}", f"{p:.3f}", f"{d:.3f}", f"{u:.3f}", f"{t:.3f}",
             "" if np.isnan(s) else f"{s:.3f}"]
            for k, g, p, d, u, t, s in zip(K, *found, kl_bound(K), ideal, softly, strict=True)
        ],
        caption="KL is exact, by classes; the column behind it is the KL without ties, an upper "
        "bound. Softmax selection picks one of k with odds exp(reward / its spread). The toy's "
        "wrong answers have no names, so that there is no vote.",
    )  # fmt: skip


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
    soft = _softmax(prob, reward, truth, shares)
    table = _table((gold, proxy, nats), ideal, soft)
    picture = Picture(
        "selection",
        "Best of k",
        "k",
        "true accuracy",
        curves=(
            Curve("by this reward", list(K), gold.tolist()),
            Curve("by the truth", list(K), ideal.tolist(), style="dashed"),
            *([] if soft is None else [Curve("softmax", list(K), soft.tolist(), style="dashed")]),
        ),
        log_x=True,
    )
    return Section(6, message, (finding,), (picture,), (table,))
