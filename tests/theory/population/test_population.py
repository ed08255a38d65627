"""Chances of means of genes against draws, and novelty's laws."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.theory.population.codes import untrained_scale
from toyrl.theory.population.coverage import (
    disc_mass,
    expected_coverage,
    hit_chance,
    mean_of_genes_mass,
)
from toyrl.theory.population.neighbours import expected_front_size


def test_chances_by_simulation():
    b = np.random.default_rng(0).uniform(-1, 1, (400_000, 2, 3)).mean(-1)
    inside = ((b - [0.4, 0.1]) ** 2).sum(1) < 0.2**2
    for found, want in (
        ((np.abs(b[:, 0] - 0.2) < 0.1), mean_of_genes_mass(0.1, 0.3, 3)),
        (inside, disc_mass((0.4, 0.1), 0.2, 3)),
    ):
        assert found.mean() == pytest.approx(float(want), abs=4 * found.std() / len(b) ** 0.5)


def test_all_mass_is_in_the_box_and_the_toy_has_its_quoted_numbers():
    """Paper 24's toy: exact coverage 0.4443, chances of its discs 0.013 and 0.60."""
    edges = np.linspace(-1, 1, 21)
    side = mean_of_genes_mass(edges[:-1], edges[1:], 8)
    assert side.sum() == pytest.approx(1, abs=1e-12)
    assert disc_mass((0.0, 0.0), 3.0, 8) == pytest.approx(1, abs=1e-6)
    assert expected_coverage(np.outer(side, side), 20_000) == pytest.approx(0.4443, abs=5e-5)
    chances = [float(hit_chance(disc_mass(c, 0.1, 8), 20_000)) for c in ((0.7, 0.7), (-0.7, 0.4))]
    assert chances == pytest.approx([0.013, 0.60], abs=0.006)


def test_first_front_and_projection_by_simulation():
    rng = np.random.default_rng(1)
    x = rng.random((3000, 12, 2))
    over = (x[:, :, None] > x[:, None]).all(-1)
    size = (~over.any(1)).sum(1)
    assert size.mean() == pytest.approx(expected_front_size(12), abs=4 * size.std() / 3000**0.5)
    bases = np.linalg.qr(rng.standard_normal((2000, 10, 3)))[0]
    square = (bases[:, 0] ** 2).sum(-1)  # of a unit vector, projected
    want = untrained_scale(10, 3) ** 2
    assert square.mean() == pytest.approx(want, abs=4 * square.std() / 2000**0.5)
