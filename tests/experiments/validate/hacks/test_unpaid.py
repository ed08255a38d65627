"""Right answers that go unpaid: said with their share, and with the weight that they have."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tests.experiments.validate.hacks.test_hacks import (
    any_number,
    contained_either_way,
    first_tag,
    judged,
    per_row,
    strict,
    substring,
)
from toyrl.experiments.validate.findings import Finding
from toyrl.experiments.validate.hacks import section as hacks
from toyrl.experiments.validate.hacks import unpaid
from toyrl.experiments.validate.hacks.mutants import reads_right
from toyrl.experiments.validate.hacks.mutants_right import REMARK, has_larger, in_words, larger
from toyrl.experiments.validate.hacks.shapes import shape
from toyrl.graders.base import TextRow
from toyrl.worlds.text import render
from toyrl.worlds.text.problems import problem_of

BOX = re.compile(r"\\boxed\{([^{}]*)\}")


def boxed(row: TextRow, text: str | None = None) -> float:
    """The last box, compared whole; in a part of the text where one is given."""
    said = BOX.findall(row.completion if text is None else text)
    return float(bool(said) and said[-1].strip() == row.columns["answer"])


def told(grade, dialect: str = "boxed") -> dict[str, Finding]:
    section, _ = judged(grade, dialect)
    found = {f.name.removeprefix("hacks/"): f for f in section.findings}
    return {k: f for k, f in found.items() if k.startswith(("unpaid", "text-", "notation"))}


# -- text around -----------------------------------------------------------------------------------
def test_only_the_end_is_looked_at():
    found = told(lambda row: boxed(row, row.completion[-200:]))["text-behind"]
    assert found.status == "warn"
    assert "100% of 8" in found.message
    assert (found.value, found.bound) == (0.0, 1.0)


@pytest.mark.parametrize("window", [120, 300])
def test_how_much_text_may_follow_is_said(window: int):
    found = told(lambda row: boxed(row, row.completion[-window:]))["text-behind"]
    room = int(re.findall(r"up to (\d+) characters may follow", found.message)[0])
    mark = len("\\boxed{18}.\n") + 12  # a mark, and what the dialect has around it
    assert window - mark - len(REMARK) <= room <= window


def test_only_the_start_is_looked_at():
    found = told(lambda row: boxed(row, row.completion[:1200]))
    assert found["text-before"].status == "warn"
    assert "only the start" in found["text-before"].message
    assert "text-behind" not in found


@pytest.mark.parametrize(
    "grade",
    [
        lambda row: boxed(row) - 0.001 * len(row.completion),
        lambda row: boxed(row) * 2.0 ** (-len(row.completion) / 400),
        lambda row: boxed(row) - 0.002 * len(row.completion.rpartition("}.\n")[2]),
        boxed,
    ],
)
def test_a_charge_for_length_leaves_no_answer_unread(grade):
    assert not {k for k in told(grade) if k.startswith("text-")}


def test_a_format_that_wants_nothing_around_it_is_said_and_no_more():
    whole = re.compile(r"<think>.*</think>\s*<answer>(.*?)</answer>", re.DOTALL)

    def grade(row: TextRow) -> float:
        found = whole.fullmatch(row.completion)
        return float(found is not None and found[1].strip() == row.columns["answer"])

    found = told(grade, "tag")
    assert found["text-before"].status == found["text-behind"].status == "info"
    assert "even blank lines" in found["text-behind"].message
    assert "unpaid-spacing" not in found


def test_a_counterexample_of_text_behind_keeps_the_text_and_the_right_answer():
    window = 200

    def grade(row: TextRow) -> float:
        return boxed(row, row.completion[-window:])

    shown = told(grade)["text-behind"].counterexample
    golds = {x.problem.answer for x in render.base_rows("boxed", 24, 0) if x.correct}
    said = BOX.findall(shown)
    assert said[-1] in golds
    assert shape(shown, "boxed", said[-1]).remark
    assert grade(TextRow("", shown, {"answer": said[-1]})) == 0.0
    behind = len(shown) - shown.rindex("\\boxed")
    assert window < behind < window + 40  # no more than it takes
    assert len(shown) < 300


@pytest.mark.parametrize("grade", [substring, any_number, first_tag, contained_either_way])
def test_counterexamples_stay_of_their_kind(grade):
    base = render.base_rows("tag", 24, 0)
    section, _ = hacks.run(per_row(grade), base)
    kinds = {m.name: m for m in hacks.MUTANTS}
    failed = [f for f in section.findings if f.status == "fail"]
    assert failed
    for f in failed:
        mutant = kinds[f.name.removeprefix("hacks/")]
        made = [(x, mutant.apply(x)) for x in base if not x.correct and mutant.fits(x)]
        golds = {problem_of(row.prompt).answer: row for _, row in made}
        alike = [
            g for g, row in golds.items()
            if shape(f.counterexample, "tag", g).kind == shape(row.completion, "tag", g).kind
        ]  # fmt: skip
        assert alike, f.name


# -- white space and notation ----------------------------------------------------------------------
def test_spaces_and_lines_in_a_mark():
    def unstripped(row: TextRow) -> float:
        return float(f"<answer>{row.columns['answer']}</answer>" in row.completion)

    def one_line(row: TextRow) -> float:
        said = re.findall(r"<answer>(.*)</answer>", row.completion)  # a dot crosses no line
        return float(bool(said) and said[-1].strip() == row.columns["answer"])

    both = told(unstripped, "tag")["unpaid-spacing"]
    assert both.status == "warn"
    assert both.value == 1.0
    assert "spaces" in both.message
    lines = told(one_line, "tag")["unpaid-spacing"]
    assert "a line of their own" in lines.message
    assert "spaces" not in lines.message
    assert "\n" in lines.counterexample
    assert "unpaid-spacing" not in told(strict, "tag")


def test_line_ends_of_another_system():
    def by_lines(row: TextRow) -> float:
        lines = row.completion.split("\n")  # keeps the carriage return of every line but the last
        return strict(row) * float(not any(line.endswith("\r") for line in lines))

    found = told(by_lines, "tag")["unpaid-line-ends"]
    assert (found.status, found.value) == ("info", 1.0)
    assert r"\r\n" in found.message
    assert "unpaid-line-ends" not in told(strict, "tag")


def test_a_comparison_of_text_is_one_remark():
    found = told(strict, "tag")
    assert set(found) == {"notation"}
    assert found["notation"].status == "info"
    assert found["notation"].value == 1.0
    for family in unpaid.NOTATIONS.values():
        assert family[0] in found["notation"].message


def by_value(row: TextRow) -> float:
    said = re.findall(r"<answer>(.*?)</answer>", row.completion, re.DOTALL)
    try:
        return float(bool(said) and float(said[-1]) == float(row.columns["answer"]))
    except ValueError:
        return 0.0


def without_commas(row: TextRow) -> float:
    return by_value(TextRow(row.prompt, row.completion.replace(",", ""), row.columns))


def test_what_a_comparison_of_values_leaves_unpaid_is_named_by_family():
    found = told(by_value, "tag")
    refused = {"words", "latex", "fractions", "units", "thousands"}
    assert {k.removeprefix("unpaid-") for k in found} - {"signs"} == refused
    assert all(f.status == "info" and f.value == 1.0 and f.fix for f in found.values())
    assert "leading-zero" not in found["unpaid-signs"].message
    assert "bold" in found["unpaid-signs"].message
    fixes = [f.fix for f in found.values()]
    assert len(set(fixes)) == len(fixes)


def test_the_comma_is_told_from_the_large_number():
    taken = told(without_commas, "tag")["unpaid-thousands"].message
    assert "thousands-comma" not in taken
    assert "thousands-space" in taken

    def two_digits(row: TextRow) -> float:
        return by_value(row) * (len(row.columns["answer"]) < 3)

    assert "unpaid-thousands" not in told(two_digits, "tag")


def test_nothing_is_unpaid_where_right_is_paid_as_wrong():
    assert told(lambda _: 1.0, "tag") == {}
    assert told(lambda _: None, "tag") == {}


# -- the texts -------------------------------------------------------------------------------------
@pytest.mark.parametrize("dialect", render.DIALECTS)
def test_the_larger_problem_is_read_back_and_solved(dialect):
    for base in render.base_rows(dialect, 12, 4):
        assert has_larger(base)
        problem = larger(base)
        assert problem_of(problem.prompt) == problem
        assert 1000 <= problem.gold <= 9999
        wrong = [m for m in hacks.MUTANTS if m.fits is has_larger and not m.truth]
        assert len(wrong) == 3
        for mutant in wrong:
            text = mutant.apply(base).completion
            assert problem.answer not in re.findall(r"\d+", text)
            assert not render.parse(text, dialect, problem).correct
            assert not reads_right(text, replace(base, problem=problem))


def test_numbers_in_words():
    assert [in_words(n) for n in (0, 13, 20, 42, 99)] == [
        *("zero", "thirteen", "twenty", "forty-two", "ninety-nine")
    ]


def test_near_misses_are_in_the_list():
    """Tenfold, sign, digits swapped, part and whole, no number at all."""
    names = {m.name for m in hacks.MUTANTS if m.family == "value"}
    assert names >= {"tenfold", "point-inserted", "negated", "digits-turned", "first-digits",
                     "last-digit", "digit-appended", "not-a-number", "infinite",
                     "next-large-number", "large-digits-swapped"}  # fmt: skip


@pytest.mark.parametrize(
    ("grade", "caught"),
    [
        (lambda said, gold: abs(said - gold) <= 1e-3 * gold, {"next-large-number"}),
        (lambda said, gold: said in (gold, 10 * gold), {"tenfold"}),
        (lambda said, gold: not abs(said - gold) > 0, {"not-a-number"}),
        (lambda said, gold: abs(said) == gold, {"negated"}),
        (lambda said, gold: str(gold)[:-2].startswith(str(said)[:-2]), {"first-digits"}),
    ],
)
def test_loose_comparisons_are_caught_by_the_value_that_they_pay(grade, caught):
    def reward(row: TextRow) -> float:
        said = re.findall(r"<answer>(.*?)</answer>", row.completion, re.DOTALL)
        try:
            return float(bool(said) and grade(float(said[-1]), float(row.columns["answer"])))
        except ValueError:
            return 0.0

    section, _ = judged(reward)
    failed = {f.name.removeprefix("hacks/") for f in section.findings if f.status == "fail"}
    assert failed >= caught
    if len(failed) == 1:
        assert section.findings[0].fix
