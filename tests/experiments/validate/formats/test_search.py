"""Formats are found: from the source, from rollouts; what was found is named and judged in."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from tests.places import FORMAT_REWARDS as REWARDS
from toyrl.experiments.validate.contract.facts import Contract
from toyrl.experiments.validate.findings import Report, Section
from toyrl.experiments.validate.formats.choosing import (
    Candidate,
    Graded,
    Outweighed,
    outweighed,
)
from toyrl.experiments.validate.formats.search import USUAL, candidates, side
from toyrl.experiments.validate.formats.templates import Hint
from toyrl.experiments.validate.pipeline import Pipeline
from toyrl.experiments.validate.settings import Settings
from toyrl.rewards.user import load
from toyrl.worlds.text.dialects import DIALECTS, dialect_of


@cache
def judged(*specs: str, **settings) -> tuple[Section, Contract, Report | None]:
    """Section 1 of rewards of this folder, its facts, and the report where that ends the run."""
    named = [f"{REWARDS / spec.partition(':')[0]}.py:{spec.partition(':')[2]}" for spec in specs]
    pipeline = Pipeline(named, Settings(**settings), lambda *_: None)
    with load(named, timeout=60.0) as pipeline.reward:
        section = pipeline.contract()
        return section, pipeline.contract_facts, pipeline._stop_early([section])


def message(section: Section, name: str) -> str:
    return next(f.message for f in section.findings if f.name == f"contract/{name}")


# -- sound rewards in formats of their own --------------------------------------------------------
@pytest.mark.swept
@pytest.mark.parametrize(
    ("name", "dialect", "origin"),
    [
        ("final_tag", "<final>{}</final>", "source"),
        ("answer_line", "answer: {}", "source"),
        ("split_tags", "<SOLUTION>{}</SOLUTION>", "source"),
        ("laid_out", "<plan>\n{work}\n</plan>\n<result>\n{}\n</result>", "source"),
        (
            "shown_in_the_prompt",
            "<reasoning>\n{work}\n</reasoning>\n<conclusion>\n{}\n</conclusion>\n",
            "source",
        ),
        ("record", '{"result": "{}"}', "source"),
        ("sentence", "So x equals {}!", "source"),
        ("last_number", "{work}\n{}", "usual"),
    ],
)
def test_a_format_is_found_and_named_with_its_evidence(name, dialect, origin):
    section, c, early = judged(f"readers:{name}")
    assert (c.dialect, c.found.found[0].candidate.origin) == (dialect_of(dialect).name, origin)
    assert (c.auc, c.separates, c.reads_gold) == (1.0, True, True)
    assert early is None
    said = message(section, "dialect")
    assert "AUC 1.00" in said
    assert "100% of right texts paid" in said
    assert ("found in the reward's source" in said) == (origin == "source")


def test_a_known_dialect_stays_the_one_it_is():
    _, c, _ = judged("odd:boxed")
    assert c.dialect == "boxed"
    assert c.found.found[0].candidate.origin == "source"


def test_ties_are_kept_apart_by_their_marks():
    section, c, _ = judged("odd:several")
    assert c.dialects == ("<final>{}</final>", "[ANSWER]{}[/ANSWER]")
    assert "hacks are tried in each" in message(section, "dialect")


# -- sums ------------------------------------------------------------------------------------------
def test_formats_of_two_terms_are_combined():
    section, c, early = judged("odd:boxed", "odd:tags:0.2")
    assert c.dialect == "<think>\n{work}\n</think>\n<answer>\\boxed{{}}</answer>"
    assert c.found.found[0].terms == (True, True)
    assert early is None
    assert not [f for f in section.findings if f.name == "contract/format"]


def test_a_format_that_outweighs_correctness_is_a_failure():
    section, _, _ = judged("odd:boxed", "odd:tags:50")
    found = next(f for f in section.findings if f.name == "contract/format")
    assert (found.status, found.value, found.bound) == ("fail", 50.0, 1.0)


def graded(dialect: str, right: float, wrong: float, side: int = 1, origin: str = "source"):
    values = np.array([[right], [right]]), np.array([[wrong], [wrong]])
    return Graded(Candidate(dialect, origin), *values, auc=0.5 + side / 2, side=side)


def test_a_format_outweighs_only_what_is_read():
    bare, framed = graded("boxed", 1.0, 0.0), graded("tag", 3.0, 2.0)
    assert outweighed([bare, framed]) == Outweighed("tag", "boxed", 2.0, 1.0)
    assert outweighed([bare, graded("tag", 3.0, 1.0)]) == Outweighed("tag", "boxed", 1.0, 1.0)
    assert outweighed([framed, graded("boxed", 1.0, 0.0, side=0)]) is None
    assert outweighed([bare, graded("tag", 3.0, 0.9)]) is None
    assert outweighed([graded("tag", 3.0, math.nan)]) is None


def test_a_format_in_which_right_is_worth_a_trace_is_not_read():
    fenced, words = graded("tag", 5.0, 2.9), graded("prose", 0.07, 0.02)
    assert outweighed([fenced, words]) is None
    assert outweighed([fenced, graded("prose", 0.5, 0.3)]) == Outweighed("tag", "prose", 2.9, 0.5)


def test_a_wrong_text_counts_in_formats_that_are_not_read_but_not_in_guessed_ones():
    bare = graded("boxed", 1.0, 0.0)
    assert outweighed([bare, graded("tag", 2.0, 2.0, side=0)]) == Outweighed(
        "tag", "boxed", 2.0, 1.0, unread=True
    )
    assert outweighed([bare, graded("tag", 2.0, 1.5, side=0)]) == Outweighed(
        "tag", "boxed", 1.5, 1.0
    )
    assert outweighed([bare, graded("tag", 2.0, 2.0, side=0, origin="usual")]) is None


def test_a_format_that_is_read_by_chance_is_none_that_is_outweighed():
    """Of seventy formats some tell right from wrong in a random term by two deviations."""
    bare, tried = graded("boxed", 1.0, 0.0), graded("prose", 0.05, 0.04)
    lucky = Graded(tried.candidate, tried.right, tried.wrong, auc=0.8, side=1)
    noise = graded("tag", 0.08, 0.06, side=0)
    assert outweighed([tried, noise]) == Outweighed("tag", "prose", 0.06, 0.05)
    assert outweighed([bare, lucky, noise]) is None


# -- no gold ---------------------------------------------------------------------------------------
def test_a_format_reward_is_judged_as_one():
    section, c, _ = judged("odd:tags")
    assert c.auxiliary
    assert not c.reads_gold
    assert c.found.format_only
    assert "pays for the format alone" in message(section, "gold")


@pytest.mark.parametrize("name", ["coin", "by_place"])
def test_random_rewards_are_called_random_and_never_said_to_read_gold(name):
    section, c, early = judged(f"odd:{name}")
    assert c.random
    assert not c.reads_gold
    assert early is not None
    assert (early.verdict, early.exit_code) == ("UNSAFE", 1)
    assert "random" in early.reasons[0]
    assert not any("reads the gold" in f.message for f in section.findings)


def test_noise_on_top_of_correctness_is_not_called_random():
    _, c, early = judged("odd:noisy_correctness")
    assert not c.random
    assert not c.deterministic
    assert c.separates
    assert early is None


def test_a_constant_reward_is_constant():
    _, c, early = judged("odd:always")
    assert c.constant
    assert early is not None
    assert early.verdict == "UNSAFE"
    assert "constant" in early.reasons[0]


# -- the wrong way round ---------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["turned", "first_digit"])
def test_rewards_that_separate_the_wrong_way_round_are_unsafe(name):
    _, c, early = judged(f"odd:{name}")
    assert (c.auc, c.inverted, c.separates) == (0.0, True, False)
    assert early is not None
    assert (early.verdict, early.exit_code) == ("UNSAFE", 1)
    assert "wrong way round" in early.reasons[0]
    assert "AUC 0.00" in early.reasons[0]


# -- nothing found ---------------------------------------------------------------------------------
@pytest.mark.slow
def test_what_is_asked_for_helps():
    _, c, early = judged("odd:hidden")
    assert early is not None
    assert early.verdict == "INCONCLUSIVE"
    assert "--answer-mark" in early.reasons[0]
    assert not c.reads_gold  # its code names it, but no value moved
    section, c, early = judged("odd:hidden", answer_mark="@=> {}")
    assert early is None
    assert (c.auc, c.reads_gold) == (1.0, True)
    assert "which was told" in message(section, "dialect")


def test_a_mark_that_does_not_help_asks_for_a_log():
    _, _, early = judged("odd:hidden", answer_mark="Final: {}")
    assert early is not None
    assert "--rollouts" in early.reasons[0]
    assert "--answer-mark" not in early.reasons[0]


# -- the pieces ------------------------------------------------------------------------------------
def test_candidates_come_in_order_and_known_marks_are_the_known_ones():
    own = [Hint("<final>{}</final>", "")]
    source = [Hint("\\boxed{{}}", ""), Hint("<final>{}</final>", ""), Hint("= {} =", "")]
    found = candidates(own, [], source)
    names = [c.dialect for c in found]
    assert names[:4] == ["<final>{}</final>", "boxed", "think_boxed", "= {} ="]
    assert set(DIALECTS) <= set(names)
    assert [c.origin for c in found[:4]] == ["rollouts", "source", "source", "source"]
    assert {c.origin for c in found[4:]} == {"known"}


def test_usual_formats_can_be_written_and_read():
    assert all(dialect_of(dialect_of(d).name) == dialect_of(d) for d in USUAL)


@pytest.mark.parametrize(
    ("auc", "n", "expected"), [(1.0, 8, 1), (0.0, 8, -1), (0.5, 8, 0), (0.7, 8, 0), (0.7, 100, 1)]
)
def test_sides(auc, n, expected):
    # two standard deviations of the null law: 2 sqrt((2n + 1) / (12 n^2)); n = 8: 0.30, 100: 0.08
    assert side(auc, n, n) == expected
