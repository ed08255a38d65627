"""Scores of steps: what is refused, where they stand, and who gives them."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.extras import MissingExtra
from toyrl.graders.base import TextRow
from toyrl.graders.steps.scores import by_row, checked, even_offsets, step_fields, step_texts
from toyrl.graders.steps.splits import steps
from toyrl.rewards.process import of_step, scores_of, step_scorer, with_scores

LINES = st.lists(st.sampled_from(["a = 1", "b = 2 and so on", "so 9"]), min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([0.5], "gave 1 scores for 2 steps; give one a step, None where it is missing"),
        ([0.1, 0.2, 0.3], "gave 3 scores for 2 steps"),
        (0.5, "gave 0.5; give a list of one score per step"),
        ("0.5", "give a list of one score per step"),
        ({"score": 1}, "give a list of one score per step"),
        ([0.1, "good"], "gave 'good' for step 2 of 2; give a number or None"),
        ([math.inf, 0.1], "gave inf for step 1 of 2; give a finite number or None"),
    ],
)
def test_scores_that_cant_be_used_are_refused_with_the_way_out(values, said):
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        checked(values, 2)


def test_a_missing_score_is_nan_and_an_odd_one_stays():
    assert checked(np.array([2.0, -1.0]), 2) == [2.0, -1.0]
    found = checked([None, math.nan, 0.3], 3)
    assert np.isnan(found[:2]).all()
    assert found[2] == 0.3
    assert checked([], 0) == []


@given(lines=LINES, tokens=st.integers(1, 200), data=st.data())
def test_the_fields_hold_every_score_once_on_the_last_token_of_its_step(lines, tokens, data):
    text = "\n".join(lines)
    spans = steps(text, "line")
    scores = data.draw(st.lists(st.floats(-2, 2), min_size=len(spans), max_size=len(spans)))
    offsets = even_offsets(len(text), tokens)
    fields = step_fields(scores, spans, offsets)
    assert fields["step_scores"].shape == fields["step_ends"].shape == (tokens,)
    assert fields["step_scores"].sum() == pytest.approx(sum(scores), abs=1e-12)
    assert fields["step_ends"][-1] == 1.0  # a text that was cut off ends in a step too
    ends = np.flatnonzero(fields["step_ends"])
    if len(ends) == len(spans):  # no two steps end in one token
        np.testing.assert_array_equal(fields["step_scores"][ends], scores)
        starts = offsets[ends, 0]
        inside = zip(starts[:-1], spans[:-1], strict=True)
        assert all(low <= s < high for s, (low, high) in inside)


def test_steps_are_handed_over_without_the_white_space_at_their_ends():
    text = "one \n\n  two\n"
    assert step_texts(text, steps(text, "line")) == ["one", "two"]


def test_a_function_gets_steps_prompt_and_columns_by_name():
    row = TextRow("2 + 2?", "a\nb", {"answer": "4"}, 5)

    def full(prompt, steps, answer, weight=0.5):
        return [weight * (answer in s or prompt in s) for s in steps]

    assert scores_of(row, by_row(full), "line", by="full") == [0.0, 0.0]
    assert scores_of(row, by_row(lambda texts: [1.0] * len(texts)), "line", by="f") == [1.0, 1.0]
    assert (
        scores_of(row, by_row(lambda steps, **_: [len(steps) - 2, None]), "line", by="f")[0] == 0.0
    )
    with pytest.raises(ValueError, match="asks for 'judge', which is no column"):
        by_row(lambda steps, judge: [judge, steps])(["a"], row)
    with pytest.raises(ValueError, match="takes no argument"):
        by_row(lambda: [])
    with pytest.raises(ValueError, match="'completions', so it is a reward of whole completions"):
        by_row(lambda completions, **_: [0.0 for _ in completions])


def test_a_text_without_a_step_asks_nobody_and_pays_nothing():
    empty = TextRow("p", " \n ", {}, 3)
    assert scores_of(empty, by_row(lambda steps: 1 / len(steps)), "line", by="f") == []
    columns = with_scores(empty, [], "line").columns
    assert list(columns["step_scores"]) == list(columns["step_ends"]) == [0.0] * 3


def test_one_step_is_asked_for_by_its_number_and_the_scorer_once_a_text():
    calls = []

    def score(steps):
        calls.append(steps)
        return [0.2, None]

    ask = of_step(score)
    many = {"prompts": ["p"] * 3, "completions": ["a\nb"] * 3}
    assert ask(**many, toyrl_step=[0, 1, 2]) == [0.2, None, None]
    assert calls == [["a", "b"]]


def test_a_source_is_a_function_a_file_or_a_folder(tmp_path):
    (tmp_path / "prm.py").write_text("def score(steps):\n    return [0.5] * len(steps)\n")
    row = TextRow("p", "a\nb", {}, 4)
    scorer = step_scorer(f"{tmp_path / 'prm.py'}:score")
    assert scores_of(row, scorer, "line", by="prm") == [0.5, 0.5]
    with pytest.raises(ValueError, match="has no function 'nope'; it has score"):
        step_scorer(f"{tmp_path / 'prm.py'}:nope")
    with pytest.raises(ValueError, match=r"is none of file\.py:function"):
        step_scorer("prm")
    with pytest.raises(ValueError, match="steps='lines' is not one of blank_line, line"):
        of_step(len, steps="lines")


def test_a_model_without_its_packages_is_refused_with_the_line_that_installs_them(
    tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtra, match=r"process reward model .* needs transformers: pip"):
        step_scorer(tmp_path)


@pytest.mark.bridge
def test_a_models_folder_scores_each_step_on_its_separator(tmp_path):
    torch = pytest.importorskip("torch")
    from tests.bridge.token_classifier import saved

    folder = saved(tmp_path / "prm", labels=2)
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    row = TextRow("2+2", "ab\ncd\n4", {}, 8)
    found = scores_of(row, step_scorer(folder), "line", by="prm")
    # The slow definition: the whole sequence, and the places of the three line ends behind steps.
    ids = tokenizer("2+2ab\ncd\n4\n", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        good = torch.softmax(model(torch.tensor([ids])).logits[0].double(), -1)[:, 1]
    line = tokenizer("\n", add_special_tokens=False)["input_ids"][0]
    places = [i for i, token in enumerate(ids) if token == line]
    assert found == pytest.approx(good[places].tolist(), abs=1e-6)
    assert len(set(found)) == 3
    long = TextRow("2+2", "\n".join(["a"] * 40), {}, 80)  # longer than the model's 64 positions
    far = scores_of(long, step_scorer(folder), "line", by="prm")
    assert not math.isnan(far[0])
    assert math.isnan(far[-1])
    with pytest.raises(ValueError, match="has 3 labels; a step is bad or good"):
        step_scorer(saved(tmp_path / "three", labels=3))
    (tmp_path / "bare").mkdir()
    with pytest.raises(ValueError, match="holds no token-classification model"):
        step_scorer(tmp_path / "bare")
