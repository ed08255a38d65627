"""The page says what it assumes, explains its words, gives the variant as code, repeats nothing."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest

from tests.experiments.render.sample_report import sample_report
from tests.experiments.render.test_html import Page
from toyrl.experiments.render import once, variant
from toyrl.experiments.render.html import report_page
from toyrl.experiments.render.words import assumed
from toyrl.experiments.validate.collapse.variants import PAY, Formulas
from toyrl.experiments.validate.findings import Finding, Report, Section

WORDS = "Accuracy collapses in 66 of 249 learnable worlds (27%; safe up to 2%)."
FIX = "Lower the weight, or gate the term on correctness."


class Open(Page):
    """The text outside of folds, pictures and code, a piece an element."""

    def handle_data(self, data):
        if not {"details", "svg", "code", "figcaption"} & {*self.open}:
            super().handle_data(data)


def repeating() -> Report:
    """A report whose sections say again what the verdict says, and each other."""
    collapse = (
        Finding(4, "collapse/probability", "warn", WORDS, fix=FIX),
        Finding(
            4, "collapse/explained", "info", "Collapse comes with share of easy prompts > 0.4."
        ),
        Finding(4, "collapse/estimators", "warn", "Under rloo it collapses nowhere.", fix=FIX),
    )
    best = "the part beyond correctness paid to right answers only, weight 0.1"
    chosen = Finding(7, "verdict/variant", "info", f"Nearest safe variant: {best}.",
                     fix=f"{PAY}right * (0.9 + 0.1 * reward)")  # fmt: skip
    sections = (
        Section(4, f"{WORDS} Mostly where prompts are easy.", collapse),
        Section(7, f"Nearest safe variant: {best}.", (chosen,)),
    )
    reasons = (f"{WORDS} Collapse comes with share of easy prompts > 0.4.",)
    return replace(sample_report(verdict="RISKY"), reward="my/rewards.py:brevity", reasons=reasons,
                   sections=sections, safe_variant=best)  # fmt: skip


@pytest.mark.parametrize("report", [repeating(), sample_report()], ids=["repeating", "sample"])
def test_no_sentence_stands_twice_outside_folds(report):
    text = " \n".join(Open(report_page(report)).texts)
    sentences = [" ".join(s.split()) for s in re.split(r"(?<=[.!?])\s|\n", text)]
    counts = Counter(s for s in sentences if len(s) >= 40)
    assert counts
    assert [s for s, n in counts.items() if n > 1] == []


def test_what_was_said_is_named_and_not_lost():
    first, last = once.page(repeating()).parts
    assert first.summary == "Mostly where prompts are easy."
    assert [(s.finding.name, s.message, s.fix) for s in first.problems] == [
        ("collapse/probability", "", FIX),
        ("collapse/estimators", "Under rloo it collapses nowhere.", ""),
    ]
    assert [f.name for f in first.quoted] == ["collapse/explained"]
    assert (last.summary, last.notes) == ("", ())
    page = Page(report_page(repeating()))
    for name in ("collapse/probability", "collapse/explained", "verdict/variant"):
        assert name in page.text


def test_the_assumptions_stand_under_the_verdict():
    report = replace(
        sample_report(),
        settings={"group_size": 16, "estimator": "rloo", "beta": 0.01, "typical_length": 900,
                  "max_completion_length": 4096, "success_rates": [0.1, 0.5]},
        assumed=({"fields": ["step"], "says": "a step is 16 tokens."},),
    )  # fmt: skip
    said = (
        "Assumed: rloo, groups of 16, 900 of 4,096 tokens a completion, KL weight 0.01, "
        "success rates 0.1, 0.5; a step is 16 tokens."
    )
    assert assumed(report) == said
    assert said in Open(report_page(report)).text
    assert assumed(replace(report, settings={})) == ""


def test_words_are_explained_where_they_first_stand_and_once():
    page = once.page(repeating())
    assert {"world", "learnable", "collapse"} <= {e.name for e in page.terms}
    names = [e.name for part in (page, *page.parts) for e in part.terms]
    assert len(names) == len(set(names))
    folds = Page(report_page(repeating())).text
    assert "One guess at a task and a base model" in folds


# -- the variant as code ---------------------------------------------------------------------------
def test_the_variant_is_code_that_runs_with_the_command_that_judges_it():
    found = variant.of(repeating())
    assert found is not None
    assert found.command == "toyrl validate my/safer.py:safer"
    source, _, function = found.code.partition("\n")
    assert source == "from rewards import brevity"
    names = {
        "brevity": lambda *_, **__: [0.5, -0.5],
        "is_right": lambda *_, **__: [1.0, 0.0],
    }
    exec(function, names)
    assert names["safer"](["a", "b"]) == pytest.approx([0.95, 0.0])
    page = report_page(repeating())
    assert "toyrl validate my/safer.py:safer" in page
    assert page.index("def safer") < page.index("section-4")


def test_another_estimator_is_a_command_and_no_variant_is_nothing():
    sections = (Section(7, "", (Finding(7, "verdict/variant", "info", "x"),)),)
    plain = "the same reward without std normalisation (dr_grpo for grpo)"
    other = replace(repeating(), sections=sections, safe_variant=plain)
    found = variant.of(other)
    assert found == variant.Code("", "toyrl validate my/rewards.py:brevity --estimator dr_grpo")
    assert variant.of(replace(other, safe_variant="")) is None


@pytest.mark.parametrize(("base", "gap"), [(1.0, 1.0), (1.0, 0.0), (2.0, 2.0), (1.0, -0.5)])
@pytest.mark.parametrize("reward", [-1.3, 0.2, 2.4])
@pytest.mark.parametrize("right", [0.0, 1.0])
def test_formulas_pay_what_their_variants_pay(base, gap, reward, right):
    """base right + change(reward - gap right), as `of_reward` trains it."""
    extra, pays = reward - gap * right, Formulas(base, gap)
    known = {"right": right, "reward": reward}
    for weight in (1.0, 0.1):
        light = base * right + weight * extra
        assert eval(pays.light(weight), {}, known) == pytest.approx(light, abs=1e-4)
        gated = base * right + weight * right * extra
        assert eval(pays.gated(weight), {}, known) == pytest.approx(gated, abs=1e-4)
    capped = base * right + max(-0.4, min(0.4, extra))
    assert eval(pays.capped(0.4), {}, known) == pytest.approx(capped, abs=1e-4)
