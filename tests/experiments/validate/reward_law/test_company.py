"""Rewards that read their siblings are found out, and graded in the groups that a policy draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.experiments.validate.reward_zoo.written import WRITTEN_SOUND
from tests.places import FORMAT_REWARDS
from toyrl.experiments.validate.pipeline import Pipeline
from toyrl.experiments.validate.reward_law import bench
from toyrl.experiments.validate.reward_law.company import (
    Company,
    Posed,
    drawn_siblings,
    look,
    mixed_group,
    of_class,
    real_siblings,
)
from toyrl.experiments.validate.settings import Settings
from toyrl.graders.base import TextRow
from toyrl.rewards.user import load
from toyrl.worlds.text.problems import make_problem, problem_of
from toyrl.worlds.text.render import parse

CHAIN = bench.template(512)
SIBLINGS = FORMAT_REWARDS / "siblings.py"
PROB = np.random.default_rng(0).dirichlet(np.ones(CHAIN.n_classes), size=2)
DIFFICULTIES = (2, 6)
G = 6


def about(problem) -> Posed:
    return Posed(problem, problem.difficulty, problem.prompt)


@given(difficulty=st.integers(1, 9), seed=st.integers(0, 10_000))
def test_a_prompt_says_its_problem(difficulty, seed):
    problem = make_problem(difficulty, seed)
    assert problem_of(problem.prompt) == problem
    assert problem_of(problem.prompt + " ") is None


@pytest.mark.parametrize(
    ("name", "reads"),
    [("alone", False), ("shortest_right", True), ("rare_right", True), ("majority", True)],
)
def test_other_company_shows_who_reads_siblings(name, reads):
    group = mixed_group(CHAIN, about(make_problem(4, 0)), "boxed")
    with load(f"{SIBLINGS}:{name}", timeout=60.0) as reward:
        reward.settle(group)
        assert look(reward, group) is reads
        assert reward.batch_dependent is reads


def test_siblings_are_rollouts_of_the_same_prompt_by_the_policys_probabilities():
    only = np.zeros((2, CHAIN.n_classes))
    only[0, 4], only[1, CHAIN.H + 9] = 1.0, 1.0  # right of 5 actions; wrong of 10
    draw = drawn_siblings(CHAIN, only, DIFFICULTIES, "tag", G)
    for difficulty, correct, actions in ((1, True, 5), (8, False, 10)):
        problem = make_problem(difficulty, 3)
        rows = draw(TextRow(problem.prompt, ""))
        assert len(rows) == G - 1
        assert {row.prompt for row in rows} == {problem.prompt}
        assert {parse(row.completion, "tag", problem).correct for row in rows} == {correct}
        assert {row.tokens for row in rows} == {round(actions * CHAIN.tokens_per_action)}
    assert draw(TextRow("another task", "")) == ()


def test_a_logs_rollouts_have_their_real_siblings():
    log = [TextRow("a task", f"answer {i}") for i in range(8)] + [TextRow("another", "x")]
    of = real_siblings(log, G, otherwise=lambda row: [row])
    assert [x.completion for x in of(log[2])] == [f"answer {i}" for i in (0, 1, 3, 4, 5)]
    assert of(TextRow("a task", "a mutant")) == log[: G - 1]
    assert of(log[8]) == []
    new = TextRow("a prompt of ours", "x")
    assert of(new) == [new]


def shortest_right(rows: Sequence[TextRow]) -> list[float | None]:
    """1 for the right rows of fewest tokens; the counterpart of the file's reward, by tokens."""
    problem = problem_of(rows[0].prompt)
    assert problem is not None
    right = [parse(r.completion, "boxed", problem).correct for r in rows]
    least = min((r.tokens for r, g in zip(rows, right, strict=True) if g), default=0)
    return [float(g and r.tokens == least) for r, g in zip(rows, right, strict=True)]


@pytest.mark.parametrize("action", [2, 12, 30])
def test_the_value_of_a_class_is_its_expectation_over_the_policys_groups(action):
    """P(no right sibling is shorter) = (1 - P(right and shorter))**(G - 1)."""
    n, difficulty = 200, DIFFICULTIES[0]
    company = Company(shortest_right, drawn_siblings(CHAIN, PROB, DIFFICULTIES, "boxed", G))
    rows = [of_class(CHAIN, action, about(make_problem(difficulty, i)), "boxed") for i in range(n)]
    shorter = float(PROB[0, :action].sum())
    expected = (1 - shorter) ** (G - 1)
    got = float(np.mean([v for v in company.score(rows) if v is not None]))
    assert abs(got - expected) < 4 * np.sqrt(max(expected * (1 - expected), 1 / n) / n)
    assert {shortest_right([row])[0] for row in rows} == {1.0}  # alone all are paid


def test_siblings_of_ones_own_prompt_may_be_read():
    """The zoo's sound reward that groups its call by prompt: other prompts don't move it."""
    reward = WRITTEN_SOUND["shortest_right"]
    pipeline = Pipeline(list(reward.specs), Settings(), lambda *_: None)
    with load(pipeline.rewards, timeout=60.0) as pipeline.reward:
        section = pipeline.contract()
    assert pipeline.contract_facts.batch_dependent
    found = next(f for f in section.findings if f.name == "contract/batch")
    assert found.status == "warn"
    assert "whole groups" in found.message


def test_a_run_grades_whole_groups_on_every_path():
    pipeline = Pipeline([f"{SIBLINGS}:rare_right"], Settings(), lambda *_: None)
    sizes = []
    with load(pipeline.rewards, timeout=60.0) as pipeline.reward:
        section = pipeline.contract()
        assert pipeline.contract_facts.batch_dependent
        grade = pipeline.reward.grade

        def counted(rows, **options):
            sizes.append((len(rows), len({row.prompt for row in rows})))
            return grade(rows, **options)

        pipeline.reward.grade = counted
        score = pipeline.score_in("boxed")
        values = score([x.row for x in pipeline.rows_in("boxed")[:4]])
    assert set(sizes) == {(pipeline.settings.group_size, 1)}
    numbers = [v for v in values if v is not None]
    assert len(numbers) == 4
    assert all(0 <= v < 1 for v in numbers)
    assert max(numbers) > 0  # alone a right one gets 0
    found = next(f for f in section.findings if f.name == "contract/batch")
    assert found.status == "fail"  # it takes a whole call for one group
    assert "completions of other prompts" in found.message
