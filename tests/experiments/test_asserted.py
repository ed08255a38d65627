"""`assert_no_exploit` and `assert_safe` fail for what `validate` finds, with the text to see it."""

from __future__ import annotations

import pytest

from toyrl import testing
from toyrl.testing import ExploitError, VerdictError, assert_no_exploit, assert_safe


def substring(completions, answer, **_):
    """The textbook exploit: the gold answer anywhere in the text."""
    return [float(str(a) in c) for c, a in zip(completions, answer, strict=True)]


@pytest.fixture(scope="module")
def found() -> ExploitError:
    with pytest.raises(ExploitError) as caught:
        assert_no_exploit(substring)
    return caught.value


@pytest.mark.slow
def test_a_paid_exploit_fails_the_test_and_shows_the_text(found):
    said = str(found)
    assert "hacks/inside-a-number" in said
    assert "toyrl explain hacks/" in said
    assert "\n    on '" in said
    assert found.report.verdict == "UNSAFE"
    assert isinstance(found, AssertionError)


def test_a_catalogue_reward_passes_both():
    assert assert_no_exploit("outcome()").verdict in ("SAFE", "SAFE SO FAR")
    assert assert_safe("outcome()", quick=True).ok


def test_a_verdict_that_is_worse_than_allowed_fails_with_its_reasons():
    with pytest.raises(VerdictError, match="is UNSAFE, at most RISKY is allowed") as caught:
        assert_safe(substring, at_most="risky", quick=True)
    assert caught.value.report.reasons[0] in str(caught.value)


def test_too_few_calls_are_said_not_passed():
    report = assert_no_exploit("outcome()", budget=1000)
    assert report.settings["max_calls"] == 1000


def test_another_word_is_refused():
    with pytest.raises(ValueError, match="at_most='sure' is not one of safe, risky"):
        assert_safe("outcome()", at_most="sure")  # type: ignore[arg-type]


def test_the_names_are_in_the_testing_module():
    assert all(getattr(testing, name) is not None for name in testing.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = testing.nonsense
