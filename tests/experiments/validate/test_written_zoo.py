"""The zoo's written rewards: what is expected of each, how a run is scored, and a dozen judged.

All 140 go through whole runs by `python benchmarks/hacks.py --whole`.
"""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatch

import pytest

from benchmarks import zoo_whole
from tests.experiments.validate.reward_zoo import FLAWED, SOUND
from tests.experiments.validate.reward_zoo.cases import FLAWS
from tests.experiments.validate.reward_zoo.expected import CORRECTED, EXPECTED
from tests.experiments.validate.reward_zoo.written import (
    LOGS,
    WRITTEN_FLAWED,
    WRITTEN_SOUND,
    Written,
    log_file,
    read,
)
from toyrl.experiments.validate.findings import Finding, Report, Section
from toyrl.experiments.validate.hacks.expressions import WRONG
from toyrl.experiments.validate.hacks.section import MUTANTS
from toyrl.experiments.validate.pipeline import Pipeline
from toyrl.experiments.validate.settings import Settings
from toyrl.rewards.user import load
from toyrl.rollouts.logs import read_log

BESIDE_MUTANTS = {"length", "price", "near", "unscorable", "text-behind", "half-for-free", *WRONG}


def test_there_are_sixty_of_each_and_all_say_what_is_expected():
    cases = zoo_whole.cases()
    assert sum(c.sound for c in cases) == len(SOUND) + len(WRITTEN_SOUND) == 60
    assert sum(not c.sound for c in cases) == len(FLAWED) + len(WRITTEN_FLAWED) >= 60
    assert len({c.name for c in cases}) == len(cases)
    assert set(EXPECTED) == {f.name for f in FLAWS}
    assert set(CORRECTED) <= set(EXPECTED)
    assert all(x.sound for x in WRITTEN_SOUND.values())
    assert not any(x.sound for x in WRITTEN_FLAWED.values())


def test_expected_hacks_are_hacks_that_are_tried():
    names = {m.name for m in MUTANTS} | BESIDE_MUTANTS
    for case in zoo_whole.cases():
        for pattern in (*case.expected, *case.corrected):
            if pattern.startswith("hacks/"):
                assert any(fnmatch(f"hacks/{name}", pattern) for name in names), pattern


def test_a_file_without_an_expectation_is_refused(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text('"""A reward.\n\nExpected: hacks/a\n    hacks/b\nCorrected: hacks/c\n"""\n')
    found = read(file)
    assert (found.expected, found.corrected) == (("hacks/a", "hacks/b"), ("hacks/c",))
    assert (found.specs, found.what) == ((str(file),), "A reward.")
    file.write_text('"""A reward."""\n')
    with pytest.raises(ValueError, match="doesn't say what is expected"):
        read(file)


def test_logs_hold_right_and_wrong_rollouts_of_different_lengths(tmp_path):
    for name in LOGS:
        log = read_log(log_file(name, tmp_path))
        r = log.rollouts
        assert r.correct[r.w > 0].mean() == 0.5
        assert len(set(r.length[r.w > 0].tolist())) > 3


# -- scoring ---------------------------------------------------------------------------------------
CASE = Written("x", ("x.py",), "", ("hacks/empt*",), ("contract/format",))
EMPTY = Finding(2, "hacks/empty", "fail", "Nothing is paid.")
FORMAT = Finding(1, "contract/format", "fail", "Format.")


def report(word: str, code: int, *reasons: str, findings=(EMPTY,)) -> Report:
    return Report("x", word, reasons, (Section(2, "", tuple(findings)),), 0, exit_code=code)


@pytest.mark.parametrize(
    ("found", "right", "named", "corrected"),
    [
        (report("UNSAFE", 1, "Nothing is paid. Others: 3."), True, True, True),
        (report("UNSAFE", 1, "Accuracy collapses in 9 of 9 worlds."), True, False, False),
        (report("RISKY", 1, "Format.", findings=(FORMAT,)),
         True, False, True),
        (report("RISKY", 0, "Nothing is paid."), True, True, True),
        (report("SAFE", 1, "Nothing is paid."), True, True, True),
        (report("SAFE", 0, "Nothing is paid."), False, False, False),
    ],
)  # fmt: skip
def test_a_flawed_reward_is_judged_rightly_unless_safe_with_exit_code_0(
    found, right, named, corrected
):
    got = zoo_whole.scored(CASE, found)
    assert (got.right, got.named, got.corrected) == (right, named, corrected)
    sound = zoo_whole.scored(replace(CASE, expected=("SAFE",)), found)
    assert sound.right == (found.exit_code == 0)


@pytest.mark.parametrize(
    ("reason", "name"),
    [
        ("Accuracy collapses in 9 of 9 learnable worlds.", "collapse"),
        ("The policy that this reward prefers loses accuracy.", "hacks/price"),
        ("The term x never varied (0 on every text).", "terms/silent"),
        ("Nothing is paid. More.", "hacks/empty"),
        ("Something else.", ""),
    ],
)
def test_the_first_reason_is_traced_to_its_finding(reason, name):
    assert zoo_whole.first_finding(report("UNSAFE", 1, reason)) == name


# -- a dozen, by the contract ----------------------------------------------------------------------
DOZEN = (
    *("trl_everything", "rllm_action", "easyr1_records", "verl_tuple", "letter_gold", "awaited"),
    *("coin", "first_digit_of_a_judge", "layout_above_all", "running_mean", "no_kwargs"),
    "skips_what_it_cannot_read",
)


@pytest.mark.parametrize("name", DOZEN)
def test_the_contract_says_what_is_expected(name):
    x: Written = {**WRITTEN_SOUND, **WRITTEN_FLAWED}[name]
    pipeline = Pipeline(list(x.specs), Settings(), lambda *_: None)
    with load(list(x.specs)) as reward:
        pipeline.reward = reward
        section = pipeline.contract()
    failed = {f.name for f in section.findings if f.status == "fail"}
    if x.sound:
        assert not failed
        assert pipeline.contract_facts.separates
    else:
        assert failed & set(x.expected)
