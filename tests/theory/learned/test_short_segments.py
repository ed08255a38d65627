"""The spread of short segments: by hand, by sampling, and where its two branches meet."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toyrl.theory.learned.short_segments import segment_deviation, short_segment_ratio


def test_ratio_by_hand():
    assert short_segment_ratio(2) == pytest.approx(1 / math.sqrt(math.pi), rel=1e-14)
    assert short_segment_ratio(3) == pytest.approx(math.sqrt(2 / 3) * math.sqrt(math.pi) / 2)
    assert short_segment_ratio(10**9) == pytest.approx(1 - 0.75e-9, abs=1e-12)


@pytest.mark.parametrize(("length", "raised", "noise"), [(3, 1, 0.5), (8, 4, 0.2), (2, 1, 1.0)])
def test_deviation_against_samples(length: int, raised: int, noise: float):
    x = noise * np.random.default_rng(length).standard_normal((40_000, length))
    x[:, :raised] -= 1.5
    spread = x.std(axis=1)
    error = spread.std() / np.sqrt(len(x))
    want = segment_deviation(length, raised, noise=noise, jump=-1.5)
    assert abs(spread.mean() - want) < 4 * error


def test_deviation_without_noise_and_where_the_series_ends():
    assert segment_deviation(12, 6, noise=0.0) == 0.5
    assert segment_deviation(12, 3, noise=0.0, jump=2.0) == pytest.approx(math.sqrt(27) / 6)
    # At x = 1e4 the expansion takes over; what it leaves out is of the order 1/x^2.
    near = [segment_deviation(12, 6, noise=math.sqrt(1.5 / x)) for x in (0.999e4, 1.001e4)]
    assert near[0] == pytest.approx(near[1], rel=1e-6)
    with pytest.raises(ValueError, match="raised=4"):
        segment_deviation(3, 4, noise=1.0)
