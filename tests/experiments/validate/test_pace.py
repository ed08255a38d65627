"""Slow rewards: when the rate is told, and what."""

from __future__ import annotations

from toyrl.experiments.validate import pace
from toyrl.experiments.validate.listening import Listener, heard
from toyrl.rewards.cache import Budget


class Ear(Listener):
    def __init__(self):
        super().__init__()
        self.notes, self.moves = [], []

    def note(self, message):
        self.notes.append(message)

    def moved(self, done, total, unit):
        self.moves.append((done, total, unit))


def graded(texts: int, each: float, **more) -> Ear:
    ear = Ear()
    follower = pace.Pace(ear, functions=1, others=729, **more)
    budget = Budget(heard=follower.graded)
    for _ in range(texts):
        budget.spend(1)
        budget.graded(each)
    return ear


def test_the_rate_is_told_once_after_twenty_texts():
    assert graded(pace.FIRST - 1, 0.2).notes == []
    ear = graded(60, 0.2)
    assert ear.notes == [
        "0.2 s a text: about 7 minutes for 2,079 texts; --cache FOLDER keeps them."
    ]
    assert ear.moves[-1] == (60, 2079, "texts")


def test_quick_rewards_are_not_talked_about():
    assert graded(60, 0.001).notes == []


def test_a_slow_judge_is_told_how_it_can_be_judged():
    (note,) = graded(25, 1.0).notes
    assert "34 minutes" in note
    for option in ("--workers", "--max-calls", "--cache", "--only contract", "--quick"):
        assert option in note
    assert "--cache FOLDER" not in graded(25, 1.0, kept=True).notes[0]


def test_workers_share_the_time():
    assert "about 9 minutes" in graded(25, 1.0, workers=4).notes[0]


def test_the_number_of_texts_follows_the_formats_that_were_found():
    ear = Ear()
    follower = pace.Pace(ear, functions=2, others=729)
    assert follower.expected == 2 * (pace.CONTRACT + pace.DIALECT + 729)
    follower.contract_done(Budget(used=1800), 3)
    assert follower.expected == 1800 + 2 * (729 + 3 * pace.DIALECT)
    follower.graded(Budget(used=9000))  # never less than what was asked
    assert ear.moves == [(9000, 9000, "texts")]


def test_a_plain_function_hears_sections_and_notes():
    told = []
    ear = heard(lambda number, message: told.append((number, message)))
    ear(2, "hacks")
    ear.note("slow")
    ear.moved(1, 2, "texts")
    assert told == [(2, "hacks"), (2, "slow")]
    assert heard(ear) is ear
    heard(None)(1, "nobody listens")
