"""Hypothesis strategies and laws for rewards: used by our tests, and by yours.

::

    from toyrl.testing import assert_invariants

    def test_my_reward():
        assert_invariants(my_reward)
"""

from toyrl.testing.check import (
    InvariantError,
    InvariantReport,
    InvariantResult,
    assert_invariants,
    check_estimator,
    check_invariants,
)
from toyrl.testing.estimators import ESTIMATOR_LAWS, affine_difference
from toyrl.testing.invariants import CONTRACT, INVARIANTS, PROPERTIES, Case, Invariant
from toyrl.testing.mdps import mdps, policies
from toyrl.testing.step_laws import copies_never_pay, steps_never_pay
from toyrl.testing.strategies import completions, rewards, rollouts
from toyrl.testing.trees import tree_policies, trees

__all__ = [
    "CONTRACT",
    "ESTIMATOR_LAWS",
    "INVARIANTS",
    "PROPERTIES",
    "Case",
    "Invariant",
    "InvariantError",
    "InvariantReport",
    "InvariantResult",
    "affine_difference",
    "assert_invariants",
    "check_estimator",
    "check_invariants",
    "completions",
    "copies_never_pay",
    "mdps",
    "policies",
    "rewards",
    "rollouts",
    "steps_never_pay",
    "tree_policies",
    "trees",
]
