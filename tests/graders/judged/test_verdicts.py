"""Verdicts of a judge: what is read, what it is paid, what its answers are worth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.graders.judged.verdicts import (
    MARKS,
    TAGS,
    judged,
    read_verdict,
    verdict_reward,
    verdict_rewards,
    win_table,
)
from toyrl.testing import one_label_wins, only_the_tail_counts, places_swap

A, B = TAGS["A"], TAGS["B"]
PIECES = st.lists(
    st.sampled_from([A, B, A[:9], B[3:], " ", "so ", "[[A]]", "x" * 60, A.lower()]), max_size=6
).map("".join)
LABELS = st.sampled_from(["model_a", "model_b"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"long thought {A}", "A"),
        (f"{A}{'.' * 20}", "A"),
        (f"{A}{'.' * 58}", "A"),
        (f"{A}{'.' * 59}", None),  # 22 + 59 > 80
        (f"{A} or {B}", None),
        (f"{A}{'.' * 60}{B}", "B"),
        (A[:-1], None),
        ("<answer> [[A]] </answer>", None),
        (A.lower(), None),
        ("", None),
    ],
)
def test_only_a_whole_tag_in_the_tail_is_a_verdict(text: str, said: str | None):
    assert read_verdict(text) == said
    for label, want in (("model_a", "A"), ("model_b", "B")):
        assert verdict_reward(text, label) == (1.0 if said == want else -1.0)


def test_the_evaluation_forgives_what_training_does_not():
    for text in ("[[A]]", f"{A}{'.' * 900}", "<answer> [[A]] </answer>"):
        assert read_verdict(text, tail=None, tags=MARKS) == "A"
    assert read_verdict("[[A]] and [[B]]", tail=None, tags=MARKS) is None


@given(PIECES, LABELS, PIECES)
def test_laws(text: str, label: str, before: str):
    assert verdict_reward(text, label) in (-1.0, 1.0)
    assert places_swap(verdict_reward, text, label) is None
    assert one_label_wins(verdict_reward, text) is None
    assert only_the_tail_counts(verdict_reward, text.rjust(80), label, before) is None


def test_control_the_laws_see_a_reward_of_the_whole_text():
    def hedged(text: str, label: str) -> float:
        return 1.0 if TAGS["A" if label == "model_a" else "B"] in text else -1.0

    assert "under the other" in (one_label_wins(hedged, A + B) or "")
    assert "from -1.0 to 1.0" in (only_the_tail_counts(hedged, B, "model_a", A) or "")
    first = places_swap(lambda t, _: 1.0 if A in t else -1.0, A, "model_a")
    assert "exchanged" in (first or "")


def test_a_trainers_function_takes_texts_and_chats():
    chat = [[{"role": "assistant", "content": f"so {B}"}], f"so {B}"]
    assert verdict_rewards(chat, ["model_b", "model_a"], prompts=["", ""]) == [1.0, -1.0]
    with pytest.raises(ValueError, match=r"label='tie' is not one of .* there is no tie"):
        verdict_rewards([A], ["tie"])
    with pytest.raises(ValueError, match="tail=0 must be at least 1"):
        read_verdict(A, tail=0)


def test_a_constant_judge_is_useless_whatever_the_labels():
    for first in (50, 90):
        found = judged([A] * 100, ["model_a"] * first + ["model_b"] * (100 - first))
        assert (found.finding, found.signal, found.accuracy) == ("useless", 0, first / 100)
        assert found.said_first == 1
    assert judged([A] * 100, ["model_a"] * 100).finding == "untested"
    assert judged([B, A] * 20, ["model_a", "model_b"] * 20).finding == "inverted"
    mute = judged(["?"] * 100, ["A", "B"] * 50)
    assert (mute.finding, mute.unread, mute.accuracy) == ("useless", 1, 0)
    assert np.isnan(mute.said_first)


def test_the_signal_is_right_less_wrong_in_each_place():
    texts = [A] * 6 + [B] * 2 + [""] * 2 + [B] * 7 + [A] * 3
    found = judged(texts, ["A"] * 10 + ["B"] * 10)
    assert (found.first, found.second, found.unread) == pytest.approx((0.6, 0.7, 0.1))
    assert found.signal == pytest.approx(((0.6 - 0.2) + (0.7 - 0.3)) / 2)
    # 13 right of 18 read verdicts: by Fisher's test 5%, not 1%
    assert found.finding == "useless"
    with pytest.raises(ValueError, match="0 answers and 1 labels"):
        judged([], ["A"])


def test_a_table_of_verdicts():
    table = win_table([[None, "A", None], ["B", None, "A"], ["A", "B", None]])
    assert table.tolist() == [[0.5, 1, 0.5], [0, 0.5, 1], [1, 0, 0.5]]
    assert win_table([["x"]]).tolist() == [[0.5]]  # one answer alone: the diagonal is not read
    with pytest.raises(ValueError, match="have the lengths"):
        win_table([[None, "A"]])
    with pytest.raises(ValueError, match="is none of 'A', 'B' and None"):
        win_table([[None, "a"], [None, None]])
