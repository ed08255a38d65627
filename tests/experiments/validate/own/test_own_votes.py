"""A vote as the reward on a log of one's own: answers, wrong majorities, what is said of them."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.experiments.commands.command import call
from tests.experiments.validate.own_logs import boxed, rows, written
from toyrl.experiments.forecast.rivals import behaviour
from toyrl.experiments.forecast.rivals.behaviour import Base, Model
from toyrl.experiments.validate import forecast
from toyrl.experiments.validate.own import votes
from toyrl.rollouts import Rollouts
from toyrl.rollouts.logs import read_log
from toyrl.shapers.label_free.vote import Majority
from toyrl.worlds.behaviour import prior
from toyrl.worlds.behaviour.rollouts import _identity
from toyrl.worlds.logged import conditioning


def batch(answer, w=None) -> Rollouts:
    """Groups by their answers: 0 right, NaN where there is no rollout."""
    a = np.array(answer, dtype=float)
    w = np.where(np.isnan(a), 0.0, 1.0) if w is None else w
    return Rollouts((a == 0) * w, np.ones(a.shape), 2.0, weight=w, fields={"answer": a})


def drawn(p: float, agreed: float, prompts: int = 30, size: int = 16) -> Rollouts:
    rng = np.random.default_rng(0)
    shape = (prompts, size)
    right = (rng.random(shape) < p) * 1.0
    return batch(_identity(right, np.ones(shape), rng.random(shape) < agreed))


def log_of(folder, share: float, prompts: int = 12, group: int = 8, **changes):
    """A log in which `share` of each group is right and the others give one wrong answer."""
    found = rows(prompts, group, **changes)
    for row in found:
        right = found.index(row) % group < share * group
        gold = int(row["answer"])
        row |= {"completion": boxed(gold if right else gold + 3, 2), "correct": int(right)}
    return written(folder, found)


# -- the numbers -----------------------------------------------------------------------------------
def test_at_a_groups_own_size_it_is_what_the_shaper_pays():
    """The log is the only subset as large; -1 has no vote, and short prompts are left out."""
    r = batch([[0, 0, 1, 1], [1, 1, 0, -1], [0, 1, 2, 3], [-1] * 4, [2, 0, np.nan, np.nan]] * 3)
    found = votes.votes_of(r, 4)
    assert found is not None
    assert found.sizes.tolist() == [1, 2]  # four prompts in five aren't nine in ten
    whole = batch(r.fields["answer"][[0, 1, 2, 3]])
    full = votes.votes_of(whole, 4)
    assert full is not None
    assert (full.sizes.tolist(), full.left) == ([1, 2, 4], 0)
    paid = np.asarray(Majority().reward(whole))
    right = whole.correct > 0
    unpaid = (~(paid * right).any(1) & paid.any(1)) * 1.0
    assert full.table["wrong"][:, -1].tolist() == unpaid.tolist() == [0, 1, 0, 0]
    assert full.table["tied"][:, -1].tolist() == [1, 0, 1, 0]
    assert full.table["alike"][:, -1].tolist() == (np.ptp(paid, 1) == 0).tolist()
    advantage = (4 * paid - paid.sum(1, keepdims=True)) / 3  # leave one out
    drift = (advantage * (right - right.mean(1, keepdims=True))).mean(1)
    np.testing.assert_allclose(full.table["drift"][:, -1], drift, atol=1e-12)


def test_the_planned_size_is_judged_or_the_largest_that_the_log_has():
    r = drawn(0.5, 0.3, size=12)
    for planned, at in ((6, 6), (12, 12), (40, 12)):
        found = votes.votes_of(r, planned)
        assert found is not None
        assert found.sizes[found.at] == at
        assert {1, 2, 4, 8, 12} <= set(found.sizes.tolist())
        text = votes.judged(r, planned, labelled=False)[0][0].message
        assert ("more than the log has" in text) == (planned > at)


def test_agreement_is_the_share_of_pairs_and_what_worlds_were_told():
    r = batch([[1, 1, 2, 0], [3, 1, 3, 3], [0, 0, 0, 1]])
    pairs = [(2, 6), (6, 12), (0, 0)]  # ordered pairs that are the same, and all
    want = (sum(s for s, _ in pairs) / sum(n for _, n in pairs)) ** 0.5
    found = votes.agreement(r)
    assert found is not None
    assert found[0] == pytest.approx(want)
    for told in (0.2, 0.6, 0.9):
        share, error = votes.agreement(drawn(0.3, told, prompts=200)) or (0, 0)
        assert abs(share - told) < 4 * error < 0.2
    assert votes.agreement(batch([[0, 0], [0, 1]])) is None


# -- answers of a log ------------------------------------------------------------------------------
def test_the_gold_column_is_no_answer(tmp_path):
    """A column `answer` that is the same all over a prompt is gold; one that differs is said."""
    log = read_log(log_of(tmp_path, 0.5))
    found = votes.identities(log)
    np.testing.assert_array_equal(found == 0, log.rollouts.correct.ravel() > 0)
    assert len(set(found[:8].tolist())) == 2
    said: dict[str, Any] = {"pred": lambda _b, g, _right: str(7 + g // 2)}
    other = read_log(written(tmp_path, rows(write=lambda *_: "so it is", **said), "b.jsonl"))
    names = votes.identities(other)
    wrong = other.rollouts.correct.ravel() < 0.5
    assert (names >= 0).all()
    assert set(names[~wrong].tolist()) == {0.0}
    assert len(set(names[wrong].tolist())) == 2


def test_answers_that_cannot_be_read_are_said(tmp_path):
    log = read_log(written(tmp_path, rows(write=lambda *_: "so it is")))
    with pytest.raises(KeyError, match=r"0% of the complete ones.*differs within prompts"):
        votes.identities(log)
    few = rows(write=lambda value, steps: boxed(value, 1) if steps == 1 else "so it is")
    with pytest.raises(KeyError, match="of the complete ones"):
        votes.identities(read_log(written(tmp_path, few, "few.jsonl")))


# -- what is said ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("p", "agreed", "status"), [(0.6, 0.3, "pass"), (0.15, 0.9, "fail"), (0.5, 1.0, "warn")]
)
def test_the_drift_decides(p, agreed, status):
    r = drawn(p, agreed)
    if status == "warn":  # the mirror image beside each prompt: no drift at all
        a = r.fields["answer"]
        r = batch(np.concatenate([a, 1 - a]))
    (found, *_), (picture,) = votes.judged(r, 8, labelled=False)
    assert found.status == status
    assert found.interval is not None
    assert found.value is not None
    assert found.interval[0] <= found.value <= found.interval[1]
    assert picture.curves[0].label == "majority wrong"
    assert votes.judged(r, 8, labelled=True)[0][0].status == "info"
    one = votes.judged(batch(r.fields["answer"][:1]), 8, labelled=False)[0][0]
    assert one.status == "warn"  # a single prompt shows nothing of others


def test_one_rollout_a_prompt_is_no_vote():
    (found,), pictures = votes.judged(batch([[0], [1], [0]]), 8, labelled=False)
    assert (found.status, pictures) == ("not tested", ())
    assert "One rollout a prompt" in found.message
    assert "8 rollouts a prompt" in found.fix


def test_groups_of_two_teach_a_vote_nothing():
    """Two rollouts agree, or both lead: paid alike either way."""
    r = drawn(0.4, 0.5)
    found = votes.votes_of(r, 2)
    assert found is not None
    np.testing.assert_allclose(found.table["alike"][:, found.at], 1, atol=1e-12)
    np.testing.assert_allclose(found.table["drift"][:, found.at], 0, atol=1e-12)
    assert votes.judged(r, 2, labelled=False)[0][0].status == "warn"


def test_the_command_says_that_a_vote_teaches_wrong_answers(capsys, tmp_path):
    log, out = str(log_of(tmp_path, 0.25)), tmp_path / "report.json"
    call(
        capsys, "validate", "majority()", "--rollouts", log, "--no-report", "-q", "--json", str(out)
    )
    report = json.loads(out.read_text())
    said = {f["name"]: f for f in report["findings"]}
    assert report["verdict"] == "UNSAFE"
    assert said["own/vote"]["status"] == "fail"
    assert said["own/agreement"]["value"] == pytest.approx(1)
    # 8 rollouts, 2 right, the planned group is all of them: the formula of the drift by hand
    assert f"{-6 / 8 * 2 / 8 * 8 / 7:+.4f}" in said["own/vote"]["message"]


# -- the forecast ----------------------------------------------------------------------------------
def test_worlds_of_the_forecast_agree_as_the_log(tmp_path, monkeypatch):
    numbers = prior.drawn(256, "short", 60.0, 0)
    moved = conditioning.agreeing(numbers, 0.9, 0.02)
    assert moved["agreed"].mean() == pytest.approx(0.9, abs=0.01)
    assert moved["agreed"].std() == pytest.approx(0.02, rel=0.3)
    assert all((moved[k] == v).all() for k, v in numbers.items() if k != "agreed")
    log = read_log(log_of(tmp_path, 0.5))
    run: Any = SimpleNamespace(
        votes=True, log=log, own_dialect="", settings=SimpleNamespace(seed=0)
    )
    assert forecast._agreed(run) == (pytest.approx(1), pytest.approx(0))
    run.votes = False
    assert forecast._agreed(run) is None
    drawn_ones = prior.drawn(8, "short", 40.0, 0)
    monkeypatch.setattr(behaviour, "_like", lambda _model, _like: drawn_ones)
    like = Base(0.5, 41.5, 96.0, (("accuracy", 0.5, 0.05),))
    w = behaviour._worlds(Model(worlds=8), replace(like, agreed=(0.95, 0.01)))
    assert (np.abs(w.numbers["agreed"] - 0.95) < 0.05).all()
    assert (behaviour._worlds(Model(worlds=8), like).numbers["agreed"] <= 0.6 + 1e-9).all()
