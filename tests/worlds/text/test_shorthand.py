"""The chain in a few characters: what is written parses back, classes are what they say."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.graders.answers import is_correct
from toyrl.graders.base import TextRow
from toyrl.worlds.chain.model import Chain
from toyrl.worlds.text import shorthand
from toyrl.worlds.text.problems import make_problem

CHAIN = Chain(difficulties=(2, 5), max_actions=12, depth=8, tokens_per_action=8.0)


@given(st.integers(1, 6), st.integers(0, 10**6), st.integers(4, 99), st.integers(0, 10**6))
def test_what_random_policies_write_parses_back(difficulty, seed, largest, luck):
    problem = make_problem(difficulty, seed, largest)
    assert max(problem.values) <= largest
    text = shorthand.sample(problem, random.Random(luck))
    read = shorthand.parse(text, problem)
    lines = text.splitlines()
    assert read.other == 0
    assert read.steps == read.right_steps <= difficulty
    assert read.steps + read.fillers + (read.answer is not None) == len(lines)
    assert read.answer in (None, problem.answer)
    assert set(shorthand.prompt(problem) + text) <= set(shorthand.ALPHABET)
    row = TextRow(shorthand.prompt(problem), text, {"answer": problem.answer})
    assert is_correct(row) == float(read.answer is not None)


@given(st.integers(1, 8), st.integers(0, 10**6))
def test_prompts_state_their_problem(difficulty, seed):
    problem = make_problem(difficulty, seed)
    again = shorthand.problem_of(shorthand.prompt(problem))
    assert (again.values, again.operations) == (problem.values, problem.operations)


@pytest.mark.parametrize("text", ["", "7+=", "7+5", "seven+5=", "7/5="])
def test_other_prompts_are_refused(text):
    with pytest.raises(ValueError, match="no prompt in shorthand"):
        shorthand.problem_of(text)


@pytest.mark.parametrize("difficulty", [1, 2, 5, 8])
@pytest.mark.parametrize("correct", [True, False])
@pytest.mark.parametrize("length", [1, 2, 6, 12])
def test_rows_of_a_class_belong_to_it(difficulty, correct, length):
    rows = shorthand.class_rows(
        CHAIN, difficulty, "gsm8k", correct=correct, length_actions=length, renderings=20, seed=3
    )
    for made in rows:
        assert len(made.row.completion.splitlines()) == length
        assert bool(is_correct(made.row)) is correct
        assert shorthand.parse(made.row.completion, made.problem).other == 0
    cut = shorthand.class_rows(
        CHAIN, difficulty, "gsm8k", correct=False, length_actions=12, truncated=True
    )
    assert all("#" not in made.row.completion for made in cut)


def test_a_slip_makes_later_steps_wrong():
    problem = make_problem(3, 0)
    text = shorthand.write(problem, ["STEP"] * 3 + ["ANSWER"], random.Random(0), slip=1)
    read = shorthand.parse(text, problem)
    assert (read.steps, read.right_steps) == (3, 1)


def test_actions_take_about_eight_characters():
    rng = random.Random(0)
    texts = [shorthand.sample(make_problem(1 + i % 5, i), rng) for i in range(400)]
    lines = [line for text in texts for line in text.splitlines()]
    mean = sum(len(line) + 1 for line in lines) / len(lines)
    assert abs(mean - shorthand.CHARACTERS) < 0.5


def test_unknown_dialects_and_actions_are_refused():
    with pytest.raises(ValueError, match="shorthand knows"):
        shorthand.class_rows(CHAIN, 2, "boxed", correct=True, length_actions=3)
    with pytest.raises(ValueError, match="largest=3"):
        make_problem(2, 0, 3)
