"""A base's own rollouts as evidence: the same functionals as by hand, and what isn't known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toyrl import parse, parse_estimator
from toyrl.experiments.errors import UsageError
from toyrl.experiments.forecast.facts import facts
from toyrl.experiments.forecast.logged import Logged, rollouts_of

KEPT = {
    "correct": [1, 1, 0, 0, 1, 1, 1, 1],
    "length": [10, 20, 30, 40, 10, 20, 30, 40],
    "truncated": [0, 0, 0, 1, 0, 0, 0, 0],
}
ADDITIVE = "outcome() - 0.5*linear_length()"


def logged(reward: str, *, reads_text: bool = False, estimator: str = "grpo") -> Logged:
    r, shaper = rollouts_of(KEPT, 4, 40.0), parse(reward)
    values = np.asarray(shaper.reward(r), dtype=float)
    return Logged(r, values, parse_estimator(estimator), None if reads_text else shaper)


def test_functionals_are_those_by_hand():
    f = facts(logged("outcome()"))
    assert (f.signal_mixed, f.crowd) == pytest.approx((1.0, 0.5))
    # |A| is 1 / sqrt(4/3) in the mixed group (standard deviation of a sample), the other is idle.
    assert f.drift_accuracy == pytest.approx(0.25 * math.sqrt(3 / 4), rel=1e-3)
    both = facts(logged(ADDITIVE))
    assert both.pull_right < 0
    assert both.signal_right > 0
    assert both.easiest == pytest.approx((-0.375 + 0.4375) / (0.75 + 0.4375))


def test_other_lengths_are_looked_at_where_the_reward_is_known():
    half = logged(ADDITIVE).at(0.5)
    assert half is not None
    assert half.rollouts.length.ravel().tolist() == [5, 10, 15, 40, 5, 10, 15, 20]
    assert half.rewards[0, 1].tolist() == pytest.approx([1 - 0.5 * n / 40 for n in (5, 10, 15, 20)])
    assert logged(ADDITIVE, reads_text=True).at(0.5) is None
    assert facts(logged(ADDITIVE, reads_text=True)).floor == 0.0


def test_wrong_answers_are_those_of_the_log():
    e = logged("outcome()")
    assert e.of_wrong().tolist() == [0.0, 0.0]


@pytest.mark.parametrize("bad", [{"correct": []}, {"length": [1]}, {"correct": [1] * 7}])
def test_broken_groups_are_refused(bad):
    with pytest.raises(UsageError, match="full groups of 4"):
        rollouts_of({**KEPT, **bad}, 4, 40.0)
