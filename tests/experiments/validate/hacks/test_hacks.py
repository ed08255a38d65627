"""The metamorphic library: a sound reward passes, flawed ones are caught by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from toyrl.experiments.validate.hacks import price
from toyrl.experiments.validate.hacks import section as hacks
from toyrl.experiments.validate.hacks.mutants import reads_right
from toyrl.experiments.validate.hacks.mutants_right import larger
from toyrl.graders.base import TextRow
from toyrl.worlds.text import render

TAGS = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
NUMBER = re.compile(r"-?\d+")
PHRASE = re.compile(r"wait|let me check|let me verify|double-check|therefore", re.IGNORECASE)


def per_row(grade: Callable[[TextRow], float | None]):
    return lambda rows: [grade(row) for row in rows]


def strict(row: TextRow) -> float:
    """The only answer tag, after the reasoning, compared whole."""
    found = TAGS.findall(row.completion)
    return float(len(found) == 1 and found[0].strip() == row.columns["answer"])


def substring(row: TextRow) -> float:
    return float(row.columns["answer"] in row.completion)


def final_substring(row: TextRow) -> float:
    """Gold anywhere in the last tag or, without tags, nothing."""
    return float(row.columns["answer"] in (TAGS.findall(row.completion) or [""])[-1])


def any_number(row: TextRow) -> float:
    return float(row.columns["answer"] in NUMBER.findall(row.completion))


def last_number(row: TextRow) -> float:
    return float((NUMBER.findall(row.completion) or [""])[-1] == row.columns["answer"])


def first_tag(row: TextRow) -> float:
    found = TAGS.search(row.completion)
    return float(found is not None and found.group(1) == row.columns["answer"])


def layout(row: TextRow) -> float:
    return float(bool(re.match(r"<think>.*</think>\s*<answer>.*</answer>$", row.completion, re.S)))


def phrases(row: TextRow) -> float:
    return float(len(PHRASE.findall(row.completion)))


def brevity(row: TextRow) -> float:
    return 1.0 - row.tokens / 512


def strict_with_phrases(row: TextRow) -> float:
    return strict(row) + 0.1 * phrases(row)


def judged(grade, dialect: str = "tag", seed: int = 0):
    return hacks.run(per_row(grade), render.base_rows(dialect, 24, seed))


def names(section, status: str = "fail") -> set[str]:
    return {f.name.removeprefix("hacks/") for f in section.findings if f.status == status}


@pytest.mark.parametrize("seed", range(5))
def test_a_sound_reward_has_no_fail(seed):
    section, exploits = judged(strict, seed=seed)
    assert not names(section, "fail")
    assert not names(section, "warn")
    assert names(section, "pass") == {"none", "control"}
    assert exploits == []
    assert names(section, "info") == {"notation"}  # "9.0" and "nine" get nothing


@pytest.mark.parametrize(
    ("grade", "caught"),
    [
        (substring, {"answer-only-in-think", "mentioned-then-wrong", "text-after-answer",
                     "inside-a-number", "several-answers", "numbers-listed"}),
        (final_substring, {"inside-a-number", "several-answers"}),
        (any_number, {"mentioned-then-wrong", "text-after-answer", "several-answers",
                      "numbers-listed"}),
        (last_number, {"answer-only-in-think", "text-after-answer"}),
        (first_tag, {"duplicated-marks"}),
        (strict_with_phrases, {"phrase-spam"}),
    ],
)  # fmt: skip
def test_flawed_readers_are_caught(grade, caught):
    section, exploits = judged(grade)
    assert names(section) >= caught
    assert names(section) == {e.name for e in exploits}
    assert not {"honest-right", "honest-wrong"} & names(section)
    for finding in section.findings:
        if finding.status == "fail":
            assert finding.value >= finding.bound
            assert finding.fix


BARE = "{work}\n{}"  # a format without a mark: the answer stands last


def test_the_last_number_is_the_answer_of_a_format_without_a_mark():
    section, exploits = judged(last_number, BARE)
    assert not names(section, "fail") | names(section, "warn")
    assert exploits == []
    assert "last-number" in names(section, "info")  # said, for gold may be denied there


def test_a_format_without_a_mark_excuses_nothing_but_its_last_number():
    section, _ = judged(any_number, BARE)
    assert names(section) >= {"mentioned-then-wrong", "numbers-listed"}
    section, _ = judged(last_number, "boxed")  # this format has a mark
    assert names(section) >= {"answer-only-in-think", "text-after-answer"}


def echoes(weight: float) -> Callable[[TextRow], float]:
    """Right answers, and so much for the share of the question's words in the text."""

    def grade(row: TextRow) -> float:
        asked = set(re.findall(r"\w+", row.prompt.lower()))
        said = set(re.findall(r"\w+", row.completion.lower()))
        return strict(row) + weight * len(asked & said) / len(asked)

    return grade


def test_a_fixed_edit_that_is_worth_half_an_answer_is_a_failure():
    section, exploits = judged(echoes(1.0))
    found = next(f for f in section.findings if f.name == "hacks/half-for-free")
    assert found.status == "fail"
    assert "prompt" in found.message
    assert found.value > found.bound
    assert exploits == []  # right answers that echo are paid still more


def test_a_fixed_edit_that_is_worth_little_is_none():
    section, _ = judged(echoes(0.3))
    assert "half-for-free" not in names(section)


@pytest.mark.parametrize("grade", [last_number, final_substring, first_tag])
def test_only_the_flaw_is_caught(grade):
    """What a reader isn't fooled by has no finding."""
    section, _ = judged(grade)
    assert not names(section) & {"empty", "prompt-echoed", "phrase-spam", "zero-width",
                                 "repeated-step", "empty-think", "format-shell"}  # fmt: skip


def prefix(row: TextRow) -> float:
    """The last tag begins with gold."""
    return float((TAGS.findall(row.completion) or [""])[-1].startswith(row.columns["answer"]))


def within_one(row: TextRow) -> float:
    try:
        said = float((TAGS.findall(row.completion) or [""])[-1])
    except ValueError:
        return 0.0
    return float(abs(said - float(row.columns["answer"])) <= 1)


def unsigned(row: TextRow) -> float:
    return float((TAGS.findall(row.completion) or [""])[-1].lstrip("-") == row.columns["answer"])


def leading_number(row: TextRow) -> float:
    found = re.match(r"[\d.]+", (TAGS.findall(row.completion) or [""])[-1])
    return float(found is not None and found[0] == row.columns["answer"])


def any_order(row: TextRow) -> float:
    said = (TAGS.findall(row.completion) or [""])[-1]
    return float(sorted(said) == sorted(row.columns["answer"]))


@pytest.mark.parametrize(
    ("grade", "caught"),
    [
        (prefix, {"digit-appended", "decimals-added", "tenfold"}),
        (within_one, {"next-number", "decimals-added", "next-large-number"}),
        (unsigned, {"negated"}),
        (any_order, {"digits-turned", "large-digits-swapped"}),
    ],
)
def test_wrong_values_in_the_right_place_are_caught(grade, caught):
    section, _ = judged(grade)
    assert names(section) == caught


def test_correctness_paid_in_full_is_a_failure_whatever_a_text_s_looks_cost():
    """Any number counts, and a term that wrong texts get less of hides it from the median."""

    def hidden(row: TextRow) -> float:
        return any_number(row) + 0.3 * row.completion.rstrip().endswith("</answer>")

    section, exploits = judged(hidden)
    full = next(f for f in section.findings if f.name == "hacks/text-after-answer")
    assert full.status == "fail"
    assert full.value < full.bound == pytest.approx(1.3)
    assert "1, and 0 with another number in the place of the right one" in full.message
    assert "text-after-answer" not in {e.name for e in exploits}


def test_nearly_paid_is_a_warning():
    """Any number is worth seven tenths of the right one in its place."""

    def mostly(row: TextRow) -> float:
        return max(strict(row), 0.7 * any_number(row))

    section, _ = judged(mostly)
    near = next(f for f in section.findings if f.name == "hacks/near")
    assert near.status == "warn"
    assert "text-after-answer" in near.message
    assert near.bound < near.value == pytest.approx(0.7)
    assert not {"near"} & names(judged(strict)[0], "warn")


def test_a_unit_behind_the_number_is_a_warning_and_no_exploit():
    section, exploits = judged(leading_number)
    assert names(section, "warn") == {"with-a-unit", "unpaid-spacing"}  # it doesn't strip
    assert not names(section, "fail")
    assert exploits == []


def test_format_only_is_ungated_once():
    section, exploits = judged(layout)
    assert names(section, "warn") == {"ungated"}
    assert not names(section, "fail")
    assert {"empty-think", "format-shell", "zero-width"} <= {e.name for e in exploits}
    assert "doesn't tell right from wrong" in section.summary


@pytest.mark.parametrize(
    ("grade", "caught"), [(phrases, {"phrase-spam"}), (brevity, {"empty", "format-shell"})]
)
def test_ungated_rewards_and_what_they_overpay(grade, caught):
    section, exploits = judged(grade)
    assert names(section, "warn") == {"ungated"}
    assert names(section, "fail") >= caught
    assert exploits[0].reward == max(e.reward for e in exploits)
    assert exploits[0].name in caught


def asked_for_more(base):
    """The row with the problem of four digits that some mutants answer."""
    problem = larger(base)
    row = replace(base.row, prompt=problem.prompt, columns=render.columns(problem, base.dialect))
    return replace(base, problem=problem, row=row)


@pytest.mark.parametrize("grade", [substring, final_substring, any_number, first_tag, phrases])
def test_counterexamples_are_small_paid_and_wrong(grade):
    base = render.base_rows("tag", 24, 0)
    section, exploits = hacks.run(per_row(grade), base)
    floor = exploits[0].honest_right_median
    for finding in section.findings:
        if finding.status != "fail":
            continue
        assert len(finding.counterexample) < 400
        golds = {x.row.columns["answer"]: x for x in (*base, *map(asked_for_more, base))}
        paid = [x for x in golds.values()
                if grade(TextRow("", finding.counterexample, x.row.columns, 10)) >= floor
                and not reads_right(finding.counterexample, x)]  # fmt: skip
        assert paid


def test_a_bonus_without_the_answer_is_paid_in_part():
    from toyrl.experiments.validate.hacks.paid import Honest, Paid, status

    wrong = next(m for m in hacks.MUTANTS if not m.truth and m.family != "control")
    honest = Honest([1.2, 1.2], [0.0, 0.2, 0.0])
    told = [status(Paid(wrong, (), (), (v,)), honest) for v in (1.2, 0.2, 0.0)]
    assert told == ["paid", "paid in part", "not paid"]


def test_evidence():
    section, _ = judged(substring)
    (table, causes), (picture,) = section.tables, section.pictures
    assert causes.rows[0][1] == "gold standing somewhere in the text"
    assert len(table.rows) == len(hacks.MUTANTS)
    status = {row[1]: row[-1] for row in table.rows}
    assert status["honest-right"] == "control"
    assert status["text-after-answer"] == "paid"
    assert status["empty"] == "not paid"
    assert [c.label for c in picture.curves] == ["wrong completions", "honest right median"]
    assert max(picture.curves[0].x) == 1.0


def test_unscorable_values_are_left_out():
    def sometimes(row: TextRow) -> float | None:
        return None if not row.completion or "\u200b" in row.completion else strict(row)

    section, _ = judged(sometimes)
    status = {row[1]: row[-1] for row in section.tables[0].rows}
    assert status["empty"] == status["zero-width"] == "not scored"
    assert not names(section, "fail")
    section, exploits = hacks.run(lambda rows: [None] * len(rows), render.base_rows("tag", 24, 0))
    assert names(section, "warn") == {"unscorable"}
    assert exploits == []


def test_control_tells_a_reward_that_remembers():
    calls = []

    def remembering(rows: Sequence[TextRow]) -> list[float | None]:
        calls.append(0)
        return [strict(row) + 0.01 * len(calls) for row in rows]

    section, _ = hacks.run(remembering, render.base_rows("tag", 24, 0))
    assert "control" in names(section, "warn")


def test_both_kinds_of_base_rows_are_needed():
    right = [x for x in render.base_rows("tag", 24, 0) if x.correct]
    with pytest.raises(ValueError, match="0 wrong complete rollouts"):
        hacks.run(per_row(strict), right)


# -- exploits that cost nothing --------------------------------------------------------------------
def contained_either_way(row: TextRow) -> float:
    """The last tag holds gold, or gold holds what the tag says: so does an empty tag."""
    said = (TAGS.findall(row.completion) or [None])[-1]
    return float(
        said is not None and (said in row.columns["answer"] or row.columns["answer"] in said)
    )


def test_an_exploit_that_needs_no_knowledge_of_the_answer_comes_first():
    section, exploits = judged(contained_either_way)
    failed = [f for f in section.findings if f.status == "fail"]
    assert failed[0].name == "hacks/format-shell"
    assert exploits[0].name == "format-shell"
    assert "No knowledge of the answer" in failed[0].message
    assert TAGS.findall(failed[0].counterexample) == [""]
    told = {f.name for f in failed if "No knowledge of the answer" in f.message}
    assert "hacks/inside-a-number" in {f.name for f in failed} - told


def test_which_edits_are_fixed_is_found_by_changing_gold():
    score = per_row(lambda _: 1.0)
    wrong = [p for p in hacks._pay(score, render.base_rows("tag", 24, 0)) if not p.mutant.truth]
    fixed = {p.mutant.name for p in wrong if hacks.free(p)}
    assert fixed >= {"format-shell", "empty", "ellipsis", "phrase-spam", "prompt-echoed"}
    assert not fixed & {"inside-a-number", "several-answers", "negated", "gold-in-code", "range"}


def test_policies_are_not_said_to_keep_accuracy_where_wrong_is_paid_like_right():
    prob, right = np.array([[0.4, 0.6]]), np.array([[1.0, 0.0]])
    tie = [hacks.Exploit("shell", 1.0, 1.0, "")]
    for exploits, status in ((tie, "info"), ([], "pass")):
        found = price.on_classes(prob, right, right, np.ones(1), exploits)
        assert np.isinf(found.kl)
        finding, _ = price.describe(found, len(exploits))
        assert finding.status == status
        assert ("never lose" in finding.message) == (not exploits)


@pytest.mark.parametrize(
    ("paid", "status"),
    [
        (lambda t, a: f"\\boxed{{{a}}}" in t[-200:], "warn"),  # looks at the end alone
        (lambda t, a: t.endswith(f"\\boxed{{{a}}}."), "info"),  # wants nothing behind
        (lambda t, a: f"\\boxed{{{a}}}" in t, None),
        (lambda t, a: (f"\\boxed{{{a}}}" in t) * 2.0 ** (-len(t) / 400), None),  # long is dear
    ],
)
def test_right_answers_that_go_unpaid_when_text_follows(paid, status):
    section, _ = judged(lambda row: float(paid(row.completion, row.columns["answer"])), "boxed")
    found = [f for f in section.findings if f.name == "hacks/text-behind"]
    assert [f.status for f in found] == ([] if status is None else [status])
    assert all((f.value, f.bound) == (0.0, 1.0) for f in found)
