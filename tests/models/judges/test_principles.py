"""Judges told a principle: one-attribute principles teach all mixtures; judges of no use."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.models.base import load, save
from toyrl.models.judges.principles import (
    PrincipleBradleyTerry,
    PrincipleScorer,
    usefulness,
    with_principle,
)


def drawn(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of pairs under one-attribute principles, and (winner, loser)."""
    rng = np.random.default_rng(0)
    c = np.eye(3)[rng.integers(0, 3, n)]
    left, right = rng.normal(size=(2, n, 3))
    rows = np.concatenate([with_principle(left, c), with_principle(right, c)])
    wins = ((left - right) * c).sum(-1) > 0
    k = np.arange(n)
    return rows, np.where(wins[:, None], np.stack([k, k + n], 1), np.stack([k + n, k], 1))


def test_one_attribute_principles_teach_the_identity(tmp_path):
    rows, pairs = drawn(1500)
    scorer = PrincipleBradleyTerry(3).fit(rows, pairs)
    w = scorer.weight / np.trace(scorer.weight) * 3
    assert np.abs(w - np.eye(3)).max() < 0.1
    c = np.array([0.2, 0.5, 0.3])
    x = np.random.default_rng(1).normal(size=(50, 3))
    own = scorer.score(with_principle(x, c))
    assert scorer.under(c).score(x) == pytest.approx(own, abs=1e-12)
    save(scorer, tmp_path / "m.json")
    again = load(tmp_path / "m.json")
    assert isinstance(again, PrincipleScorer)
    assert again.score(with_principle(x, c)).tolist() == own.tolist()


def test_refusals():
    rows, pairs = drawn(4)
    mixed = rows.copy()
    mixed[pairs[0, 0], 3:] = 7
    with pytest.raises(ValueError, match="under two principles"):
        PrincipleBradleyTerry(3).fit(mixed, pairs)
    with pytest.raises(ValueError, match=r"give \(N, D \+ 6\)"):
        PrincipleBradleyTerry(6).fit(rows, pairs)
    with pytest.raises(ValueError, match=r"give \(N, 6\): 3 features"):
        PrincipleScorer(np.eye(3)).score(rows[:, :5])
    with pytest.raises(ValueError, match=r"both \(lists, responses\)"):
        usefulness([1.0], [1.0])
    with pytest.raises(ValueError, match="no two responses of different grades"):
        usefulness([[1.0, 2.0]], [[1.0, 1.0]])


def test_who_is_useless():
    rng = np.random.default_rng(2)
    phi, c = rng.normal(size=(80, 5, 3)), rng.normal(size=(80, 3, 1))
    half = (phi @ c)[..., 0]
    truth, label = np.concatenate([half, -half]), np.tile(np.arange(80), 2)
    constant = usefulness(np.ones_like(truth), truth)
    assert (constant.useless, constant.accuracy, constant.error, constant.tied) == (True, 0.5, 0, 1)
    unread = usefulness(np.full(truth.shape, np.nan), truth)
    assert (unread.useless, unread.accuracy, unread.unread) == (True, 0.5, 1)
    blind = usefulness(np.tile(phi[..., 0], (2, 1)), truth, cluster=label)
    assert blind.useless
    assert blind.accuracy == pytest.approx(0.5, abs=1e-15)
    told = truth + rng.normal(size=truth.shape)
    assert not usefulness(told, truth, cluster=label).useless
    # Principles that all point one way hide that the judge is blind.
    one_way = np.abs(c) * [1.0] @ np.ones((1, 1))
    assert not usefulness(phi.sum(-1), (phi @ one_way)[..., 0]).useless
    # A list of one, and one that is tied, are left out; a response that isn't there is no pair.
    holes = np.array([[1.0, np.nan, np.nan], [2.0, 2.0, 2.0], [3.0, 1.0, np.nan]])
    few = usefulness([[1.0, 2, 3], [1, 2, 3], [2, 1, 5]], holes)
    assert (few.lists, few.accuracy, few.useless) == (1, 1.0, True)
