"""An implicit reward model that learns from outcomes while the policy does, on tables of tokens.

The model is a language model with one law of V tokens at each of T places, its reward beta times
the log-ratio to a frozen reference:

    q_t = log pi_phi(y_t) - log pi_ref(y_t),  r_t = beta q_t,  r(y) = beta sum q_t

and cross-entropy on r(y) teaches it, each step on the rollouts of the policy of that step:

    d CE / d sum q = beta (sigmoid(beta sum q) - label)

    table = ImplicitTable.of(T=16, V=4, beta=0.05)
    learner = OnlineImplicit(step=0.5)
    table = learner.update(table, tokens, label)     one step on the current rollouts
    table.rewards(tokens)                            (..., N, T), "before": with the updated model

Rewards read from the new table are the order "before" (the default of verl's recipe), from the old
one "after". A table that is never updated again is the frozen model, one that `fit` has taught on
other rollouts the offline one. Where the best model's law factorises, as for tasks of key places,
a table can represent it.

Source: paper 53 (PRIME), Eq. 3, Algorithm 1; the table is ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from scipy.special import log_softmax, softmax

from toyrl.messages import shortened
from toyrl.models.base import model
from toyrl.models.reward.implicit import labelled_loss
from toyrl.ranges import COUNT, NOT_NEGATIVE, POSITIVE, POSITIVE_OR_INF, check_fields

Array = Any


def token_log_chance(logits: Array, tokens: Array) -> np.ndarray:
    """(..., N, T) log-probability of each token under logits (..., T, V); tokens (..., N, T)."""
    log_p = log_softmax(np.asarray(logits, dtype=float), axis=-1)
    turned = np.swapaxes(np.asarray(tokens), -1, -2)
    return np.swapaxes(np.take_along_axis(log_p, turned, axis=-1), -1, -2)


def pull(logits: Array, tokens: Array, slope: Array) -> np.ndarray:
    """(..., T, V) gradient in the logits of the sum of slope times log-probability.

    logits : (..., T, V); tokens : (..., N, T); slope : (..., N, T), or (..., N, 1) for one number a
    response
    """
    z, s = np.asarray(logits, dtype=float), np.broadcast_to(slope, np.shape(tokens))
    seen = [np.where(tokens == v, s, 0.0).sum(-2) for v in range(z.shape[-1])]
    return np.stack(seen, axis=-1) - s.sum(-2)[..., None] * softmax(z, axis=-1)


@model("implicit_table")
@dataclass(frozen=True, eq=False)
class ImplicitTable:
    """Reward beta log pi_phi(y)/pi_ref(y) of laws of tokens by place.

    logits : (..., T, V) of the learned law; reference : (..., T, V) log-probabilities, frozen;
    beta : ()
    """

    logits: np.ndarray
    reference: np.ndarray
    beta: np.ndarray

    @classmethod
    def of(cls, *, T: int, V: int, beta: float = 0.05, logits: Array | None = None
           ) -> ImplicitTable:  # fmt: skip
        """A table beside the uniform reference, which it equals where no logits are given.

        logits : (..., T, V)

        Raises ValueError for logits of other places or tokens.
        """
        start = np.zeros((T, V)) if logits is None else np.asarray(logits, dtype=float)
        if start.shape[-2:] != (T, V):
            msg = f"logits have the shape {start.shape}; give (..., {T}, {V}), places and tokens"
            raise ValueError(msg)
        return cls(start, np.full((T, V), -np.log(V)), np.array(float(beta)))

    def rewards(self, tokens: Array) -> np.ndarray:
        """(..., N, T) beta q_t of tokens (..., N, T), whole numbers in [0, V).

        Raises ValueError for tokens that the table does not have, and for another number of places.
        """
        y = self._known(tokens)
        own, ref = (
            token_log_chance(self.logits, y),
            np.broadcast_to(self.reference, (*y.shape[:-2], *self.reference.shape[-2:])),
        )
        turned = np.swapaxes(y, -1, -2)
        told = np.swapaxes(np.take_along_axis(ref, turned, axis=-1), -1, -2)
        if np.isneginf(told).any():
            msg = "the reference gives a token the chance 0: its log-ratio is infinite; use the "
            msg += "full law of the tokens, before top-p or top-k, or leave that response out"
            raise ValueError(msg)
        return self.beta * (own - told)

    def score(self, x: Array) -> np.ndarray:
        """(..., N) r(y) of responses (..., N, T), the process rewards summed."""
        return self.rewards(x).sum(-1)

    def _known(self, tokens: Array) -> np.ndarray:
        y, (T, V) = np.asarray(tokens), self.logits.shape[-2:]
        good = y.dtype.kind in "iu" and y.ndim >= 2 and y.shape[-1] == T
        if not good or (y.size and (y.min() < 0 or y.max() >= V)):
            msg = f"tokens={shortened(tokens)} must be whole numbers in [0, {V}), (..., N, {T})"
            raise ValueError(msg)
        return y


@dataclass(frozen=True)
class OnlineImplicit:
    """Cross-entropy on outcomes, one plain step at a time.

    step : on the logits, of the mean over responses of (label - sigmoid(r)) grad sum q: the
        gradient over beta, so that beta does not set the speed
    clip : most Euclidean length of that mean, over all logits of a table; the paper's 10 is on a
        language model's own gradient
    epochs : of `fit`

    Raises ValueError for settings out of their ranges.
    """

    step: Annotated[float, NOT_NEGATIVE] = 0.5
    clip: Annotated[float, POSITIVE_OR_INF] = 10.0
    epochs: Annotated[int, COUNT] = 100
    beta: Annotated[float, POSITIVE] = 0.05

    def __post_init__(self) -> None:
        check_fields(self)

    def gradient(
        self, table: ImplicitTable, tokens: Array, label: Array, weight: Array | None = None
    ) -> np.ndarray:
        """(..., T, V) the mean of (label - sigmoid(r)) grad sum q over responses of weight.

        tokens : (..., N, T); label : (..., N) in [0, 1]; weight : (..., N), 0 = a response of a
        discarded prompt. 0 where no response has weight.

        Raises ValueError for labels that are no chances, NaN among them.
        """
        right = np.asarray(label, dtype=float)
        if not ((right >= 0) & (right <= 1)).all():
            msg = f"label={shortened(label)} must be chances of being right, in [0, 1]; leave "
            msg += "responses without one out by weight 0 and a label of 0"
            raise ValueError(msg)
        w = np.ones(right.shape) if weight is None else np.asarray(weight, dtype=float)
        miss = -labelled_loss("ce", table.score(tokens), right)[1]
        mass = w.sum(-1)[..., None, None]
        total = pull(table.logits, tokens, (w * miss)[..., None])
        mean = total / np.where(mass > 0, mass, 1.0)
        length = np.sqrt((mean**2).sum((-1, -2), keepdims=True))
        return mean * np.minimum(1.0, self.clip / np.maximum(length, 1e-300))

    def update(
        self, table: ImplicitTable, tokens: Array, label: Array, weight: Array | None = None
    ) -> ImplicitTable:
        """The table after one step; the given one stays as it was."""
        move = self.gradient(table, tokens, label, weight)
        return replace(table, logits=table.logits + self.step * move)

    def fit(self, x: Array, target: Array, *, weight: Array | None = None) -> ImplicitTable:
        """Offline: `epochs` steps from the uniform reference on responses x (N, T), labels (N,).

        The vocabulary is the largest token + 1.

        Raises ValueError for responses or labels that are none.
        """
        y = np.asarray(x)
        if y.ndim != 2 or not y.size or y.dtype.kind not in "iu":
            msg = f"x has the shape {y.shape}; give (N, T) whole numbers, N of 1 and more"
            raise ValueError(msg)
        table = ImplicitTable.of(T=y.shape[1], V=int(y.max()) + 1, beta=self.beta)
        for _ in range(self.epochs):
            table = self.update(table, y, target, weight)
        return table
