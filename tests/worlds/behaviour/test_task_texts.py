"""Texts of behaviours on tasks show what they are told to; arithmetic as a task is paid alike."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.experiments.validate.arithmetic_task import ARITHMETIC
from toyrl.graders.answers import is_correct
from toyrl.rewards.chats import messages_of, written_messages
from toyrl.worlds.behaviour import groups, own_texts, task_texts, texts
from toyrl.worlds.text.prose import count_tokens
from toyrl.worlds.text.tasks import rows
from toyrl.worlds.text.tasks.choice import CHOICE
from toyrl.worlds.text.tasks.find import KNOWN, task_of
from toyrl.worlds.text.tasks.tools import TOOL_CALLS, messages

LENGTH, LIMIT, SIZE = 200.0, 2048.0, 8


def designs(layout="tag"):
    return [
        texts.design(write, LENGTH, LIMIT)
        for write in (texts.arithmetic(layout), task_texts.author(ARITHMETIC, layout))
    ]


@pytest.mark.parametrize("name", [*KNOWN, "messages"])
def test_texts_of_every_task_show_what_they_say(name):
    task = messages.made(TOOL_CALLS) if name == "messages" else task_of(name)
    assert task is not None
    right: dict[str, list[str]] = {}
    for asked, good, _ in rows.answers(task):  # a prompt may be asked of several images
        right.setdefault(asked.prompt, []).extend(s.text.strip() for s in good)
    for layout in task.layouts:
        for c in texts.design(task_texts.author(task, layout), LENGTH, LIMIT):
            said = rows.marked(layout, c.row.completion)
            if layout.startswith("{none}"):  # the whole text is the answer
                said = said if said in right[c.row.prompt] or c.formed else None
            assert (said is not None) == c.formed
            if c.formed:
                assert (said in right[c.row.prompt]) == c.right
            assert c.row.truncated == c.cut
            assert c.tokens == c.row.tokens
            assert c.row.messages == (written_messages(c.row.completion) is not None)


def test_what_is_added_for_nothing_stands_there_as_often():
    seen = {"FILL": r"^Let us", "CHECK": "Checking this again", "REPEAT": "^Again: ",
            "STEP": r"^Step \d+:"}  # fmt: skip
    plain = {k: 1 if k == "FILL" else 0 for k in seen}  # every text begins with a filler
    for c in texts.design(task_texts.author(CHOICE, "boxed"), LENGTH, LIMIT):
        for kind, pattern in seen.items():
            found = len(re.findall(pattern, c.row.completion, re.MULTILINE))
            assert found == plain[kind] + c.count * (c.added == kind)
        short = c.cut or c.tokens < 40  # the end is lost, or marks alone are longer
        assert short or abs(count_tokens(c.row.completion) - c.tokens) <= 8


def formed(row) -> float:
    return float("<answer>" in row.completion)


def paid(row) -> float:
    return is_correct(row) - 0.002 * count_tokens(row.completion)


@pytest.mark.parametrize(("reward", "off"), [(is_correct, 0.0), (formed, 0.0), (paid, 0.1)])
def test_arithmetic_as_a_task_is_paid_like_the_built_in_one(reward, off):
    """Words and signs are charged 0.002 each. Built-in texts are at most 40 of 2,048 short of what
    they declare, where a line's padding had no room, which is 0.08."""
    one, two = (texts.graded(cells, [reward(c.row) for c in cells]) for cells in designs())
    assert np.allclose(np.exp(one.grid), np.exp(two.grid))
    assert np.abs(one.table - two.table).max() <= off
    assert abs(one.cut - two.cut) <= off
    for kind in one.added:
        assert np.abs(one.added[kind] - two.added[kind]).max() <= 2 * off


def test_a_reward_of_siblings_is_read_off_both_alike():
    made = []
    for write in (texts.arithmetic("tag"), task_texts.author(ARITHMETIC, "tag")):
        fitted = groups.graded(groups.design(write, LENGTH, LIMIT, SIZE), shortest_right)
        assert fitted is not None
        made.append(fitted)
    assert np.abs(made[0].weights - made[1].weights).max() < 0.02
    assert (made[0].low, made[0].high) == (made[1].low, made[1].high) == (0.0, 1.5)


def shortest_right(group) -> list[float]:
    right = [is_correct(row) for row in group]
    least = min((row.tokens for row, r in zip(group, right, strict=True) if r), default=0)
    return [r * (1 + 0.5 * (row.tokens == least)) for row, r in zip(group, right, strict=True)]


def test_groups_are_of_one_problem_and_know_who_agrees():
    design = groups.design(task_texts.author(CHOICE, "tag"), LENGTH, LIMIT, SIZE)
    for g in design[::7]:
        assert len({c.row.prompt for c in g.cells}) == 1
        said = [rows.marked("tag", c.row.completion) for c in g.cells]
        same = [[a == b for b in g.identity] for a in g.identity]
        assert same == [[a == b for b in said] for a in said]
        assert [c.right for c in g.cells] == [i == 0 for i in g.identity]


def test_a_log_is_cut_before_a_call_of_several_lines():
    layout = TOOL_CALLS.layouts[0]
    asked, right, _ = rows.answers(TOOL_CALLS)[0]
    row = rows.written(layout, asked, right[0], correct=True, tokens=120, seed=0).row
    reading = own_texts.Reading(
        lambda text: rows.marked(layout, text), lambda text: rows.start_of([layout], text)
    )
    edits = [*own_texts.edits(row, True, 512.0, ["So it is."], reading)]
    assert len(edits) > 10
    for c in edits:
        whole = rows.marked(layout, c.row.completion) == right[0].text
        assert whole == (c.right and not c.cut), c.row.completion
    usual = [*own_texts.edits(row, True, 512.0, ["So it is."])]
    assert any(c.right and rows.marked(layout, c.row.completion) is None for c in usual)


def test_edits_of_messages_are_messages_with_and_without_their_calls():
    task = messages.made(TOOL_CALLS)
    (layout,) = task.layouts
    asked, right, _ = rows.answers(task)[0]
    row = rows.written(layout, asked, right[0], correct=True, tokens=120, seed=0).row
    reading = task_texts.reading(task, layout)
    edits = [*own_texts.edits(row, True, 512.0, ["So it is."], reading)]
    assert len(edits) > 10
    for c in edits:
        (said,) = messages_of(c.row.completion)
        assert c.row.messages
        assert (rows.marked(layout, c.row.completion) == right[0].text) == c.formed == c.right
        assert said["content"].count("So it is.") == c.count * (c.added == "So it is.")
