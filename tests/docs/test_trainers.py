"""The page "What your trainer really computes": its numbers are those of its command."""

from __future__ import annotations

import numpy as np
import pytest

from docs.generate import trainers
from toyrl.estimators.conventions import CONVENTIONS
from toyrl.objectives.conventions import LOSSES

PAGE = trainers.PAGE.read_text(encoding="utf-8")


def test_the_page_is_the_one_that_the_command_makes():
    assert trainers.renewed(PAGE) == PAGE, "run: python -m docs.generate.trainers --write"


def test_every_row_is_on_the_page():
    for c in CONVENTIONS:
        assert f"| {trainers.NAMES[c.trainer]} | {c.option} |" in PAGE
    for x in LOSSES:
        assert f"| {trainers.NAMES[x.trainer]} | {x.option} |" in PAGE


def test_a_page_without_a_mark_is_refused():
    with pytest.raises(ValueError, match="begin clips"):
        trainers.renewed(PAGE.replace("<!-- begin clips -->", ""))


def test_numbers_by_hand():
    """Rewards 1, 0, 0, 1: s = 1/sqrt(3); 36 tokens in the batch; RLOO 4/3 of the deviation."""
    a = trainers.advantages_of(trainers.convention("trl", "grpo_group"))
    assert a is not None
    np.testing.assert_allclose(a[0, 0], 0.5 / (3**-0.5 + 1e-4), rtol=1e-12)
    assert f"| {1000 * a[0, 0] / 36:.3g} |" in trainers.defaults()
    assert "| TRL | rloo | `rloo()` | 0.667 | -0.667 | -0.667 | 0.667 | 0 |" in PAGE
    # Row average, 8 rollouts: 1/2 x 1/(8 x 2); fixed divisor 1/2 x 1/(8 x 8).
    assert "| TRL | grpo | `grpo()` | 31.2 | -15.6 | -7.81 | 10.4 |" in PAGE
    assert "| TRL | dr_grpo | `dr_grpo()` | 7.81 | -7.81 | -7.81 | 7.81 |" in PAGE
    # Masked, 28 tokens are left: 1/2 x 1/28.
    assert "| TRL | mask_truncated | `dapo()` | 17.9 | -17.9 | 0 | 17.9 |" in PAGE
