"""Every term of a sum by itself: silent ones are said, shares add up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from toyrl.estimators.group import PRESETS
from toyrl.experiments.validate import verdict
from toyrl.experiments.validate.findings import Finding, Section
from toyrl.experiments.validate.pipeline import Pipeline
from toyrl.experiments.validate.settings import Settings
from toyrl.experiments.validate.terms import section as terms
from toyrl.experiments.validate.terms.facts import Place, describe
from toyrl.rewards.user import load
from toyrl.rollouts import Rollouts

SUMS = r"""
import re

def boxed(completion, answer):
    found = re.findall(r"\\boxed\{(.*?)\}", completion)
    return float(bool(found) and found[-1] == answer)

def tagged(completion, answer):
    found = re.findall(r"<answer>(.*?)</answer>", completion, re.S)
    return float(bool(found) and found[-1].strip() == answer)

def tags(completion):
    return float(bool(re.search(r"<think>.*</think>\s*<answer>.*</answer>", completion, re.S)))

def thinks(completion):
    return float(bool(re.match(r"<think>.*</think>", completion, re.S)))

def one_line(completion):
    return 0.5 * float(bool(re.match(r"<think>[^\n]*</think><answer>[^\n]*</answer>", completion)))

def plain_tags(completion):
    return tags(completion) * float("boxed" not in completion)

def signed(completion):
    return float(chr(64) * 3 in completion)

def either(completion, answer):
    return max(boxed(completion, answer), tagged(completion, answer))
"""


@pytest.fixture
def judged(tmp_path):
    """Contract and terms of a sum of the functions above."""
    file = tmp_path / "sums.py"
    file.write_text(SUMS)

    def run(*names: str, **settings):
        specs = [f"{file}:{n}" if n[0].isalpha() and "(" not in n else n for n in names]
        pipeline = Pipeline(specs, Settings(**settings), lambda *_: None)
        with load(specs) as reward:
            pipeline.reward = reward
            section = pipeline.contract()
            found, tables, facts = terms.run(pipeline)
        return pipeline, Section(1, "", (*section.findings, *found), (), tables), facts

    return run


def word(section: Section, facts) -> tuple[str, tuple[str, ...]]:
    return verdict.decide(
        collapse=verdict.Collapse(256, 0),
        price_nats=math.inf,
        constant=False,
        reads_gold=True,
        separates=True,
        sections=(section,),
        unjudged=terms.unjudged(facts),
    )


@pytest.mark.parametrize("weight", ["", ":50"])
def test_a_tag_format_that_boxed_answers_never_have_is_not_safe(judged, weight):
    _, section, facts = judged("boxed", f"plain_tags{weight}")
    assert [x.silent for x in facts] == [False, True]
    [silent] = [f for f in section.findings if f.name == "terms/silent"]
    assert silent.status == "warn"
    assert "tags" in silent.message
    assert "It does pay in tag" in silent.message
    assert word(section, facts)[0] == "UNSAFE"  # in tags a wrong answer is paid like a right one
    assert any(f.name == "contract/format" and f.status == "fail" for f in section.findings)
    assert facts[0].share == pytest.approx(1.0)


def test_of_equal_dialects_the_one_is_judged_in_which_most_terms_vary(judged):
    """Boxed answers are read in two dialects, and only one of them has the tags."""
    pipeline, section, facts = judged("boxed", "thinks:0.2")
    assert pipeline.contract_facts.dialect == "think_boxed"
    assert not any(x.silent for x in facts)
    assert word(section, facts)[0] == "SAFE"


def test_a_tag_format_beside_boxed_answers_is_judged_on_both_together(judged):
    pipeline, section, facts = judged("boxed", "tags")
    mark = "<think>\n{work}\n</think>\n<answer>\\boxed{{}}</answer>"
    assert pipeline.contract_facts.dialect == mark
    assert not any(x.silent for x in facts)
    assert word(section, facts)[0] == "UNSAFE"  # wrong in tags is paid like right without them


def test_patterns_that_never_cross_a_line_break_are_judged_in_one_line(judged):
    pipeline, section, facts = judged("tagged", "one_line")
    assert pipeline.contract_facts.dialect == "<think>{line}</think><answer>{}</answer>"
    assert not any(x.silent for x in facts)
    assert word(section, facts)[0] == "SAFE"


def test_a_term_that_never_pays_is_said_and_keeps_the_sum_from_safe(judged):
    _, section, facts = judged("tagged", "signed")
    assert [x.silent for x in facts] == [False, True]
    name, reasons = word(section, facts)
    assert name == "INCONCLUSIVE"
    assert "signed" in reasons[0]


@pytest.mark.slow
def test_wrong_but_formatted_above_right_but_bare_is_found(judged):
    _, section, facts = judged("either", "tags:2")
    [over] = [f for f in section.findings if f.name == "contract/format"]
    assert (over.status, over.value, over.bound) == ("fail", 2.0, 1.0)
    assert "tag is paid 2" in over.message
    assert word(section, facts)[0] == "UNSAFE"
    _, section, facts = judged("either", "tags:0.2")
    assert all(f.name != "contract/format" for f in section.findings)
    assert word(section, facts)[0] == "SAFE"


def test_each_term_has_a_line_and_a_row_by_format(judged):
    _, section, facts = judged("either", "tags:0.2", "linear_length():-0.1")
    lines = [f for f in section.findings if f.name == "terms/line"]
    assert len(lines) == len(facts) == len(section.tables[0].rows) == 3
    assert facts[1].paid["tag"] > 0.8
    assert facts[1].paid["boxed"] == 0
    assert sum(x.share for x in facts) == pytest.approx(1.0)
    assert facts[2].high < 0


def test_a_reward_of_one_term_has_no_terms(judged):
    _, section, facts = judged("either")
    assert facts == ()
    assert not any(f.name.startswith("terms/") for f in section.findings)


def test_catalogue_terms_have_lines_too(judged):
    _, section, facts = judged("outcome()", "linear_length():-0.3", "linear_length():-0.1")
    assert [x.silent for x in facts] == [False] * 3
    twins = [f for f in section.findings if f.name == "terms/redundant"]
    assert len(twins) == 1
    assert twins[0].value == pytest.approx(1.0)


# -- the numbers -----------------------------------------------------------------------------------
B, G, T = 3, 4, 3
VALUES = arrays(float, (T, B, G), elements=st.integers(-8, 8).map(float))


def facts_of(values: np.ndarray, estimator: str = "dr_grpo"):
    r = Rollouts((np.arange(B * G).reshape(B, G) % 2).astype(float), np.ones((B, G)), 9.0)
    flat = Place("here", values.reshape(T, -1))
    return describe([*"abc"], [flat], [], values, r, PRESETS[estimator])


@given(VALUES)
def test_shares_without_normalisation_are_covariances_with_the_sum(values):
    got = [x.share for x in facts_of(values)]
    within = values - values.mean(-1, keepdims=True)
    total = within.sum(0)
    whole = (total**2).sum()
    if whole == 0:
        assert all(map(math.isnan, got))
    else:
        by_hand = [(within[t] * total).sum() / whole for t in range(T)]
        assert got == pytest.approx(by_hand, abs=1e-9)


@given(VALUES, st.sampled_from(["grpo", "dr_grpo", "rloo"]))
def test_shares_add_up_to_one_under_any_estimator(values, estimator):
    shares = [x.share for x in facts_of(values, estimator)]
    assert all(map(math.isnan, shares)) or sum(shares) == pytest.approx(1.0)


@given(VALUES, st.integers(-5, 5))
def test_a_constant_term_is_silent_and_has_no_share(values, constant):
    values[1] = constant
    x = facts_of(values)[1]
    assert x.silent
    assert x.spread == 0
    assert math.isnan(x.share) or abs(x.share) < 1e-9
    assert math.isnan(x.correlation)
    assert x.paid["here"] == (constant != 0)


@given(VALUES, st.sampled_from([-2.0, 0.5, 3.0]))
def test_a_multiple_of_a_term_is_its_twin(values, factor):
    values[2] = factor * values[0]
    a, _, c = facts_of(values)
    if a.spread:
        assert abs(a.correlation) == pytest.approx(1.0)
        assert abs(c.correlation) == pytest.approx(1.0)


def test_no_claim_of_a_sum_rests_on_a_silent_term():
    values = np.ones((T, B, G))
    values[0, :, 0] = 0
    facts = facts_of(values)
    claim = Finding(5, "order/regret", "pass", "It orders policies as the truth does.")
    narrowed = terms.only_of_what_fired(Section(5, "It orders.", (claim,)), facts)
    assert narrowed.findings[0].status == "info"
    assert narrowed.findings[0].message.startswith("Without b, c, which never varied: ")
    assert narrowed.summary.startswith("Without b, c")
    whole = Section(5, "It orders.", (claim,))
    assert terms.only_of_what_fired(whole, facts[:1]) == whole
