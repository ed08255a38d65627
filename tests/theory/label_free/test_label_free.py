"""Labels, drifts and the line p + q = 1, by enumeration and differences."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from toyrl.theory.group.variance import omega
from toyrl.theory.label_free import drift, labels
from toyrl.theory.selection.majority import majority_vote

RNG = np.random.default_rng(5)
GRID = np.linspace(0.05, 0.95, 13)


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_two_answers_are_the_vote_of_two(size):
    found = labels.two_answer_label(GRID, size)
    want = [majority_vote(np.array([p, 1 - p]), size)[0] for p in GRID]
    assert found == pytest.approx(want, abs=1e-12)
    assert labels.two_answer_label(1 - GRID, size) == pytest.approx(1 - found, abs=1e-12)
    assert (np.diff(found) > 0).all()
    if size % 2 == 0:
        assert labels.two_answer_label(GRID, size - 1) == pytest.approx(found, abs=1e-12)


def test_a_bound_holds_and_is_1_where_the_right_answer_is_rarer():
    for p in np.sort(RNG.dirichlet(np.ones(3), 20), -1)[:, ::-1]:
        for size in (3, 9, 30):
            assert 1 - majority_vote(p, size)[0] <= labels.wrong_label_bound(p, size) + 1e-12
    assert labels.wrong_label_bound([0.3, 0.7], 99) == 1


def test_a_drift_is_the_gradient_of_agreement_and_own_votes_are_counted():
    z, m, step = RNG.normal(size=3), RNG.dirichlet(np.ones(3)), 1e-6

    def paid(z):
        e = np.exp(z)
        return e / e.sum() @ m

    slope = [(paid(z + s) - paid(z - s)) / (2 * step) for s in step * np.eye(3)]
    policy = np.exp(z) / np.exp(z).sum()
    found = drift.cross_vote_drift(policy, m, 8)
    assert found == pytest.approx(7 / 8 * np.array(slope), abs=1e-9)
    assert drift.cross_vote_drift(policy, np.full(3, 0.2), 8) == pytest.approx(
        np.zeros(3), abs=1e-15
    )
    size, total, pay = 4, np.zeros(3), 0.0
    for group in itertools.product(range(3), repeat=size):
        f = np.bincount(group, minlength=3) / size
        chance = policy[list(group)].prod()
        pay += chance * f.max()
        lead = np.flatnonzero(f == f.max())
        for v in lead:
            total += chance / len(lead) * (f * (np.arange(3) == v) - f * f[v])
    assert drift.own_vote_drift(policy, size) == pytest.approx(total, abs=1e-12)
    assert labels.own_vote_pay(policy, size) == pytest.approx(pay, abs=1e-12)


@pytest.mark.parametrize("scale", ["none", "group"])
def test_two_views_are_the_two_answer_drift_and_mirror_on_the_line(scale):
    p, q = np.meshgrid(GRID, GRID)
    found = drift.two_view_drift(p, q, 8, scale=scale)
    if scale == "none":
        for i, j in ((0, 3), (5, 7), (12, 1)):
            m = labels.two_answer_label(q[i, j], 8)
            both = drift.cross_vote_drift([p[i, j], 1 - p[i, j]], [m, 1 - m], 8)
            assert found[i, j] == pytest.approx(both[0] - both[1], abs=1e-12)
    else:
        plain = drift.two_view_drift(p, q, 8)
        assert found == pytest.approx(plain * omega(p, 8) / (7 / 8), abs=1e-12)
    # (p, q) -> (1-q, 1-p) turns the flow round: the line p + q = 1 is its own image.
    mirror = drift.two_view_drift(1 - q, 1 - p, 8, scale=scale)
    on = np.isclose(p + q, 1)
    assert mirror[on] == pytest.approx(found[on], abs=1e-12)
    assert found[on] == pytest.approx(-drift.two_view_drift(q, p, 8, scale=scale)[on], abs=1e-12)
    kept = [drift.agreement_invariant(a, b, 8, scale=scale) for a, b in ((0.3, 0.7), (0.6, 0.6))]
    assert kept == pytest.approx([0, 0], abs=1e-9)


def test_certainty_is_climbed():
    step = 1e-6
    d = np.log(GRID / (1 - GRID))

    def objectives(d):
        p = 1 / (1 + np.exp(-d))
        return p * np.log(p) + (1 - p) * np.log(1 - p), -(np.log(p) + np.log(1 - p)) / 2

    up, down = objectives(d + step), objectives(d - step)
    for k, found in enumerate((drift.entropy_drift(GRID), drift.certainty_drift(GRID))):
        # two logits, each moved by its slope: their difference moves twice
        assert found == pytest.approx(2 * (up[k] - down[k]) / (2 * step), abs=1e-8)
