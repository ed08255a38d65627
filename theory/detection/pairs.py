"""Training a detector on pairs of texts: the loss, what it converges to, mixed text, replay.

Three kinds of text: an aligned model's (LM), a person's (HU), and a person's of which half the
sentences were rephrased by a model (MIX). A reward model, going on from r_0, learns LM > MIX > HU.

    released   (1/3) [w1 l(LM, MIX) + w2 l(LM, HU) + w3 l(MIX, HU)] + c sum_buffer (r_0 - r)^2,
               l(P, N) = mean[softplus(r_N - r_P) + (b/2)(r_P^2 + r_N^2)]: the pairs are a mean of
               three, the replay is a *sum* over its batch
    paper      l(LM, HU) + c mean_buffer (r - r_0)^2 + w1 l(LM, MIX) + w3 l(MIX, HU), b = 0

For one score an answer, the minimiser of E softplus(r(y0) - r(y1)), y1 ~ p1, y0 ~ p0, is
log p1/p0 + const, whatever p1 is. Proof: at r = log p1/p0 the gradient, for answer k,
sum_j [p0_k p1_j sigma(r_k - r_j) - p1_k p0_j sigma(r_j - r_k)], vanishes term by term, because
p0_k p1_j/(p1_k p0_j) = e^(r_j - r_k); the loss is convex, and strictly so up to a constant.

Formulas: docs/theory/detection.md.

Source: paper 43, released code hyunseoklee-ai/ReMoDetect, scripts/train.py (the paper's form from
memory of its section 3); minimiser and mixed text derived.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toyrl.registry import entry
from toyrl.theory.policies import kl

Array = Any
FORMS = ("released", "paper")


@entry(
    "detector_loss",
    kind="theorem",
    cards=("43",),
    section="code scripts/train.py; the paper's form section 3",
    provenance="code",
    formula="(1/3)[w1 l(LM,MIX) + w2 l(LM,HU) + w3 l(MIX,HU)] + c sum (r0 - r)^2",
)
def detector_loss(
    lm: Array,
    mix: Array,
    hu: Array,
    replay: Array = (),
    teacher: Array = (),
    *,
    weights: tuple[float, float, float] = (0.35, 1.0, 0.35),
    logit_l2: float = 0.01,
    replay_weight: float = 0.01,
    form: str = "released",
) -> float:
    """The loss of a batch of scored triples, in one of its two forms.

    lm, mix, hu : (n,) scores of the three texts of each triple, n >= 1; replay, teacher : (m,)
        scores of replayed texts by the model and by the one it started from; none: no penalty
    weights : of (LM, MIX), (LM, HU), (MIX, HU); the released script runs 0.35, 1, 0.35, its
        argument parser says 0.3, 1, 0.3. The paper's form has weight 1 on (LM, HU) and no
        `logit_l2`
    replay_weight : of the squared difference: of its sum in the released form, of its mean in the
        paper's

    Raises ValueError for another form, scores of different shapes, no triple, and NaN.
    """
    texts = [np.asarray(x, dtype=float) for x in (lm, mix, hu)]
    own, start = (np.asarray(x, dtype=float) for x in (replay, teacher))
    if form not in FORMS:
        msg = f"form={form!r} is not one of {', '.join(FORMS)}"
        raise ValueError(msg)
    shapes = {x.shape for x in texts}
    if len(shapes) > 1 or not texts[0].size or own.shape != start.shape:
        found = [x.shape for x in (*texts, own, start)]
        msg = f"lm, mix, hu, replay, teacher have shapes {found}: the first three alike and not "
        raise ValueError(msg + "empty, the last two alike")
    if any(np.isnan(x).any() for x in (*texts, own, start)):
        msg = "lm, mix, hu, replay or teacher holds NaN; leave these texts out"
        raise ValueError(msg)
    high, mid, low = texts
    released = form == "released"
    b = logit_l2 if released else 0.0
    pairs = [(high, mid), (high, low), (mid, low)]
    each = [(np.logaddexp(0, n - p) + b / 2 * (p**2 + n**2)).mean() for p, n in pairs]
    squares = (own - start) ** 2
    if released:
        total = sum(w * x for w, x in zip(weights, each, strict=True)) / 3
        return float(total + replay_weight * squares.sum())
    kept = replay_weight * squares.mean() if squares.size else 0.0
    return float(each[1] + weights[0] * each[0] + weights[2] * each[2] + kept)


@entry(
    "pair_loss",
    kind="theorem",
    cards=("43",),
    provenance="derived",
    formula="E softplus(r(y0) - r(y1)), y1 ~ p1, y0 ~ p0",
)
def pair_loss(score: Array, positive: Array, negative: Array) -> float:
    """Bradley and Terry's loss of tabular scores (K,) over all pairs; log 2 for equal scores.

    positive p1, negative p0 : (K,) laws of preferred and other answers. O(K^2).
    """
    r, p, q = (np.asarray(x, dtype=float) for x in (score, positive, negative))
    return float((p[:, None] * q * np.logaddexp(0, r - r[:, None])).sum())


@entry(
    "trained_detector",
    kind="theorem",
    cards=("43",),
    provenance="derived",
    formula="argmin pair_loss + a sum (r - r0)^2; a = 0: log p1/p0 + const",
)
def trained_detector(
    positive: Array, negative: Array, start: Array, *, replay: float = 0.0, steps: int = 200
) -> np.ndarray:
    """(K,) scores that minimise the pair loss plus a times the squared distance from `start`.

    positive p1, negative p0 : (K,), all above 0 unless the replay weight a is; start r_0 : (K,).
    a = 0 gives log p1/p0 with the mean of `start`, inf gives `start`. By Newton's method with
    halved steps: the loss is convex, plain gradient descent is too ill-conditioned.

    Raises ValueError for a negative weight, and for an answer that one law lacks where a is 0:
    its best score is infinite.
    """
    p, q, r0 = (np.asarray(x, dtype=float) for x in (positive, negative, start))
    if not replay >= 0:
        msg = f"replay={replay} must be at least 0"
        raise ValueError(msg)
    if replay == 0 and not ((p > 0) & (q > 0)).all():
        msg = "positive or negative lacks an answer, whose score would be infinite; give replay > 0"
        raise ValueError(msg)
    if np.isinf(replay):
        return r0.copy()
    r, ones = r0.copy(), np.ones((len(r0), len(r0))) / len(r0)

    def loss(x: np.ndarray) -> float:
        return pair_loss(x, p, q) + replay * ((x - r0) ** 2).sum()

    for _ in range(steps):
        win = 1 / (1 + np.exp(np.clip(r - r[:, None], -700, 700)))  # [i, j]: i preferred to j
        wrong = p[:, None] * q * (1 - win)
        gradient = wrong.sum(0) - wrong.sum(1) + 2 * replay * (r - r0)
        bend = wrong * win
        both = bend + bend.T
        hessian = np.diag(both.sum(1)) - both + 2 * replay * np.eye(len(r))
        # `ones` fixes the mean, along which the pair loss is flat and its gradient 0; the small
        # multiple of 1 keeps steps finite where answers are far apart and the loss is flat too.
        scale = max(np.trace(hessian) / len(r), 1e-300)
        move = np.linalg.solve(hessian + scale * (ones + 1e-10 * np.eye(len(r))), gradient)
        now, size = loss(r), 1.0
        while loss(r - size * move) > now and size > 1e-10:
            size /= 2
        r = r - size * move
        if np.abs(size * move).max() <= 1e-13 * (1 + np.abs(r).max()):
            break
    return r


@entry(
    "mixed_text_score",
    kind="theorem",
    cards=("43",),
    provenance="derived",
    formula="rho n KL(q1||q0) - (1 - rho) n KL(q0||q1)",
)
def mixed_text_score(model: Array, human: Array, segments: int, model_share: Array) -> np.ndarray:
    """Mean log q1/q0 of a text of independent segments of which a share rho is the model's.

    model q1, human q0 : (K,) laws of a segment; segments n; model_share rho in [0, 1], any shape,
    as the answer. Linear in rho, so a person's text (0) scores below mixed text, and that below a
    model's (1): mixed text is the median corpus. +-inf where one law lacks what the other has.

    Raises ValueError for a mixed text where each law lacks what the other has.
    """
    up, down = float(kl(model, human)), float(kl(human, model))
    rho = np.asarray(model_share, dtype=float)
    # A share of 0 of an infinite score is 0.
    own = np.where(rho > 0, np.where(rho > 0, rho, 1.0) * up, 0.0)
    other = np.where(rho < 1, np.where(rho < 1, 1 - rho, 1.0) * down, 0.0)
    if (np.isinf(own) & np.isinf(other)).any():
        msg = "model and human each lack what the other has: a mixed text has no mean score"
        raise ValueError(msg)
    return segments * (own - other)
