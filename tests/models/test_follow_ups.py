"""Follow-up likelihood: from logits to a score, mined pairs, conversations, what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toyrl.expressions import parse
from toyrl.models.follow_ups import (
    DIMENSIONS,
    FLOOR,
    fields_of,
    follow_up_contrast,
    follow_up_likelihood,
    follow_up_messages,
    mine_pairs,
    released_score,
    sides,
    switched_messages,
    token_logprobs,
)
from toyrl.rollouts import Rollouts
from toyrl.testing import FOLLOW_UP_LAWS, assert_contrasts

RNG = np.random.default_rng(4)
LOGITS, IDS = RNG.normal(size=(7, 5)) * 3, np.array([0, 3, 1, 4, 4, 2, 0])


def test_every_token_is_read_from_the_row_before_it():
    rows = LOGITS - np.log(np.exp(LOGITS).sum(-1, keepdims=True))
    want = [rows[t - 1, IDS[t]] for t in (4, 5, 6)]
    assert token_logprobs(LOGITS, IDS, start=4) == pytest.approx(want, abs=1e-12)
    level = RNG.normal(size=(7, 1)) * 100  # of a row's logits: free
    assert token_logprobs(LOGITS + level, IDS, start=4) == pytest.approx(want, abs=1e-10)
    torch = pytest.importorskip("torch")
    torch_ = np.asarray(token_logprobs(torch.from_numpy(LOGITS), torch.from_numpy(IDS), start=4))
    assert torch_ == pytest.approx(want, abs=1e-6)
    for start in (0, 7):
        with pytest.raises(ValueError, match="start"):
            token_logprobs(LOGITS, IDS, start=start)


def test_the_released_score_is_one_row_of_raw_logits():
    # <s> + three words; in the conversation a token ends the turn: row -4 is behind the first word.
    found = released_score(LOGITS, IDS[3:6], special=(0,))
    assert found == pytest.approx(np.mean([LOGITS[3, i] for i in (0, 4, 4, 2)]), abs=1e-12)
    moved = LOGITS + np.arange(7)[:, None]
    assert released_score(moved, IDS[3:6], special=(0,)) == pytest.approx(found + 3, abs=1e-12)
    for ids, special in ((IDS, (0,)), (IDS[:0], (0,))):
        with pytest.raises(ValueError, match="a follow-up has a token"):
            released_score(LOGITS, ids, special=special)


def test_a_mean_over_tokens_with_a_floor():
    assert follow_up_likelihood(np.array([[-1.0, -3.0], [-math.inf, 0.0]])).tolist() == [
        -2.0,
        FLOOR / 2,
    ]
    assert follow_up_likelihood(np.array([-math.inf, 0.0]), floor=-4.0) == -2
    for bad, said in (
        (np.zeros(0), "no token"),
        (np.array([np.nan]), "NaN"),
        (np.ones(1), "above"),
    ):
        with pytest.raises(ValueError, match=said):
            follow_up_likelihood(bad)


def test_dimensions_count_alike_however_many_follow_ups_they_have():
    good = [np.array([-1.0, -2.0, -3.0]), np.array([-4.0])]
    bad = [np.array([-6.0]), np.array([-5.0, -7.0])]
    assert follow_up_contrast(good, bad) == pytest.approx(((-2 + 6) + (-4 + 6)) / 2, abs=1e-12)
    named = ({"a": good[0], "b": good[1]}, {"b": bad[1], "a": bad[0]})
    found = fields_of(*named)
    assert (found["approval"], found["disapproval"]) == (-3.0, -6.0)
    with pytest.raises(ValueError, match="'b' has one side alone"):
        fields_of({"a": good[0], "b": good[1]}, {"a": bad[0]})


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ([np.zeros(0)], [np.zeros(1)], r"approving\[0\] holds no follow-up"),
        ([np.zeros(1)], [np.zeros(0)], r"disapproving\[0\] holds no follow-up"),
        ([np.zeros(1), np.zeros(1)], [np.zeros(1)], "2 dimensions and disapproving 1"),
        ([], [], "there is one at least"),
        ([np.array([np.nan])], [np.zeros(1)], "isn't finite"),
        ([np.zeros(1)], [np.array([-np.inf])], "isn't finite"),
    ],
)
def test_missing_follow_ups_are_never_zero(good, bad, said: str):
    with pytest.raises(ValueError, match=said):
        sides(good, bad)


def test_laws_and_scores_that_break_them():
    assert_contrasts(follow_up_contrast)
    faults = {
        "common_level_cancels": lambda g, b: sides(g, b)[0],
        "approval_counts_in_full": lambda g, b: 2 * follow_up_contrast(g, b),
        "exchanged_sides_negate": lambda g, b: sides(g, b)[0] - 0.5 * sides(g, b)[1],
        "order_and_copies_are_silent": lambda g, b: g[0][0] - b[0][0],
        "never_against_its_side": lambda g, b: -follow_up_contrast(g, b),
        "within_the_likelihoods": lambda g, b: sum(x.sum() for x in g) - sum(x.sum() for x in b),
    }
    assert set(faults) == set(FOLLOW_UP_LAWS)
    for name, score in faults.items():
        said = [FOLLOW_UP_LAWS[name](score, np.random.default_rng(i)) for i in range(20)]
        assert any(said), name
    with pytest.raises(AssertionError, match=r"common_level_cancels: .*default_rng"):
        assert_contrasts(faults["common_level_cancels"])


def test_mined_pairs():
    scores = np.array([[1.0, 3.0, 3.0, 0.0, 0.0], [2.0, 2.0, 2.0, 2.0, 2.0]])
    found = mine_pairs(scores)
    assert found.chosen.tolist() == [1, 0]  # the first of the best
    assert found.rejected.tolist() == [3, 0]
    assert found.kept.tolist() == [True, False]
    many = RNG.normal(size=(50, 8))
    pairs, row = mine_pairs(many), np.arange(50)
    assert (many[row, pairs.chosen, None] >= many).all()
    assert (many[row, pairs.rejected, None] <= many).all()
    assert pairs.kept.all()
    for bad, said in (
        (np.ones((3, 1)), "two responses"),
        (np.array([1.0, np.nan]), r"\[1\] is nan"),
    ):
        with pytest.raises(ValueError, match=said):
            mine_pairs(bad)


def test_the_follow_up_is_the_users_turn_behind_the_assistants():
    two = follow_up_messages(["Q", "A"], "Thanks!")
    assert [m["role"] for m in two] == ["user", "assistant", "user"]
    assert two[-1]["content"] == "Thanks!"
    assert follow_up_messages(["Hello", "Q", "A"], "Thanks!") == two  # an assistant opened
    assert [m["content"] for m in follow_up_messages(["Q", ""], "Hm?")] == ["Q", "", "Hm?"]
    turned = switched_messages("Q", "A", "Thanks!")
    assert [(m["role"], m["content"]) for m in turned[1:]] == [
        ("assistant", "Q"), ("user", "A"), ("assistant", "Thanks!")]  # fmt: skip
    for turns, follow_up, said in ((["A"], "Hm?", "a user's turn"), (["Q", "A"], " ", "is empty")):
        with pytest.raises(ValueError, match=said):
            follow_up_messages(turns, follow_up)
    assert all(len(x) == 2 and all(x) for x in DIMENSIONS.values())


def test_rewards_keep_both_sides_apart_and_lose_what_has_no_score():
    x = np.array([[-1.0, -2.0, np.nan, -np.inf]])
    fields = {n: x if n == "approval" else 0 * RNG.normal(size=x.shape) - 3
              for n in ("approval", "disapproval")}  # fmt: skip
    r = Rollouts(0 * fields["disapproval"], 0 * fields["disapproval"] + 1, 1.0, fields=fields)
    paid = np.asarray(parse("flr()").reward(r))[0]
    assert paid[:2].tolist() == [2.0, 1.0]
    assert np.isnan(paid[2:]).all()
    assert np.asarray(parse("flr()").apply(r).parts["approval"])[0, 0] == -1
    raw = r.with_(approval_logit=x + 20, disapproval_logit=np.full(x.shape, -3.0))
    assert np.asarray(parse("flr_released()").reward(raw))[0, 0] == 22
    with pytest.raises(KeyError, match="disapproval"):
        parse("flr()").reward(Rollouts(r.correct, r.length, 1.0, fields={"approval": x}))
