"""Captions' labels, votes, ranks, and the thread that labels: by hand, by law, and dying."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.models.base import load, save
from toyrl.models.captions.annotator import Annotator, AnnotatorDied, take_newest
from toyrl.models.captions.ranking import (
    CaptionRanker,
    RunningMoments,
    drawn_pairs,
    pair_targets,
    ranking_loss,
)
from toyrl.models.captions.reward import CaptionReward, without_numbers
from toyrl.models.captions.table import (
    CaptionClassifier,
    CaptionTable,
    TemplateVotes,
    bag_reward,
    before_tag,
    caption_key,
)

RNG = np.random.default_rng(0)
TABLE = CaptionTable.of({"opened": 1, "bumped": 0, "": 1})


def test_a_table_knows_what_was_labelled_and_the_last_label_counts(tmp_path):
    asked = ["opened", "bumped", "", "never seen", "Opened"]
    assert TABLE.rewards(asked).tolist() == [1, 0, 1, 0, 0]
    assert TABLE.known(asked).tolist() == [True, True, True, False, False]
    later = TABLE.labelled({"opened": 0, "new": 1})
    assert later.rewards(["opened", "new"]).tolist() == [0, 1]
    assert (len(later), len(TABLE)) == (4, 3)
    assert CaptionTable.of().rewards(["x"]).tolist() == [0]
    assert CaptionTable.of(default=0.5).rewards(["x"]).tolist() == [0.5]
    save(later, tmp_path / "table.json")
    assert load(tmp_path / "table.json").rewards(asked).tolist() == later.rewards(asked).tolist()
    assert caption_key("") != caption_key(" ")
    with pytest.raises(ValueError, match="must be 0"):
        TABLE.labelled({"x": 0.5})
    with pytest.raises(ValueError, match=r"\(N, 1\)"):
        TABLE.score(np.ones((2, 2)))


def test_votes_are_by_kind_and_a_tie_is_no():
    labels = {"gold#1": 1, "gold#2": 1, "gold#3": 0, "fell#1": 1, "fell#2": 0}
    votes = TemplateVotes.of(labels)
    assert votes.chances(["gold#9", "fell#9", "new#1"]) == pytest.approx([2 / 3, 0.5, 0.5])
    assert votes.rewards(["gold#9", "fell#9", "new#1"]).tolist() == [1, 0, 0]
    assert TemplateVotes.of(labels, most=1).total.sum() == 1
    assert TemplateVotes.of({}).rewards(["x"]).tolist() == [0]
    assert before_tag("gold#1") == "gold"


def test_a_classifier_is_the_logistic_regression():
    from scipy.optimize import minimize

    x = RNG.normal(size=(60, 3))
    y = (x[:, 0] + RNG.normal(size=60) > 0) * 1.0
    found = CaptionClassifier(penalty=1e-8).fit(x, y)

    def loss(w):
        z = x @ w[:3] + w[3]
        return np.logaddexp(0, np.where(y > 0, -z, z)).sum()

    best = minimize(loss, np.zeros(4), tol=1e-12)
    assert found.weight == pytest.approx(best.x[:3], abs=1e-4)  # of the optimiser's stop
    assert float(found.bias) == pytest.approx(best.x[3], abs=1e-4)
    assert CaptionClassifier(most=5).fit(x, y).score(x[:1]).shape == (1,)
    with pytest.raises(ValueError, match="must be 0"):
        CaptionClassifier().fit(x, y + 0.5)


def test_the_bag_of_words_is_a_cosine_with_a_threshold():
    vectors = {"go": [1.0, 0.0], "up": [0.0, 1.0]}
    assert bag_reward("go up", "up", vectors) == pytest.approx(np.sqrt(0.5))
    assert bag_reward("go", "up", vectors) == 0
    assert bag_reward("unknown", "up", vectors) == 0


# -- ranks -----------------------------------------------------------------------------------------
@given(st.lists(st.tuples(*[st.floats(-5, 5)] * 2), min_size=1, max_size=4), st.floats(-3, 3))
def test_laws_of_the_pair_loss(rows, shift):
    r = np.array(rows)
    y = np.resize([0.0, 0.5, 1.0], len(r))
    base = ranking_loss(r, y)
    assert ranking_loss(r + shift, y) == pytest.approx(base, abs=1e-12)
    assert ranking_loss(r[:, ::-1], 1 - y) == pytest.approx(base, abs=1e-12)
    assert ranking_loss(r, np.full(len(r), 0.5)) >= np.log(2) - 1e-12
    assert ranking_loss(0 * r, np.full(len(r), 0.5)) == pytest.approx(np.log(2))


def test_ties_are_half_a_win_and_what_cant_be_read_is_a_tie():
    assert pair_targets([0, 1, 2, np.nan]).tolist() == [0, 1, 0.5, 0.5]
    pairs, labels = np.array([[0, 1]] * 10), [0] * 7 + [1] + [2] * 2
    score = CaptionRanker(penalty=1e-9).fit(np.eye(2), pairs, labels).score(np.eye(2))
    assert score[0] - score[1] == pytest.approx(np.log(4), abs=1e-6)  # 8 of 10
    assert drawn_pairs(3, RNG, 7).shape == (7, 2)
    with pytest.raises(ValueError, match="no caption"):
        drawn_pairs(0, RNG)
    with pytest.raises(ValueError, match="must be 0"):
        pair_targets([3])
    with pytest.raises(ValueError, match=r"\(N, 2\)"):
        ranking_loss(np.ones(3), np.ones(3))


def test_running_moments_by_the_paper_and_a_batch_of_one():
    mean, var, count = 0.0, 1.0, 1e-4
    now = RunningMoments.start()
    for batch in (RNG.normal(size=5), RNG.normal(size=3) * 4):
        n, d, tot = len(batch), batch.mean() - mean, count + len(batch)
        var = (var * count + batch.var(ddof=1) * n + d**2 * count * n / tot) / tot
        mean, count = mean + d * n / tot, tot
        now = now.after(batch)
    assert now.stats == pytest.approx([mean, var, count])
    one = now.after([3.0])
    assert np.isfinite(one.stats).all()
    assert one.count == count + 1
    assert now.after([]).stats.tolist() == now.stats.tolist()
    with pytest.raises(ValueError, match="finite"):
        now.after([np.nan])


# -- the thread ------------------------------------------------------------------------------------
@given(st.lists(st.integers(), max_size=12), st.integers(1, 5))
def test_the_newest_are_picked(queue, size):
    picked, left = take_newest(queue, size)
    assert left + picked == queue
    assert len(picked) == min(size, len(queue))


def test_newest_first_while_the_judge_is_busy():
    gate, started, asked = threading.Event(), threading.Event(), []

    def judge(captions):
        asked.append(list(captions))
        started.set()
        assert gate.wait(30)
        return ["1" if c == "gold" else "no idea" for c in captions]

    with Annotator(judge, batch_size=2, most=4) as a:
        assert a.collect() == {}
        a.offer(["first"])
        assert started.wait(30)  # the judge holds the first; the rest waits
        assert a.offer(["a", "b", "gold", "c", "a", "d"]) == 4  # b, the oldest, was dropped
        assert a.dropped == 1
        gate.set()
        assert a.settled()
        assert asked == [["first"], ["a", "d"], ["gold", "c"]]
        assert a.collect() == {"first": 0, "a": 0, "d": 0, "gold": 1, "c": 0}
        assert a.collect() == {}
    assert a.offer(["late"]) == 0
    with pytest.raises(ValueError, match="must be 1 or more"):
        Annotator(judge, batch_size=0)
    with pytest.raises(ValueError, match="batch_size=0"):
        take_newest([1], 0)


@pytest.mark.parametrize("dies", [lambda _: 1 / 0, lambda _: []])
def test_a_dead_annotator_is_told_once_and_training_goes_on(dies):
    gate = threading.Event()
    reward = CaptionReward(lambda c: dies(c) if gate.wait(30) else c)
    reward.labels, reward.table = {"one step.": 1.0}, CaptionTable.of({"one step.": 1})
    texts = ["One step. Another step.", "A third step."]
    assert reward(texts, correct=[1, 0]) == pytest.approx([1.1, 0])
    gate.set()
    assert reward.annotator.settled()
    with pytest.warns(AnnotatorDied, match="training goes on"):
        paid = reward(texts, correct=[1, 0])
    assert paid == pytest.approx([1.1, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reward(texts, correct=[1, 0]) == paid
    reward.close()


def test_repeated_steps_of_a_completion_pay_less_and_groups_are_judged_alike():
    reward = CaptionReward(lambda c: [x.startswith("so") for x in c], alpha_int=1.0,
                           template=without_numbers, kind="classification")  # fmt: skip
    texts = ["So x is 1. So x is 2. So x is 3.", "Well then. So y is 4."]
    assert reward(texts, correct=[1, 0]) == [1, 0]  # nothing is labelled yet
    assert reward.annotator.settled()
    first = reward([[{"role": "assistant", "content": texts[0]}], texts[1]], correct=[1, 0])
    assert first == pytest.approx([1 + 1 + 1 / 8 + 1 / 27, 1])
    # a new number is the same kind, judged without a label of its own
    assert reward(["So x is 99."], correct=[0]) == [1]
    with pytest.raises(ValueError, match="who says what is right"):
        reward(texts)
    graded = CaptionReward(lambda c: [0] * len(c), verify=lambda text, **_: float("x" in text))
    assert graded(texts) == [1, 0]
    told = CaptionReward(lambda c: [0] * len(c), verify=lambda _, gold, rule: gold + 10 * rule)
    assert told(texts, gold=np.array([1, 2]), rule=(0, 1), name="ab") == [1, 12]
    told.close()
    for r in (reward, graded):
        r.close()
    with pytest.raises(ValueError, match="kind='other'"):
        CaptionReward(lambda c: c, kind="other")
