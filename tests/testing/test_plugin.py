"""The pytest plugin in a project of somebody else's, and counterexamples that are kept."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.database import InMemoryExampleDatabase

import toyrl
from toyrl import asserted
from toyrl.testing import InvariantError, assert_invariants, check_invariants

SUITE = """
import pytest
from hypothesis import settings
from hypothesis.database import DirectoryBasedExampleDatabase
from toyrl.testing import assert_invariants, assert_no_exploit, assert_safe

# What Hypothesis does by itself, but for CI.
settings.register_profile("own", database=DirectoryBasedExampleDatabase("kept"))
settings.load_profile("own")


def substring(completions, answer, **_):
    return [float(str(a) in c) for c, a in zip(completions, answer)]


def first(correct):
    return correct + range(len(correct))


@pytest.mark.toyrl
def test_good():
    assert_safe("outcome()", only="contract")


@pytest.mark.toyrl
def test_bad():
    assert_no_exploit(substring)


def test_laws():
    assert_invariants(first)
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> tuple[str, Path]:
    """What pytest says of that suite, and its folder."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "test_rewards.py").write_text(SUITE)
    # The plugin by its module, also where an installation knows it as "toyrl" already.
    options = ["-p", "no:toyrl", "-p", "toyrl.pytest_plugin", "-p", "no:randomly", "-n", "0"]
    asked = ["--toyrl-report", "pages", "--junit-xml", "junit.xml", "--strict-markers"]
    root = str(Path(toyrl.__file__).resolve().parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *asked],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout, folder


@pytest.mark.slow  # one run of pytest in a process of its own
def test_every_reward_is_listed_with_its_verdict(ran):
    out = ran[0].partition("toyrl: rewards judged")[2]
    assert "test_rewards.py::test_good: SAFE SO FAR outcome()" in out
    assert "test_rewards.py::test_bad: UNSAFE substring: A wrong completion" in out
    assert "test_rewards.py::test_laws: first breaks permutation" in out


@pytest.mark.slow  # one run of pytest in a process of its own
def test_a_failure_shows_the_reasons_and_none_of_our_source(ran):
    out = ran[0]
    assert "- toyrl: substring -" in out
    assert "toyrl explain hacks/" in out
    assert ">       assert_no_exploit(substring)" in out
    assert "asserted.py" not in out.replace("toyrl/experiments/asserted.py:", "")
    assert "def _check(" not in out
    assert "raise InvariantError" not in out


@pytest.mark.slow  # one run of pytest in a process of its own
def test_pages_and_junit_name_the_reward(ran):
    pages = sorted(p.name for p in (ran[1] / "pages").iterdir())
    assert pages == ["test_rewards.py-test_bad.html", "test_rewards.py-test_good.html"]
    told = [p.get("value") for p in ET.parse(ran[1] / "junit.xml").iter("property")]
    assert "SAFE SO FAR outcome()" in told


@pytest.mark.slow  # one run of pytest in a process of its own
def test_the_counterexample_is_kept_on_disk(ran):
    assert any((ran[1] / "kept").rglob("*"))


def test_the_plugin_loads_nothing_heavy():
    heavy = ("numpy", "hypothesis", "rich")
    code = f"import sys, toyrl.pytest_plugin; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_nobody_listens_outside_a_test():
    with asserted.listening() as heard:
        asserted.tell("one")
    assert heard == ["one"]
    token = asserted.HEARD.set(None)
    asserted.tell("two")
    asserted.HEARD.reset(token)
    assert heard == ["one"]


# -- kept counterexamples, laws once ---------------------------------------------------------------
@pytest.fixture
def database():
    """A database of the profile in force, while the test runs."""
    before, held = settings.get_current_profile_name(), InMemoryExampleDatabase()
    settings.register_profile("keeping", settings.get_profile(before), database=held)
    settings.load_profile("keeping")
    yield held
    settings.load_profile(before)


def test_a_kept_counterexample_is_tried_first(database):
    def first(correct):
        return correct + range(len(correct))

    with pytest.raises(InvariantError) as one:
        assert_invariants(first, invariants=["permutation", "repeatable"])
    with pytest.raises(InvariantError) as two:
        assert_invariants(first, invariants=["permutation", "repeatable"], seed=9)
    counts = [e.value.report["permutation"].examples for e in (one, two)]
    assert counts[1] < counts[0]
    assert database.data


def test_a_check_that_asserts_nothing_keeps_nothing(database):
    check_invariants(lambda correct: correct + range(len(correct)), invariants=["permutation"])
    assert not database.data


def test_laws_of_texts_run_once():
    def four(completions, **_):
        return [0.0] * (len(completions) + 1)

    with pytest.raises(InvariantError) as caught:
        assert_invariants(four, max_examples=5, keep=False)
    names = [r.name for r in caught.value.report.results]
    assert len(names) == len(set(names))
    twice = check_invariants("outcome()", invariants=["permutation"] * 2, max_examples=5)
    assert len(twice.results) == 1


def test_a_misspelt_law_is_answered_with_a_near_one():
    with pytest.raises(ValueError, match="did you mean permutation"):
        check_invariants("outcome()", invariants=["permutations"])
