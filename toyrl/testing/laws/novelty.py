"""Laws of a model of what is new, and of rewards that pay for it.

    from toyrl.testing import assert_finds_new
    assert_finds_new(NoveltyLearner("rdd", d=16))

A learner has `start(features, rng)` and `update(model, x, rng)`, as
`toyrl.models.novelty.NoveltyLearner`; its models score features (N, F). Each law is a function of a
learner and random numbers; it returns nothing where it holds and one sentence where it does not.
`repeats_pay_less` is one of a shaper that reads `visits` or `caption_count`. Source: papers 06, 14.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from toyrl.rollouts import Rollouts

FEATURES = 5
ROUNDING = 1e-9
"""Of bonuses of a few units."""


def never_below_zero(learner: Any, rng: np.random.Generator) -> str | None:
    """Every bonus is finite and at least 0, before and after visits, also of features not seen."""
    model = learner.start(FEATURES, rng)
    for _ in range(3):
        b = np.asarray(model.score(rng.standard_normal((6, FEATURES)) * 3))
        if not (np.isfinite(b).all() and (b >= -ROUNDING).all()):
            return f"a bonus is {float(b.min()):.6g}"
        model = learner.update(model, rng.standard_normal((4, FEATURES)), rng)
    return None


def others_stay_new(learner: Any, rng: np.random.Generator) -> str | None:
    """In a table (one-hot features) visits of one state leave every other's bonus as it is."""
    table = np.eye(FEATURES)
    model = learner.start(FEATURES, rng)
    before = np.asarray(model.score(table))
    after = np.asarray(learner.update(model, table[[0] * 7], rng).score(table))
    gap = float(np.abs(after - before)[1:].max())
    return None if gap <= ROUNDING else f"visits of one state move another's bonus by {gap:.6g}"


def many_visits_make_it_old(learner: Any, rng: np.random.Generator) -> str | None:
    """After 200 visits of one state, and none of the rest, all others are newer."""
    table = np.eye(FEATURES)
    model = learner.update(learner.start(FEATURES, rng), table[[0] * 200], rng)
    b = np.asarray(model.score(table))
    if b[0] < b[1:].min():
        return None
    return f"a state of 200 visits has the bonus {b[0]:.6g}, one never seen {b[1:].min():.6g}"


def broken_rows_are_no_visits(learner: Any, rng: np.random.Generator) -> str | None:
    """Rows that aren't finite have bonus 0 and teach nothing."""
    model, bad = learner.start(FEATURES, rng), np.full((3, FEATURES), np.nan)
    bad[1] = np.inf
    if np.abs(np.asarray(model.score(bad))).max() != 0:
        return "a row that isn't finite has a bonus"
    probe = rng.standard_normal((4, FEATURES))
    gap = np.abs(learner.update(model, bad, rng).score(probe) - model.score(probe)).max()
    return None if gap == 0 else f"rows that aren't finite move a bonus by {float(gap):.6g}"


NOVELTY_LAWS: dict[str, Callable[[Any, np.random.Generator], str | None]] = {
    law.__name__: law
    for law in (never_below_zero, others_stay_new, many_visits_make_it_old,
                broken_rows_are_no_visits)
}  # fmt: skip


def assert_finds_new(learner: Any, *, seed: int = 0) -> None:
    """Every law of `NOVELTY_LAWS` on a learner.

    Raises AssertionError that names the laws that fail, and how.
    """
    failed = []
    for name, law in NOVELTY_LAWS.items():
        said = law(learner, np.random.default_rng(seed))
        if said:
            failed.append(f"{name}: {said}")
    if failed:
        msg = "; ".join(failed)
        raise AssertionError(msg)


def repeats_pay_less(shaper: Any) -> str | None:
    """A shaper pays no more for an answer seen more often, or a step that is repeated."""
    n = np.arange(8.0)[None]
    fields = {"visits": n, "novelty": 1 / (n + 1), "helpful": np.ones((1, 8, 1)),
              "caption_count": (n + 1)[..., None]}  # fmt: skip
    paid = np.asarray(shaper.reward(Rollouts(np.ones((1, 8)), np.ones((1, 8)), 1.0, fields=fields)))
    rise = float(np.diff(paid[0]).max())
    return None if rise <= ROUNDING else f"one visit more pays {rise:.6g} more"
