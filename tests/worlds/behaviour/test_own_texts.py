"""A log as the design of a text reward: what its cells show, and rewards read back from them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.places import ROOT
from toyrl.graders.base import TextRow
from toyrl.worlds.behaviour import own_texts, texts

LIMIT = 96.0


@pytest.fixture(scope="module")
def cells():
    lines = (ROOT / "tests" / "data" / "wordy-chain-rollouts.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    rows = [
        TextRow(x["prompt"], x["completion"], {"answer": x["answer"]}, x["tokens"], x["truncated"])
        for x in found
    ]
    right = np.array([x["correct"] for x in found]) > 0.5
    return own_texts.design(rows, right, own_texts.readable(rows, right), LIMIT)


def test_every_kind_of_text_is_there_and_is_what_it_says(cells):
    assert {(c.right, c.formed, c.cut) for c in cells} >= {
        (True, True, False), (False, True, False), (False, False, False), (False, False, True)
    }  # fmt: skip
    for c in cells:
        assert not c.right or (c.formed and not c.cut)
        assert c.cut == c.row.truncated
        assert c.formed == ("\n####" in f"\n{c.row.completion}") or c.cut or c.right
        if c.added and not c.cut:
            assert c.row.completion.count("\n") >= c.count


def test_rewards_of_form_answer_and_lines_are_read_back(cells):
    form = texts.graded(cells, [float(c.formed) for c in cells])
    assert form.table[1, 1] == pytest.approx(1.0)
    assert form.table[0, 1] == pytest.approx(1.0)
    assert form.table[0, 0] == pytest.approx(0.0)
    assert form.noise.max() == 0.0
    lines = texts.graded(cells, [0.1 * c.row.completion.count("\n") for c in cells])
    best = lines.added[lines.padding]
    assert best[:2, -1].min() > 0.1 * texts.COUNTS[-1] * 0.7  # ten cents a line, without end
    noisy = np.random.default_rng(0).random(len(cells)) < 0.3
    judged = texts.graded(cells, [float(c.right or n) for c, n in zip(cells, noisy, strict=True)])
    assert judged.table[1, 1] == pytest.approx(1.0)
    assert 0.15 < judged.table[0, 1].mean() < 0.45
    assert 0.3 < judged.noise[0, 1] < 0.6


def test_what_was_written_is_read_again(cells):
    made = texts.graded(cells, [float(c.right) + 0.01 * c.tokens for c in cells])
    again = texts.TextReward.from_dict(json.loads(json.dumps(made.to_dict())))
    np.testing.assert_allclose(again.table, made.table, rtol=1e-4)
    assert again.padding == made.padding
    assert again.cut == pytest.approx(made.cut, rel=1e-4)
