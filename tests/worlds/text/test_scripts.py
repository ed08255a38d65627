"""Tasks in a few characters: what is written parses back, and habits do what they say."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.graders.answers import is_answered, is_correct
from toyrl.graders.base import TextRow
from toyrl.worlds.text import brackets, edits, habits, script
from toyrl.worlds.text.habits import Habits
from toyrl.worlds.text.scripts import SCRIPTS, read, script_of

names = st.sampled_from(sorted(SCRIPTS))
PLAIN = Habits(fill=0, jump=0, stop=1)


def problem_and_row(name, difficulty, seed, text):
    problem = SCRIPTS[name].make(difficulty, seed)
    asked = SCRIPTS[name].prompt(problem)
    return problem, TextRow(asked, text, {"answer": problem.answer})


@st.composite
def policies(draw):
    p = st.floats(0, 1)
    return Habits(
        *(draw(p) for _ in range(11)),
        rounds=draw(st.integers(1, 3)),
        lines=draw(st.integers(1, 16)),
    )  # fill ... runaway, in their order


@given(names, st.integers(1, 8), st.integers(0, 10**7))
def test_prompts_state_their_problem(name, difficulty, seed):
    made = SCRIPTS[name].make(difficulty, seed)
    asked = SCRIPTS[name].prompt(made)
    found, again = script_of(asked)
    assert found is SCRIPTS[name]
    assert (again.values, again.operations) == (made.values, made.operations)
    assert again.answer == made.answer == found.said(made.values[-1])
    assert len(made.values) == difficulty + 1
    assert set(asked) <= set(found.alphabet)
    assert made is SCRIPTS[name].make(difficulty, seed)


@given(names, st.integers(1, 6), st.integers(0, 10**6), policies(), st.integers(0, 10**6))
def test_whatever_is_written_parses_back(name, difficulty, seed, how, luck):
    task = SCRIPTS[name]
    problem = task.make(difficulty, seed)
    text = habits.sample(task, problem, random.Random(luck), how)
    assert text == habits.sample(task, problem, random.Random(luck), how)
    assert set(text) <= set(task.alphabet)
    found, steps = read(task.prompt(problem), text)
    assert steps == difficulty
    lines = text.splitlines()
    bare = [
        line for line in lines if line.startswith(script.UNMARKED) and line not in script.FILLERS
    ]
    assert found.other == len(bare) <= 1
    assert found.steps + found.fillers + found.other + (found.answer is not None) == len(lines)
    _, row = problem_and_row(name, difficulty, seed, text)
    said = found.answer is not None and found.answer == problem.answer
    assert is_correct(row) == float(said)
    assert is_answered(row) == float(found.answer is not None)
    if how.unmarked == 1:
        assert found.answer is None
    if found.solved is not None:
        assert found.right_steps == difficulty
        assert text[: found.solved].splitlines()[-1] == task.line(
            problem, difficulty - 1, problem.values[-2], problem.values[-1]
        )


@given(names, st.integers(1, 6), st.integers(0, 10**6), st.integers(0, 5))
def test_a_slip_makes_the_answer_wrong_unless_it_is_mended(name, difficulty, seed, slip):
    task, slip = SCRIPTS[name], min(slip, difficulty - 1)
    problem = task.make(difficulty, seed)
    steps = ["STEP"] * difficulty
    text = script.write(task, problem, [*steps, "ANSWER"], random.Random(seed), slips={slip})
    found = script.parse(task, text, problem)
    assert (found.steps, found.solved) == (difficulty, None)
    assert slip <= found.right_steps < difficulty  # a later line may be the one that was missed
    for mend, answer in ((0.0, found.answer), (1.0, problem.answer)):
        text = script.write(
            task,
            problem,
            [*steps, "RECHECK", "ANSWER"],
            random.Random(seed),
            slips={slip},
            mend=mend,
        )
        found = script.parse(task, text, problem)
        assert (found.fillers, found.answer) == (1, answer)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_habits_have_their_shares(name):
    task, n = SCRIPTS[name], 2000

    def said(how, seed=0):
        rng = random.Random(seed)
        problems = [task.make(4, i) for i in range(n)]
        return [(p, habits.sample(task, p, rng, how)) for p in problems]

    def share(found, of):
        hits = [of(script.parse(task, text, p), p) for p, text in found]
        return sum(hits) / n

    def right(read, problem):
        return read.answer == problem.answer

    sem = 4 * (0.25 / n) ** 0.5  # four standard errors of a share, at most
    assert share(said(PLAIN), right) == 1
    marked = share(said(Habits(unmarked=0.3)), lambda r, _: r.answer is not None)
    assert abs(marked - 0.7) < sem + 0.005  # and a few texts that never answer
    guessed = said(Habits(fill=0, jump=0, stop=1, guess=0.4))
    assert abs(share(guessed, lambda r, _: r.steps == 0) - 0.4) < sem
    assert share(guessed, lambda r, p: r.steps == 0 and right(r, p)) < 0.4 - sem
    slipped = share(said(Habits(fill=0, jump=0, stop=1, slip=0.1)), lambda r, _: r.right_steps == 4)
    assert abs(slipped - 0.9**4) < sem
    away = Habits(fill=0, jump=0, stop=1, runaway=1)
    assert share(said(away), right) < 0.15
    mean = [sum(len(t) for _, t in said(how)) / n for how in (PLAIN, away)]
    assert 2 < mean[1] / mean[0] < 4.5


def test_an_unmarked_answer_stands_behind_a_word():
    p = brackets.make(3, 0)
    text = script.write(brackets.SCRIPT, p, ["ANSWER"], random.Random(0), marked=False)
    assert text == f"so {p.answer}"


@pytest.mark.parametrize(
    ("asked", "values", "answer"),
    [
        ("([{}?", ("", "(", "([", "([{", "(["), "])"),
        ("(()?", ("", "(", "((", "("), ")"),
        ("[?", ("", "["), "]"),
    ],
)
def test_brackets_by_hand(asked, values, answer):
    made = brackets.problem_of(asked)
    assert (made.values, made.answer) == (values, answer)


@pytest.mark.parametrize(
    ("asked", "values"),
    [
        ("bed:rlx", ("bed", "deb", "ebd", "bed")),
        ("abc:d", ("abc", "aba")),
        ("abc:ll", ("abc", "bca", "cab")),
        ("abc:rr", ("abc", "cba", "abc")),
    ],
)
def test_edits_by_hand(asked, values):
    made = edits.problem_of(asked)
    assert (made.values, made.answer) == (values, values[-1])


@pytest.mark.parametrize("text", ["", "()?", "(]?", ")(?", "(", "abc:", "abcd:r", "abc:q", "7+5"])
def test_other_prompts_are_refused(text):
    for task in (brackets, edits):
        with pytest.raises(ValueError, match="no prompt about"):
            task.problem_of(text)
    with pytest.raises(ValueError, match="no prompt of shorthand, brackets, edits"):
        script_of(text)
    for task in (brackets, edits):
        with pytest.raises(ValueError, match="difficulty=0"):
            task.make(0, 1)


def test_habits_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"slip=1\.5"):
        Habits(slip=1.5)
    with pytest.raises(ValueError, match="lines=0"):
        Habits(lines=0)
