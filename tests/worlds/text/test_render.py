"""Rendered chains: what is written parses back, at its length, with the right gold."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.worlds.chain.model import ACTIONS, Chain
from toyrl.worlds.text import render as R
from toyrl.worlds.text.problems import LARGEST, evaluate
from toyrl.worlds.text.prose import count_tokens, padding

OWN = ("Final answer: {}", '{"answer": "{}"}', "<think></think>= {} =", "RESULT\n{}.")
dialects = st.sampled_from((*R.DIALECTS, *OWN))


@st.composite
def trajectories(draw):
    """(actions, flags, correct, truncated) that the chain could produce."""
    body = draw(st.lists(st.sampled_from(("STEP", "FILL", "CHECK", "REPEAT")), max_size=15))
    if draw(st.booleans()):
        body += ["END_THINK"] + ["FILL"] * draw(st.integers(0, 3))
    truncated = draw(st.booleans())
    actions = body if truncated else [*body, "ANSWER"]
    flags = []
    for action in actions:
        choices = {"STEP": R.STEP_FLAGS, "CHECK": ("", "repair")}.get(action, ("",))
        flags.append(draw(st.sampled_from(choices)))
    return actions, flags, not truncated and draw(st.booleans()), truncated


@given(
    trajectory=trajectories(),
    dialect=dialects,
    difficulty=st.integers(1, 8),
    seed=st.integers(0, 10_000),
    phrases=st.integers(0, 6),
    keep_format=st.booleans(),
    size=st.sampled_from((1.0, 12.0, 12.8, 40.0)),
)
def test_round_trip(trajectory, dialect, difficulty, seed, phrases, keep_format, size):
    actions, flags, correct, truncated = trajectory
    problem = R.make_problem(difficulty, seed)
    rendered = R.render(
        problem,
        actions,
        dialect=dialect,
        correct=correct,
        truncated=truncated,
        flags=flags,
        seed=seed,
        phrases=phrases,
        keep_format=keep_format,
        tokens_per_action=size,
    )
    parsed = R.parse(rendered.row.completion, dialect, problem)
    assert (parsed.correct, parsed.truncated) == (correct, truncated)
    assert {k: v for k, v in parsed.counts.items() if v} == Counter(actions)
    assert parsed.problem == (
        "" if actions else "no sentence of a rendered chain and no marked answer"
    )
    assert rendered.row.tokens == max(1, round(len(actions) * size))
    again = R.render(
        problem,
        actions,
        dialect=dialect,
        correct=correct,
        truncated=truncated,
        flags=flags,
        seed=seed,
        phrases=phrases,
        keep_format=keep_format,
        tokens_per_action=size,
    )
    assert again == rendered


@given(difficulty=st.integers(1, 12), seed=st.integers(0, 10_000))
def test_problem_is_exact(difficulty, seed):
    problem = R.make_problem(difficulty, seed)
    start, *operands = map(int, re.findall(r"\d+", problem.prompt))
    words = re.findall(r"Add|Subtract|Multiply by", problem.prompt)
    value = start
    for word, operand in zip(words, operands, strict=True):
        value = evaluate(word, value, operand)
    assert len(words) == difficulty
    assert str(value) == problem.answer == str(problem.values[-1])
    assert all(1 <= v <= LARGEST for v in problem.values)


@given(dialect=dialects, seed=st.integers(0, 1000), difficulty=st.integers(2, 8))
def test_errors_are_visible(dialect, seed, difficulty):
    """Every equation holds but the one that slipped; a repair restores the value."""
    problem = R.make_problem(difficulty, seed)
    actions = ["STEP", "STEP", "CHECK"] + ["STEP"] * (difficulty - 2) + ["ANSWER"]
    flags = ["", "slip", "repair"] + [""] * (difficulty - 1)
    repaired = R.render(problem, actions, dialect=dialect, correct=True, flags=flags, seed=seed)
    wrong = wrong_equations(repaired.row.completion)
    assert wrong == [2]
    assert "guess" not in repaired.row.completion
    flags[2] = ""
    carried = R.render(problem, actions, dialect=dialect, correct=False, flags=flags, seed=seed)
    assert wrong_equations(carried.row.completion) == [2]
    lucky = R.render(problem, actions, dialect=dialect, correct=True, flags=flags, seed=seed)
    assert "guess" in lucky.row.completion


def wrong_equations(text: str) -> list[int]:
    signs = {"+": "Add", "-": "Subtract", "*": "Multiply by"}
    found = re.findall(r"Step (\d+): (-?\d+) ([+*-]) (\d+) = (-?\d+)", text)
    return [int(k) for k, a, s, b, c in found if evaluate(signs[s], int(a), int(b)) != int(c)]


@pytest.mark.parametrize("dialect", [*R.DIALECTS, *OWN])
def test_base_rows(dialect):
    rows = R.base_rows(dialect, 48, 3, typical_tokens=150, max_tokens=512)
    right, wrong = [x for x in rows if x.correct], [x for x in rows if not x.correct]
    cut = [x for x in rows if x.truncated]
    assert len(rows) == 48
    assert len(right) == 22
    assert len(cut) == 4
    assert all(x.row.tokens == 512 for x in cut)
    for a, b in zip(right, wrong, strict=False):
        assert (a.row.prompt, a.row.tokens) == (b.row.prompt, b.row.tokens)
        assert abs(count_tokens(a.row.completion) - count_tokens(b.row.completion)) <= 3
    assert {x.problem.difficulty for x in rows} == set(range(2, 9))
    assert len({x.row.tokens for x in right}) > 5
    for x in rows:
        parsed = R.parse(x.row.completion, dialect, x.problem)
        assert (parsed.correct, parsed.truncated) == (x.correct, x.truncated)


@given(
    dialect=dialects,
    difficulty=st.integers(1, 8),
    length=st.integers(1, 40),
    kind=st.sampled_from(("right", "wrong", "cut")),
    vocabulary=st.sampled_from((("STEP", "FILL", "ANSWER"), ("STEP", "ANSWER"), ACTIONS)),
)
def test_class_rows(dialect, difficulty, length, kind, vocabulary):
    chain = Chain(actions=vocabulary, tokens_per_action=12.8)
    rows = R.class_rows(
        chain,
        difficulty,
        dialect,
        correct=kind == "right",
        length_actions=length,
        truncated=kind == "cut",
        renderings=3,
        seed=length,
    )
    assert len({x.row.prompt for x in rows}) == 3
    for x in rows:
        parsed = R.parse(x.row.completion, dialect, x.problem)
        assert len(x.actions) == length
        assert set(x.actions) <= set(vocabulary)
        assert (parsed.correct, parsed.truncated) == (kind == "right", kind == "cut")
        assert sum(parsed.counts.values()) == length
        guess = "guess" in x.row.completion
        room = length - 1 - ("END_THINK" in x.actions)
        assert guess == (kind == "right" and room < difficulty)


def test_texts_are_as_long_as_declared():
    for dialect in (*R.DIALECTS, *OWN):
        for x in R.base_rows(dialect, 24, 1):
            assert abs(count_tokens(x.row.completion) - x.row.tokens) <= 12


@given(tokens=st.integers(0, 300), variant=st.integers(0, 5))
def test_padding_has_its_size_and_no_digit(tokens, variant):
    text = padding(tokens, variant)
    assert count_tokens(text) == (tokens if tokens >= 2 else 0)
    assert not re.search(r"\d", text)
    assert not R.OPENINGS.search(text)


@pytest.mark.parametrize("dialect", [*R.DIALECTS, *OWN])
def test_gold_columns(dialect):
    problem = R.make_problem(4, 2)
    columns = R.columns(problem, dialect)
    assert {columns[k] for k in ("answer", "ground_truth", "target", "label")} == {problem.answer}
    if dialect == "gsm8k":
        assert columns["solution"].split("####")[-1].strip() == problem.answer
    else:
        assert columns["solution"] == f"${problem.answer}$"


def test_math_verify_reads_gold_and_boxed_answers():
    math_verify = pytest.importorskip("math_verify")
    for x in R.base_rows("boxed", 12, 0):
        gold = math_verify.parse(x.row.columns["solution"], parsing_timeout=None)
        if x.truncated:
            continue  # math_verify takes the last number of a text without an answer
        said = math_verify.parse(x.row.completion, parsing_timeout=None)
        assert bool(math_verify.verify(gold, said, timeout_seconds=None)) is x.correct


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hello", "no sentence of a rendered chain and no marked answer"),
        ("<answer>1</answer><answer>2</answer>", "2 answers are marked"),
    ],
)
def test_foreign_texts_say_why(text, problem):
    assert R.parse(text, "tag", R.make_problem(2, 0)).problem == problem


def test_an_answer_inside_think_is_none():
    problem = R.make_problem(2, 0)
    inside = f"<think>\n<answer>{problem.answer}</answer>\n</think>\n"
    assert R.parse(inside, "tag", problem).truncated


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"actions": ["STEP"]}, "ANSWER ends a rollout"),
        ({"actions": ["ANSWER", "ANSWER"]}, "ANSWER ends a rollout"),
        ({"actions": ["JUMP", "ANSWER"]}, "ANSWER ends a rollout"),
        ({"actions": ["END_THINK", "STEP", "ANSWER"]}, "after END_THINK"),
        ({"actions": ["ANSWER"], "flags": ["oops"]}, "flags="),
        ({"actions": ["STEP"], "truncated": True, "correct": True}, "has no answer"),
        ({"actions": ["ANSWER"], "dialect": "latex"}, "dialect='latex'"),
        ({"actions": ["ANSWER"], "dialect": "{} or {}"}, "a mark with one {}"),
        ({"actions": ["ANSWER"], "dialect": "<think></think> {}"}, "no text before {}"),
    ],
)
def test_refusals(kwargs, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        R.render(R.make_problem(2, 0), **{"dialect": "tag", "correct": False, **kwargs})


@pytest.mark.parametrize(
    "ask",
    [
        lambda: R.base_rows("gsm8k", 6, 5),
        lambda: R.class_rows(Chain(), 2, "tag", correct=True, length_actions=6),
    ],
)
def test_rows_are_written_once_and_a_reward_may_change_their_columns(ask):
    first = ask()
    first[0].row.columns.clear()
    first.pop()
    again = ask()
    assert again[0].row.columns["answer"] == again[0].problem.answer
    assert len(again) == len(first) + 1
    assert again[0].row.completion is first[0].row.completion
