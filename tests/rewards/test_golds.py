"""Forms of gold answers: told from data, wanted by source, tried, and borrowed columns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rewards.calls import ROWS, grade
from toyrl.graders.base import TextRow
from toyrl.rewards import golds
from toyrl.rewards.calling import BORROWS, borrowed
from toyrl.rewards.evidence import wanted
from toyrl.rewards.golds import form_of, in_list, in_record, of_data
from toyrl.rewards.signatures import GOLD_SYNONYMS, recognise

LEAVES = (golds.TEXT, golds.INT, golds.FLOAT, golds.DOLLARS, golds.BOXED, golds.HASH)


def wrapped(inner):
    rest = st.dictionaries(st.sampled_from(["numbers", "style", "level"]), st.integers(0, 9))
    record = st.builds(in_record, inner, st.sampled_from(["target", "ground_truth"]), rest)
    return st.one_of(inner.map(in_list), record)


FORMS = st.recursive(st.sampled_from(LEAVES), wrapped, max_leaves=3)


@given(form=FORMS, first=st.integers(-999, 9999), other=st.integers(-999, 9999), json=st.booleans())
def test_a_form_is_known_by_one_value(form, first, other, json):
    """What the first row of a data set holds says how any other answer would stand there."""
    plain = form in LEAVES
    form = golds.as_json(form) if json and not plain else form
    found = form_of(form.write(str(first)))
    assert found.write(str(other)) == form.write(str(other))


@pytest.mark.parametrize(
    ("value", "of_25"),
    [
        ("18", "25"),
        (18, 25),
        (18.0, 25.0),
        ("18.0", "25.0"),
        ("B", "B"),
        ("word", "25"),
        (["D"], ["B"]),
        (True, "25"),
        (None, "25"),
        ([], "25"),
        (["18", "eighteen"], ["25"]),
        ({"target": 19, "numbers": [3, 8], "id": 4}, {"target": 25, "numbers": [1, 24], "id": 4}),
        ({"target": 19, "numbers": 3}, {"target": 25, "numbers": 3}),
        ({"a": "x", "b": "y"}, "25"),
        ({"value": "18", "unit": "cm"}, {"value": "25", "unit": "cm"}),
        ("He has 3 * 6 = 18.\n#### 18", "He has 3 * 6 = 18.\n#### 25"),
        (r"We get \boxed{18}.", r"We get \boxed{25}."),
        ('{"answer": 18}', '{"answer": 25}'),
        ("{not json", "25"),
    ],
)
def test_forms_of_values(value, of_25):
    assert form_of(value).write("25") == of_25


def test_a_data_set_says_the_form_of_each_column():
    found = of_data(
        [
            {"prompt": "p", "answer": None, "level": 3},
            {"answer": 7, "reward_model": {"style": "rule", "ground_truth": "7"}, "level": 4},
        ]
    )
    own = {"answer": "25", "solution": "$25$", "level": 1}
    handed = found.columns(own)
    assert handed["answer"] == 25
    assert found.of("ground_truth") == "'18' (text)"
    assert handed["reward_model"] == {"style": "rule", "ground_truth": "25"}
    assert handed["solution"] == "$25$"
    assert golds.lent_columns({"prompt": "p", "answer": 7, "level": 4}, found) == {
        "prompt": "p",
        "level": 4,
    }


@given(gold=st.integers(-99, 999), said=st.integers(-99, 999), work=st.text(max_size=20))
def test_letters_are_right_where_the_numbers_are(gold, said, work):
    """Of a written text only the answer's line changes, and never from wrong to right."""
    row = TextRow("p", f"{work} 7\n<answer>{said}</answer>", {"answer": str(gold)}, written=True)
    handed = golds.Golds({"answer": golds.LETTER}).handed(row)
    before, _, last = handed.completion.rpartition("\n")
    assert before == f"{work} 7"
    assert (last == f"<answer>{handed.columns['answer']}</answer>") == (said == gold)
    assert handed.columns["answer"] in golds.CHOICES


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("7 + 2\n#### 9\nI hope that this helps.", "7 + 2\n#### B\nI hope that this helps."),
        ("1 + 8 = 9.\n<answer>\n9\n</answer>", "1 + 8 = 9.\n<answer>\nB\n</answer>"),
        ("Step 1: 7 + 2 = 9.\nThat settles it.", "Step 1: 7 + 2 = 9.\nThat settles it."),
        ("<answer>8 or 9</answer>", "<answer>A or B</answer>"),
        ("#### " + "9" * 5000, "#### " + "9" * 5000),
    ],
)  # fmt: skip
def test_the_answers_line_is_found_before_a_remark(text, letter):
    row = TextRow("p", text, {"answer": "9"}, written=True)
    assert golds.Golds({"answer": golds.LETTER}).handed(row).completion == letter


@given(gold=st.integers(-99, 999), said=st.integers(-99, 999))
def test_expressions_are_right_where_the_numbers_are(gold, said):
    row = TextRow("p", f"So\n<answer>{said}</answer>", {"answer": str(gold)}, written=True)
    handed = golds.Golds({"answer": golds.countdown("nums")}).handed(row)
    a, sign, b = handed.completion.partition("<answer>")[2].removesuffix("</answer>").split()
    value = int(a) + int(b) if sign == "+" else int(a) - int(b)
    record = handed.columns["answer"]
    assert record == {"target": gold, "nums": [int(a), int(b)]}
    assert min(record["nums"]) > 0
    assert (value == gold) == (said == gold)


# -- what the source wants ---------------------------------------------------------------------
SOURCES = {
    "record": (
        "def f(data_source, solution_str, ground_truth, extra_info=None):\n"
        "    return any(a in solution_str for a in ground_truth['target'])",
        ["target"],
        {"list"},
    ),
    "by get": (
        "def f(solution_str, ground_truth):\n    return ground_truth.get('answer') in solution_str",
        ["answer"],
        set(),
    ),
    "number": (
        "def f(completions, answer, **kw):\n"
        "    return [-abs(float(c) - a) for c, a in zip(completions, answer)]",
        [],
        {"number"},
    ),
    "text": (
        "def f(completions, answer, **kw):\n"
        "    return [a.strip() in c for i, (c, a) in enumerate(zip(completions, answer))]",
        [],
        {"text"},
    ),
    "kwargs": (
        "def f(completions, **kw):\n"
        "    golds = kw['solution']\n"
        "    return [float(golds[i]['value'] in c) for i, c in enumerate(completions)]",
        ["value"],
        set(),
    ),
    "JSON": (
        "import json\n"
        "def f(solution_str, ground_truth):\n"
        "    spec = json.loads(ground_truth)\n"
        "    return float(spec['label'] in solution_str)",
        ["label"],
        {"json"},
    ),
    "helper": (
        "def check(said, gold):\n    return said in gold['aliases']\n"
        "def f(text, answer):\n    return float(check(text, gold=answer))",
        ["aliases"],
        set(),
    ),
    "records of EasyR1": (
        "def f(reward_inputs):\n"
        "    scores = [r['ground_truth'].strip() in r['response'] for r in reward_inputs]\n"
        "    return [{'overall': s} for s in scores]",
        [],
        {"text"},
    ),
    "nothing": ("def f(text, answer):\n    return float(answer in text)", [], set()),
}


@pytest.mark.parametrize("name", SOURCES)
def test_the_source_says_what_it_wants(tmp_path, name, monkeypatch):
    source, keys, does = SOURCES[name]
    (tmp_path / f"source_{name.split()[0].lower()}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    module = __import__(f"source_{name.split()[0].lower()}")
    signature = recognise(module.f, "f")
    found = wanted(module.f, signature.gold, GOLD_SYNONYMS, batch=signature.batch)
    assert (found.keys, found.does) == (keys, does)
    assert (signature.keys, set(signature.does)) == (tuple(keys), does)
    first = golds.candidates(signature)[0].example
    if keys:
        inside = form_of(first).example if isinstance(first, str) else first
        assert keys[0] in inside
    else:
        assert first == "18"


def test_code_without_source_has_no_wishes():
    scope = {}
    exec("def f(text, answer): return float(answer['a'] in text)", scope)
    assert wanted(scope["f"], ["answer"], GOLD_SYNONYMS, batch=False).keys == []
    assert wanted(len, [], [], batch=False).keys == []
    assert golds.wish(recognise(scope["f"], "f")) == ""


# -- columns of a user's data ------------------------------------------------------------------
def solutions(completions, solutions, **kwargs):
    return [float(s in c) for c, s in zip(completions, solutions, strict=True)]


def usual(completions, **kwargs):
    return [float(kwargs["answer"][0] in c) for c in completions]


def optional(completions, solution, answer="none", **kwargs):
    return [float(answer == "none") for _ in completions]


def batch(responses, targets):
    return [float(t in r) for r, t in zip(responses, targets, strict=True)]


@pytest.mark.parametrize(
    ("function", "columns", "found"),
    [
        (solutions, {"solution": "2"}, {"solutions": "solution"}),
        (solutions, {"solutions": "2", "answer": "3"}, {}),
        (usual, {"solution": "2"}, {"answer": "solution"}),
        (usual, {"answer": "2", "solution": "3"}, {}),
        (optional, {"solution": "2"}, {}),
        (batch, {"target": "2"}, {}),
        (batch, {"label": "2"}, {"targets": "label"}),
        (batch, {"unrelated": "2"}, {}),
    ],
)
def test_a_synonym_is_taken_only_where_the_function_cannot_be_called_otherwise(
    function, columns, found
):
    signature = recognise(function, "f")
    assert borrowed(signature, {"columns": columns}) == found
    assert borrowed(signature, {"columns": columns, "written": True}) == {}


def test_the_exact_column_wins_and_a_borrowed_one_is_told():
    row = {**ROWS[0], "columns": {"answer": "9", "solution": "2"}}
    got = []

    def exact(completions, solution, **kwargs):
        got.append((solution, kwargs["answer"]))
        return [0.0]

    grade(exact, [row])
    assert got == [(["2"], ["9"])]
    from toyrl.rewards.calling import call

    _, notes = call(
        solutions, recognise(solutions, "f"), [row], False, tick=lambda _: None, wait=list
    )
    assert notes == [f"{BORROWS} 'solution' as 'solutions'"]


def test_verls_nested_ground_truth_is_found():
    row = {**ROWS[0], "columns": {"reward_model": {"ground_truth": "2"}, "answer": "other"}}

    def compute_score(data_source, solution_str, ground_truth, extra_info=None):
        return float(ground_truth == "2")

    assert grade(compute_score, [row])[1] == [1.0]
