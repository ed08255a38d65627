"""A reward model trained beside the policy, on pairs that a verifier picks and the model does not.

One update, of the same groups that the policy was just paid for, in this order:

    score     R = sigma(s) of every rollout, before anything is learned from it (`cooper()`)
    positive  the first rollout of the group that the verifier accepts; none: the group teaches
              nothing (`first_accepted`)
    negative  a text written to be wrong, kept only if the verifier tells its answer from the
              positive's (`toyrl.models.reward.cooper_texts`)
    learn     L = sum_b valid_b [-log sigma(s(y+_b) - s(y-_b))]/(sum_b valid_b + 1e-6)

    learner = Cooper(rate=0.05, optimiser="sgd")
    model = learner.start(features=2)
    model = learner.update(model, positive, negative, valid).model

The model is linear in features, in the place of a language model of 1.5B parameters. Its state,
optimiser included, is arrays, so that a file continues a run where it stopped. Everything takes
leading axes: many models, one beside each run, are one model with arrays (..., F).

Only differences of logits are trained: the loss stands still when a constant is added to all
logits, and sigma(s) doesn't. `anchor` (cross-entropy of the same texts) and `square` (their squared
logits) tie the level down; both are additions and 0 in the paper.

Source: paper 28 (Cooper), sections on VerifyRM and co-optimisation; code ZJU-REAL/cooper,
recipe/cooper/dp_reward.py. The released code lacks the file that joins the two stages; that no
update at all is made without a valid pair is our reading.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace

from toyrl.messages import shortened
from toyrl.models.base import model
from toyrl.models.reward.implicit import labelled_loss, paired_loss
from toyrl.ranges import COUNT, NOT_NEGATIVE, POSITIVE_OR_INF, check_fields, one_of

Array = Any
FEW = 1e-6
"""Added to the number of valid pairs, so that a batch without any has loss 0."""
BETAS, TINY = (0.9, 0.999), 1e-8


# -- what is learned from --------------------------------------------------------------------------
def first_accepted(accepted: Array, present: Array | None = None) -> Array:
    """(..., B, G) True on the first rollout of each group that the verifier accepts.

    accepted : (..., B, G) verdicts, 1 accepted; what is between, or NaN, is none
    present : (..., B, G) above 0 where there is a rollout (None: everywhere)

    Any backend. A group without an accepted rollout has no True. Scores play no part, and only the
    order of the rollouts decides between several.
    """
    xp = array_namespace(accepted)
    good = accepted >= 1
    if present is not None:
        good = good & (present > 0)
    count = xp.cumulative_sum(xp.astype(good, xp.int32), axis=-1)
    return good & (count == 1)


def pair_loss(
    positive: Array,
    negative: Array,
    valid: Array | None = None,
    *,
    anchor: float = 0.0,
    square: float = 0.0,
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """(L (...), (dL/d positive, dL/d negative)) of logits (..., B); masked pairs don't count.

    valid : (..., B) 1 for a pair, 0 for none (None: all), in which case its logits may be anything
    anchor : of the mean cross-entropy of the labels 1 and 0; square : of the mean squared logit
    log 2 where all logits are equal, exactly 0 without a valid pair.

    Raises ValueError for arrays of different shapes and for `valid` outside [0, 1].
    """
    high, low = np.asarray(positive, dtype=float), np.asarray(negative, dtype=float)
    mask = np.ones(high.shape) if valid is None else np.asarray(valid, dtype=float)
    if high.shape != low.shape or mask.shape != high.shape or not high.ndim:
        found = f"{high.shape}, {low.shape}, {mask.shape}"
        msg = f"positive, negative, valid have the shapes {found}; give one (..., B) for all"
        raise ValueError(msg)
    if not np.all((mask >= 0) & (mask <= 1)):
        msg = f"valid={shortened(valid)} must lie in [0, 1]: 1 for a pair, 0 for none"
        raise ValueError(msg)
    high, low = np.where(mask > 0, high, 0.0), np.where(mask > 0, low, 0.0)
    with np.errstate(
        invalid="ignore", over="ignore"
    ):  # logits that aren't finite: the step is skipped
        value, (up, down) = paired_loss("dpo", high, low)
        for logit, label, slope in ((high, 1.0, up), (low, 0.0, down)):
            own, pull = labelled_loss("ce", logit, label)
            value = value + (anchor * own + square * logit**2) / 2
            slope += (anchor * pull + 2 * square * logit) / 2
        share = mask / (mask.sum(-1, keepdims=True) + FEW)
        return (share * value).sum(-1), (share * up, share * down)


def hybrid_labels(rule: Array, judge: Array) -> tuple[np.ndarray, np.ndarray]:
    """(labels, kept) of texts on which a rule and a judge were asked; both as floats 0 and 1.

    rule, judge : verdicts of one shape, 0 or 1, NaN where one has none
    A text is kept where both say the same, which is its label; elsewhere the label is NaN.

    Dropping what they disagree on is our reading of the paper (65,000 texts became 58,700).
    Raises ValueError for verdicts that are not 0, 1 or NaN, and for different shapes.
    """
    one, other = np.asarray(rule, dtype=float), np.asarray(judge, dtype=float)
    if one.shape != other.shape:
        msg = f"rule and judge have the shapes {one.shape} and {other.shape}; give one for both"
        raise ValueError(msg)
    for name, x in (("rule", one), ("judge", other)):
        if not np.isin(x[~np.isnan(x)], (0.0, 1.0)).all():
            msg = f"{name}={shortened(x)} must be 0, 1, or NaN for no verdict"
            raise ValueError(msg)
    kept = one == other
    return np.where(kept, one, np.nan), kept * 1.0


# -- the model and its updates ---------------------------------------------------------------------
@model("cooper")
@dataclass(frozen=True, eq=False)
class CooperModel:
    """s(x) = weight x + bias, with the state of its optimiser.

    weight (..., F), bias (...); first, second (..., F + 1) moments of the gradient, bias last;
    updates (...) that were made
    """

    weight: np.ndarray
    bias: np.ndarray
    first: np.ndarray
    second: np.ndarray
    updates: np.ndarray

    def score(self, x: Array) -> np.ndarray:
        """(..., N) logits of features (..., N, F); NaN for a row that holds NaN.

        Raises ValueError for another number of features.
        """
        x = np.asarray(x, dtype=float)
        if x.ndim < 2 or x.shape[-1] != self.weight.shape[-1]:
            msg = f"features have the shape {x.shape}; the model reads (..., N, "
            raise ValueError(msg + f"{self.weight.shape[-1]})")
        with np.errstate(invalid="ignore", over="ignore"):  # features that aren't finite
            return (x @ self.weight[..., None])[..., 0] + np.asarray(self.bias)[..., None]


class Update(NamedTuple):
    """One step: the model after it, the loss before it, pairs that counted, whether it was made."""

    model: CooperModel
    loss: np.ndarray
    pairs: np.ndarray
    made: np.ndarray


@dataclass(frozen=True)
class Cooper:
    """Learner of pairs, one step of gradient descent at a time.

    rate : of learning, >= 0, one or (...) one for each of many models; 0 leaves the model as it
        is, and the run is one of a fixed model
    weight_decay : decoupled, as in AdamW; clip : longest gradient (its norm over weights and bias)
    optimiser : "adamw" as released, "sgd" for what can be said in closed form
    anchor, square : see the module; additions, 0 in the paper
    steps : of `fit`, over all its pairs at once
    A step whose gradient isn't finite is not made, and neither is one without a valid pair.

    Raises ValueError for settings out of their ranges.
    """

    rate: Annotated[Any, NOT_NEGATIVE] = 1e-5
    weight_decay: Annotated[float, NOT_NEGATIVE] = 0.01
    clip: Annotated[float, POSITIVE_OR_INF] = 1.0
    optimiser: Annotated[str, one_of("adamw", "sgd")] = "adamw"
    anchor: Annotated[float, NOT_NEGATIVE] = 0.0
    square: Annotated[float, NOT_NEGATIVE] = 0.0
    steps: Annotated[int, COUNT] = 1

    def __post_init__(self) -> None:
        check_fields(self)

    def start(self, weight: Array | None = None, *, features: int = 0, bias: Array = 0.0
              ) -> CooperModel:  # fmt: skip
        """A model that nothing was learned by; weight (..., F), or `features` zeros.

        Raises ValueError for neither weights nor a number of features.
        """
        w = np.zeros(features) if weight is None else np.array(weight, dtype=float)
        if not w.ndim or not w.shape[-1]:
            msg = "a model needs features: give weight (..., F), or features=F of 1 and more"
            raise ValueError(msg)
        lead = w.shape[:-1]
        none = np.zeros((*lead, w.shape[-1] + 1))
        level = np.broadcast_to(np.asarray(bias, dtype=float), lead).copy()
        return CooperModel(w, level, none, none.copy(), np.zeros(lead))

    def fit(self, x: Array, target: Array, *, weight: Array | None = None,
            start: CooperModel | None = None) -> CooperModel:  # fmt: skip
        """x (N, F), target (M, 2) rows (positive, negative), weight (M,) which pairs are valid.

        start : the model to go on from; zeros unless given

        Raises ValueError for features that aren't (N, F) and pairs of rows that aren't there.
        """
        x, pairs = np.asarray(x, dtype=float), np.asarray(target)
        fits = (
            x.ndim == 2 and pairs.ndim == 2 and pairs.shape[1:] == (2,) and pairs.dtype.kind in "iu"
        )
        if not fits or not pairs.size or pairs.min() < 0 or pairs.max() >= len(x):
            msg = f"x and target have the shapes {x.shape} and {pairs.shape}; give (N, F) numbers "
            raise ValueError(msg + "and (M, 2) whole numbers, rows (positive, negative) of them")
        own = self.start(features=x.shape[1]) if start is None else start
        for _ in range(self.steps):
            own = self.update(own, x[pairs[:, 0]], x[pairs[:, 1]], weight).model
        return own

    def update(self, old: CooperModel, positive: Array, negative: Array, valid: Array | None = None
               ) -> Update:  # fmt: skip
        """One step on pairs of features (..., B, F), of which `valid` (..., B) count.

        `old` is left as it is. Raises ValueError for shapes that don't fit.
        """
        high, low = np.asarray(positive, dtype=float), np.asarray(negative, dtype=float)
        if high.shape != low.shape or high.ndim < 2:
            msg = f"positive and negative have the shapes {high.shape} and {low.shape}; give one "
            raise ValueError(msg + "(..., B, F) for both: a row of features for each text")
        mask = np.ones(high.shape[:-1]) if valid is None else np.asarray(valid, dtype=float)
        if mask.shape != high.shape[:-1]:
            msg = f"valid has the shape {mask.shape}, the pairs {high.shape[:-1]}; one for each"
            raise ValueError(msg)
        counts = mask[..., None] > 0
        high, low = np.where(counts, high, 0.0), np.where(counts, low, 0.0)
        loss, (up, down) = pair_loss(old.score(high), old.score(low), mask, anchor=self.anchor,
                                     square=self.square)  # fmt: skip
        with np.errstate(invalid="ignore", over="ignore"):
            slope = (up[..., None, :] @ high + down[..., None, :] @ low)[..., 0, :]
            level = (up + down).sum(-1, keepdims=True)
            gradient = np.concatenate([slope, level], axis=-1)
            norm = np.sqrt((gradient**2).sum(-1, keepdims=True))
        made = np.isfinite(norm) & (mask.sum(-1, keepdims=True) > 0)
        short = np.minimum(1.0, self.clip / (np.where(made, norm, 0.0) + FEW))
        new = self._moved(old, np.where(made, gradient, 0.0) * short)
        kept = {
            name: np.where(
                made if value.ndim == norm.ndim else made[..., 0], value, getattr(old, name)
            )
            for name, value in vars(new).items()
        }
        return Update(CooperModel(**kept), loss, mask.sum(-1), made[..., 0])

    def _moved(self, old: CooperModel, gradient: np.ndarray) -> CooperModel:
        both = np.concatenate([old.weight, np.asarray(old.bias)[..., None]], axis=-1)
        rate = np.asarray(self.rate, dtype=float)[..., None]
        both = both * (1 - rate * self.weight_decay)
        count = old.updates + 1
        if self.optimiser == "sgd":
            both = both - rate * gradient
            return replace(old, weight=both[..., :-1], bias=both[..., -1], updates=count)
        fast, slow = BETAS
        first = fast * old.first + (1 - fast) * gradient
        second = slow * old.second + (1 - slow) * gradient**2
        n = np.asarray(count)[..., None]
        step = first / (1 - fast**n) / (np.sqrt(second / (1 - slow**n)) + TINY)
        both = both - rate * step
        return CooperModel(both[..., :-1], both[..., -1], first, second, count)
