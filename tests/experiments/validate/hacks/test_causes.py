"""Causes ranked by a regression given correctness: against NumPy's least squares, and named."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.experiments.validate.hacks.test_hacks import (
    brevity,
    contained_either_way,
    judged,
    layout,
    phrases,
    strict,
    strict_with_phrases,
    substring,
)
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.experiments.validate.hacks.causes import Cause, bent, explain
from toyrl.experiments.validate.hacks.ranking import GIVEN, SAID
from toyrl.experiments.validate.hacks.shapes import RELATIONS, relation, shape
from toyrl.experiments.validate.verdict import Collapse, decide

N = 400


def drawn(seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """(right, features) of N texts: long ones have more tokens, about four characters each."""
    rng = np.random.default_rng(seed)
    characters = np.round(rng.lognormal(6.0, 0.7, N))
    return rng.random(N) < 0.4, {
        "character": characters[:, None],
        "token": np.round(characters / 4 * rng.uniform(0.8, 1.2, N))[:, None],
        "phrases": rng.integers(0, 6, (N, 1)).astype(float),
        "format": (rng.random((N, 1)) < 0.7).astype(float),
    }


def squares(y: np.ndarray, *columns: np.ndarray) -> tuple[np.ndarray, float]:
    """Coefficients and sum of squared residuals of a plain least-squares fit, by NumPy."""
    x = np.column_stack(columns)
    found = np.linalg.lstsq(x, y, rcond=None)[0]
    return found, float(((y - x @ found) ** 2).sum())


def test_slopes_and_shares_are_those_of_least_squares():
    right, f = drawn()
    rng = np.random.default_rng(1)
    x, p, m = f["character"][:, 0], f["phrases"][:, 0], f["format"][:, 0]
    y = 2 * right - np.where(right, 0.003, 0.001) * x + 0.2 * p + 0.3 * m
    y = y + 0.05 * rng.normal(size=N)
    model = explain(y, right, f)
    assert [c.name for c in model.causes] == ["character", "phrases", "format"]

    sides = (1.0 * right, 1.0 * ~right)
    blocks = {k: [f[k][:, 0] * s for s in sides] for k in ("character", "phrases", "format")}
    whole = squares(y, *sides)[1]
    left, taken = whole, []
    for cause in model.causes:
        taken += blocks[cause.name]
        now = squares(y, *sides, *taken)[1]
        assert cause.share == pytest.approx((left - now) / whole, rel=1e-6)
        left = now
    joint = squares(y, *sides, *taken)[0][2:].reshape(3, 2)
    for cause, slopes in zip(model.causes, joint, strict=True):
        assert (cause.right, cause.wrong) == pytest.approx(tuple(slopes), rel=1e-6)
    assert model.causes[0].right == pytest.approx(-0.003, rel=0.05)
    assert 0.9 < model.share <= 1


@settings(max_examples=40)
@given(st.floats(1e-4, 1.0), st.sampled_from([-1, 1]), st.integers(0, 20))
def test_a_known_rate_is_found_in_its_unit(size, sign, seed):
    right, f = drawn(seed)
    for unit in ("character", "token"):
        [cause] = explain(right + sign * size * f[unit][:, 0], right, f).causes
        assert cause.name == unit
        assert (cause.right, cause.wrong) == pytest.approx((sign * size,) * 2)
        assert cause.share == pytest.approx(1.0)
        assert cause.turns == ()


@settings(max_examples=40)
@given(st.floats(300, 1700), st.sampled_from([-1, 1]))
def test_a_turn_is_found_where_it_is(at, sign):
    x = np.linspace(30, 2000, 120)
    right = np.arange(120) % 3 == 0
    [cause] = explain(sign * np.abs(x - at), right, {"character": x[:, None]}).causes
    near = x[3] - x[0]  # right texts are so far from each other
    assert cause.name == "character"
    assert len(cause.turns) == 1
    assert cause.turns[0] == pytest.approx(at, abs=near)


def test_a_wave_over_characters_turns_at_its_limit():
    right, f = drawn(5)
    wave = 0.25 * (1 + np.cos(np.pi * f["character"][:, 0] / 512))
    model = explain(np.where(right, 0.5 + wave, -0.5 - wave), right, f)
    assert model.causes[0].name == "character"
    assert model.causes[0].turns[0] == pytest.approx(512, rel=0.1)


def test_nothing_is_a_cause_of_correctness_itself_nor_of_noise():
    right, f = drawn()
    assert explain(1.0 * right, right, f).causes == ()
    noise = np.random.default_rng(2).normal(size=N)
    assert explain(right + noise, right, f).causes == ()
    assert explain(np.zeros(0), np.zeros(0, dtype=bool), {"format": np.zeros((0, 1))}).causes == ()


def test_a_length_term_of_right_answers_alone_is_told_as_one():
    right, f = drawn()
    [cause] = explain(right * (1 - 0.001 * f["character"][:, 0]), right, f).causes
    assert cause.right == pytest.approx(-0.001)
    assert cause.wrong == pytest.approx(0.0, abs=1e-12)


def test_what_a_cause_adds_is_its_part_of_the_fit():
    right, f = drawn()
    y = right + 4 * f["format"][:, 0] - f["character"][:, 0] / 100
    model = explain(y, right, f)
    parts = sum(model.added(c.name, f[c.name]) for c in model.causes)
    wrong = ~right
    rest = (y - parts)[wrong]
    assert np.ptp(rest) < 1e-9 * np.ptp(y[wrong])  # a constant
    assert not model.added("phrases", f["phrases"]).any()


def test_a_bent_line_has_its_slopes():
    x = np.linspace(0, 10, 11)
    heights = bent(x, (4.0,)) @ np.array([1.0, -3.0])
    assert np.diff(heights).tolist() == [1.0] * 4 + [-2.0] * 6


# -- of a reward -----------------------------------------------------------------------------------
def ranked(grade) -> tuple[Section, Finding | None]:
    section, _ = judged(grade)
    return section, next((f for f in section.findings if f.name == "hacks/causes"), None)


def tail(row) -> float:
    return strict(row) - 0.001 * len(row.completion)


def near_twenty(row) -> float:
    return -float(abs(len(row.completion) - 20))


def window(row) -> float:
    return strict(replace(row, completion=row.completion[-200:]))


@pytest.mark.parametrize(
    ("grade", "cause", "says"),
    [
        (tail, "character", "a character costs 0.001"),
        (near_twenty, "character", "a character costs 1"),
        (brevity, "token", "a token costs 0.002"),
        (phrases, "phrases", "phrases of reflection"),
        (strict_with_phrases, "phrases", "phrases of reflection"),
        (layout, "format", "marks and tags"),
        (substring, "mentioned", "gold standing somewhere"),
        (contained_either_way, "digits", "a mark without an answer"),
        (window, "place", "what follows it"),
    ],
)
def test_the_first_cause_and_its_advice(grade, cause, says):
    _, found = ranked(grade)
    assert found is not None
    assert found.fix == SAID[cause][1]
    assert SAID[cause][0] in found.message.partition(", then ")[0]
    assert says in found.message


def test_a_sound_reward_has_no_cause_to_tell():
    section, found = ranked(strict)
    assert found is None
    assert [t.name for t in section.tables] == ["hacks"]


@pytest.mark.parametrize("grade", [near_twenty, brevity, phrases, layout])
def test_no_advice_on_gold_answers_that_are_never_read(grade):
    section, _ = ranked(grade)
    told = {f.fix for f in section.findings if f.status == "fail"}
    assert not [fix for fix in told if "gold" in fix or "number" in fix or "compare" in fix]


def test_advice_on_an_exploit_follows_what_pays_it():
    section, _ = ranked(contained_either_way)
    fix = {f.name.removeprefix("hacks/"): f.fix for f in section.findings}
    assert fix["format-shell"] == SAID["blank"][1]
    assert fix["inside-a-number"] == SAID["digits"][1]
    assert fix["several-answers"] == SAID["several"][1]
    section, _ = ranked(substring)
    fix = {f.name.removeprefix("hacks/"): f.fix for f in section.findings}
    assert fix["gold-in-comment"] == GIVEN
    assert fix["table-of-answers"] == GIVEN  # an inflated text, but not paid for its length


def test_a_cause_of_most_of_the_variance_goes_with_the_harm():
    facts = {"price_nats": math.inf, "constant": False, "reads_gold": True, "separates": True}
    for value, said in ((0.9, True), (0.3, False)):
        cause = Finding(2, "hacks/causes", "info", "Marks move it.", value=value)
        _, reasons = decide(
            collapse=Collapse(256, 200), sections=(Section(2, "", (cause,)),), **facts
        )
        assert ("Marks move it." in reasons[0]) == said
    length = Finding(2, "hacks/length", "warn", "Length is paid.", value=0.9)
    _, reasons = decide(
        collapse=Collapse(256, 200), sections=(Section(2, "", (cause, length)),), **facts
    )
    assert reasons[0].endswith("Length is paid.")


# -- shapes ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "gold", "wanted"),
    [
        ("42", "42", "equal"), (" 42 ", "42", "equal"), ("1420", "42", "holds"),
        ("-42", "42", "holds"), ("41 or 42", "42", "holds"), ("4", "42", "within"),
        ("", "42", "blank"), (None, "42", "none"), ("24", "42", "near"), ("43", "42", "near"),
        ("44.10", "42", "near"), ("84/2", "42", "near"), ("7", "42", "other"),
        ("1/0", "42", "other"), ("forty", "42", "other"),
    ],
)  # fmt: skip
def test_relations(said, gold, wanted):
    assert relation(said, gold) == wanted
    assert wanted in RELATIONS


def test_a_shape_reads_what_stands_there():
    text = "<think>\nWait, **so** 42.\u200b\n</think>\n<answer>41</answer>\nIt is correct."
    s = shape(text, "tag", "42")
    assert (s.marks, s.said, s.relation, s.values) == (1, "41", "near", 1)
    assert (s.framed, s.mentioned, s.remark) == (True, True, True)
    assert (s.reflection, s.praise, s.markup, s.invisible, s.foreign) == (1, 1, 2, 1, 0)
    assert text[s.start :].startswith("<answer>")
    assert s.behind == len("\nIt is correct.")
    assert shape("", "tag", "42").kind == (0, "none", 0, False, False, *[False] * 5)


def test_slopes_are_said_by_side():
    from toyrl.experiments.validate.hacks.ranking import _slope

    assert _slope(Cause("character", 1.0, -0.001, -0.001)) == "; a character costs 0.001"
    assert _slope(Cause("token", 1.0, 0.5, 0.0)) == "; a token adds 0.5 in right ones"
    assert "turns round at about 512" in _slope(Cause("word", 1.0, 0.0, 0.0, (512.3,)))
    assert _slope(Cause("format", 1.0, 1.0, 1.0)) == ""
    assert not re.search("nan", _slope(Cause("word", 1.0, math.nan, math.nan)))
