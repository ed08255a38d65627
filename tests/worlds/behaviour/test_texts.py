"""Text rewards on behaviours: the design read back, what is added for nothing, what is cut."""

from __future__ import annotations

import numpy as np
import pytest

from toyrl.worlds.behaviour import texts
from toyrl.worlds.behaviour.rollouts import Played

LENGTH, LIMIT = 200.0, 2048.0
CELLS = texts.design(texts.arithmetic("boxed"), LENGTH, LIMIT)


def played(*, right, formed, length, cut=0, rounds=0, units=0) -> Played:
    """One rollout, (1, 1, 1)."""
    none = np.zeros((1, 1, 1))
    return Played(
        chance=none,
        solved=none,
        right=none + right,
        length=none + length,
        formed=none + formed,
        cut=none + cut > 0,
        rounds=none + rounds,
        units=none + units,
        depth=none,
        concise=none,
        identity=none,
        judge=none,
        scores={},
    )


def value(reward: texts.TextReward, **what) -> float:
    return reward.of(played(**what)).item()


def test_about_a_hundred_texts_that_are_what_they_say():
    from toyrl.worlds.text.problems import make_problem
    from toyrl.worlds.text.render import parse

    assert 60 < len(CELLS) < 200
    for i, c in enumerate(CELLS):
        problem = make_problem(texts.STEPS, 1000 * (i % texts.COPIES) + i)
        read = parse(c.row.completion, "boxed", problem)
        assert read.truncated == c.cut
        assert read.correct == c.right
        assert ("boxed" in c.row.completion) == c.formed
        if c.added not in ("", "phrases", "STEP") and not c.cut:
            assert read.counts[c.added] == c.count


def test_correctness_is_read_back():
    reward = texts.graded(CELLS, [float(c.right and c.formed) for c in CELLS])
    for right, formed in ((1, 1), (1, 0), (0, 1), (0, 0)):
        for length in (30.0, 200.0, 700.0):
            got = value(reward, right=right, formed=formed, length=length)
            assert got == pytest.approx(right * formed)
    assert value(reward, right=0, formed=0, length=LIMIT, cut=1) == 0.0


def test_a_line_in_log_length_is_interpolated_exactly():
    reward = texts.graded(CELLS, [np.log(c.tokens) for c in CELLS])
    for length in (50.0, 123.0, 640.0):
        assert value(reward, right=1, formed=1, length=length) == pytest.approx(np.log(length))


def test_a_bonus_a_sentence_goes_on_without_end_and_picks_its_kind():
    paid = [0.5 * c.count if c.added == "REPEAT" else 0.0 for c in CELLS]
    reward = texts.graded(CELLS, paid)
    assert reward.padding == "REPEAT"
    for units in (0, 3, 16, 200):
        got = value(reward, right=0, formed=1, length=400.0, units=units)
        assert got == pytest.approx(0.5 * units)
    assert value(reward, right=0, formed=0, length=LIMIT, cut=1, units=40) == pytest.approx(20.0)


def test_what_cant_be_scored_counts_as_its_likes():
    values = [None if i % 7 == 0 else 1.0 for i, _ in enumerate(CELLS)]
    reward = texts.graded(CELLS, values)
    assert value(reward, right=1, formed=1, length=200.0) == 1.0
