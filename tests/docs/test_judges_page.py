"""The walked example on the page about judges is what its command says."""

from __future__ import annotations

import re

import pytest

import toyrl
from tests.places import ROOT
from toyrl.experiments.audit.measures import SAYS
from toyrl.experiments.audit.result import MEANINGS

PAGE = (ROOT / "docs" / "judges.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def found():
    return toyrl.audit_judge(str(ROOT / "examples/judges/grader.py:score"), worlds=0)


def test_its_words_and_tables_are_those_of_the_command(found):
    assert f"> {found.headline()}\n" in PAGE
    for row in found.slice_table().rows:
        assert f"| {' | '.join(map(str, row))} |" in PAGE
    for name, effect, interval, word, _, _, says in found.bias_table().rows:
        row = (
            rf"\| {name} \| {re.escape(effect)} \| {re.escape(interval)} \| {word} \|.*\| {says} \|"
        )
        assert re.search(row, PAGE), name


def test_the_same_rubric_in_pairs(found):
    pairs = toyrl.audit_judge(str(ROOT / "examples/judges/grader.py:compare"), worlds=0)
    position = next(b for b in pairs.biases if b.name == "position")
    assert f"position {position.effect:+.2f}, and a quarter" in PAGE
    assert pairs.consistency["order"].value == pytest.approx(0.75, abs=0.02)


def test_every_word_and_every_bias_is_told():
    assert all(f"| {word} |" in PAGE for word in MEANINGS)
    assert all(f"| {name} |" in PAGE for name in SAYS)
