"""Laws of step rewards: who keeps them, who is caught, and the copy itself."""

from __future__ import annotations

import numpy as np
import pytest

from tests.shapers.process.scored import scored
from toyrl.expressions import parse
from toyrl.rollouts import Rollouts
from toyrl.shapers.outcome import Outcome
from toyrl.shapers.process.summaries import StepMin, StepSum
from toyrl.testing import INVARIANTS, check_invariants
from toyrl.testing.laws import steps as step_laws
from toyrl.testing.laws.steps import with_copy

LAWS = ("copies_never_pay", "steps_never_pay")
BOTH = {"copies_never_pay": True, "steps_never_pay": True}


@pytest.mark.parametrize(
    ("reward", "want"),
    [
        ("step_sum()", dict.fromkeys(LAWS, False)),
        ("step_mean()", {"copies_never_pay": False}),
        ("step_min()", {"copies_never_pay": True}),
        ("step_product()", {"copies_never_pay": True}),
        ("step_delta()", {"copies_never_pay": True, "steps_never_pay": False}),
        ("step_clip(eta=0.5)", BOTH),
        ("step_clip()", BOTH),
        ("outcome() + 0.3*step_clip_delta(eta=0.5)", BOTH),
        ("step_clip_delta()", {"steps_never_pay": True}),
    ],
)
def test_who_keeps_them(reward: str, want: dict[str, bool]):
    for law, holds in want.items():
        examples = 100 if holds else 1000  # what breaks is looked for longer
        found = check_invariants(reward, invariants=[law], max_examples=examples)
        assert {r.name: r.holds for r in found.results} == {law: holds}


def test_they_are_asked_of_rewards_that_read_step_scores_alone():
    for name in LAWS:
        assert not INVARIANTS[name].applies(Outcome())
        assert INVARIANTS[name].applies(Outcome() + StepSum())
    assert not INVARIANTS["steps_never_pay"].applies(StepMin())


def test_a_copy_by_hand():
    """Steps of two tokens: the copy is one token behind the first step; one step gets none."""
    r = scored([[0.25, 0.75], [0.5], []], [1.0, 0.0, 0.0], tokens=2)
    longer, grown = with_copy(r, (0, 0))
    assert grown
    assert not with_copy(r, (0, 1))[1]
    assert longer.length.tolist() == [[5, 2, 0]]
    assert longer.mask is not None
    assert longer.mask[0].sum(-1).tolist() == [5, 2, 0]
    ends = np.asarray(longer.fields["step_ends"])[0]
    assert ends.tolist() == [[0, 1, 1, 0, 1], [0, 1, 0, 0, 0], [0] * 5]
    assert np.asarray(longer.fields["step_scores"])[0, 0][ends[0] > 0].tolist() == [
        0.25,
        0.75,
        0.75,
    ]


def test_the_prompts_mean_as_threshold_is_lowered_by_a_rollouts_own_steps_below_it():
    r = Rollouts(
        np.zeros((1, 2)),
        np.full((1, 2), 2.0),
        8.0,
        mask=np.ones((1, 2, 2)),
        fields={
            "step_scores": np.array([[[0.1, 0.2], [1.0, 1.0]]]),
            "step_ends": np.ones((1, 2, 2)),
        },
    )
    said = step_laws.copies_never_pay(parse("step_clip_delta()"), r, (0, 0))
    # The mean falls from 0.575 to 0.5, and the first step's score lacks less to it.
    assert said == "a copy of its best step raises a rollout from -0.475 to -0.4"
    assert step_laws.copies_never_pay(parse("step_clip_delta(eta=0.5)"), r, (0, 0)) is None
