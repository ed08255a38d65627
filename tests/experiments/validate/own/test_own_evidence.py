"""A log of one's own decides first: what it shows of a reward, and the command's exit code."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.experiments.commands.command import call
from tests.experiments.validate.own_logs import rewards, rows, written
from toyrl.experiments.validate.findings import Section
from toyrl.experiments.validate.own import evidence
from toyrl.experiments.validate.own.evidence import decided, of_reward, order
from toyrl.experiments.validate.verdict import Collapse, any_failed, decide, exit_code
from toyrl.rollouts import Rollouts
from toyrl.rollouts.ragged import from_lists


def batch(correct, **more) -> Rollouts:
    c = np.array(correct, dtype=float)
    return Rollouts(c, np.full(c.shape, 5.0), 9.0, **more)


def by_name(found):
    return {f.name: f for f in found}


# -- right above wrong -----------------------------------------------------------------------------
@pytest.mark.slow
@settings(max_examples=100)
@given(data=st.data())
def test_auc_is_the_count_over_pairs_of_one_prompt(data):
    n = data.draw(st.integers(2, 5))
    labels = st.lists(st.sampled_from([0.0, 1.0]), min_size=n, max_size=n)
    values = st.lists(st.sampled_from([-1.0, 0.0, 0.5, np.nan]), min_size=n, max_size=n)
    correct = [data.draw(labels) for _ in range(3)]
    reward = np.array([data.draw(values) for _ in range(3)])
    wins, pairs = 0.0, 0
    for c, v in zip(correct, reward, strict=True):
        for i, j in itertools.product(range(n), repeat=2):
            if c[i] == 1 and c[j] == 0 and np.isfinite(v[[i, j]]).all():
                wins += float(v[i] > v[j]) + 0.5 * float(v[i] == v[j])
                pairs += 1
    found = order(batch(correct), reward)
    if pairs:
        assert found is not None
        assert found.within
        assert (found.pairs, found.auc) == (pairs, pytest.approx(wins / pairs))
    else:
        assert found is None or not found.within


def test_relabellings_are_the_exact_law():
    """One prompt of 3 right and 3 wrong: all wrong above all right is one of 20 labellings."""
    r = batch([[1, 1, 1, 0, 0, 0]])
    found = order(r, np.array([[0.0, 1, 2, 3, 4, 5]]))
    assert found is not None
    assert found.auc == 0
    p, n = 1 / 20, evidence.RELABELLINGS
    assert found.chance == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / n))
    assert not found.upside_down  # 5 % happens by luck


def test_luck_is_called_upside_down_as_rarely_as_its_level():
    rng = np.random.default_rng(0)
    r = batch([[1, 0, 1, 0]] * 10)
    said = sum(
        bool((found := order(r, rng.normal(size=r.shape), seed=i)) and found.upside_down)
        for i in range(200)
    )
    assert said <= 200 * evidence.LEVEL + 4 * np.sqrt(200 * evidence.LEVEL)


def test_without_a_mixed_prompt_all_rollouts_are_compared():
    r = from_lists([[1.0], [1.0], [0.0], [0.0]] * 5, [[1.0]] * 20, max_length=2)
    found = order(r, np.where(r.correct > 0, 0.0, 1.0))
    assert found is not None
    assert (found.within, found.pairs, found.upside_down) == (False, 100, True)


# -- one reward ------------------------------------------------------------------------------------
MIXED = [[1, 0, 1, 0]] * 8
CASES = {
    "own/alike": (MIXED, lambda c: 0 * c),
    "own/one-kind": ([[0, 0, 0]] * 3, lambda c: c),
    "own/no-signal": (MIXED, lambda c: c * 0 + np.arange(8.0)[:, None]),
    "own/upside-down": (MIXED, lambda c: 1 - c),
    "own/unscorable": (MIXED, lambda c: c * np.nan),
}


@pytest.mark.parametrize("name", CASES)
def test_each_fault_is_found_and_decides(name):
    correct, pay = CASES[name]
    r = batch(correct)
    found = of_reward(r, pay(r.correct), who="The reward judged")
    assert [f.name for f in found if f.status == "fail"] == [name]
    word, reasons = decided([Section(0, "", tuple(found))])
    assert word == evidence.DECIDES[name]
    assert reasons == (found[-1].message,)
    soft = of_reward(r, pay(r.correct), who="A", prefix="own/logged", status="warn")
    assert decided([Section(0, "", tuple(soft))]) == ("", ())


def test_control_a_sound_reward_has_no_fault():
    r = batch(MIXED)
    found = of_reward(r, r.correct - 0.1 * np.arange(4.0), who="The reward judged")
    assert [(f.name, f.status) for f in found] == [("own/order", "pass")]
    assert "(128 pairs" not in found[0].message  # 8 prompts x 2 x 2
    assert "32 pairs, prompt by prompt" in found[0].message


def test_noise_is_a_warning_and_padding_is_not_looked_at():
    rng = np.random.default_rng(1)
    weight = np.ones((8, 4))
    weight[:, 3] = 0
    r = batch(MIXED, weight=weight)
    reward = rng.normal(size=r.shape)
    reward[:, 3] = np.nan
    found = by_name(of_reward(r, reward, who="The reward judged"))
    assert found["own/order"].status == "warn"
    assert "own/unscorable" not in found
    reward[:4, 0] = np.nan
    assert "4 of 24" in by_name(of_reward(r, reward, who="R"))["own/unscorable"].message


def test_all_truncated_decides_and_some_truncated_warn():
    everything = evidence.truncated(batch(MIXED, truncated=np.ones((8, 4), dtype=bool)))
    assert decided([Section(0, "", tuple(everything))])[0] == "INCONCLUSIVE"
    assert "limit of 9 tokens" in everything[0].message
    some = np.zeros((8, 4), dtype=bool)
    some[:, 0] = True
    assert [f.status for f in evidence.truncated(batch(MIXED, truncated=some))] == ["warn"]
    assert evidence.truncated(batch(MIXED)) == []


def test_no_world_makes_the_logs_verdict_milder():
    fail = of_reward(batch(MIXED), np.zeros((8, 4)), who="The reward judged")
    sections = (Section(0, "", tuple(fail)),)
    word, reasons = decide(
        collapse=Collapse(200, 0),
        price_nats=np.inf,
        constant=False,
        reads_gold=True,
        separates=True,
        sections=sections,
    )
    assert (word, reasons) == ("UNSAFE", (fail[0].message,))
    assert any_failed(sections)
    assert exit_code("INCONCLUSIVE", fail_on="unsafe", failed=True, allow_inconclusive=True) == 1


# -- the logged reward, said apart -----------------------------------------------------------------
def test_logged_rewards_and_advantages_are_looked_at_apart():
    r = batch(MIXED)
    paid = {"accuracy_reward": r.correct, "format_reward": 0 * r.correct}
    found = by_name(evidence.logged(r, paid, 0 * r.correct))
    assert found["own/logged/alike"].message.startswith("The reward logged as 'format_reward'")
    assert found["own/logged/alike"].status == "warn"
    assert found["own/logged/order"].status == "info"
    assert "in 100% of groups" in found["own/logged/advantage"].message
    assert evidence.logged(r, {}, np.full(r.shape, np.nan)) == []


def test_values_other_than_the_logged_ones_are_named_by_line():
    r = batch([[1, 0], [1, 0]])
    same = evidence.compared(r, r.correct, {"score": r.correct}, [3, 4, 7, 9])
    assert [f.name for f in same] == ["own/logged/same"]
    other = r.correct.copy()
    other[1, 0] = 0.25
    found = evidence.compared(r, r.correct, {"score": other}, [3, 4, 7, 9])
    assert "on 1 of 4 rollouts; first in line 7: 1 against 0.25" in found[0].message


# -- through the command ---------------------------------------------------------------------------
def judge(capsys, tmp_path, name, found, *options):
    """(exit code, JSON report) of the command on a reward of `own_logs` or the catalogue."""
    spec = name if "(" in name else f"{rewards(tmp_path)}:{name}"
    log = written(tmp_path, found)
    out = tmp_path / "report.json"
    more = ("--no-report", "-q", "--json", str(out), *options)
    code, text, err = call(capsys, "validate", spec, "--rollouts", str(log), *more)
    assert code in (0, 1), err
    report = json.loads(out.read_text())
    assert report["exit_code"] == code
    assert text.startswith(report["verdict"])
    return code, report


COMMANDS = {
    "never paid": ("hashes", {}, "UNSAFE", "never pays on your rollouts: 0 for each of 24"),
    "by prompt": ("by_prompt", {}, "UNSAFE", "no group gives a signal"),
    "upside down": ("inverted", {}, "UNSAFE", "pays wrong rollouts above right ones"),
    "unscorable": ("judge", {}, "INCONCLUSIVE", "gives none of 24 rollouts a value"),
    "all wrong": ("outcome()", {"correct": 0}, "INCONCLUSIVE", "all of them are wrong"),
    "all cut": ("outcome()", {"truncated": 1}, "INCONCLUSIVE", "ran into the limit of 50 tokens"),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_the_first_reason_and_the_exit_code_are_the_logs(case, capsys, tmp_path):
    name, changes, verdict, reason = COMMANDS[case]
    code, report = judge(capsys, tmp_path, name, rows(**changes))
    assert (report["verdict"], code) == (verdict, 1)
    assert reason in report["reasons"][0]
    assert {f["section"] for f in report["findings"]} == {0, 1}  # nothing else was judged


def test_the_formats_of_texts_and_reward_are_named(capsys, tmp_path):
    _, report = judge(capsys, tmp_path, "hashes", rows())
    assert r"'<think>\n{work}\n</think>\n<answer>\n\\boxed{{}}\n</answer>'" in report["reasons"][0]
    assert report["reasons"][0].endswith("the reward tells right from wrong in 'gsm8k'.")


def test_a_faulty_logged_reward_does_not_decide_about_another_one(capsys, tmp_path):
    logged = rows(reward=0.0)
    code, report = judge(capsys, tmp_path, "hashes", logged)
    said = {f["name"]: f for f in report["findings"]}
    assert said["own/logged/alike"]["status"] == "warn"
    assert "own/logged/same" in said
    assert code == 1  # by the judged one
    log = written(tmp_path, rows(correct=None, reward=lambda _b, _g, right: right))
    code, _, err = call(capsys, "validate", "outcome()", "--rollouts", str(log), "--no-report")
    assert code == 2
    assert "none of the 24 rows says whether it was right" in err
    assert err.count("looked for") == 1
    assert "--columns correct=reward" in err


def test_columns_reach_the_log(capsys, tmp_path):
    found = rows(correct=None, score=lambda _b, _g, right: 1 - right)
    code, report = judge(capsys, tmp_path, "boxed", found, "--columns", "correct=score")
    assert (code, report["verdict"]) == (1, "UNSAFE")  # the labels say that it is upside down
    assert report["settings"]["columns"] == {"correct": "score"}
    log = str(written(tmp_path, found))
    wrong = ("validate", "outcome()", "--rollouts", log, "--columns", "corect=score")
    code, _, err = call(capsys, *wrong)
    assert code == 2
    assert "did you mean correct?" in err


@pytest.mark.slow
def test_a_reward_that_fails_on_other_texts_is_looked_at_on_the_log_alone(capsys, tmp_path):
    digits = [{"tens": str(11 + 7 * b)[:-1], "ones": str(11 + 7 * b)[-1]} for b in range(99)]
    gold = {"answer": None, "ground_truth": lambda b, *_: digits[b]}
    spec, log = f"{rewards(tmp_path)}:record", str(written(tmp_path, rows(**gold)))
    out = tmp_path / "report.json"
    more = ("--no-report", "-q", "--json", str(out))
    call(capsys, "validate", spec, "--rollouts", log, *more)
    report = json.loads(out.read_text())
    assert report["verdict"] == "INCONCLUSIVE"
    assert "only your rollouts were looked at" in report["reasons"][0]
    said = {f["name"]: f["status"] for f in report["findings"]}
    assert (said["own/order"], said["contract/usable"]) == ("pass", "fail")
    assert "own/accuracy-drift" in said
    code, _, err = call(capsys, "validate", spec, *more)
    assert code == 2  # control: without a log there is nothing to look at
    assert "TypeError" in err


def test_trainers_own_files_are_judged_from_end_to_end(capsys, tmp_path):
    """verl's dumps in a folder, with the column that says right: the reward never paid."""
    dumps = tmp_path / "dumps"
    dumps.mkdir()
    for step in (1, 2):
        found = [
            {
                "input": row["prompt"],
                "output": row["completion"],
                "gts": row["answer"],
                "score": 2.0 * row["correct"] - 1,
                "step": step,
            }
            for row in rows()
        ]
        written(dumps, found, f"{step}.jsonl")
    spec, out = f"{rewards(tmp_path)}:hashes", tmp_path / "report.json"
    more = ("--columns", "correct=score", "--no-report", "-q", "--json", str(out))
    code, _, _ = call(capsys, "validate", spec, "--rollouts", str(dumps), *more)
    report = json.loads(out.read_text())
    assert (code, report["verdict"]) == (1, "UNSAFE")
    assert "0 for each of 48" in report["reasons"][0]
    said = [f["message"] for f in report["findings"] if f["section"] == 0]
    assert "score=1 is taken as right, -1 as wrong" in said
    assert any("differs from the one logged as 'score' on 48 of 48" in text for text in said)


def test_right_below_wrong_within_luck_keeps_a_reward_from_safe():
    r = batch(MIXED)
    reward = np.tile([0.0, 1.0, 1.0, 0.0], (8, 1))
    reward[0] = [0, 1, 0, 1]
    found = of_reward(r, reward, who="The reward judged")
    assert [(f.name, f.status) for f in found] == [("own/order", "warn")]
    section = Section(0, "", tuple(found))
    facts = {"constant": False, "reads_gold": True, "separates": True, "price_nats": np.inf}
    word, reasons = decide(collapse=Collapse(200, 0), sections=(section,), **facts)
    assert (word, reasons[0]) == ("RISKY", found[0].message)
