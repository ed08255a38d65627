"""Early rejection: survivors by definition, laws against simulation, the chain by enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm

from toyrl.theory.order_statistics import normal_maximum
from toyrl.theory.selection import early_rejection as t

SHARES = [1 / 16, 1 / 4, 1 / 2, 3 / 4]


@given(
    st.lists(st.one_of(st.integers(-2, 2), st.just(math.nan)), min_size=1, max_size=6),
    st.integers(1, 9),
    st.integers(1, 4),
)
def test_survivors_by_definition(scores, budget, width):
    found = t.survivors(scores, budget, width).tolist()
    worst = [-math.inf if math.isnan(s) else s for s in scores]
    want = sorted(range(len(scores)), key=lambda i: (-worst[i], i))
    assert found == want[: max(1, budget // width)]
    # Problems don't interact, and a rising map of the scores changes nothing.
    twice = t.survivors([scores, [2 * s + 1 for s in scores]], budget, width)
    assert twice.tolist() == [found, found]


def test_survival_of_pairs_and_beams():
    # Of paper 36's setting: exact for two, Monte Carlo with +-0.004 for sixteen.
    assert t.pair_survival(SHARES) == pytest.approx([0.5804, 0.6667, 0.75, 0.8333], abs=5e-5)
    found = [t.beam_survival(16, 4, s) for s in SHARES]
    assert found == pytest.approx([0.409, 0.599, 0.778, 0.920], abs=4e-3)
    assert [t.score_loss(16, 4, s) for s in SHARES] == pytest.approx(
        [0.460, 0.234, 0.092, 0.021], abs=4e-3
    )
    assert [t.score_loss(16, 1, s) for s in SHARES[1:3]] == pytest.approx(
        [0.8830, 0.5172], abs=5e-5
    )
    for share in (1e-6, 0.3, 0.999):
        assert t.beam_survival(2, 1, share) == pytest.approx(t.pair_survival(share), abs=1e-9)


def test_survival_and_loss_in_drawn_beams():
    rng, n = np.random.default_rng(0), 40_000
    z = rng.standard_normal((n, 7, 2))
    share = 0.4
    final = share**0.5 * z[..., 0] + (1 - share) ** 0.5 * z[..., 1]
    kept = t.survivors(z[..., 0], 3, 1)
    best = (kept == final.argmax(1)[:, None]).any(1)
    lost = final.max(1) - np.take_along_axis(final, kept, 1).max(1)
    for x, want in ((best, t.beam_survival(7, 3, share)), (lost, t.score_loss(7, 3, share))):
        assert abs(x.mean() - want) < 4 * x.std() / n**0.5


def test_ends_and_order():
    assert t.score_loss(9, 3, 0.0) == pytest.approx(
        float(normal_maximum(9)[0] - normal_maximum(3)[0]), abs=1e-9
    )
    assert (t.beam_survival(9, 3, 0.0), t.beam_survival(9, 3, 1.0)) == (1 / 3, 1.0)
    grid = np.linspace(0.01, 0.99, 20)
    for keep in (1, 3):
        chance = [t.beam_survival(9, keep, float(s)) for s in grid]
        assert (np.diff(chance) > 0).all()
    more = [t.beam_survival(9, k, 0.3) for k in range(1, 10)]
    assert (np.diff(more) > 0).all()
    near = 1 - 1e-12
    assert 1 - t.pair_survival(near) == pytest.approx(math.sqrt(1 - near) / math.pi, rel=1e-4)


@pytest.mark.parametrize(("h", "k", "rho"), [(0.3, -1.2, 0.5), (0.0, 0.0, 0.7), (-2.0, -3.0, 0.95)])
def test_the_bivariate_law(h, k, rho):
    want = multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([h, k])
    found = t._bivariate(np.array(h), np.array(k), rho)
    assert found == pytest.approx(float(want), abs=1e-6)  # SciPy's own tolerance


@pytest.mark.parametrize("tau", [0, 4, 64, 400, 4000])
def test_the_drift_models_miss(tau):
    def integrand(x):
        return norm.pdf(x) * -math.expm1(7 * norm.logcdf(x + 0.5 * tau**0.5))

    want, _ = quad(integrand, -60, 20, points=[-0.25 * tau**0.5], limit=500, epsabs=0)
    assert t.drift_miss(8, 0.5, tau) == pytest.approx(want, rel=1e-7)
    assert t.drift_miss(8, 0.5, tau) <= t.drift_bound(8, 0.5, tau)


def test_numbers_of_the_drift_model():
    found = t.drift_miss(8, 0.5, [4, 8, 16, 32, 64])
    assert found == pytest.approx([0.6145, 0.4755, 0.2890, 0.1060, 0.01365], abs=5e-5)
    late = np.array([64, 100, 200, 400])
    assert -np.log(t.drift_miss(8, 0.5, late)) / late == pytest.approx(
        [0.0671, 0.0663, 0.0656, 0.0649], abs=5e-5
    )


def enumerated(q, steps, length, tau, keep, width):
    """(published, rescored) accuracy by all outcomes of the beams' parts; small numbers only."""
    states = {(True,) * keep: 1.0}
    published = 0.0
    for _ in range(steps):
        after: dict[tuple[bool, ...], float] = {}
        published = 0.0
        for state, mass in states.items():
            n = keep * width
            for parts in itertools.product((True, False), repeat=n):
                chance = mass * math.prod(q**tau if x else 1 - q**tau for x in parts)
                right = [state[i // width] and x for i, x in enumerate(parts)]
                kept = t.survivors([float(x) for x in right], keep * width, width)
                seen = [right[i] for i in kept]
                published += chance * seen[0] * q ** (length - tau)
                for ends in itertools.product((True, False), repeat=keep):
                    p = math.prod(
                        q ** (length - tau) if x else 1 - q ** (length - tau) for x in ends
                    )
                    key = tuple(s and x for s, x in zip(seen, ends, strict=True))
                    after[key] = after.get(key, 0.0) + chance * p
        states = after
    return published, sum(m for s, m in states.items() if any(s))


@pytest.mark.parametrize(("tau", "length"), [(1, 3), (2, 3), (3, 3)])
def test_the_chain_by_enumeration(tau, length):
    found = t.chain_accuracy(0.7, 2, length, tau, 6, 3)
    assert found == pytest.approx(enumerated(0.7, 2, length, tau, 2, 3), abs=1e-12)
    if tau == length:
        assert found[0] == pytest.approx(found[1])


def test_numbers_of_the_chain():
    # Of paper 36's setting: 4,000 runs, so +-0.02.
    found = [t.chain_accuracy(0.97, 5, 8, tau, 16, 4) for tau in (1, 2, 4, 6)]
    assert [x for x, _ in found] == pytest.approx([0.809, 0.835, 0.885, 0.939], abs=0.02)
    assert [y for _, y in found] == pytest.approx([0.993, 0.995, 0.999, 1.0], abs=2e-3)
    assert all(x <= 0.97 ** (8 - tau) for (x, _), tau in zip(found, (1, 2, 4, 6), strict=True))


def test_what_is_saved():
    assert t.token_saving(0.25, 4) == pytest.approx(2.286, abs=5e-4)
    share = np.linspace(0, 1, 11)
    assert (np.diff(t.token_saving(share, 4)) < 0).all()
    assert (t.token_saving(share, 4) <= 4).all()
    assert t.scoring_saving(100, 64, 16) == pytest.approx(164 / 116)


def test_what_is_refused():
    for call, said in (
        (lambda: t.survivors([], 4, 2), "scores hold a candidate"),
        (lambda: t.beam_survival(4, 5, 0.5), "keep=5"),
        (lambda: t.pair_survival(1.5), r"share=1\.5"),
        (lambda: t.drift_miss(4, -1.0, 3), r"delta=-1\.0"),
        (lambda: t.drift_bound(4, 1.0, -3), r"tau=-3\.0"),
        (lambda: t.scoring_saving(1, 8, 9), "tau=9"),
        (lambda: t.chain_accuracy(1.5, 2, 4, 2, 4, 2), r"q=1\.5"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
