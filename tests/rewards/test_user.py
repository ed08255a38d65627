"""User rewards as terms of a sum: specifications, forms, caching, weights, catalogue mixes."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.experiments.validate.text_probes import probes, rows
from tests.places import BAD_REWARDS as BAD
from tests.places import EXAMPLES
from toyrl.graders.base import TextRow
from toyrl.rewards.errors import RewardError
from toyrl.rewards.user import load, parse_spec, same


def write(folder: Path, source: str, name: str = "mine.py") -> str:
    file = folder / name
    file.write_text(source)
    return str(file)


# -- specifications ------------------------------------------------------------------------
def test_specs_are_read_into_terms():
    path = str(EXAMPLES / "brevity_bonus.py")
    term = parse_spec(f"{path}:reward:0.25")
    assert (term.spec, term.weight) == (f"{path}:reward", 0.25)
    assert term.target is not None
    assert (term.target.name, term.target.path) == ("reward", path)
    assert parse_spec(f"{path}:-1e-1").weight == -0.1
    assert parse_spec(path).target.name == ""
    dotted = parse_spec("trl.rewards:think_format_reward").target
    assert (dotted.module, dotted.name, dotted.arguments) == (
        "trl.rewards",
        "think_format_reward",
        None,
    )
    assert parse_spec("trl.rewards.think_format_reward").target.module == "trl.rewards"
    made = parse_spec("pkg.mod:make(max_len=-512, scale=.5, names=('a', 'b')):2").target
    assert made.arguments == {"max_len": "-512", "scale": "0.5", "names": "('a', 'b')"}


def test_catalogue_expressions_become_shapers():
    term = parse_spec("laser(target=0.5):0.3")
    assert term.weight == 0.3
    assert term.shaper is not None
    assert term.target is None
    assert term.name == "0.3 * laser(target=0.5)"


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("", "bad_spec"),
        ("  ", "bad_spec"),
        ("no_such_file.py:f", "not_found"),
        (str(BAD), "bad_spec"),
        ("pkg.mod:make(*x)", "bad_spec"),
        ("pkg.mod:make(a=b)", "bad_spec"),
        ("pkg.mod:make(**x)", "bad_spec"),
        ("pkg.mod:f+g", "bad_spec"),
        ("pkg.mod:f(", "bad_spec"),
        ("__import__('os').system('true')", "bad_spec"),
        ("no_such_shaper(target=1)", "bad_spec"),
    ],
)
def test_unreadable_specs_are_refused(spec, kind):
    with pytest.raises(RewardError) as caught:
        parse_spec(spec)
    assert caught.value.kind == kind
    assert str(caught.value)


@given(st.text(max_size=30))
def test_no_specification_raises_anything_else(spec):
    with contextlib.suppress(RewardError):
        term = parse_spec(spec)
        assert term.target is not None or term.shaper is not None


def test_a_misspelt_file_is_answered_with_the_nearest():
    with pytest.raises(RewardError, match=r"brevity_bonus\.py"):
        parse_spec(str(EXAMPLES / "brevity_bonas.py"))


# -- scoring ---------------------------------------------------------------------------------
@pytest.mark.parametrize("dialect", ["tag", "boxed", "gsm8k", "prose"])
def test_the_correctness_example_tells_right_from_wrong(dialect):
    given_rows = probes(8)[dialect]
    with load(str(EXAMPLES / "correctness.py")) as reward:
        values = reward.score([row for row, _ in given_rows])
        assert values == [float(right) for _, right in given_rows]
        assert reward.reads_gold
        assert reward.kind == "text"
        assert reward.signature is not None
        assert reward.signature.form == "trl"


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.py")), ids=lambda p: p.stem)
def test_every_example_answers_every_dialect(file):
    with load(str(file)) as reward:
        for dialect in probes(4).values():
            values = reward.score([row for row, _ in dialect])
            assert len(values) == 4
            assert all(isinstance(v, float) for v in values)
        assert reward.score([]) == []


def test_chat_functions_are_given_messages():
    with load(str(EXAMPLES / "format_only.py")) as reward:
        values = reward.score(rows(6, dialect="tag") + rows(2, dialect="prose"))
        assert values == [1.0] * 6 + [0.0] * 2
        assert reward.texts[0].chat is True
        assert any("chat messages" in note for note in reward.notes)


def test_a_function_that_swallows_its_errors_is_given_the_form_that_varies():
    with load(f"{BAD / 'fragile.py'}:swallows_chat") as reward:
        values = reward.score(rows(6))
    assert len(set(values)) > 1


def test_weights_and_none_add_up_as_in_trl(tmp_path):
    path = write(
        tmp_path,
        "def a(completions, **kw): return [None if 'x' in c else 1.0 for c in completions]\n"
        "def b(completions, **kw): return [None if 'y' in c else len(c) for c in completions]\n",
    )
    texts = ["", "x", "yy", "xy"]
    with load([f"{path}:a:2", f"{path}:b:0.5"]) as reward:
        values = reward.score([TextRow("p", t) for t in texts])
    assert values == [2.0, 0.5, 2.0, None]


def test_equal_texts_are_graded_once(tmp_path):
    log = tmp_path / "log"
    path = write(
        tmp_path,
        "def reward(text):\n"
        f"    with open({str(log)!r}, 'a') as f: f.write(text + '\\n')\n"
        "    return float(len(text))\n",
    )
    many = [TextRow("p", "ab" * (i % 20)) for i in range(2000)]
    with load(path) as reward:
        reward.score(many)
        first = len(log.read_text().splitlines())
        assert reward.score(many) == [float(2 * (i % 20)) for i in range(2000)]
        assert len(log.read_text().splitlines()) == first
    assert first < 100


def test_rows_that_differ_in_gold_are_graded_apart():
    text = "<answer>5</answer>"
    given_rows = [TextRow("p", text, {"answer": str(a)}) for a in (5, 6, 5, 7)]
    with load(str(EXAMPLES / "correctness.py")) as reward:
        assert reward.score(given_rows) == [1.0, 0.0, 1.0, 0.0]


def test_functions_that_look_at_neighbours_are_called_on_whole_groups():
    group = [TextRow(p, "x" * n) for p in ("a", "b") for n in (5, 3, 9, 4)]
    want = [0.0, 1.0, 0.0, 0.0] * 2
    with load(f"{BAD / 'unstable.py'}:shortest_sibling") as reward:
        assert reward.score(group) == want
        assert reward.batch_dependent
    with load(str(EXAMPLES / "brevity_bonus.py")) as reward:
        reward.score(group)
        assert not reward.batch_dependent


def test_slow_functions_are_called_on_fewer_rows_than_the_limit_allows(tmp_path):
    path = write(
        tmp_path,
        "import time\n"
        "def reward(completions, **kw):\n"
        "    time.sleep(0.05 * len(completions))\n"
        "    return [float(len(c)) for c in completions]\n",
    )
    with load(path, timeout=2.0) as reward:  # 60 rows at once would take 3 s
        values = reward.score([TextRow("p", "x" * i) for i in range(60)])
    assert values == [float(i) for i in range(60)]


def test_the_row_of_an_exception_is_found_in_batch_functions():
    texts = ["a", "bb", "ccc", "fives", "x" * 9]
    with load(f"{BAD / 'raises.py'}:on_short") as reward, pytest.raises(RewardError) as caught:
        reward.score([TextRow("p", t) for t in texts])
    assert (caught.value.kind, caught.value.row) == ("raised", 3)
    assert caught.value.detail["input"]["completion"] == "fives"
    assert "ZeroDivisionError" in str(caught.value)


def test_a_missing_column_is_named_and_data_rows_lend_it():
    spec = f"{BAD / 'signatures.py'}:wants_column"
    with load(spec) as reward, pytest.raises(RewardError) as caught:
        reward.score(rows(2))
    assert caught.value.kind == "missing_column"
    assert caught.value.detail["columns"] == ["unit_tests"]
    lent = [{"unit_tests": n, "answer": "never lent"} for n in range(5)]
    with load(spec, data=lent) as reward:
        values = reward.score([TextRow(f"prompt {i}", "x") for i in range(40)])
        again = reward.score([TextRow(f"prompt {i}", "y") for i in range(40)])
    assert set(values) == set(range(5))  # all rows are used
    assert values == again  # by prompt alone
    own = [TextRow("p", "x", {"unit_tests": 9})]
    with load(spec, data=lent) as reward:
        assert reward.score(own) == [9]


def test_gold_columns_are_never_lent():
    with load(str(EXAMPLES / "correctness.py"), data=[{"answer": "17"}]) as reward:
        assert set(reward.score(rows(6))) == {0.0, 1.0}


def test_mixes_keep_their_shapers():
    with load(["laser(target=0.5):0.5", str(EXAMPLES / "correctness.py")]) as reward:
        assert reward.kind == "mixed"
        assert [t.shaper is None for t in reward.terms] == [False, True]
        assert set(reward.score(rows(6))) == {0.0, 1.0}
    with load("laser(target=0.5)") as reward:
        assert reward.kind == "shaper"
        with pytest.raises(TypeError, match="Rollouts"):
            reward.score(rows(2))


def test_a_failed_load_leaves_no_process_behind():
    import psutil

    before = {p.pid for p in psutil.Process().children(recursive=True)}
    with pytest.raises(RewardError):
        load([str(EXAMPLES / "correctness.py"), f"{BAD / 'values.py'}:no_such"])
    assert {p.pid for p in psutil.Process().children(recursive=True)} <= before


@given(st.lists(st.none() | st.floats(-1e6, 1e6), max_size=6))
def test_same_is_reflexive_and_sees_changes(values):
    assert same(values, list(values))
    assert not same(values, [*values, 0.0])
    if values and values[0] is not None:
        assert not same(values, [values[0] + 1e3 + abs(values[0]), *values[1:]])
        assert not same(values, [None, *values[1:]])


# -- TRL's own rewards -----------------------------------------------------------------------
@pytest.mark.slow
@pytest.mark.bridge
def test_trl_rewards_are_taken_unchanged():
    pytest.importorskip("trl")
    think = [
        TextRow("p", "<think>\na\n</think>\n4", {"solution": "4"}),
        TextRow("p", "<think>\na\n4", {"solution": "4"}),
    ]
    with load("trl.rewards:think_format_reward") as reward:
        assert reward.score(think) == [1.0, 0.0]
        assert reward.texts[0].chat is True
    spec = "trl.rewards:get_soft_overlong_punishment(max_completion_len=100, soft_punish_cache=20)"
    with load(spec) as reward:
        lengths = [TextRow("p", "x", {}, n) for n in (50, 80, 90, 100, 101)]
        assert reward.score(lengths) == [0.0, 0.0, -0.5, -1.0, -1.0]  # DAPO, equation 13


@pytest.mark.slow
@pytest.mark.bridge
def test_trl_accuracy_rewards_verify_mathematics():
    pytest.importorskip("trl")
    pytest.importorskip("math_verify")
    boxed = r"<think>so</think> The answer is \boxed{%s}"
    given_rows = [
        TextRow("p", boxed % r"\frac{2}{4}", {"answer": r"\frac{1}{2}"}),
        TextRow("p", boxed % "3", {"answer": r"\frac{1}{2}"}),
    ]
    for name in ("accuracy_reward", "reasoning_accuracy_reward"):
        with load(f"trl.rewards:{name}", timeout=30) as reward:
            assert reward.score(given_rows) == [1.0, 0.0]
            assert reward.reads_gold
