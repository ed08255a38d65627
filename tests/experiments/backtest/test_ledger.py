"""The ledger: its data are well-formed, its rule is what it says, a setting runs end to end."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tests.places import ROOT
from toyrl import schemas
from toyrl.experiments.backtest import ledger
from toyrl.experiments.backtest.data import OURS, OUTCOMES, Setting
from toyrl.experiments.backtest.page import page
from toyrl.experiments.backtest.rewards import (
    format_length,
    patterns,
    process,
    texts,
)
from toyrl.experiments.backtest.why import WHY
from toyrl.experiments.cli import main
from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.settings import Settings
from toyrl.graders.base import TextRow
from toyrl.graders.patterns import ReasoningPatterns
from toyrl.papers import paper
from toyrl.rewards.specs import read

DOCS = ROOT / "docs"
ALL = {s.id: s for s in ledger.SETTINGS}
RIGHT = "<think>\nStep 1: 2 + 3 = 5.\n</think>\n<answer>5</answer>"
WRONG = "<think>\nStep 1: 2 + 3 = 6.\n</think>\n<answer>6</answer>"


def setting(outcome: str = "kept", *, control: bool = False, name: str = "x") -> Setting:
    told = Setting(name, paper("00"), "s", "w", ("outcome()",), "p", said=outcome)
    return replace(told, control=control)


def entry(outcome: str, verdict: str, share: int | None = 0, others: tuple[str, ...] = (), **kw):
    worlds = None if share is None else 100
    run = ledger.Run(("outcome()",), verdict, (), worlds, share)
    return ledger.Entry(
        setting(outcome, **kw), run, tuple(replace(run, verdict=v) for v in others), "k"
    )


# -- data ----------------------------------------------------------------------------------------
def test_there_are_twenty_settings_beside_the_controls():
    assert sum(not s.control for s in ledger.SETTINGS) >= 20
    names = [s.id for s in ledger.SETTINGS] + [o.id for o in ledger.OUT_OF_REACH]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("s", ledger.SETTINGS, ids=lambda s: s.id)
def test_a_setting_is_well_formed(s):
    assert s.outcome in OUTCOMES
    assert (s.change is None) == bool(s.said), "an outcome has a number or a word, not both"
    assert s.change is None or s.against
    assert s.published
    assert s.section
    assert s.id.startswith(s.paper.number + "-")
    assert "/work" not in repr(s)
    Settings(**s.settings)
    for rewards in (s.rewards, *s.alternatives):
        assert read(rewards)
    assert not s.alternatives or s.assumed


def test_explanations_name_settings_and_verdicts():
    assert set(WHY) <= set(ALL)
    for told in WHY.values():
        assert set(told) <= {"SAFE", "RISKY", "UNSAFE", "INCONCLUSIVE"}


def test_controls_are_the_outcome_itself_and_nothing_else_is():
    for s in ledger.SETTINGS:
        assert s.control == (s.rewards == ("outcome()",))


def test_the_outcome_follows_from_the_number():
    for change, outcome in ((3, "kept"), (-4.9, "kept"), (-5, "lost"), (-9.9, "lost")):
        assert replace(setting(), change=change).outcome == outcome
    assert replace(setting(), change=-10.0).outcome == "collapsed"


# -- the published rewards that are written out --------------------------------------------------
def test_texts_are_read():
    assert texts.is_right(RIGHT, "5")
    assert not texts.is_right(WRONG, "5")
    assert texts.answer_of("no mark") is None
    assert texts.parses("<answer>1 + 2</answer>")
    assert not texts.parses("<answer>five</answer>")
    assert texts.steps(RIGHT) == ["Step 1: 2 + 3 = 5."]
    assert texts.steps("One.\nTwo.\nThe answer is 5.") == ["One.", "Two."]


def test_format_length_has_the_papers_shape():
    f = format_length.bump
    assert [f(0, 0.5), f(0.5, 0.5), f(1, 0.5)] == [0, 1, -1]
    assert f(0.5 + 0.5 / 2**0.5, 0.5) == pytest.approx(0)
    reward = format_length.format_length(limit=100)
    ids = [[0] * 50] * 3
    assert reward([RIGHT, WRONG, "<think></think>"], ids) == [2.0, 2.0, 0.0]
    assert format_length.format_only([RIGHT, WRONG, "none"]) == [1.0, 1.0, 0.0]
    assert format_length.correctness([RIGHT, WRONG], ["5", "5"]) == [1.5, 0.5]


def test_process_sums_pay_padding_and_clipped_ones_do_not():
    padded = RIGHT.replace("\n</think>", "\nStill 5.\nStill 5.\n</think>")
    gold = ["5", "5", "5"]
    summed = process.summed(alpha=1.0)([RIGHT, padded, WRONG], gold)
    assert summed == pytest.approx([1.9, 3.7, 0.1])
    clipped = process.clipped(alpha=1.0)([RIGHT, padded, WRONG], gold)
    assert clipped == pytest.approx([1.0, 1.0, -0.8])
    renorm = process.renorm()([RIGHT, padded, WRONG], gold)
    assert renorm == pytest.approx([0.9, 2.7, -0.9])


def test_patterns_count_phrases_once_and_subtract_repetition():
    once = "<think>Wait, therefore it is so."
    assert patterns.pattern_reward([once, once + " Wait, therefore."]) == [0.1, 0.1]
    words = " ".join(str(i) for i in range(21))
    twice = f"{words} {words}"
    reward = ReasoningPatterns()
    found = reward.grade_parts([TextRow("", words), TextRow("", twice)])
    facts = [g.facts for g in found]
    assert [f["repetition"] for f in facts] == pytest.approx([0, 2 / 23])
    shown = f"{once} {twice}"
    lost = reward.grade_parts([TextRow("", shown)])[0].facts["repetition"]
    assert patterns.pattern_reward([shown]) == [pytest.approx(0.1 - lost)]
    assert 0 < lost < 0.1


# -- rule and score ------------------------------------------------------------------------------
def test_the_rule():
    assert ledger.hits("kept", "SAFE")
    assert not ledger.hits("kept", "RISKY")
    assert not ledger.hits("lost", "SAFE")
    assert ledger.hits("collapsed", "INCONCLUSIVE")
    assert entry("kept", "SAFE").grade == "hit"
    assert entry("kept", "SAFE", others=("SAFE", "UNSAFE")).grade == "undecided"
    assert entry("lost", "UNSAFE", others=("RISKY",)).grade == "hit"


def test_the_score_counts_controls_apart_and_says_what_a_constant_would_get():
    found = [
        entry("kept", "SAFE", 1),
        entry("kept", "UNSAFE", 60),
        entry("lost", "RISKY", 10),
        entry("collapsed", "INCONCLUSIVE", None),
        entry("lost", "SAFE", 2, others=("RISKY",)),
        entry("kept", "SAFE", 0, control=True),
    ]
    s = ledger.score(found)
    assert (s.hits, s.misses, s.undecided, s.decided) == (3, 1, 1, 4)
    assert (s.false_alarms, s.overlooked) == (1, 0)
    assert (s.always_safe, s.always_warn) == (2, 2)
    assert (s.controls, s.control_hits) == (1, 1)
    assert s.ranking == pytest.approx(2 / 4)  # 10 and 2 against 1 and 60


# -- running -------------------------------------------------------------------------------------
@pytest.mark.slow
def test_a_setting_runs_end_to_end_and_is_not_run_twice(monkeypatch, few_worlds):
    monkeypatch.setattr(ledger, "fingerprint", lambda: "code")
    some = (replace(ALL["21-toolrl"], alternatives=()), ALL["25-noise-50"])
    kept: list[ledger.Entry] = []
    entries = ledger.build(some, {}, n_worlds=4, keep=kept.append)
    assert [e.setting.id for e in kept] == ["21-toolrl", "25-noise-50"]
    assert entries[0].run.worlds is not None
    assert 0 <= (entries[0].run.collapsed or 0) <= entries[0].run.worlds <= 4
    assert 0 <= (entries[0].run.below_base or 0) <= entries[0].run.worlds
    assert entries[1].run.verdict == "INCONCLUSIVE"
    data = json.loads(json.dumps(ledger.to_dict(entries)))
    known = ledger.from_dict(data)
    assert {k: v.run for k, v in known.items()} == {e.setting.id: e.run for e in entries}
    monkeypatch.setattr(ledger, "judge", lambda *_, **__: pytest.fail("ran again"))
    again = ledger.build(some, known, n_worlds=4)
    assert [e.run for e in again] == [e.run for e in entries]
    with pytest.raises(pytest.fail.Exception):
        ledger.build(some, known, n_worlds=5)


def test_the_command_resumes_and_writes_page_and_json(tmp_path, monkeypatch, capsys):
    calls = []

    def judge(s, *, n_worlds, key):
        calls.append(s.id)
        return ledger.Entry(s, ledger.Run(s.rewards, "SAFE", ("because",), n_worlds, 0), (), key)

    monkeypatch.setattr(ledger, "judge", judge)
    out, data = tmp_path / "ledger.md", tmp_path / "ledger.json"
    arguments = ["ledger", "--only", "25-clean", "--out", str(out), "--json", str(data)]
    assert main(arguments) == 0
    assert main([*arguments, "--only", "05-group"]) == 0
    assert calls == ["25-clean", "05-group"]
    text = out.read_text(encoding="utf-8")
    assert "### 25-clean: kept, SAFE" in text
    assert "### 05-group: kept, SAFE" in text
    assert "- `09-process`: " in text, "settings without a verdict are listed as not run"
    assert "1 hits, 0 misses, 0 undecided, 1 of 1 controls" in capsys.readouterr().out


def test_wrong_calls_are_refused_by_name(tmp_path, capsys):
    assert main(["ledger", "--only", "99-none"]) == 2
    assert "99-none" in capsys.readouterr().err
    broken = tmp_path / "ledger.json"
    for text in ("{", "[]", '{"schema": "other"}'):
        broken.write_text(text, encoding="utf-8")
        assert main(["ledger", "--only", "25-clean", "--json", str(broken)]) == 2
    with pytest.raises(UsageError, match="toyrl ledger"):
        ledger.from_dict({"schema": schemas.tag("ledger"), "settings": [{"id": "25-clean"}]})


def test_other_code_or_configuration_is_another_key():
    s = ALL["25-clean"]
    assert len(ledger.fingerprint()) == 64
    keys = {ledger.key_of(s, n, code) for n in (4, 5) for code in ("a", "b")}
    keys.add(ledger.key_of(replace(s, settings={"group_size": 9}), 4, "a"))
    assert len(keys) == 5


# -- the committed page --------------------------------------------------------------------------
def test_the_committed_page_is_what_its_data_give():
    known = ledger.load(DOCS / "ledger.json")
    assert list(known) == [s.id for s in ledger.SETTINGS], "run toyrl ledger again"
    for e in known.values():
        assert e.run.rewards == e.setting.rewards
        assert tuple(a.rewards for a in e.alternatives) == e.setting.alternatives
        assert e.grade == "hit" or e.why, f"{e.setting.id} is a {e.grade} without an explanation"
    text = (DOCS / "ledger.md").read_text(encoding="utf-8")
    assert text == page(list(known.values()))
    assert OURS not in text
    for o in ledger.OUT_OF_REACH:
        assert f"| `{o.id}` |" in text
