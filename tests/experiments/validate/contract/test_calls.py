"""Gold answers of any form, calls as trainers make them, and rewards that can't be loaded."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

import toyrl
from tests.experiments.validate.text_probes import probes
from toyrl.experiments.cli import main
from toyrl.experiments.validate.contract.facts import Contract
from toyrl.experiments.validate.contract.section import run
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.rewards.errors import RewardError
from toyrl.rewards.user import load

CALLED = Path(__file__).parents[1] / "called_rewards.py"


@cache  # some are looked at by several tests
def plain(name: str) -> tuple[Section, Contract]:
    with load(f"{CALLED}:{name}") as reward:
        return run(reward, probes(12))


def judge(name: str, *, data=(), **more) -> tuple[Section, Contract]:
    if not data and not more:
        return plain(name)
    with load(f"{CALLED}:{name}", data=data, **more) as reward:
        return run(reward, probes(12))


def found(section: Section, name: str) -> list[Finding]:
    return [f for f in section.findings if f.name == f"contract/{name}"]


def only(section: Section, name: str) -> Finding:
    (finding,) = found(section, name)
    return finding


# -- gold ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "column", "shown"),
    [
        ("accepted_answers", "ground_truth", "{'target': ['18']}"),
        ("strips_gold", "answer", "'18' (text)"),
        ("bare_solution", "solution", "'18' (text)"),
        ("json_gold", "answer", """'{"value": "18"}'"""),
        ("number_gold", "answer", "18 (int)"),
        ("with_its_parts", "ground_truth", "'18' (text)"),
        ("choice_of_four", "answer", "'C' (letter)"),
        ("countdown", "ground_truth", "{'target': 18, 'numbers': [1, 17]}"),
    ],
)
def test_gold_is_handed_over_in_the_form_that_is_read(name, column, shown):
    section, contract = judge(name)
    assert contract.separates
    assert contract.auc == 1.0
    form = only(section, "gold-form")
    assert form.status == "info"
    assert f"{column} is {shown}" in form.message
    assert "toyrl's choice" in form.message


def test_a_type_that_the_signature_leaves_open_is_tried():
    warned = only(judge("strips_gold")[0], "gold-type")
    assert warned.status == "warn"
    assert "as 18 (int) or 18.0 (float), it fails" in warned.message
    assert "'int' object has no attribute 'strip'" in warned.message
    assert found(judge("typed_gold")[0], "gold-type") == []
    told = only(judge("with_its_parts")[0], "gold-type")
    assert (told.status, "no right answer is paid" in told.message) == ("info", True)


@pytest.mark.parametrize(
    ("name", "row", "shown"),
    [
        ("accepted_answers", {"ground_truth": {"target": ["9", "nine"]}}, "{'target': ['18']}"),
        (
            "accepted_answers",
            {"reward_model": {"ground_truth": {"target": [9]}}},
            "{'target': [18]}",
        ),
        ("json_gold", {"answer": '{"value": "9", "unit": "m"}'}, '"unit": "m"'),
        ("number_gold", {"answer": 9}, "18 (int)"),
        ("choice_of_four", {"answer": "D"}, "'C' (letter)"),
        ("countdown", {"ground_truth": {"target": 19, "numbers": [3, 8, 5]}}, "'target': 18"),
    ],
)
def test_with_data_gold_has_the_form_of_the_data(name, row, shown):
    section, contract = judge(name, data=[{"prompt": "p", **row}])
    assert contract.separates
    form = only(section, "gold-form")
    assert shown in form.message
    assert "as your data holds it" in form.message
    assert found(section, "gold-type") == []
    assert found(section, "gold-column") == []


def test_data_that_the_reward_fails_on_is_an_error_that_names_the_form():
    with pytest.raises(RewardError, match=r"your data holds 'answer' as 18 \(int\), and it reads"):
        judge("strips_gold", data=[{"answer": 9}])


def test_data_that_the_reward_misreads_in_silence_is_a_failure():
    section, contract = judge("bare_solution", data=[{"solution": "$9$"}])
    assert not contract.separates
    said = only(section, "gold-read")
    assert said.status == "fail"
    assert "holds 'solution' as '$18$' (text, dollars), and it reads '18' (text)" in said.message


def test_without_data_the_form_that_it_wants_is_named():
    with pytest.raises(
        RewardError, match=r"seems to be a record with the keys '(city', 'radius|radius', 'city)':"
    ):
        judge("cities")


def test_a_column_of_another_name_is_a_warning():
    section, contract = judge("bare_solution", data=[{"answer": "9"}])
    assert contract.separates
    said = only(section, "gold-column")
    assert said.status == "warn"
    assert "asks for `solution`; your data has `answer`" in said.message
    assert found(judge("bare_solution", data=[{"solution": "9"}])[0], "gold-column") == []


# -- calls ---------------------------------------------------------------------------------------
def test_a_call_that_the_trainer_cannot_make_is_a_failure():
    section, _ = judge("two_lists_only")
    said = only(section, "trainer-call")
    assert said.status == "fail"
    assert "TRL calls two_lists_only(prompts=..., completions=..., completion_ids" in said.message
    assert "unexpected keyword argument 'completion_ids'" in said.message
    assert found(judge("strips_gold")[0], "trainer-call") == []


def test_a_tuple_is_taken_as_verl_takes_it():
    section, _ = judge("with_its_parts")
    assert any("first item is the score" in f.message for f in found(section, "note"))


def test_one_value_too_many_is_refused():
    values = only(judge("appends_twice")[0], "values")
    assert values.status == "fail"
    assert "return one for each" in values.message


def test_none_is_unscorable():
    section, contract = judge("skips")
    assert contract.separates
    told = only(section, "unscorable")
    assert told.status == "fail"
    assert "depends on what it says" in told.message
    assert "<answer>" not in told.counterexample


@pytest.mark.parametrize(
    ("name", "status"), [("later_is_better", "fail"), ("least_of_call", "warn")]
)
def test_siblings_may_count_and_the_place_among_them_may_not(name, status):
    section, contract = judge(name)
    assert contract.separates
    assert contract.batch_dependent
    assert only(section, "batch").status == status


def test_none_for_a_prompt_is_no_failure():
    section, contract = judge("grades_even_golds")
    assert contract.separates
    told = only(section, "unscorable")
    assert told.status == "warn"
    assert "depends" not in told.message


def test_answers_in_other_threads_and_processes_are_compared():
    assert only(judge("strips_gold")[0], "places").status == "pass"
    section, _ = judge("by_alarm")
    said = only(section, "thread")
    assert said.status == "fail"  # verl calls in worker threads
    assert "in a worker thread, where verl calls it, it fails" in said.message
    assert "works in the main thread only" in said.message
    assert found(section, "process") == found(section, "places") == []


def test_the_text_parameter_is_an_option():
    section, contract = judge("unguessable", text_parameter="blob", data=[{"gold_text": "x"}])
    assert contract.separates
    assert "unguessable(gold_text, blob, answer) [plain]" in section.findings[0].message


# -- rewards that can't be loaded ----------------------------------------------------------------
@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("nofile.py:f", "nofile.py does not exist; give the path of a Python file"),
        (f"{CALLED}:skip", "did you mean skips?"),
        ("lazer(target=0.5)", "did you mean laser"),
        ("no_such_package.rewards:f", "no module is called 'no_such_package'"),
        (f"{CALLED}:unguessable", "--text-parameter"),
    ],
)
def test_a_reward_that_cannot_be_loaded_is_a_usage_error(tmp_path, monkeypatch, capsys, spec, said):
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "toyrl-report.html"
    page.write_text("the last minute's work")
    assert main(["validate", spec]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line for line in err.splitlines() if line.startswith("toyrl: ")]
    assert [said in line for line in lines] == [True]
    assert page.read_text() == "the last minute's work"
    with pytest.raises(toyrl.UsageError):
        toyrl.validate(spec)


def test_a_reward_that_fails_on_all_texts_is_one_sentence_and_no_page(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["validate", f"{CALLED}:fails_on_all", "--json", "r.json", "--quiet"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("KeyError") == 1
    assert not (tmp_path / "toyrl-report.html").exists()
    assert json.loads((tmp_path / "r.json").read_text())["verdict"] == "INCONCLUSIVE"
