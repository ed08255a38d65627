"""Rewards of writing: the toy's 168 texts, laws, a model's place, texts that are hard to read."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from toyrl.estimators.parts import Averaged
from toyrl.experiments.papers.tasks.p10_longwriter import texts
from toyrl.expressions import parse_grader, to_expression
from toyrl.graders.base import TextRow
from toyrl.graders.formats import stated_answer
from toyrl.graders.likeness.repetition import jaccard, similar_paragraphs
from toyrl.graders.mixed import answer_text
from toyrl.graders.steps.phases import answer_part, answer_words, is_laid_out
from toyrl.graders.writing.long_form import WORDS, Writing, copied, count_words
from toyrl.serving import ServedTask
from toyrl.testing.laws import writing as laws

FEW = settings(max_examples=40, deadline=None)
TOY = Writing(model="none")


def paragraph(k: int) -> str:
    return " ".join(f"w{k}x{i}" for i in range(100))


def test_the_toys_texts_are_paid_as_the_toy_says():
    toy = texts()
    rows = []
    for tags, _, u, d in toy.arms:
        body = [paragraph(k) for k in range(u)] + [paragraph(0)] * d
        rows.append(TextRow("", laws.written(body) if tags else "\n\n".join(body)))
    rows = [TextRow("", r.completion, {"score": q})
            for r, q in zip(rows, toy.rewards[1], strict=True)]  # fmt: skip
    found = Writing().grade_parts(rows)
    length, write, tidy = (np.array([g.parts[n] for g in found]) for n in Writing.parts)
    assert np.allclose(length, toy.rewards[0], atol=1e-12)
    assert np.allclose(tidy, toy.rewards[2], atol=1e-12)
    assert np.allclose(write, toy.rewards[1], atol=1e-12)


@FEW
@given(laws.answers(), st.sampled_from(["similar", "exact"]), st.sampled_from([0.5, 0.8, 1.0]))
def test_copies_are_docked_by_the_slow_definition(paragraphs, docking, tau):
    text = "\n\n".join(paragraphs)
    sets = [frozenset(WORDS.findall(p)) or frozenset([p]) for p in paragraphs]
    if docking == "similar":
        dup = [any(jaccard(s, t) >= tau for t in sets[:j]) for j, s in enumerate(sets)]
    else:
        dup = [p in paragraphs[:j] for j, p in enumerate(paragraphs)]
    assert copied(text, docking, tau) == pytest.approx(sum(dup) / len(dup))


def test_large_texts_are_compared_as_small_ones():
    """Above the size of a dense table the same copies are found."""
    rng = np.random.default_rng(0)
    some = [" ".join(f"w{i}" for i in rng.integers(0, 4000, 20)) for _ in range(900)]
    near = [p + " more" for p in some[:90]]
    assert similar_paragraphs("\n\n".join(some + near)) == pytest.approx(90 / 990)


@FEW
@given(laws.answers(), st.integers(0, 4), st.sampled_from(["similar", "exact", "none"]))
@example(["a b c d e", "a b c d", "a b c"], 2, "similar")
def test_laws_of_the_format(paragraphs, place, docking):
    reward = Writing(model="none", docking=docking)
    assert laws.copies_never_pay(reward, paragraphs, place) is None
    assert laws.tags_are_needed(reward, paragraphs) is None


def test_a_copy_before_its_original_can_pay():
    """Likeness isn't transitive: c is unlike a, and as the first paragraph it is docked nothing."""
    a, b, c = "a b c d e", "a b c d", "b c d"
    before, after = (
        Writing(model="none", tau=0.75).grade_parts([TextRow("", laws.written(p))])[0]
        for p in ([a, b, c], [c, a, b, c])
    )
    assert before.parts["format"] == pytest.approx(1 / 3)
    assert after.parts["format"] == pytest.approx(2 / 4)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=6), st.integers(0, 20), st.integers(0, 20))
@FEW
def test_law_of_the_band(words, lower, more):
    reward = Writing(lower=lower, upper=lower + more, last=50.0, model="none")
    assert laws.band_is_met(reward, words) is None


def test_laws_see_what_breaks_them():
    class Unseen(Writing):
        def _graded(self, row, score):
            found = super()._graded(row, score)
            return found._replace(parts={**found.parts, "format": float(len(row.completion))})

    wrong = Unseen(model="none")
    assert "raises format" in (laws.copies_never_pay(wrong, ["a", "b"], 0) or "")
    assert "format is" in (laws.tags_are_needed(wrong, ["a"]) or "")

    class Flat(Writing):
        def _graded(self, row, score):
            found = super()._graded(row, score)
            return found._replace(parts={**found.parts, "length": 1.0})

    assert "words are paid" in (laws.band_is_met(Flat(model="none"), [3]) or "")


def test_a_prompts_own_range_and_what_cannot_be_read():
    row = TextRow("", laws.written(["one two three"]), {"L_lower": "6", "L_upper": 8})
    assert TOY.grade_parts([row])[0].parts["length"] == pytest.approx(0.5)
    for bad in ({"L_lower": "six"}, {"L_lower": 9, "L_upper": 8}, {"L_upper": math.inf}):
        found = TOY.grade_parts([TextRow("", "x", bad)])[0]
        assert math.isnan(found.total)
        assert found.problem
    with pytest.raises(ValueError, match="edges in order"):
        Writing(lower=700)


def test_the_models_place():
    rows = [TextRow("p", t, {"score": s}) for t, s in (("a", 0.5), ("a", "-2"), ("b", None))]
    assert [g.parts["write"] for g in Writing().grade_parts(rows[:2])] == [0.5, -2.0]
    with pytest.raises(ValueError, match="spoils its whole group"):
        Writing().grade_parts(rows)
    assert "no number" in Writing(nan="nan").grade_parts(rows)[2].problem
    seen = []
    scored = Writing(model=lambda pairs: seen.extend(pairs) or [1.0] * len(pairs))
    assert scored.reads == ()
    assert [g.parts["write"] for g in scored.grade_parts(rows)] == [1.0] * 3
    assert seen == [("p", "a"), ("p", "b")]  # rows alike are scored once
    with pytest.raises(ValueError, match="gave 1 scores for 2 texts"):
        Writing(model=lambda _: [1.0]).grade_parts(rows)
    with pytest.raises(ValueError, match="is no folder"):
        Writing(model="no/such").grade_parts(rows)
    with pytest.raises(ValueError, match="must be 'column'"):
        Writing(model=3)
    with pytest.raises(KeyError, match=r"score in the column 'score'.*there are answer"):
        Writing().grade_parts([TextRow("p", "a", {"answer": "3"})])


def test_averaged_advantages_do_not_see_the_models_scale():
    rows = [TextRow("", laws.written([paragraph(k) for k in range(n)]), {"score": s}, 9)
            for n, s in ((1, 0.3), (2, 0.1), (4, 0.2), (12, 0.9))]  # fmt: skip
    wide = [TextRow("", r.completion, {"score": 1e3 * r.columns["score"]}, 9) for r in rows]
    served = ServedTask.of("writing()", max_completion_length=16, estimator="averaged")
    one, other = (served(r, [0] * 4).values for r in (rows, wide))
    assert one == pytest.approx(other, abs=1e-5)
    assert isinstance(served.estimator, Averaged)


HARD = (
    "", " ", "\x00\ud800", "<think>" * 10**5, "</answer>" + "<answer>" * 10**5, "\n \n" * 10**5,
    "a" * 10**6, "\n\n".join("a b c d e f"[: 2 * (i % 6) + 1] for i in range(10**5)),
)  # fmt: skip


@pytest.mark.parametrize("text", HARD, ids=range(len(HARD)))
def test_texts_that_are_hard_to_read(text):
    found = TOY.grade_parts([TextRow("", text)])[0]
    assert found.parts["format"] == 0
    assert 0 <= found.parts["length"] <= 1


def test_scripts_without_spaces():
    text = "你好世界。再见 ok"
    assert count_words(text) == 2
    assert count_words(text, "characters") == 8  # 6 characters, a full stop, ok
    alike = "春眠不覚暁処処聞啼鳥\n\n春眠不覚暁処処聞啼鶏"
    assert copied(alike, unit="words") == 0
    assert copied(alike, unit="characters") == pytest.approx(0.5)


def test_layout_and_the_part_that_counts():
    assert is_laid_out(" <think>a</think>\n<answer></answer>\n")
    odd = ("", "<think></think>", "<answer></answer><think></think>",
           "<think><answer></think></answer>", "<think>a</think> b <answer></answer>")  # fmt: skip
    for text in odd:
        assert not is_laid_out(text)
    assert answer_part("<think>a</think> <answer>cut off") == "cut off"
    mentioned = "<think>an <answer> tag, then</think><answer>B</answer></answer>"
    assert answer_part(mentioned) == "B"
    assert answer_text(TextRow("", mentioned)) == stated_answer(mentioned) == "B"
    assert answer_words(TextRow("", "<think>a</think><answer> cut off")) == 2
    again = Writing(docking="exact", unit="characters", lower=1.0)
    assert parse_grader(to_expression(again)) == again
