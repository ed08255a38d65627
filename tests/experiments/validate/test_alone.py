"""Texts that a reward dies on: the others are graded all the same, and findings say what it met."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from toyrl.experiments.explain.find import explained
from toyrl.experiments.validate.tasks.alone import MOST, Alone
from toyrl.rewards.errors import RewardError
from toyrl.worlds.text.tasks.base import Asked, Said, gold
from toyrl.worlds.text.tasks.rows import TaskText, written

ASKED = Asked("Say a.", gold("a"))


def text(said: str, name: str = "", *, risky: bool = False) -> TaskText:
    answer = Said(said, name, f"it says {said}", risky=risky)
    return written("tag", ASKED, answer, correct=False, tokens=8, seed=0)


class Fragile:
    """A reward of 1 for each text, that ends, hangs or raises on some."""

    KINDS = ("exited", "timeout", "raised", "missing_column")

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, rows) -> list[float | None]:
        self.calls.append(len(rows))
        for kind in self.KINDS:
            if any(f">{kind}<" in r.completion for r in rows):
                raise RewardError(kind, f"the reward {kind}")
        return [1.0] * len(rows)


def test_risky_texts_are_graded_last_and_one_by_one():
    reward = Fragile()
    alone = Alone(reward)
    texts = [text("exited", "x", risky=True), text("fine"), text("calm", "y", risky=True),
             text("good")]  # fmt: skip
    assert alone(texts) == [None, 1.0, 1.0, 1.0]
    assert reward.calls == [2, 1, 1]
    (found,) = alone.findings()
    assert (found.name, found.status, found.value) == ("hacks/dies", "fail", 1.0)
    assert "it ends the process on it (the reward exited)" in found.message
    assert found.counterexample == texts[0].row.completion


def test_a_text_that_it_raises_on_costs_no_other_its_value():
    alone = Alone(Fragile())
    assert alone([text("fine"), text("raised", "r"), text("timeout", "t")]) == [1.0, None, None]
    said = {f.name: f.message for f in alone.findings()}
    assert list(said) == ["hacks/dies", "hacks/raises"]
    assert "it hangs on it" in said["hacks/dies"]
    assert "it raises on it" in said["hacks/raises"]


def test_after_some_deaths_no_more_are_tried():
    reward = Fragile()
    alone = Alone(reward)
    names = [f"n{i}" for i in range(MOST + 2)]
    assert alone([text("exited", n, risky=True) for n in names]) == [None] * (MOST + 2)
    assert sum(reward.calls) == MOST
    dies, untried = alone.findings()
    assert dies.message.endswith("Others that do: n1, n2.")
    assert untried.status == "not tested"
    assert f"n{MOST}, n{MOST + 1}" in untried.message


def test_what_runs_in_this_process_meets_nothing_risky():
    live: Any = SimpleNamespace(texts=[SimpleNamespace(box=object(), per_row=0.0)])
    reward = Fragile()
    alone = Alone(reward, live)
    assert alone([text("exited", "x", risky=True), text("fine")]) == [None, 1.0]
    (found,) = alone.findings()
    assert found.name == "hacks/dies-untried"
    assert "name it as file.py:NAME" in found.message


def test_any_other_error_ends_the_run():
    with pytest.raises(RewardError, match="missing_column"):
        Alone(Fragile())([text("missing_column")])


@pytest.mark.parametrize("name", ["hacks/dies", "hacks/raises", "hacks/dies-untried"])
def test_each_is_explained(name):
    assert explained(name).name == name
