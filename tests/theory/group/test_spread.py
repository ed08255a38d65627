"""P(a group's rewards differ), by enumerating groups."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.theory.group.spread import group_spread
from toyrl.theory.group.variance import zero_signal


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=4
    ),
    st.integers(1, 4),
)
def test_by_enumeration(rows: list[tuple[int, float]], size: int):
    p = np.array([w for w, _ in rows], dtype=float)
    p = p / p.sum() if p.sum() else np.full(len(p), 1 / len(p))
    value = [v for _, v in rows]
    want = sum(
        np.prod([p[i] for i in group])
        for group in itertools.product(range(len(p)), repeat=size)
        if len({value[i] for i in group}) > 1
    )
    assert group_spread(p, value, size) == pytest.approx(want, abs=1e-12)


def test_right_or_wrong_and_laws_without_atoms():
    p = np.array([0.0, 0.02, 0.5, 1.0])
    law = np.stack([p, 1 - p], axis=-1)
    assert group_spread(law, [1, 0], 16) == pytest.approx(1 - zero_signal(p, 16))
    # A tenth of wrong answers paid 0, the rest by length without ties.
    assert group_spread([0.1], [0.0], 2) == pytest.approx(0.99)
