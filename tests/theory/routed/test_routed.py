"""Closed forms of many tasks against sums over all outcomes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from toyrl.graders.likeness.overlap import bmas
from toyrl.theory.group.spread import group_spread
from toyrl.theory.routed import checklists, similarity


def test_a_floor_of_cosines_by_vectors():
    c, tokens = 0.3, np.hstack([np.sqrt(0.7) * np.eye(8), np.full((8, 1), np.sqrt(0.3))])
    answer, target = tokens[[0, 0, 5]], tokens[:4]
    want = similarity.floored_similarity(np.array(2 / 3), np.array(1 / 4), np.array(c))
    assert bmas(answer, target).mean == pytest.approx(float(want), abs=1e-12)
    assert similarity.dump_accuracy(np.array(4.0)) == 0.625
    assert similarity.dump_accuracy(np.array(10.0), np.array(0.6)) == 0


def all_verdicts(full, part):
    """Every outcome of the constraints: chance (K,) and R_C (K,)."""
    levels = [((1 - p - h, 0.0), (h, 0.5), (p, 1.0)) for p, h in zip(full, part, strict=True)]
    every = list(itertools.product(*levels))
    return (np.array([np.prod([c for c, _ in x]) for x in every]),
            np.array([np.mean([s for _, s in x]) for x in every]))  # fmt: skip


def test_the_law_of_a_checklist_by_enumeration():
    full, part = [0.5, 0.4, 0.6, 0.3, 0.5], [0.2, 0.0, 0.1, 0.7, 0.2]
    chance, value = all_verdicts(full, part)
    law = checklists.checklist_law(np.array(full), np.array(part))
    counts = np.bincount((10 * value).round().astype(int), chance)
    assert law == pytest.approx(counts, abs=1e-14)
    spread = np.sqrt(chance @ value**2 - (chance @ value) ** 2)
    assert float(checklists.checklist_deviation(full, part)) == pytest.approx(spread, abs=1e-12)
    # quoted with paper 55's notes: N = 5, h = 0.2, G = 8
    assert checklists.checklist_deviation(full, 0.2) == pytest.approx(0.192873, abs=5e-7)
    top = checklists.checklist_law(full, 0.2)[-1]
    assert group_spread([top, 1 - top], [1, 0], 8) == pytest.approx(0.135247, abs=5e-7)


@pytest.mark.parametrize(("p", "e"), [(0.5, 0.05), (0.3, 0.2), (0.9, 0.45), (0.2, 0.7)])
def test_flips_by_their_joint_law(p, e):
    q = p * (1 - e) + (1 - p) * e
    want = (p * (1 - e) - p * q) / np.sqrt(p * (1 - p) * q * (1 - q))
    found = float(checklists.flip_correlation(np.array(p), np.array(e)))
    assert found == pytest.approx(want, abs=1e-12)
    if e < 0.5:
        back = checklists.flip_rate_matching(np.array(found), np.array(p))
        assert float(back) == pytest.approx(e, abs=1e-12)
