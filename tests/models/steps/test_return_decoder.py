"""Step rewards from returns: losses by enumeration, fits by definition, verified factors."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.models.base import load, save
from toyrl.models.steps.factors import FactorError, factor_table, fault, self_verified, verified
from toyrl.models.steps.return_decoder import ReturnDecoder
from toyrl.models.steps.return_losses import picked_steps, rd_loss, rrd_loss
from toyrl.testing import padding_unseen, zero_sums_unseen
from toyrl.theory.redistribution.losses import expected_rrd, picking_penalty


def every_pick(T, K):
    places = itertools.combinations(range(T), K)
    return np.array([[float(i in p) for i in range(T)] for p in places])


@given(st.integers(1, 6), st.integers(0, 9))
def test_losses_over_all_picks(T, seed):
    rng = np.random.default_rng(seed)
    r, R, moved = rng.standard_normal(T), float(rng.standard_normal()), rng.standard_normal(T)
    mask = np.ones(T)
    rd = rd_loss(r, np.asarray(R), mask)
    for K in range(2, T + 1):
        picked = every_pick(T, K)
        wide = np.broadcast_to(r, picked.shape), np.full(len(picked), R), picked, np.ones((1, T))
        assert rrd_loss(*wide).mean() == pytest.approx(expected_rrd(r, R, K), abs=1e-12)
        assert rrd_loss(*wide, unbiased=True).mean() == pytest.approx(rd, abs=1e-12)
    assert rrd_loss(r, np.asarray(R), mask, mask, unbiased=True) == pytest.approx(rd)
    assert zero_sums_unseen(r, np.asarray(R), moved - moved.mean()) is None


def test_edges_of_the_losses():
    r, mask = np.array([[0.5, 1.0, 9.0], [9.0] * 3]), np.array([[1, 1, 0.0], [0, 0, 0]])
    total = np.array([1.0, 3.0])
    assert rd_loss(r, total, mask).tolist() == [0.0625, 0.0]  # the second has no step
    one = np.array([[1.0, 0, 0], [0, 0, 0]])
    found = rrd_loss(r, total, one, mask, unbiased=True)
    assert np.isnan(found[0])  # one of two steps has no variance
    assert found[1] == 0
    for unbiased in (False, True):
        assert padding_unseen(
            lambda x, m, u=unbiased: rrd_loss(x, total, m, m, unbiased=u), r, mask
        ) is None  # fmt: skip
    torch = pytest.importorskip("torch")
    there = [torch.from_numpy(v) for v in (r, total, mask, mask)]
    assert rrd_loss(*there, unbiased=True).tolist() == pytest.approx([0.0625, 0.0])
    picked = picked_steps(mask, 64, rng=np.random.default_rng(0))
    assert (picked == mask).all()  # K above T takes them all
    with pytest.raises(ValueError, match="size=1"):
        picked_steps(mask, 1, rng=np.random.default_rng(0))


def episodes(N=40, F=3, seed=0):
    rng = np.random.default_rng(seed)
    which = np.repeat(np.arange(N), rng.integers(1, 7, N))
    x = rng.standard_normal((len(which), F))
    return x, which, rng.standard_normal(N)


def test_fits_are_minima_of_their_losses():
    """The weights of each loss, by minimising its definition over dense episodes."""
    from scipy.optimize import minimize

    x, which, R = episodes()
    wide = np.zeros((40, 6, 3))
    mask = np.zeros((40, 6))
    for e in range(40):
        n = (which == e).sum()
        wide[e, :n], mask[e, :n] = x[which == e], 1.0
    T = mask.sum(-1)

    def rrd(w):
        penalty = [picking_penalty(wide[e, : int(T[e])] @ w, 2) for e in range(40)]
        return (rd_loss(wide @ w, R, mask) + penalty).sum()

    def prefix(w):
        gaps = ((wide @ w).cumsum(-1) - R[:, None]) ** 2 * mask
        return (gaps / T[:, None] ** 2).sum()

    for loss, told in {"rd": lambda w: rd_loss(wide @ w, R, mask).sum(), "rrd": rrd,
                       "prefix": prefix}.items():  # fmt: skip
        found = ReturnDecoder(loss, picked=2).fit(x, which, R).weight
        assert found == pytest.approx(minimize(told, np.zeros(3), tol=1e-12).x, abs=1e-5), loss


def test_the_invariants_of_the_least_squares_decoder(tmp_path):
    x, which, R = episodes()
    fit = ReturnDecoder().fit(x, which, R)
    M = np.array([[1.0, 2, 0], [0, 1, 3], [1, 0, 1]])
    assert ReturnDecoder().fit(x @ M, which, R).score(x @ M) == pytest.approx(fit.score(x))
    assert ReturnDecoder().fit(x, which, 3 * R).weight == pytest.approx(3 * fit.weight)
    order = np.random.default_rng(1).permutation(len(x))
    assert ReturnDecoder().fit(x[order], which[order], R).weight == pytest.approx(fit.weight)
    twice = ReturnDecoder().fit(x[:, [0, 1, 2, 2]], which, R)
    assert twice.weight == pytest.approx([*fit.weight[:2], *[fit.weight[2] / 2] * 2])
    save(fit, tmp_path / "m.json")
    assert (load(tmp_path / "m.json").score(x) == fit.score(x)).all()


def test_levels_of_groups_are_taken_off():
    x, which, R = episodes()
    groups = np.arange(40) // 4
    own = np.bincount(which, x @ [1.0, -1, 0]) + groups
    fit = ReturnDecoder(baseline="group", scale="sum").fit(x, which, own, groups=groups)
    assert fit.weight == pytest.approx([1, -1, 0], abs=1e-10)
    one = ReturnDecoder(baseline="all", scale="sum").fit(x, which, own - groups + 7)
    assert one.weight == pytest.approx([1, -1, 0], abs=1e-10)
    alike = ReturnDecoder(baseline="all", scale="sum").fit(x, which, np.ones(40))
    assert np.abs(alike.weight).max() < 1e-12
    four, z = np.repeat(np.arange(40), 4), np.random.default_rng(2).standard_normal((160, 2))
    for level in (1e8 / 3, 1e12 / 7):  # a constant factor, whose mean is rounded
        for loss in ("rd", "rrd"):
            flat = np.c_[z, np.full(160, level)]
            assert ReturnDecoder(loss, picked=2, baseline="all").fit(flat, four, R).weight[2] == 0
    tiny = ReturnDecoder().fit(x * [1, 1, 1e-12], which, R)
    assert tiny.weight * [1, 1, 1e-12] == pytest.approx(ReturnDecoder().fit(x, which, R).weight)
    held = ReturnDecoder(penalty=1e12).fit(x, which, R)
    assert np.abs(held.weight).max() < 1e-9
    with pytest.raises(ValueError, match="needs groups"):
        ReturnDecoder(baseline="group").fit(x, which, R)
    with pytest.raises(ValueError, match=r"outside 0\.\.2"):
        ReturnDecoder().fit(x, which, R[:3])
    with pytest.raises(ValueError, match="finite"):
        ReturnDecoder().fit(x, which, np.full(40, np.nan))


# -- factors ---------------------------------------------------------------------------------------
STEPS = (["2 + 2 = 4", "so 4"],), (["x"],)


def lengths(steps):
    return {"length": [len(s) for s in steps], "so": ["so" in s for s in steps]}


def short(steps):
    return {"length": [1.0]}


def broken(steps):
    return 1 / 0


def nothing(steps):
    return {"mean": [np.nan for _ in steps]}


def test_the_first_sound_candidate_is_taken():
    found = verified([short, broken, nothing, lengths], STEPS)
    assert (found.function, found.place, found.names) == (lengths, 3, ("length", "so"))
    assert "has the shape (1,); give {name: (2,)}, one number a step" in found.failures[0]
    assert "raised ZeroDivisionError on sample 1" in found.failures[1]
    assert "'mean' is nan at step 1 of 2" in found.failures[2]
    assert fault(lengths, STEPS) is None
    told = []

    def write(failures):
        told.append(failures)
        return [short, lengths][len(failures)]

    assert self_verified(write, STEPS).place == 1
    assert len(told[1]) == 1
    with pytest.raises(FactorError, match="no sound factor function in 5 rounds"):
        self_verified(lambda _: broken, STEPS)
    for call in (verified, fault):
        with pytest.raises(ValueError, match="no sample"):
            call([lengths] if call is verified else lengths, [])


def test_forms_of_factors():
    table, names = factor_table([[1, 2], [[3], [4]]], 2)  # LaRe's own: columns (steps, 1)
    assert table.tolist() == [[1, 3], [2, 4]]
    assert names == ("factor 1", "factor 2")
    assert factor_table(np.ones((2, 3)), 2)[0].shape == (2, 3)
    for bad, said in ((3.0, "give {name"), ({}, "no factor"), ({"a": ["x", "y"]}, "'a' is"),
                      ({"a": [1, np.inf]}, "inf at step 2")):  # fmt: skip
        with pytest.raises(FactorError, match=said):
            factor_table(bad, 2)
