"""Rewards per segment: by hand, linear in the weights, places, edges, laws, telescoping."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.backends import to_strict, to_torch
from toyrl.estimators.tokens import token_rewards
from toyrl.rollouts import Rollouts
from toyrl.shapers.process.segments import FineGrained, TokenKL, ToxicityDrop, prefix_drops
from toyrl.testing import assert_invariants

MASK = np.array([[[1.0, 1, 1, 1, 1], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]]])
WEIGHT = st.integers(0, 8).map(lambda n: n / 8)


def text() -> Rollouts:
    """Sub-sentences end at tokens 1, 4 and 2; sentences at 4 and 2; the third text is empty."""
    relevance = np.array([[[0.0, 1, 0, 0, -1], [0, 0, 1, 9, 9], [9, 9, 9, 9, 9]]])
    truth = np.array([[[0.0, 0, 0, 0, 1], [0, 0, -1, 9, 9], [9, 9, 9, 9, 9]]])
    whole = np.array([[-0.446777 + 8.301161, -0.446777, 5.0]])
    return Rollouts(np.array([[1.0, 0.0, 0.0]]), MASK.sum(-1), 5.0, mask=MASK,
                    fields={"relevance_scores": relevance, "factuality_scores": truth,
                            "completeness": whole})  # fmt: skip


def test_tokens_by_hand():
    r = text()
    found = token_rewards(FineGrained().apply(r).parts, r, MASK)[0]
    assert found[0] == pytest.approx([0, 0.3, 0, 0, -0.3 + 0.5 + 0.3], abs=1e-15)
    assert found[1] == pytest.approx([0, 0, 0.3 - 0.5, 0, 0], abs=1e-15)
    assert not found[2].any()  # nothing is paid for an empty text


@given(st.lists(WEIGHT, min_size=3, max_size=3), st.integers(0, 2))
def test_linear_in_every_weight(weights: list[float], k: int):
    """Half the weight twice is the whole, 0 takes a model out, one model has one part."""
    r = text()
    whole = FineGrained(*weights).reward(r)
    half = FineGrained(*(w / 2 for w in weights))
    assert (half + half).reward(r) == pytest.approx(whole, abs=1e-14)
    without = [0.0 if j == k else w for j, w in enumerate(weights)]
    alone = [w if j == k else 0.0 for j, w in enumerate(weights)]
    split = FineGrained(*without).reward(r) + FineGrained(*alone).reward(r)
    assert split == pytest.approx(whole, abs=1e-14)


def test_a_missing_score_makes_the_text_unscorable():
    r = text()
    lost = r.with_(relevance_scores=np.where(r.fields["relevance_scores"] == -1, np.nan, 1.0))
    got = FineGrained().reward(lost)[0]
    assert math.isnan(got[0])
    assert not np.isnan(got[1:]).any()


@pytest.mark.parametrize("name", ["fine_grained()", "token_kl()", "toxicity_drop(start=0.25)"])
def test_laws(name: str):
    assert_invariants(name, max_examples=60)


def test_kl_by_hand():
    logp, ref = -np.ones(MASK.shape), -2 * np.ones(MASK.shape)
    r = text().with_(logprobs=logp, ref_logprobs=ref)
    assert TokenKL(0.5).apply(r).parts["kl"][0].tolist() == (-0.5 * MASK[0]).tolist()
    assert TokenKL(0.5).reward(r)[0].tolist() == [-2.5, -1.5, 0]


@given(st.lists(st.integers(0, 8), min_size=1, max_size=6), st.data())
def test_drops_of_toxicity(values: list[int], data: st.DataObject):
    """By a loop; the total depends on the first and the last alone."""
    marks = [data.draw(st.booleans()) for _ in values]
    tox, ends = np.array(values) / 8, np.array(marks) * 1.0
    last, want = 0.25, []
    for v, end in zip(tox, marks, strict=True):
        want.append(last - v if end else 0.0)
        last = v if end else last
    assert prefix_drops(tox, ends, 0.25).tolist() == want
    assert sum(want) == 0.25 - last


def test_the_total_is_the_holistic_reward_less_a_constant():
    tox = np.array([[[0.5, 0.25, 0.75, 0.5, 0.125], [0.75, 0.5, 0.25, 1, 1], [1.0] * 5]])
    r = text().with_(
        toxicity=tox, step_ends=np.array([[[0, 1, 0, 0, 1], [1, 0, 1, 0, 0], [1] * 5]])
    )
    assert ToxicityDrop(2.0, 0.25).reward(r)[0].tolist() == [0.25, 0.0, 0.0]
    for to in (to_torch, to_strict):
        assert (
            np.asarray(ToxicityDrop().reward(to(r))).tolist() == ToxicityDrop().reward(r).tolist()
        )
