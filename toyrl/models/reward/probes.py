"""What a reward model encodes: a linear classifier on its frozen representations.

    report = probe_report(h, {"verbosity": labels}, prompts)    {dimension: accuracy on held-out}
    sum(report.values()) / len(report)                          the benchmark's score of the model

h (N, D) is the last layer's hidden state at the last token that is no padding; nothing flows back
into the model. Rank candidate reward models by the mean accuracy before spending steps of RL: a
pairwise test can tie models that know different things.

Source: paper 32 (MRMBench), code wangclnlp/MRMBench, `src/task1_discriminant_rm_deepspeed_cate_2`
and `_3`: a linear layer without bias under (binary) cross-entropy, one epoch of Adam. Here the same
loss is minimised to its end, with a ridge; features are scaled first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from toyrl.messages import shortened
from toyrl.models.base import model
from toyrl.models.linear import Ridge, same_rows, standard, table_of
from toyrl.ranges import FLAG, NOT_NEGATIVE, check_fields, one_of

Array = Any
TASKS = {"easy": (0, 1, 1, 1), "hard": (0, 1, 2, 2)}


@model("probe")
@dataclass(frozen=True, eq=False)
class Probe:
    """logit_k(x) = bias_k + sum_f weight_kf (x_f - mean_f)/scale_f; arrays (K, F), (F,), (K,)."""

    weight: np.ndarray
    bias: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    classes: np.ndarray

    def logits(self, x: Array) -> np.ndarray:
        """(N, K) of features (N, F); NaN for a row that holds NaN.

        Raises ValueError for another number of features.
        """
        x = np.asarray(x, dtype=float)
        if x.ndim != 2 or x.shape[1] != self.weight.shape[1]:
            msg = f"features have the shape {x.shape}; the probe was fitted to (N, "
            msg += f"{self.weight.shape[1]})"
            raise ValueError(msg)
        return (x - self.mean) / self.scale @ self.weight.T + self.bias

    def predict(self, x: Array) -> np.ndarray:
        """(N,) the label of the largest logit, the first of equals; NaN for a row with NaN."""
        z = self.logits(x)
        lost = np.asarray(np.isnan(z).any(-1))
        return np.where(lost, np.nan, self.classes[np.argmax(np.where(lost[:, None], 0.0, z), -1)])

    def score(self, x: Array) -> np.ndarray:
        """(N,) the expected label under softmax(logits): of labels 0 and 1, P(1)."""
        z = self.logits(x)
        p = np.exp(z - z.max(-1, keepdims=True))
        return p @ self.classes / p.sum(-1)


@dataclass(frozen=True)
class LinearProbe:
    """A classifier of two or more labels by softmax of a linear map.

    loss : "logistic", cross-entropy as released, or "ridge", least squares on 0 and 1 per label
        (closed form)
    penalty : on the squared weights, in units of one row; 0 has no finite fit under "logistic"
        where a plane separates the labels
    bias : a constant beside the features, False as released (features are not centred then)
    balanced : labels count alike, however many rows each has

    Raises ValueError for settings out of their ranges.
    """

    loss: Annotated[str, one_of("logistic", "ridge")] = "logistic"
    penalty: Annotated[float, NOT_NEGATIVE] = 1.0
    bias: Annotated[bool, FLAG] = True
    balanced: Annotated[bool, FLAG] = True

    def __post_init__(self) -> None:
        check_fields(self)
        if self.loss == "ridge" and not self.bias:
            msg = "bias=False goes with loss='logistic'; least squares on 0 and 1 need the constant"
            raise ValueError(msg)

    def fit(self, x: Array, target: Array, *, weight: Array | None = None) -> Probe:
        """x (N, F), target (N,) labels, weight (N,) of rows, 1 each unless given.

        Raises ValueError for rows that don't match, for numbers that aren't finite, and where all
        labels (of rows with weight) are one.
        """
        x, y = table_of(x), np.asarray(target, dtype=float)
        w = np.ones(len(x)) if weight is None else np.asarray(weight, dtype=float)
        same_rows(x, target=y, weight=w)
        classes = np.unique(y[w > 0])
        if len(classes) < 2:
            msg = f"all labels are {classes[0]:g}: a probe tells two or more apart; add others"
            raise ValueError(msg)
        hot = (y[:, None] == classes) * 1.0
        if self.balanced:
            w = w * (w.sum() / len(classes) / (w @ hot))[np.searchsorted(classes, y)]
        if self.loss == "ridge":
            fits = [Ridge(self.penalty).fit(x, one, weight=w) for one in hot.T]
            return Probe(np.array([f.weight for f in fits]), np.array([f.bias for f in fits]),
                         fits[0].mean, fits[0].scale, classes)  # fmt: skip
        mean, scale = standard(x, w)
        if not self.bias:
            mean = np.zeros_like(mean)
        z = (x - mean) / scale
        z = np.column_stack([z, np.ones(len(z))]) if self.bias else z
        own = self._least(z, hot, w)
        bias = own[:, -1] if self.bias else np.zeros(len(classes))
        return Probe(own[:, : x.shape[1]], bias, mean, scale, classes)

    def _least(self, z: np.ndarray, hot: np.ndarray, w: np.ndarray) -> np.ndarray:
        """(K, F) weights of the least penalised cross-entropy; the constant is not penalised."""
        from scipy.optimize import minimize

        shape = (hot.shape[1], z.shape[1])
        ridge = np.full(shape[1], self.penalty)
        if self.bias:
            ridge[-1] = 1e-9  # a constant common to all labels says nothing

        def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
            own = flat.reshape(shape)
            logit = z @ own.T
            top = logit.max(-1, keepdims=True)
            mass = top[:, 0] + np.log(np.exp(logit - top).sum(-1))
            value = w @ (mass - (hot * logit).sum(-1)) + 0.5 * (ridge * own**2).sum()
            slope = (w[:, None] * (np.exp(logit - mass[:, None]) - hot)).T @ z + ridge * own
            return float(value), slope.ravel()

        start = np.zeros(shape[0] * shape[1])
        found = minimize(loss, start, jac=True, method="L-BFGS-B",
                         options={"maxiter": 1000, "ftol": 1e-13, "gtol": 1e-8})  # fmt: skip
        return found.x.reshape(shape)


DEFAULT = LinearProbe()


def probe_report(h: Array, labels: Mapping[str, Array], prompts: Array | None = None, *,
                 probe: LinearProbe = DEFAULT, test: float = 0.3, seed: int = 0
                 ) -> dict[str, float]:  # fmt: skip
    """{dimension: accuracy in [0, 1]} of a probe on texts of prompts that it did not see.

    h : (N, D); labels : (N,) each, NaN for a text without; prompts : (N,) ids, whose texts stay
    together, a prompt each unless given; test : share of prompts held out, in (0, 1)
    Labels count alike (the mean of each label's accuracy), so that 1/2 is a guess between two.

    Raises ValueError for rows that don't match, and for a dimension whose labels, on either side of
    the split, are none or all one.
    """
    x = table_of(h)
    ids = (
        np.arange(len(x))
        if prompts is None
        else np.unique(np.asarray(prompts), return_inverse=True)[1].ravel()
    )
    if len(ids) != len(x) or not 0 < test < 1:
        msg = f"prompts={shortened(prompts)} and test={test!r}: give {len(x)} ids, and a share in "
        msg += "(0, 1)"
        raise ValueError(msg)
    count = int(ids.max()) + 1
    if count < 2:
        msg = "all texts answer one prompt, so that none can be held out; give texts of two or more"
        raise ValueError(msg)
    order = np.random.default_rng(seed).permutation(count)
    held = np.isin(ids, order[: min(max(round(test * count), 1), count - 1)])
    return {name: _accuracy(name, x, np.asarray(y, dtype=float), held, probe)
            for name, y in labels.items()}  # fmt: skip


def _accuracy(name: str, x: np.ndarray, y: np.ndarray, held: np.ndarray, probe: LinearProbe
              ) -> float:  # fmt: skip
    if y.shape != (len(x),):
        msg = f"labels of {name} have the shape {y.shape}; give ({len(x)},), NaN for a text without"
        raise ValueError(msg)
    seen = ~np.isnan(y)
    for side, own in (("fitted", seen & ~held), ("held-out", seen & held)):
        if len(np.unique(y[own])) < 2:
            msg = f"{name}: the {int(own.sum())} {side} texts with a label have fewer than two "
            msg += "different ones; label more texts of more prompts"
            raise ValueError(msg)
    fitted = probe.fit(x[seen & ~held], y[seen & ~held])
    truth, found = y[seen & held], fitted.predict(x[seen & held])
    return float(np.mean([(found[truth == k] == k).mean() for k in np.unique(truth)]))


def merged_labels(severity: Array, task: str = "easy") -> np.ndarray:
    """Harm levels 0 to 3 as the benchmark's classes, the shape of `severity`; NaN stays.

    task : "easy", harmless 0 against harmful 1; "hard", {0}, {1}, {2, 3} as 0, 1, 2. Class numbers
    are ours.

    Raises ValueError for another task or level.
    """
    if task not in TASKS:
        msg = f"task={shortened(task)} is not one of {', '.join(TASKS)}"
        raise ValueError(msg)
    level = np.asarray(severity, dtype=float)
    there = ~np.isnan(level)
    if not np.isin(level[there], range(4)).all():
        msg = f"severity={shortened(severity)} must be 0, 1, 2, 3 or NaN"
        raise ValueError(msg)
    return np.where(there, np.array(TASKS[task])[np.where(there, level, 0).astype(int)], np.nan)


def evaluation_loss(losses: Array, *, released: bool = False) -> float:
    """Mean loss of the batches (n,); `released`: over the last index n - 1, as its code divides.

    That is n/(n - 1) times too large, and inf for one batch; accuracies are right there.

    Raises ValueError without a batch.
    """
    x = np.asarray(losses, dtype=float)
    if not x.size:
        msg = "losses is empty: there is no batch to average"
        raise ValueError(msg)
    if released and x.size == 1:
        return float("inf")
    return float(x.sum() / (x.size - released))
