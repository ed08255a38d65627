"""Completions that hang or blow up a grader: named, timed, and the run goes on."""

from __future__ import annotations

import json

import pytest

from tests.experiments.validate.text_probes import probes, rows
from toyrl.experiments.validate.contract import hostile
from toyrl.experiments.validate.contract.section import run
from toyrl.experiments.validate.findings import Finding
from toyrl.graders.base import TextRow
from toyrl.messages import both_ends
from toyrl.rewards.chats import messages_of
from toyrl.rewards.user import load
from toyrl.worlds.text import render
from toyrl.worlds.text.dialects import CALLED

LIMIT = 0.7  # seconds, met by texts that a reward never ends on

HEAD = """
import os, re

def said(text):
    found = re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)
    return found[-1].strip() if found else ""

def reward(completions, answer, **kwargs):
    return [float(grade(said(c), a)) for c, a in zip(completions, answer)]

"""
SOUND = "def grade(said, gold):\n    return said == gold\n"
EVALUATES = """
def grade(said, gold):
    try:
        return eval(said, {"__builtins__": {}}, {}) == float(gold)
    except Exception:
        return 0
"""
BACKTRACKS = """
def grade(said, gold):
    return bool(re.fullmatch(r"([0-9]+,?)+", said)) and said.replace(",", "") == gold
"""
RAISES = "def grade(said, gold):\n    return int(said) == int(gold)\n"
CRASHES = """
def grade(said, gold):
    if "**" in said:
        os._exit(3)
    return said == gold
"""
LIMITED = """
import time
def grade(said, gold):
    if said == "9**9**9":
        time.sleep(0.9)
    return said == gold
"""
ENDLESS = """
def grade(said, gold):
    while not said.isdecimal():
        pass
    return said == gold
"""


def probed(
    tmp_path, source: str, limit: float = 20.0
) -> tuple[dict[str, Finding], list[float | None]]:
    """Findings by name, and what an ordinary row is paid afterwards."""
    file = tmp_path / "r.py"
    file.write_text(HEAD + source)
    row = rows(2)[0]
    with load(f"{file}:reward", timeout=limit) as reward:
        reward.settle(rows(4))
        found = hostile.findings(reward, row, "tag")
        return {f.name.removeprefix("contract/"): f for f in found}, reward.grade([row])


def test_a_sound_reward_answers_them_all(tmp_path):
    found, after = probed(tmp_path, SOUND)
    assert [f.status for f in found.values()] == ["pass"]
    assert f"{len(hostile.completions(rows(1)[0], 'tag'))} hostile" in found["hostile"].message
    assert after == [1.0]


@pytest.mark.parametrize(
    ("source", "name"),
    [(EVALUATES, "power-tower"), (BACKTRACKS, "run-of-digits")],
)
def test_a_hang_is_named_with_its_text_and_time_and_the_run_goes_on(tmp_path, source, name):
    found, after = probed(tmp_path, source, LIMIT)
    f = found[f"hostile-{name}"]
    assert f.status == "fail"
    assert f"more than {2 * LIMIT:g} s, 2 time limits" in f.message
    assert f.value == 2 * LIMIT
    text = f.counterexample["completion"]
    assert hostile.answers()[name.replace("-", " ")] in text
    assert both_ends(text) in f.message
    assert "time limit" in f.fix
    assert after == [1.0]


def test_a_limit_of_its_own_makes_it_slow_and_not_stuck(tmp_path, monkeypatch):
    monkeypatch.setattr(hostile, "PATIENCE", 100)
    found, after = probed(tmp_path, LIMITED, LIMIT)
    f = found["hostile-power-tower"]
    assert f.status == "warn"
    assert f.value > f.bound == LIMIT
    assert "a limit of its own" in f.message
    assert set(found) == {"hostile-power-tower"}
    assert after == [1.0]


def test_what_it_raises_on_is_one_finding_with_all_names(tmp_path):
    found, after = probed(tmp_path, RAISES)
    [f] = found.values()
    assert f.name == "contract/hostile-raised"
    assert f.status == "fail"
    assert f.value == len(hostile.completions(rows(1)[0], "tag")) - 1  # the megabyte says a number
    assert all(name in f.message for name in ("nan", "huge number", "superscript"))
    assert "ValueError" in f.message
    assert both_ends(f.counterexample["completion"]) in f.message
    assert "catch" in f.fix
    assert after == [1.0]


def test_a_process_that_ends_is_no_end(tmp_path):
    found, after = probed(tmp_path, CRASHES)
    assert set(found) == {"hostile-power-tower"}
    assert "ends the process on" in found["hostile-power-tower"].message
    assert after == [1.0]


def test_the_contract_names_it_and_goes_on(tmp_path):
    file = tmp_path / "r.py"
    file.write_text(HEAD + EVALUATES)
    with load(f"{file}:reward", timeout=LIMIT) as reward:
        section, contract = run(reward, {"tag": probes(12)["tag"]})
    found = {f.name: f.status for f in section.findings}
    assert found["contract/hostile-power-tower"] == "fail"
    assert found["contract/places"] == "pass"  # looked at afterwards
    assert contract.separates
    assert "hostile-power-tower" in section.summary


@pytest.mark.slow
def test_after_two_hangs_the_rest_are_named_and_left(tmp_path):
    found, after = probed(tmp_path, ENDLESS, LIMIT)
    failed = [k for k, f in found.items() if f.status == "fail"]
    assert failed == ["hostile-power-tower", "hostile-latex-power-tower"]
    assert found["hostile"].status == "not tested"
    assert "megabyte" in found["hostile"].message
    assert after == [1.0]


def test_an_object_of_this_process_is_not_tried():
    def reward(completions, answer, **kwargs):
        return [float(a in c) for c, a in zip(completions, answer, strict=True)]

    with load(reward) as live:
        live.settle(rows(4))
        [found] = hostile.findings(live, rows(1)[0], "tag")
    assert found.status == "not tested"
    assert "file.py:NAME" in found.message


def test_slow_rewards_are_not_tried(tmp_path, monkeypatch):
    monkeypatch.setattr(hostile, "SLOW", -1.0)
    found, _ = probed(tmp_path, SOUND)
    assert [f.status for f in found.values()] == ["not tested"]


@pytest.mark.parametrize("dialect", render.DIALECTS)
def test_the_texts_stand_where_an_answer_does(dialect):
    base = rows(1)[0]
    texts = hostile.completions(base, dialect)
    assert len({r.completion for r in texts.values()}) == len(texts)
    for name, answer in hostile.answers().items():
        assert render.mark(dialect, answer) in texts[name].completion
        assert texts[name].columns == base.columns
    assert len(texts["megabyte"].completion) > 0.9 * hostile.MEGABYTE
    assert not any(r.truncated for r in texts.values())


def test_long_texts_are_shown_by_their_ends():
    assert both_ends("short") == "'short'"
    assert both_ends("a" * 500) == f"'{'a' * 30}...{'a' * 30}' (500 characters)"


def test_in_messages_hostile_texts_are_values_of_the_calls_arguments():
    call = {"type": "function", "function": {"name": "f", "arguments": {"x": 1, "y": "b"}}}
    said = [{"role": "assistant", "content": "", "tool_calls": [call]}]
    base = TextRow("Call f.", json.dumps(said), {"answer": "f"}, 9, messages=True)
    made = hostile.completions(base, CALLED)
    for name, answer in hostile.answers().items():
        (message,) = messages_of(made[name].completion)
        assert message["tool_calls"][0]["function"]["arguments"] == {"x": answer, "y": answer}
    assert len(messages_of(made["megabyte"].completion)[0]["content"]) > 900_000
    assert messages_of(made["unclosed tags"].completion)[0]["content"].startswith("<think>")
