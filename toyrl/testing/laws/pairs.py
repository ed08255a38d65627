"""Laws of a reward model that learns from pairs while the policy trains.

    from toyrl.testing import assert_learns_from_pairs
    assert_learns_from_pairs(Cooper(rate=0.05, optimiser="sgd"))

A learner has `start(weight)` and `update(model, positive, negative, valid)`, as
`toyrl.models.reward.cooper.Cooper`; its models score features (N, F). Each law is a function of a
learner and random numbers; it returns nothing where it holds and one sentence where it does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

PAIRS, FEATURES = 5, 4
ROUNDING = 1e-9
"""Of scores of a few units and a handful of features."""


def masked_pairs_are_silent(learner: Any, rng: np.random.Generator) -> str | None:
    """What stands in a masked pair, NaN included, doesn't change the model or the loss."""
    model, high, low = _case(learner, rng)
    valid = np.array([1.0, 0.0, 1.0, 0.0, 0.0])
    other = np.where(valid[:, None] > 0, high, np.nan), np.where(valid[:, None] > 0, low, 1e9)
    one, two = (learner.update(model, *pair, valid) for pair in ((high, low), other))
    if float(one.loss) != float(two.loss):
        return f"masked pairs move the loss from {float(one.loss):.6g} to {float(two.loss):.6g}"
    return _moved(one.model, two.model, rng, "what stands in masked pairs moves a score by")


def no_pair_no_step(learner: Any, rng: np.random.Generator) -> str | None:
    """Without a valid pair the loss is 0 and the model stays as it is."""
    model, high, low = _case(learner, rng)
    made = learner.update(model, high, low, np.zeros(PAIRS))
    if float(made.loss) != 0:
        return f"the loss of no pair is {float(made.loss):.6g}, not 0"
    return _moved(model, made.model, rng, "an update without a pair moves a score by")


def a_step_separates(learner: Any, rng: np.random.Generator) -> str | None:
    """One step on one pair raises the positive's score over the negative's.

    Not for a learner whose weights decay: far apart already, a pair may come closer.
    """
    if getattr(learner, "weight_decay", 0.0) or not np.all(np.asarray(learner.rate) > 0):
        return None
    model, high, low = _case(learner, rng)
    new = learner.update(model, high[:1], low[:1]).model
    before, after = ((m.score(high[:1]) - m.score(low[:1]))[0] for m in (model, new))
    if after > before:
        return None
    return f"a step takes a pair's difference from {before:.6g} to {after:.6g}"


def a_copy_of_every_pair_changes_nothing(learner: Any, rng: np.random.Generator) -> str | None:
    """The loss is a mean over pairs: all of them twice is the same update."""
    model, high, low = _case(learner, rng)
    twice = [np.concatenate([x, x]) for x in (high, low)]
    one, two = learner.update(model, high, low), learner.update(model, *twice)
    # The released mean divides by the pairs plus 1e-6.
    return _moved(one.model, two.model, rng, "a copy of every pair moves a score by", 1e-5)


def rate_zero_stands_still(learner: Any, rng: np.random.Generator) -> str | None:
    """A learner of rate 0 leaves every score as it is, to the bit."""
    if not np.all(np.asarray(learner.rate) == 0):
        return None
    model, high, low = _case(learner, rng)
    return _moved(model, learner.update(model, high, low).model, rng,
                  "at rate 0 an update moves a score by", 0.0)  # fmt: skip


PAIR_LAWS: dict[str, Callable[[Any, np.random.Generator], str | None]] = {
    law.__name__: law
    for law in (masked_pairs_are_silent, no_pair_no_step, a_step_separates,
                a_copy_of_every_pair_changes_nothing, rate_zero_stands_still)
}  # fmt: skip


def assert_learns_from_pairs(learner: Any, *, cases: int = 20, seed: int = 0) -> None:
    """Every law of `PAIR_LAWS` on random pairs.

    Raises AssertionError with the law's name, its sentence and the case's seed.
    """
    for name, law in PAIR_LAWS.items():
        for case in range(cases):
            said = law(learner, np.random.default_rng([seed, case]))
            if said is not None:
                msg = f"{name}: {said} (np.random.default_rng([{seed}, {case}]))"
                raise AssertionError(msg)


def _case(learner: Any, rng: np.random.Generator) -> tuple[Any, np.ndarray, np.ndarray]:
    high, low = rng.normal(size=(2, PAIRS, FEATURES))
    return learner.start(rng.normal(size=FEATURES)), high, low


def _moved(one: Any, two: Any, rng: np.random.Generator, says: str, most: float = ROUNDING
           ) -> str | None:  # fmt: skip
    x = rng.normal(size=(8, FEATURES))
    worst = float(np.abs(one.score(x) - two.score(x)).max())
    return None if worst <= most else f"{says} {worst:.3g}"
