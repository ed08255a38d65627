"""Progress: what is paid by hand, never for going back, and on other backends."""

from __future__ import annotations

import numpy as np
import pytest

from tests.backends import to_strict, to_torch
from tests.shapers.process.scored import scored
from toyrl.rollouts.tokens import running_maximum
from toyrl.shapers.process.progress import StepProgress
from toyrl.testing import copies_never_pay


def paid(steps: list[float], **more: int) -> list[float]:
    return StepProgress(alpha=2.0).apply(scored([steps], [1.0], **more)).parts["process"][
        0, 0
    ].tolist()  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "want"),
    [
        ([0.25, 0.75, 0.5, 1.0], [0.5, 1.0, 0.0, 0.5]),
        ([0.5, 0.25, 0.5, 0.25], [1.0, 0.0, 0.0, 0.0]),  # to and fro
        ([0.0], [0.0]),
        ([-0.5, 0.5], [0.0, 1.0]),
    ],
)
def test_progress_by_hand(steps: list[float], want: list[float]):
    assert paid(steps) == want
    wide = paid(steps, tokens=3, tail=1)
    assert wide[2 : 3 * len(steps) : 3] == want
    assert sum(map(abs, wide)) == sum(want)


def test_copies_and_backends():
    r = scored([[0.25, 0.75, 0.5], [1.0, 0.0, 0.5]], [1.0, 0.0])
    assert copies_never_pay(StepProgress(), r, (0, 0)) is None
    want = StepProgress().apply(r).parts["process"]
    for move in (to_strict, to_torch):
        found = StepProgress().apply(move(r)).parts["process"]
        assert (np.asarray(found) == want).all()


def test_running_maximum():
    x = np.random.default_rng(0).standard_normal((3, 13))
    assert (running_maximum(x) == np.maximum.accumulate(x, axis=-1)).all()
    assert running_maximum(x[:, :0]).shape == (3, 0)
