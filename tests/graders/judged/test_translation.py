"""Translations: paid for a lead over an exemplar, never for likeness to it, behind their format."""

from __future__ import annotations

import importlib.util
import math

import pytest

pytest.importorskip("sacrebleu", reason="needs the extra tasks")
pytest.importorskip("py3langid", reason="needs the extra tasks")
from sacrebleu.metrics.bleu import BLEU

from toyrl.bridge.export.write import export
from toyrl.expressions import parse_grader
from toyrl.graders.base import TextRow
from toyrl.graders.judged.translation import (
    Translation,
    in_language,
    language,
    sentence_score,
    translation_of,
)

REFERENCE = "the old cat sat on the warm mat near the fire"
EXEMPLAR = "an old cat was sitting on the mat by the fire"
BETTER = "the old cat sat on the warm mat by the fire"
GERMAN = "Die alte Katze lag auf der warmen Matte am Feuer."


def row(text: str, *, truncated: bool = False, think: bool = True, **columns) -> TextRow:
    columns = {"reference": REFERENCE, "exemplar": EXEMPLAR} | columns
    return TextRow("p", f"<think>hm</think>\n{text}" if think else text, columns,
                   truncated=truncated)  # fmt: skip


def paid(text: str, reward: str = "translation()", **columns) -> float:
    return parse_grader(reward).grade([row(text, **columns)])[0]


def test_a_copy_of_the_exemplar_gets_the_middle_grade_and_a_better_text_more():
    assert [paid(t) for t in (EXEMPLAR, BETTER, "fire")] == [3, 5, 1]
    slightly = "translation(step=1000)"
    assert [paid(t, slightly) for t in (EXEMPLAR, BETTER, "fire")] == [3, 4, 2]
    # likeness: a text nearer to the exemplar than another, and worse by the reference
    near = EXEMPLAR.replace("mat", "rug")
    assert paid(near) < paid(BETTER)
    assert math.isnan(paid("a cat", exemplar=REFERENCE))
    assert paid(EXEMPLAR, exemplar=[EXEMPLAR, "fire"]) == 4  # mean of 3 and 5


def test_the_whole_reward_of_the_papers_arms():
    arms = [(1, 5, 1, 0.78), (1, 3, 1, 0.82), (1, 1, 2, 0.50), (0, 5, 2, 0.80), (1, 3, 2, 0.79)]
    got = [paid("x", only_translation=f, comparison=g, analysis=a, quality_estimate=q)
           for f, g, a, q in arms]  # fmt: skip
    assert got == pytest.approx([6.28, 4.32, 2.5, 0, 4.79])


def test_the_format_is_a_gate():
    broken = [
        row(BETTER, think=False), row(BETTER, truncated=True), row(""), row(BETTER + "<think>"),
        row(BETTER, only_translation=0), row("猫" * 30_000),
    ]  # fmt: skip
    assert parse_grader("translation()").grade(broken) == [0.0] * 6
    assert translation_of(" <think></think> x ") == "x"
    assert translation_of("x</think>", think=False) is None
    assert parse_grader("translation(think=False)").grade([row(BETTER, think=False)]) == [5.0]


def test_a_light_direction_is_paid_for_its_language_alone():
    light = {"direction": "en-de", "comparison": 5, "analysis": 2, "quality_estimate": 1.0}
    assert paid(GERMAN, **light) == 1
    assert paid(GERMAN, **light | {"comparison": 1, "quality_estimate": 0.0}) == 1
    assert paid(BETTER, **light) == 0
    assert paid("da", **light) == 0  # too short to tell
    assert (
        paid(
            "这是一个很长的中文句子，说的是一只老猫。", direction="en-zh-Hans", target_language="zh"
        )
        == 1
    )
    assert paid(BETTER, "translation(check='always')") == 0  # the pivot's language is Chinese
    with pytest.raises(ValueError, match="target language 'xx' is not one of"):
        paid(BETTER, direction="en-xx")


@pytest.mark.parametrize(
    ("columns", "value", "said"),
    [
        ({"exemplar": "", "quality_estimate": 0.7}, 0.7, "no exemplar: quality alone"),
        ({"exemplar": None}, 0.0, "no exemplar: quality alone"),
        ({"reference": ""}, math.nan, "neither a reference nor a comparison"),
        ({"comparison": "I can't say"}, math.nan, "the comparison can't be read"),
        ({"comparison": 7}, math.nan, "the comparison can't be read"),
        ({"quality_estimate": math.nan, "comparison": "equal"}, 3.0, ""),
    ],
)
def test_what_is_missing_has_its_value_and_is_said(columns, value, said):
    (found,) = Translation().grade_parts([row(BETTER, **columns)])
    assert found.total == pytest.approx(value, nan_ok=True)
    assert found.problem == said


def test_scores_are_sacrebleus_own():
    own = BLEU(effective_order=True).sentence_score(BETTER, [REFERENCE]).score
    assert sentence_score(BETTER, [REFERENCE], metric="bleu") == own
    chinese = ("猫在垫子上睡觉", ["猫坐在垫子上睡觉"])
    assert sentence_score(*chinese, metric="bleu", tokenize="char") > 50
    assert sentence_score(*chinese, metric="bleu") == 0  # one word for 13a
    assert paid(BETTER, "translation(paid='metric', metric='bleu')") == pytest.approx(own / 100)
    with pytest.raises(ValueError, match="others need models beside sacrebleu"):
        sentence_score("a", ["a"], metric="bleu", tokenize="ja-mecab")
    with pytest.raises(ValueError, match="the reference is empty"):
        sentence_score("a", ["", " "])
    assert language(GERMAN)[0] == "de"
    assert in_language("Это русский язык", "ru") == 1


def test_an_exported_file_pays_the_same(tmp_path):
    made = export("translation()", "trl", max_completion_length=64, group_size=None, estimator=None)
    place = tmp_path / "reward.py"
    place.write_text(made.text)
    spec = importlib.util.spec_from_file_location("written", place)
    written = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(written)
    texts = [row(t).completion for t in (BETTER, EXEMPLAR)]
    got = written.toyrl_reward(
        prompts=["p"] * 2, completions=texts, completion_ids=[[1, 2], [1, 2]],
        reference=[REFERENCE] * 2, exemplar=[EXEMPLAR] * 2,
    )  # fmt: skip
    assert got == [5.0, 3.0]
