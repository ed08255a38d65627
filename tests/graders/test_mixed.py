"""Mixed-R1's reward: values by hand, laws of its rules, bad input, embeddings, trainers."""

from __future__ import annotations

import importlib.util
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toyrl.graders.base import TextRow
from toyrl.graders.likeness.overlap import TokenRows, bmas, one_hot_bmas, tokens
from toyrl.graders.mixed import (
    Mixed,
    answer_text,
    chart,
    chart_number,
    has_layout,
    iou,
    match,
    read_box,
)
from toyrl.testing.laws import routed as laws

GOLD = {"match": "B", "chart": "107", "iou": "[10, 20, 30, 40]", "open": "a red kite"}


def row(kind: str, text: str, target=None, **options) -> TextRow:
    columns = {"task_type": kind, "target": GOLD[kind] if target is None else target}
    return TextRow("p", text, columns, **options)


def paid(kind: str, text: str, target=None, reward: Mixed = Mixed(), **options) -> float:  # noqa: B008
    return reward.grade_parts([row(kind, text, target, **options)])[0].parts["task"]


# -- rules -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "target", "value"),
    [
        ("(b).", "B", 1), (" B ", "b.", 1), ("B or C", "B", 0), ("1.5", "15", 0),
        ("1.5.", "1.5", 1),
        ("((b))", "B", 0), ("", "", 0), ("北京。", "北京", 0), ("北京.", "北京", 1),
        ("да", "ДА", 1),
    ],
)  # fmt: skip
def test_match_is_equality_of_texts(said, target, value):
    assert match(said, target) == value


@pytest.mark.parametrize(
    ("said", "target", "value"),
    [
        ("112", "107", 1), ("112.35", "107", 1), ("112.36", "107", 0), ("0.95", "1", 1),
        ("97 %", "0.97", 0), ("97%", "97", 1), ("1,234", "1234", 1), ("1,23", "123", 0),
        ("0", "0", 1), ("0.0001", "0", 0), ("-5", "5", 0), ("Peru", "peru", 1), ("", "", 0),
        ("1e2", "100", 1), ("nan", "nan", 1), ("inf", "1", 0), (".", "0", 0), ("١٠٧", "107", 1),
        ("9" * 10**5, "9", 0), ("1e999999999", "1", 0), ("1" + ",111" * 10**4, "1", 0),
    ],
)  # fmt: skip
def test_charts_are_met_within_a_tolerance_of_the_target(said, target, value):
    assert chart(said, target) == value


@given(st.integers(-200, 200), st.integers(-200, 200), st.sampled_from(["1", "0.001", "70", "1e9"]))
def test_a_charts_unit_does_not_count(a, g, unit):
    k = chart_number(unit)
    assert k is not None
    scaled = [f"{float(k * x):.12g}" for x in (a, g)]
    assert chart(scaled[0], scaled[1]) == chart(str(a), str(g)) == float(20 * abs(a - g) <= abs(g))
    assert match(str(a), str(g)) <= chart(str(a), str(g))


def test_a_control_that_measures_against_the_answer_is_told_apart():
    assert chart("100", "95") != chart("95", "100")


@given(laws.boxes(), laws.boxes())
def test_boxes_keep_their_laws(a, b):
    assert laws.broken(laws.BOX_LAWS, iou, a, b) == []


def test_controls_of_boxes_are_caught():
    def loose(a, b):
        return iou(*(sorted(x[::2])[:1] + sorted(x[1::2])[:1] + sorted(x[::2])[1:]
                     + sorted(x[1::2])[1:] for x in (a, b)))  # fmt: skip

    a, b = (0, 0, 2, 2), (1, 1, 3, 3)
    assert laws.broken(laws.BOX_LAWS, loose, a, b) == [laws.wrong_order_pays_nothing(loose, a, b)]
    assert len(laws.broken(laws.BOX_LAWS, lambda a, b: abs(a[0] - b[0]), a, b)) > 1


@pytest.mark.parametrize(
    ("given_", "box"),
    [
        ("[1, 2, 3, 4]", (1, 2, 3, 4)), ("(1 2 3.5 4)", (1, 2, 3.5, 4)),
        ([1, 2, 3, 4], (1, 2, 3, 4)),
        ("1,2,3", None), ("box 1,2,3,4", None), ("1,2,3,4,5", None), ("[1,2,3,1e9]", None),
        ([1, 2, 3, math.inf], None), (None, None), ([[1, 2, 3, 4]], None), ("1," * 10**5, None),
    ],
)  # fmt: skip
def test_boxes_are_read_strictly(given_, box):
    assert read_box(given_) == box


@given(laws.vectors(), laws.vectors())
def test_bmas_keeps_its_laws(u, v):
    assert laws.broken(laws.SIMILARITY_LAWS, lambda a, b: bmas(a, b).mean, u, v) == []
    more = bmas(np.vstack([u, [[1.0, 2.0, -1.0]]]), v)
    assert more.recall >= bmas(u, v).recall - 1e-12
    s = u @ v.T / np.linalg.norm(u, axis=1)[:, None] / np.linalg.norm(v, axis=1)
    assert bmas(u, v) == pytest.approx((s.max(1).mean(), s.max(0).mean()), abs=1e-12)


def test_controls_of_bmas_are_caught():
    u, v = np.eye(3)[[0, 1, 1]] * [[1], [2], [5]], np.eye(3)[[0, 2]]
    for broken in (lambda a, b: (a @ b.T).max(1).mean(), lambda a, b: bmas(a, b).precision,
                   lambda a, b: float((a @ b.T > 0).mean())):  # fmt: skip
        assert laws.broken(laws.SIMILARITY_LAWS, broken, u, v)


def test_vectors_of_tokens_at_their_edges():
    assert bmas(np.zeros((0, 4)), np.zeros((0, 4))) == (1, 1)
    assert bmas(np.zeros((0, 4)), np.ones((2, 4))) == (0, 0)
    assert bmas(np.zeros((2, 4)), np.ones((2, 4))) == (0, 0)
    assert bmas([[1e300, 0.0]], [[1e-300, 0.0]]) == (1, 1)
    assert bmas([[1.0, 0.0]], [[-1.0, 0.0]]).mean == -1
    for bad, other in (([[math.nan]], [[1.0]]), ([1.0], [[1.0]]), ([[1.0]], [[1.0, 2.0]])):
        with pytest.raises(ValueError, match="vectors"):
            bmas(bad, other)


def test_long_texts_are_compared_in_blocks_with_the_same_result(monkeypatch):
    rng = np.random.default_rng(3)
    u, v = rng.normal(size=(30, 4))[rng.integers(0, 30, 90)], rng.normal(size=(40, 4))
    whole = bmas(u, v)
    monkeypatch.setattr("toyrl.graders.likeness.overlap.BLOCK", 100)
    assert bmas(u, v) == pytest.approx(whole, abs=1e-12)


def test_tokens_of_many_scripts():
    assert tokens("A red-kite, 107!") == ["a", "red", "-", "kite", ",", "1", "0", "7", "!"]
    assert tokens("東京タワー") == list("東京タワー")
    assert tokens("Красный змей") == ["красный", "змей"]
    assert one_hot_bmas(tokens("京東"), tokens("東京")).mean == 1
    assert 0 < one_hot_bmas(tokens("東京駅"), tokens("東京")).mean < 1


# -- the reward ------------------------------------------------------------------------------------
def test_the_layout_and_the_answer():
    assert has_layout("<think>a</think>\n <answer>b</answer>")
    for text in ("<think>a</think>b<answer>c</answer>", " <think></think><answer></answer>",
                 "<think>a</think><answer>b", "<answer></answer>", "<think></answer>"):  # fmt: skip
        assert not has_layout(text)
    assert answer_text(row("match", "<answer>A</answer> no, <answer> B </answer>")) == "B"
    assert answer_text(row("match", "B")) == "B"
    assert answer_text(row("match", "B", truncated=True)) is None
    assert answer_text(row("match", "x <answer>B")) is None
    assert answer_text(row("match", "</answer> B")) == "</answer> B"
    cut = Mixed().grade_parts([row("match", "<think>x</think><answer>B")])[0]
    assert (dict(cut.parts), cut.problem) == ({"task": 0, "format": 0}, "the answer was cut off")
    assert Mixed().grade([row("match", "<think>x</think><answer>B</answer>")]) == [1.5]


@pytest.mark.parametrize("kind", GOLD)
def test_an_empty_answer_is_paid_nothing_but_for_an_empty_open_target(kind):
    assert paid(kind, "") == 0
    assert paid(kind, GOLD[kind]) == 1
    assert paid("open", "", "") == paid("open", " ", "") == 1
    assert paid("open", "x", "") == 0


def test_targets_that_cannot_be_met_are_no_zero():
    for kind, target in (("match", " "), ("chart", ""), ("iou", [30, 20, 10, 40]), ("iou", "none")):
        found = Mixed().grade_parts([row(kind, "x", target)])[0]
        assert math.isnan(found.total)
        assert found.problem.startswith("the target is")
    for box in ("[40,30,20,10]", "[1,2,1,5]", "at the left"):
        found = Mixed().grade_parts([row("iou", box)])[0]
        assert (found.total, found.problem) == (0, "the answer is no box x1 < x2, y1 < y2")


def test_an_unknown_kind_and_missing_columns_are_refused():
    with pytest.raises(ValueError, match="task_type='caption' is not one of match, chart, iou"):
        Mixed(rule="open").grade([TextRow("p", "x", {"task_type": "caption", "target": "x"})])
    for columns, name in (({"target": "x"}, "task_type"), ({"task_type": "open"}, "target")):
        with pytest.raises(KeyError, match=f"mixed reads the column '{name}'"):
            Mixed().grade([TextRow("p", "x", columns)])
    with pytest.raises(ValueError, match="embed='words' must be 'hashed'"):
        Mixed(embed="words")


@given(
    st.sampled_from(["b", "112", "[11,20,30,40]", "a kite", "<think></think><answer>B</answer>"]),
    st.sampled_from(list(GOLD)),
)
def test_one_rule_a_row(text, kind):
    others = {"chart": [Mixed(tolerance=0.0), Mixed(tolerance=9.0)],
              "open": [Mixed(side="recall"), Mixed(embed=letters)]}  # fmt: skip
    assert laws.one_rule_a_row(Mixed(), others, row(kind, text)) is None


def letters(texts):
    """Each letter a vector of its own."""
    return TokenRows(np.eye(128), lambda t: [ord(c) % 128 for c in t])(texts)


def test_an_embedding_is_asked_once_for_distinct_texts():
    asked = []

    def embed(texts):
        asked.append(list(texts))
        return letters(texts)

    reward = Mixed(embed=embed, weight=0.0)
    rows = [row("open", "a kite"), row("open", "a kite"), row("match", "B"), row("open", "")]
    values = reward.grade(rows)
    assert asked == [["a kite", "a red kite"]]
    assert values[0] == values[1] == pytest.approx((1 + 8 / 10) / 2)
    assert values[2:] == [1, 0]
    with pytest.raises(ValueError, match="embed gave 0 arrays for 2 texts"):
        Mixed(embed=lambda _: []).grade(rows)
    with pytest.raises(ValueError, match="has a token without a row in a matrix of 3"):
        TokenRows(np.eye(3), lambda _: [3])(["x"])


def test_sides_and_one_rule_for_all():
    assert paid("open", "a", reward=Mixed(side="precision")) == 1
    assert paid("open", "a", reward=Mixed(side="recall")) == pytest.approx(1 / 3)
    assert paid("open", "a", reward=Mixed(side="harmonic")) == pytest.approx(0.5)
    assert paid("chart", "701", reward=Mixed(rule="open")) == 1
    assert Mixed(rule="chart").grade([TextRow("p", "112", {"label": "107"})]) == [1]
    found = Mixed().grade_parts([row("open", "a a")])[0]
    assert found.facts == {"open": pytest.approx(2 / 3), "precision": 1, "recall": 1 / 3}


@pytest.mark.bridge
def test_an_exported_file_pays_the_same_from_one_label(tmp_path):
    pytest.importorskip("torch", reason="needs the extra llm")
    from toyrl.bridge.export.write import export

    made = export("mixed(tolerance=0.1)", "openrlhf", max_completion_length=64)
    (tmp_path / "reward.py").write_text(made.text)
    spec = importlib.util.spec_from_file_location("exported", tmp_path / "reward.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    labels = [json.dumps({"task_type": k, "target": t}) for k, t in GOLD.items()]
    texts = ["(b)", "117", "[12,20,30,40]", "<think></think><answer>a</answer>", "(b)"]
    ends = ["<|im_end|>"] * 4 + [""]  # the last one was cut off
    queries = [f"p{text}{end}" for text, end in zip(texts, ends, strict=True)]
    found = module.reward_func(queries, ["p"] * 5, [*labels, labels[0]])["rewards"]
    want = [1, 1, 0.9, 2 / 3 + 0.5, 0]
    assert [float(v) for v in found] == pytest.approx(want, abs=1e-6)
