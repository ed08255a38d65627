"""Length paid, openly or in disguise: the rate, what is counted, and where it turns round."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.experiments.validate.findings import Finding, Section
from toyrl.experiments.validate.hacks import length
from toyrl.experiments.validate.verdict import Collapse, decide
from toyrl.graders.base import TextRow
from toyrl.worlds.text import render

TAGS = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
BASE = render.base_rows("tag", 4, 0)[0]


def right(row: TextRow) -> bool:
    return (TAGS.findall(row.completion) or [""])[-1] == row.columns["answer"]


def looked(value) -> list[Finding]:
    return length.finding(lambda rows: [value(row) for row in rows], BASE)


def tail(row: TextRow) -> float:
    """A tenth of a cent a character behind the last closing tag, or for all if no line ends it."""
    return right(row) - 0.001 * len(row.completion.rpartition("</answer>\n")[2])


@pytest.mark.parametrize(
    ("value", "said", "status"),
    [
        (lambda row: right(row) - 0.05 * len(row.completion),
         "each character of the working costs 0.05", "fail"),
        (tail, "each character of what follows a right answer costs 0.001", "fail"),
        (lambda row: float(abs(len(row.completion) - 20)),
         "each character of the working adds 1", "warn"),
        (lambda row: -float(abs(len(row.completion) - 20)),
         "each character of the working costs 1", "warn"),
        (lambda row: right(row) - 0.002 * row.tokens,
         "each token of the working costs 0.002", "fail"),
        (lambda row: right(row) - 0.0015 * row.tokens,
         "each token of the working costs 0.0015", "warn"),
        (lambda row: right(row) * (1 - 0.01 * len(row.completion.split())),
         "each word of the working of right answers costs 0.01", "fail"),
    ],
)  # fmt: skip
def test_the_rate_and_what_is_counted_are_named(value, said, status):
    """A failure where a long right answer is paid less than a short wrong one."""
    [found] = looked(value)
    assert said in found.message
    assert found.status == status
    assert ("Length outweighs it" in found.message) == (status == "fail")


def cosine(row: TextRow) -> float:
    """Half a wave over 512 characters, where tokens were meant."""
    wave = 0.5 * (1 + math.cos(math.pi * len(row.completion) / 512))
    return 0.5 + 0.5 * wave if right(row) else -0.5 - 0.5 * wave


def test_a_wave_over_characters_turns_round_past_its_own_limit():
    [found] = looked(cosine)
    assert "characters are counted" in found.message
    low, high = map(int, re.findall(r"between (\d+) and (\d+) characters", found.message)[0])
    assert low <= 512 <= high
    assert high - low < 100
    assert found.status == "fail"


def test_an_aim_at_a_length_turns_once_and_is_no_wave():
    [found] = looked(lambda row: right(row) - 0.9 * abs(row.tokens - 256) / 512)
    assert "turns round" in found.message
    assert found.status == "info"


def test_text_behind_an_unread_answer_is_no_matter_of_length():
    [found] = looked(lambda row: right(row) * (len(row.completion.rpartition("</answer>")[2]) < 60))
    assert found.status == "warn"
    assert "outweighs" not in found.message


@pytest.mark.parametrize(
    "value",
    [
        lambda row: float(right(row)),
        lambda row: right(row) + 0.05 * min(1.0, row.tokens / 512),
        lambda row: right(row) + 0.2 * row.completion.endswith("</answer>"),
        lambda _: 0.0,
        lambda _: None,
    ],
)
def test_little_or_no_pay_for_length_is_not_told(value):
    assert looked(value) == []


def test_a_mild_length_term_is_noted_and_no_alarm():
    [found] = looked(lambda row: right(row) - 0.3 * row.tokens / 512)
    assert found.status == "info"
    assert 0.1 < found.value < 0.5


@given(st.floats(-3, 3).filter(lambda x: abs(x) > 1e-3), st.floats(-5, 5))
def test_a_line_has_its_rate_and_no_turn(slope, start):
    x = np.linspace(30, 2000, 40)
    line = length.Series(x, x, x, start + slope * x)
    assert line.rate() == pytest.approx(slope)
    assert line.turns(0.1 * line.range) == []


@given(st.floats(150, 1800), st.sampled_from([-1, 1]))
def test_a_turn_is_bracketed(at, sign):
    x = np.linspace(30, 2000, 60)
    bent = length.Series(x, x, x, sign * np.abs(x - at))
    [(low, high)] = bent.turns(0.02 * bent.range)
    assert low <= at <= high
    assert math.isnan(bent.rate()) or min(at - 30, 2000 - at) < 200


def test_length_that_fails_is_risky_and_a_call_that_fails_comes_first():
    cause = Finding(2, "hacks/length", "fail", "Length outweighs it.")
    call = Finding(1, "contract/trainer-call", "fail", "TRL's call raises TypeError.")
    facts = {"price_nats": np.inf, "constant": False, "reads_gold": True, "separates": True}
    sections = (Section(1, "", (call,)), Section(2, "", (cause,)))
    got = decide(collapse=Collapse(256, 0), sections=sections, **facts)
    assert got == ("RISKY", (call.message, cause.message))
    word, reasons = decide(collapse=Collapse(256, 200), sections=sections, **facts)
    assert word == "UNSAFE"
    assert reasons[0] == call.message
    assert sum(cause.message in r for r in reasons) == 1


def test_the_cause_goes_with_the_first_harm_and_is_no_reason_by_itself():
    cause = Finding(2, "hacks/length", "warn", "Length is paid.")
    hack = Finding(2, "hacks/empty", "fail", "Nothing is paid.")
    facts = {"price_nats": np.inf, "constant": False, "reads_gold": True, "separates": True}
    safe, bad = Collapse(256, 0), Collapse(256, 200)
    for findings, collapse, word, n in (
        ((cause,), safe, "SAFE", 0),
        ((hack, cause), bad, "UNSAFE", 1),
        ((cause,), bad, "UNSAFE", 1),
    ):
        got, reasons = decide(collapse=collapse, sections=(Section(2, "", findings),), **facts)
        assert got == word
        assert [r.count("Length is paid.") for r in reasons][:1] == [n]
        assert sum("Length is paid." in r for r in reasons) == n
