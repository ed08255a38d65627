"""The prior: one row a number, each with its source, and worlds that lie in the ranges."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.worlds.behaviour import prior


@pytest.mark.parametrize("kind", prior.KINDS)
def test_worlds_lie_in_their_ranges_and_cover_them(kind):
    numbers = prior.drawn(64, kind, 1000.0)
    assert np.all(numbers["kind"] == prior.KINDS.index(kind))
    for row in prior.RANGES:
        low, high = getattr(row, kind)
        value = numbers[row.name]
        assert np.all((value >= low - 1e-12) & (value <= high + 1e-12)), row.name
        assert np.ptp(value) > (high - low) / 3 if not row.log else value.max() > 1.5 * value.min()


def test_the_kind_follows_from_the_length():
    for length, most in (
        (50.0, "tiny"),
        (250.0, "short"),
        (10_000.0, "thinking"),
        (1_800.0, "efficient"),
    ):
        own = prior.shares(length)
        assert sum(own.values()) == pytest.approx(1.0)
        assert max(own, key=own.__getitem__) == most
        assert min(own.values()) >= 0.0
    counts = np.bincount(prior.drawn(64, None, 1_800.0)["kind"], minlength=4) / 64
    np.testing.assert_allclose(counts, list(prior.shares(1_800.0).values()), atol=0.05)


def test_every_number_says_where_it_is_from():
    heads, rows = prior.table()
    assert heads[-1] == "source"
    assert len(rows) == len(prior.RANGES) == len({r[0] for r in rows})
    assert all(len(r[-1]) > 10 for r in rows)


def test_what_is_no_kind_and_no_mechanism_is_refused():
    with pytest.raises(ValueError, match="kind='wordy'"):
        prior.drawn(4, "wordy", 1000.0)
    with pytest.raises(ValueError, match="mechanism='luck'"):
        prior.without(prior.drawn(4, None, 1000.0), "luck")
    held = prior.without(prior.drawn(4, None, 1000.0), "trouble")
    assert np.all(held["trouble_success"] == 0.0)
