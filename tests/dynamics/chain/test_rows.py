"""Rows of the kernel begin where a vector lies in one cache line."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.dynamics.chain.kernel.rows import COEFFICIENTS, gradients, rows


@pytest.mark.parametrize(("n", "size"), [(1, 8), (3, 144), (7, 16)])
def test_rows_are_zero_and_aligned(n: int, size: int) -> None:
    made = rows(n, size)
    assert made.shape == (n, size)
    assert not made.any()
    assert made.flags.c_contiguous
    assert all(row.ctypes.data % 64 == 0 for row in made)


def test_a_gradient_row_of_its_own_for_each_coefficient() -> None:
    made = gradients(2, 16)
    assert len(made) == COEFFICIENTS
    assert all(g.shape == (2, 16) for g in made)
    assert not any(np.shares_memory(made[0], other) for other in made[1:])
