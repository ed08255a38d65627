"""Hypothesis strategies and laws for rewards: used by our tests, and by yours.

::

    from toyrl.testing import assert_invariants

    def test_my_reward():
        assert_invariants(my_reward)
"""

from typing import TYPE_CHECKING, Any

from toyrl.testing.cases import Case
from toyrl.testing.check import (
    InvariantError,
    InvariantReport,
    InvariantResult,
    assert_invariants,
    check_estimator,
    check_invariants,
)
from toyrl.testing.diversity import Corner, Corners, diverse_rollouts, unasked
from toyrl.testing.estimators import ESTIMATOR_LAWS, affine_difference
from toyrl.testing.invariants import CONTRACT, INVARIANTS, PROPERTIES, Invariant
from toyrl.testing.laws.driving import DRIVING_LAWS, broken_driving_laws
from toyrl.testing.laws.follow_ups import FOLLOW_UP_LAWS, assert_contrasts
from toyrl.testing.laws.novelty import NOVELTY_LAWS, assert_finds_new, repeats_pay_less
from toyrl.testing.laws.pairs import PAIR_LAWS, assert_learns_from_pairs
from toyrl.testing.laws.returns import padding_unseen, return_equivalent, zero_sums_unseen
from toyrl.testing.laws.sql import SQL_LAWS, broken_sql_laws, same_meaning
from toyrl.testing.laws.steps import copies_never_pay, steps_never_pay
from toyrl.testing.laws.verdicts import one_label_wins, only_the_tail_counts, places_swap
from toyrl.testing.mdps import mdps, policies
from toyrl.testing.strategies import completions, rewards, rollouts
from toyrl.testing.tasks import TaskCase, TaskRewardError, assert_task_reward, task_texts
from toyrl.testing.trees import tree_policies, trees

if TYPE_CHECKING:
    from toyrl.experiments.asserted import (
        ExploitError,
        JudgeError,
        VerdictError,
        assert_judge,
        assert_no_exploit,
        assert_safe,
    )

__all__ = [
    "CONTRACT",
    "DRIVING_LAWS",
    "ESTIMATOR_LAWS",
    "FOLLOW_UP_LAWS",
    "INVARIANTS",
    "NOVELTY_LAWS",
    "PAIR_LAWS",
    "PROPERTIES",
    "SQL_LAWS",
    "Case",
    "Corner",
    "Corners",
    "ExploitError",
    "Invariant",
    "InvariantError",
    "InvariantReport",
    "InvariantResult",
    "JudgeError",
    "TaskCase",
    "TaskRewardError",
    "VerdictError",
    "affine_difference",
    "assert_contrasts",
    "assert_finds_new",
    "assert_invariants",
    "assert_judge",
    "assert_learns_from_pairs",
    "assert_no_exploit",
    "assert_safe",
    "assert_task_reward",
    "broken_driving_laws",
    "broken_sql_laws",
    "check_estimator",
    "check_invariants",
    "completions",
    "copies_never_pay",
    "diverse_rollouts",
    "mdps",
    "one_label_wins",
    "only_the_tail_counts",
    "padding_unseen",
    "places_swap",
    "policies",
    "repeats_pay_less",
    "return_equivalent",
    "rewards",
    "rollouts",
    "same_meaning",
    "steps_never_pay",
    "task_texts",
    "tree_policies",
    "trees",
    "unasked",
    "zero_sums_unseen",
]

_FORWARDED = (
    *("ExploitError", "JudgeError", "VerdictError"),
    *("assert_judge", "assert_no_exploit", "assert_safe"),
)
"""What stands on `validate`, above the library: loaded when it is used."""


def __getattr__(name: str) -> Any:
    if name in _FORWARDED:
        import importlib

        return getattr(importlib.import_module("toyrl.experiments.asserted"), name)
    msg = f"module 'toyrl.testing' has no attribute {name!r}"
    raise AttributeError(msg)
