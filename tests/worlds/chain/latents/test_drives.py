"""Drives as a latent: what simple rewards and sums pay the classes of the toy."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.expressions import parse
from toyrl.rollouts import Rollouts
from toyrl.worlds.chain.latents.declared import supplied


@pytest.mark.parametrize(
    ("reward", "right", "wrong"),
    [
        # wrong: 25 in its first half, 25 in its second at 0.5 * 0.75; a crash costs the hint
        ("carl()", 100.0, {25 + 9.375, 25 + 9.375 - 1}),
        # half of a route, the last of ten steps unpaid after a crash
        ("carl_product()", 100.0, {25 + 9.375, 25 + 7.5}),
        # the second half keeps speed alone, 4/16, and the way that is done:
        # 25 * 10/16 + 50 * 11/16 + 50 * 4/16, less the last step's share after a crash
        ("carl_additive(n_iter=10)", 100.0, {62.5, 62.5 - 4.0625}),
    ],
)  # fmt: skip
def test_what_the_classes_are_paid(reward: str, right: float, wrong: set[float]):
    correct = np.array([[1.0] * 4 + [0.0] * 40])
    r = Rollouts(correct, np.full(correct.shape, 10.0), 16.0)
    shaper = parse(reward)
    paid = np.asarray(shaper.reward(supplied(r, shaper, seed=1)))[0]
    assert paid[:4].tolist() == pytest.approx([right] * 4)
    assert sorted(set(paid[4:].round(9).tolist())) == pytest.approx(sorted(wrong))


def test_one_that_was_cut_off_does_not_crash():
    r = Rollouts(np.zeros((1, 30)), np.full((1, 30), 16.0), 16.0, truncated=np.ones((1, 30)) > 0)
    drawn = supplied(r, parse("carl()"))
    assert not drawn.fields["hard"].any()
    assert drawn.fields["route"].max() == 0.5
