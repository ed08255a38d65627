"""Judges' answers as text: what is read, what the form is paid, masks, judges of groups."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toyrl.graders.base import TextRow
from toyrl.graders.judged import rankings
from toyrl.graders.judged.rankings import format_reward, parse_judgement

NAMES = ["model-1", "model-2", "model-3"]
SCORES = {"model-1": 4, "model-2": 2, "model-3": 5}
RANKED = ["model-3", "model-1", "model-2"]
DATA = json.dumps({"scores": SCORES, "best-to-worst": RANKED})
LONG = "<think>" + "because " * 10 + "</think>"
TRUTH = {"model-1": 3.0, "model-2": 1.0, "model-3": 5.0}


@pytest.mark.parametrize(
    ("text", "paid"),
    [
        ("", 0.0),
        ("<think>", 0.05),
        ("<think>short</think>", 0.15),
        (LONG, 0.20),
        ("</think> no <think>", 0.15),
        (LONG + DATA, 1.0),
        (DATA, 0.8),
        (LONG + "Here: " + DATA + " Done.", 0.95),
        (LONG + DATA.replace('"', "'"), 1.0),
        (LONG + '{scores: {"model-1": 4,}, best-to-worst: [],}', 0.2 + 0.2 + 0.2 + 0.2 / 3),
        (DATA.replace("best-to-worst", "best-to-worse"), 0.8),
        ('{"scores": [1, 2], "best-to-worst": 3}', 0.4),
        ("[1, 2]", 0.0),
        ('{"scores": {"model-1": "four", "model-9": 1, "model-2": NaN, "model-3": true}}', 0.3),
        (json.dumps({"scores": SCORES, "best-to-worst": RANKED[::-1]}), 0.6),
        (json.dumps({"scores": SCORES, "best-to-worst": ["model-2"] * 3}), 0.6),
        ('{"scores": ' * 5000, 0.0),
        ('{"scores": {"model-1": ' + "9" * 5000 + "}}", 0.0),
    ],
)
def test_the_form(text, paid):
    assert format_reward(text, NAMES) == pytest.approx(paid, abs=1e-12)


def test_covered_by_a_name_as_released():
    text = '{"scores": {"model-1": "four", "model-2": null, "model-3": 1}}'
    assert format_reward(text, NAMES) == pytest.approx(0.3 + 0.2 / 3)
    assert format_reward(text, NAMES, numbers=False) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="names is empty"):
        format_reward(text, [])


PROSE = st.text(st.characters(blacklist_characters="<>{}[]'\""), max_size=30)


@given(PROSE, PROSE, st.integers(0, 3))
def test_prose_never_pays_and_coverage_does(before, behind, covered):
    part = json.dumps({"scores": dict(list(SCORES.items())[:covered]), "best-to-worst": []})
    paid = format_reward(part, NAMES)
    assert format_reward(before + part + behind, NAMES) <= paid
    assert paid == pytest.approx(0.4 + 0.2 * covered / 3)


@settings(max_examples=60)
@given(st.one_of(st.text(max_size=60), st.text("<>{}[]:,'\"think/scores 12", max_size=60)))
def test_any_text_is_read(text):
    said = parse_judgement(text)
    assert 0 <= format_reward(text, NAMES) <= (1 if said.read else 0.2)
    assert all(math.isnan(v) or math.isfinite(v) for v in said.scores.values())
    row = TextRow("p", text, {"truth": TRUTH})
    assert 0 <= rankings.ranking_agreement(row) <= rankings.has_scores(row)


def test_fields_of_a_judges_answer():
    good = TextRow("p", LONG + DATA, {"truth": json.dumps(TRUTH)})
    assert rankings.ranking_agreement(good) == 1
    assert rankings.ranking_format(good) == pytest.approx(1)
    assert rankings.has_scores(good) == 1
    silent = TextRow("p", "no", {"truth": TRUTH})
    assert rankings.ranking_agreement(silent) == 0
    assert rankings.ranking_agreement(silent, missing="released") == 1
    # Two names, one of them without a readable score: no pair, and not two missing names.
    half = TextRow("p", '{"scores": {"model-1": 3, "model-2": "good"}}', {"truth": TRUTH})
    assert rankings.ranking_agreement(half, missing="released") == 0
    assert rankings.has_scores(half) == 0
    one = TextRow("p", '{"scores": {"model-1": 3}}', {"truth": {"model-1": 2}})
    assert math.isnan(rankings.ranking_agreement(one))
    for bad in (None, "x", {}, {"model-1": "high"}):
        with pytest.raises(ValueError, match=r"the column truth=.* holds no grades"):
            rankings.ranking_format(TextRow("p", DATA, {"truth": bad}))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 99))
def test_scores_follow_the_response_whatever_the_mask(words, seed):
    texts = ["w " * n for n in words]
    shown, order = rankings.judge_prompt("shorter is better", "p", texts, seed=seed)
    assert sorted(order.tolist()) == list(range(len(texts)))
    found = rankings.listed_scores(parse_judgement(rankings.programmed_judge(shown)), order)
    assert found.tolist() == rankings.grades([-float(n) for n in words])


def test_a_judge_of_groups():
    def call(shown: str) -> str:
        return "I can't say." if "secret" in shown else rankings.programmed_judge(shown)

    texts = ["1 is it", "after a while 1", "no"]
    column = {"principle": "answer first"}
    rows = [TextRow(p, t, column) for p in ("easy", "secret") for t in texts]
    judge = rankings.ListJudge(call)
    assert np.array_equal(judge.grade(rows), [5, 4, 2, *[math.nan] * 3], equal_nan=True)
    assert judge.unread == 0.5
    assert rankings.ListJudge(call, "show the steps").grade(rows[:1]) == [5]
    assert judge.grade([]) == []
    with pytest.raises(ValueError, match="a row has no principle"):
        judge.grade([TextRow("p", "t")])
    with pytest.raises(ValueError, match="principle='be kind' is not one of shorter is better"):
        rankings.ListJudge(call, "be kind").grade(rows[:1])
