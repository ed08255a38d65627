"""The zoo: bases by name, cards by hand, a base that misses its accuracy is refused."""

from __future__ import annotations

import math
import os
import shutil
from dataclasses import replace

import pytest

pytest.importorskip("torch", reason="needs the extra llm")

from toyrl.bridge.models import tiny
from toyrl.bridge.models.tiny import Recipe
from toyrl.bridge.tasks import load_task
from toyrl.bridge.zoo import bases, cards
from toyrl.graders.base import TextRow
from toyrl.worlds.text.habits import Habits
from toyrl.worlds.text.script import LETTERS

pytestmark = pytest.mark.bridge
QUICK = bases.Base(
    "quick",
    "dev",
    "brackets:easy=1,hard=2",
    Recipe(
        task="brackets",
        hidden=16,
        layers=1,
        heads=2,
        feed_forward=32,
        steps=30,
        batch=16,
        difficulties=(1, 2),
        habits=Habits(fill=0, jump=1),
    ),
    12,
    (0.0, 1.0),
    "answers at once",
)


@pytest.fixture(autouse=True)
def few_prompts(monkeypatch):
    monkeypatch.setattr(cards, "PROMPTS", 8)


def test_names_and_splits():
    known = [b.name for b in bases.BASES]
    assert len(known) == len(set(known)) >= 9
    assert len(bases.of_split("dev")) == 4
    assert len(bases.of_split("test")) == len(known) - 4
    assert all(bases.named(b.name) is b for b in bases.BASES)
    assert len({b.recipe.key for b in bases.BASES}) == len(known)
    assert len({b.recipe.task for b in bases.of_split("dev")}) == 4
    near = known[0][:-1]
    with pytest.raises(ValueError, match=f"is not in the zoo; did you mean {known[0]}?"):
        bases.named(near)
    with pytest.raises(ValueError, match="there are "):
        bases.named("qqqqqq")
    with pytest.raises(ValueError, match="split='train' is not one of dev, test"):
        bases.of_split("train")


@pytest.mark.parametrize("base", bases.BASES, ids=lambda b: b.name)
def test_recipes_fit_their_tasks(base):
    task = load_task(base.task, prompts=4, held_out=4)
    assert base.task.startswith(f"{base.recipe.task}:")
    wanted = {task.about["easy"], task.about["hard"]}
    assert wanted <= set(base.recipe.difficulties)
    assert 1e5 <= sum(p.numel() for p in tiny.network(base.recipe).parameters()) <= 1e6
    assert 0 <= base.accuracy[0] < base.accuracy[1] <= 1
    ids, labels = next(tiny._batches(base.recipe))
    learnt = (labels != tiny.IGNORED).sum(dim=1).float()
    assert learnt.mean() < base.limit
    assert int(ids.max()) < len(tiny.SPECIAL) + len(base.recipe.script.alphabet)
    assert set(LETTERS) <= set(base.recipe.script.alphabet)


def test_a_base_is_built_once_with_its_card(tmp_path):
    told = []
    made = bases.card(QUICK, cache=tmp_path, tell=told.append)
    assert made.rollouts == 64
    assert any("training the model `quick`" in line for line in told)
    told.clear()
    place = bases.folder(QUICK, cache=tmp_path, tell=told.append)
    assert bases.card(QUICK, cache=tmp_path, tell=told.append) == made
    assert told == []
    weights = place / "model.safetensors"
    kept = weights.read_bytes()
    weights.write_bytes(kept[:-1] + b"!")
    assert bases.card(QUICK, cache=tmp_path, tell=told.append) == made
    assert any("is damaged" in line for line in told)
    assert weights.read_bytes() == kept
    assert [p.name for p in tmp_path.iterdir()] == [place.name]


def test_a_base_that_misses_its_accuracy_is_refused_with_both_numbers(tmp_path):
    base = replace(QUICK, accuracy=(0.98, 0.99))
    with pytest.raises(bases.BaseRefused, match=r"accuracy 0\.\d+ measured, 0.98 to 0.99 asked"):
        bases.folder(base, cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_habits_of_the_hardest_prompts_are_their_own():
    import random

    recipe = replace(QUICK.recipe, hard=Habits(fill=0, jump=0, stop=1), difficulties=(1, 2))
    lines = {}
    for d in (1, 2):
        problem = recipe.script.make(d, 0)
        lines[d] = len(recipe.completion(d, problem, random.Random(0)).splitlines())
    assert lines == {1: 1, 2: 3}


def test_a_card_by_hand():
    asked = "([?\n"  # right: ])
    texts = ["(>(\n[>([\n#### ])", "(>(\n[>([\nlook\n[>([\n#### ])", "so ])", "#### )"]
    right = [1.0, 1.0, 0.0, 0.0]
    rows = [
        TextRow(asked, text, {"answer": "])", "difficulty": 2}, tokens, cut)
        for text, tokens, cut in zip(texts, (10, 20, 10, 10), (False,) * 3 + (True,), strict=True)
    ]
    other = [
        TextRow(asked, "#### ])", {"answer": "])", "difficulty": 1}, 5, False) for _ in range(4)
    ]
    card = cards.of_rollouts([*rows, *other], right + [1.0] * 4, 4, parameters=7, entropy=0.5)
    assert (card.rollouts, card.parameters, card.entropy) == (8, 7, 0.5)
    assert (card.accuracy, card.accuracy_easy, card.accuracy_hard) == (0.75, 1.0, 0.5)
    assert (card.length, card.length_right, card.length_wrong) == (70 / 8, 50 / 6, 10.0)
    assert card.spread == pytest.approx(math.log(2) / 2 / 2)  # one of four at log 2: sd log(2)/2
    assert card.rank == pytest.approx(1 / math.sqrt(3))
    assert (card.marked, card.truncated, card.always, card.never) == (7 / 8, 1 / 8, 0.5, 0.0)
    assert (card.runaway, card.runaway_right) == (2 / 8, 0.5)
    assert card.guessed == 5 / 8
    assert card.redundant == len("look\n[>([\n") / (len(texts[0]) + len(texts[1]))
    assert cards.Card.from_dict(card.to_dict()) == card
    assert card.to_dict()["accuracy"] == 0.75


def test_what_has_no_rollout_is_null():
    row = TextRow("(?\n", "#### )", {"answer": ")", "difficulty": 1}, 7, False)
    card = cards.of_rollouts([row] * 2, [1.0] * 2, 2, parameters=1, entropy=0.0)
    data = card.to_dict()
    assert data["length_wrong"] is data["rank"] is data["redundant"] is None
    assert math.isnan(cards.Card.from_dict(data).rank)


def test_a_build_that_was_killed_leaves_nothing_half(tmp_path, monkeypatch):
    """What kill -9 leaves when the model lies there under its temporary name: a copy of then."""
    cache, cut = tmp_path / "cache", tmp_path / "cut"
    write = tiny.write_file

    def copied(place, content):
        shutil.copytree(cache, cut)
        write(place, content)

    with monkeypatch.context() as patch:
        patch.setattr(tiny, "write_file", copied)
        bases.folder(QUICK, cache=cache)
    (left,) = cut.iterdir()
    left = left.rename(cut / left.name.replace(f".{os.getpid()}-", ".999999999-"))  # it has ended
    assert left.name.startswith(".quick-")
    assert "model.safetensors" in {p.name for p in left.iterdir()}
    place = bases.folder(QUICK, cache=cut)
    assert tiny.damage(place) == ""
    assert {p.name for p in cut.iterdir()} == {place.name, left.name}  # removed after a minute
