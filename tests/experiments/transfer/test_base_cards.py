"""The page of the zoo's cards: what it says follows from the cards."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import fastjsonschema
import pytest

pytest.importorskip("torch", reason="needs the extra llm")

from toyrl import schemas
from toyrl.bridge.zoo.bases import BASES
from toyrl.bridge.zoo.cards import Card
from toyrl.experiments.transfer import base_cards

pytestmark = pytest.mark.bridge
ROOT = Path(__file__).parents[3]
CARD = Card(
    parameters=1000,
    rollouts=512,
    accuracy=0.5,
    accuracy_easy=0.75,
    accuracy_hard=0.25,
    length=30.0,
    length_right=25.0,
    length_wrong=35.0,
    spread=0.3,
    rank=-0.3,
    marked=0.7,
    truncated=0.01,
    always=0.1,
    never=0.2,
    redundant=0.4,
    runaway=0.1,
    runaway_right=0.1,
    guessed=0.05,
    entropy=0.4,
)


def shared(card):
    return [row[1] for row in base_cards.facts({"a": card}).rows]


def test_facts_hold_inside_their_range_alone():
    assert shared(CARD) == ["a"] * len(base_cards.FACTS)
    other = replace(
        CARD,
        length_wrong=25.0,
        rank=0.1,
        spread=0.5,
        redundant=float("nan"),
        runaway_right=0.5,
        marked=0.99,
        always=0.0,
        never=0.1,
    )
    assert shared(other) == ["none"] * len(base_cards.FACTS)


def test_the_page_has_every_base_and_number(monkeypatch, tmp_path):
    known = {base.name: CARD for base in BASES}
    monkeypatch.setattr(base_cards, "card", lambda base, **_: known[base.name])
    assert base_cards.write(tmp_path) == known
    page = (tmp_path / base_cards.PAGE).read_text(encoding="utf-8")
    for base in BASES:
        assert page.count(f"| {base.name} |") == 2
        assert base.differs in page
    data = json.loads((tmp_path / base_cards.DATA).read_text(encoding="utf-8"))
    fastjsonschema.compile(schemas.document("zoo"))(data)
    assert data["schema"] == schemas.tag("zoo")
    assert {n: Card.from_dict(b["card"]) for n, b in data["bases"].items()} == known


def test_the_stored_cards_are_of_these_recipes():
    stored = json.loads((ROOT / "docs" / "results" / base_cards.DATA).read_text(encoding="utf-8"))
    fastjsonschema.compile(schemas.document("zoo"))(stored)
    found = {n: Card.from_dict(b["card"]) for n, b in stored["bases"].items()}
    assert json.loads(json.dumps(base_cards.to_dict(BASES, found))) == stored
    page = (ROOT / "docs" / "results" / base_cards.PAGE).read_text(encoding="utf-8")
    assert page == base_cards.page(BASES, found)
    for base in BASES:
        assert base.accuracy[0] <= found[base.name].accuracy <= base.accuracy[1], base.name
        assert found[base.name].rollouts == 512
