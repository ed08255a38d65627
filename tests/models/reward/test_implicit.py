"""Losses of implicit reward models: slopes by differences, minima, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.models.reward.implicit import labelled_loss, paired_loss

R = np.array([-2.0, -0.3, 0.0, 0.7, 3.0])
STEP = 1e-6


@pytest.mark.parametrize("label", [0.0, 0.3, 1.0])
def test_cross_entropy_slope(label: float):
    high, low = (labelled_loss("ce", R + s, label)[0] for s in (STEP, -STEP))
    # central differences: error of order STEP^2 and of rounding, eps/STEP
    assert labelled_loss("ce", R, label)[1] == pytest.approx((high - low) / (2 * STEP), abs=1e-9)


def test_kto_holds_its_reference_point_fixed():
    label, z = np.array([1.0, 0, 1, 0, 1]), max(0.0, R.mean())
    s = 1 / (1 + np.exp(-(R - z)))
    loss, slope = labelled_loss("kto", R, label)
    assert loss == pytest.approx(np.where(label == 1, 1 - s, s), abs=1e-15)
    assert slope == pytest.approx(np.where(label == 1, -1, 1) * s * (1 - s), abs=1e-15)


@pytest.mark.parametrize("kind", ["dpo", "nca"])
def test_paired_slopes(kind: str):
    wrong = R[::-1] + 0.2
    up, down = paired_loss(kind, R, wrong)[1]
    for k, slope in enumerate((up, down)):
        moved = [[R + s * (k == 0), wrong + s * (k == 1)] for s in (STEP, -STEP)]
        high, low = (paired_loss(kind, *x)[0] for x in moved)
        assert slope == pytest.approx((high - low) / (2 * STEP), abs=1e-9)


def test_refusals_and_huge_rewards():
    for loss, slope in (labelled_loss("ce", [1e4, -1e4], [0.0, 1.0]),):
        assert loss.tolist() == [1e4, 1e4]
        assert slope.tolist() == [1.0, -1.0]
    with pytest.raises(ValueError, match="pairs have paired_loss"):
        labelled_loss("dpo", R, 1.0)
    with pytest.raises(ValueError, match="labels have labelled_loss"):
        paired_loss("ce", R, R)
