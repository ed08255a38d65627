"""The implicit reward model that learns online: slopes, what it learns, files, refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from toyrl.models.base import load, save
from toyrl.models.reward.implicit import labelled_loss
from toyrl.models.reward.online import ImplicitTable, OnlineImplicit, pull, token_log_chance
from toyrl.theory.process.dense import key_chain_values
from toyrl.theory.process.implicit import value_ratio_reward

T, V = 4, 3
EVERY = np.array(list(itertools.product(range(V), repeat=T)))


def drawn(*lead: int) -> tuple[ImplicitTable, np.ndarray, np.ndarray]:
    """A table, tokens (..., 5, T) and labels, with batch axes in front."""
    rng = np.random.default_rng(0)
    table = ImplicitTable.of(T=T, V=V, beta=0.7, logits=rng.normal(size=(*lead, T, V)))
    return table, rng.integers(0, V, (*lead, 5, T)), (rng.random((*lead, 5)) < 0.5) * 1.0


def test_the_gradient_is_that_of_cross_entropy_over_beta():
    table, y, label = drawn()
    found, h = OnlineImplicit(clip=np.inf).gradient(table, y, label), 1e-6
    for t, v in np.ndindex(T, V):
        low, high = table.logits.copy(), table.logits.copy()
        low[t, v] -= h
        high[t, v] += h
        loss = [labelled_loss("ce", ImplicitTable(z, table.reference, table.beta).score(y),
                              label)[0].mean() for z in (low, high)]  # fmt: skip
        # central differences: error of order h^2 and of rounding, eps/h
        assert -(loss[1] - loss[0]) / (2 * h) / 0.7 == pytest.approx(found[t, v], abs=1e-9)
    assert pull(table.logits, y, np.ones((5, 1))).sum(-1) == pytest.approx(0, abs=1e-14)


def test_batch_axes_weights_and_clip():
    table, y, label = drawn(2, 3)
    learner = OnlineImplicit(step=0.5, clip=np.inf)
    found = learner.gradient(table, y, label)
    one = ImplicitTable(table.logits[1, 2], table.reference, table.beta)
    assert found[1, 2] == pytest.approx(learner.gradient(one, y[1, 2], label[1, 2]), abs=1e-15)
    w = np.array([1.0, 0, 1, 0, 0])
    some = learner.gradient(one, y[1, 2], label[1, 2], w)
    kept = learner.gradient(one, y[1, 2][w > 0], label[1, 2][w > 0])
    assert some == pytest.approx(kept, abs=1e-15)
    assert not learner.gradient(one, y[1, 2], label[1, 2], 0 * w).any()
    small = OnlineImplicit(clip=1e-3).gradient(one, y[1, 2], label[1, 2])
    assert np.sqrt((small**2).sum()) == pytest.approx(1e-3)
    before = one.logits.copy()
    assert (learner.update(one, y[1, 2], label[1, 2]).logits != before).any()
    assert (one.logits == before).all()


def test_a_reference_alike_pays_nothing_and_sums_to_the_score():
    table, y, _ = drawn()
    assert not ImplicitTable.of(T=T, V=V).rewards(y).any()
    assert table.score(y) == pytest.approx(table.rewards(y).sum(-1), abs=1e-15)
    # normalised, so that E_ref e^(r/beta) = 1
    assert np.exp(table.score(EVERY) / 0.7).mean() == pytest.approx(1, abs=1e-12)
    assert token_log_chance(table.logits, EVERY).shape == EVERY.shape


def test_all_responses_teach_the_value_ratio_at_the_keys():
    right = (EVERY[:, [0, 2]] == 0).all(-1) * 1.0
    learner = OnlineImplicit(step=4.0, epochs=2000, beta=0.3)
    table = learner.fit(EVERY, right)
    want = value_ratio_reward(key_chain_values([1, 3], T, 1 / V), beta=0.3)
    assert want.tolist() == pytest.approx([0.3 * np.log(3), 0, 0.3 * np.log(3), 0])
    # labels 0 and 1: the law is approached, never reached
    assert table.rewards(EVERY[right > 0])[0] == pytest.approx(want, abs=0.02)
    assert table.score(EVERY[right > 0]).min() > table.score(EVERY[right == 0]).max()


def test_files(tmp_path):
    table, y, _ = drawn()
    save(table, tmp_path / "prm.json")
    again = load(tmp_path / "prm.json")
    assert (again.rewards(y) == table.rewards(y)).all()


def test_refusals():
    table, y, label = drawn()
    learner = OnlineImplicit()
    with pytest.raises(ValueError, match=r"whole numbers in \[0, 3\)"):
        table.rewards(y + V)
    with pytest.raises(ValueError, match=r"\(\.\.\., N, 4\)"):
        table.rewards(y[:, :2])
    cut = np.where(np.arange(V) == 2, -np.inf, np.log(0.5)) + np.zeros((T, V))
    with pytest.raises(ValueError, match="chance 0"):
        ImplicitTable(table.logits, cut, table.beta).rewards(EVERY)
    for bad in (np.nan, 2.0):
        with pytest.raises(ValueError, match=r"in \[0, 1\]"):
            learner.update(table, y, label * 0 + bad)
    with pytest.raises(ValueError, match="places and tokens"):
        ImplicitTable.of(T=T, V=V, logits=np.zeros((T, V + 1)))
    with pytest.raises(ValueError, match=r"\(N, T\)"):
        learner.fit(np.zeros((0, 3), dtype=int), [])
    with pytest.raises(ValueError, match="step"):
        OnlineImplicit(step=-1.0)
