"""Expressions, names of rewards and their files: long, deep, not finite, not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from toyrl.expressions import ExpressionError, parse, parse_estimator, parse_objective
from toyrl.messages import shortened
from toyrl.rewards.errors import RewardError
from toyrl.rewards.specs import parse_spec
from toyrl.rewards.user import load

LONG = "x" * 9000
REWARD = "def reward(completions, **kwargs):\n    return [1.0 for _ in completions]\n"


# -- values in messages ----------------------------------------------------------------------------
def loop() -> list:
    made: list = []
    made.append(made)
    return made


def many(levels: int) -> list:
    made: list = ["x"]
    for _ in range(levels):
        made = [made] * 9
    return made


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError


class Wordy:
    def __repr__(self) -> str:
        return "a\n" * 1000


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a", "'a'"),
        ((1,), "(1,)"),
        ({"a": [1, (2, 3)], 4: None}, "{'a': [1, (2, 3)], 4: None}"),
        (LONG, "'" + "x" * 76 + "..."),
        (LONG.encode(), "b'" + "x" * 75 + "..."),
        (loop(), "[" * 77 + "..."),
        (many(12), "[[[[[[[[[[[[['x'], ['x'], ['x']"),
        ({"k": {1}}, "{'k': {1}}"),
        (10**5000, "a whole number of 5000 digits"),
        (10**400, "1" + "0" * 76 + "..."),
        (Rude(), "a Rude"),
        (Wordy(), "a a a a a"),
    ],
    ids=lambda v: type(v).__name__,
)
def test_17_values_are_told_in_80_signs(value, said):
    shown = shortened(value)
    assert shown.startswith(said)
    assert len(shown) <= 80
    assert shown.endswith("...") == (len(shown) == 80)


# -- expressions -----------------------------------------------------------------------------------
@pytest.mark.parametrize("read", [parse, parse_estimator, parse_objective])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("-" * 100_000 + "1", "100001 characters, more than 10000", id="4a-long"),
        pytest.param("-" * 9000 + "1", "nested too deeply", id="4a-deep"),
        pytest.param("(" * 9000 + "1", "too many nested parentheses", id="4a-brackets"),
        pytest.param(LONG, "is called 'xxx", id="4a-name"),
        pytest.param(f"{LONG}()", "is called 'xxx", id="4a-call"),
        pytest.param(f"b'{LONG}'", "b'xxx", id="4a-bytes"),
        pytest.param(f"'{LONG}'", "this is 'xxx", id="4a-text"),
        pytest.param("1" * 5000, "too many digits", id="4a-digits"),
        pytest.param("1\0", "null bytes", id="4a-NUL"),
    ],
)
def test_4a_guards_of_every_kind(read, text, says):
    with pytest.raises(ExpressionError) as caught:
        read(text)
    assert says in str(caught.value)
    assert "(column " in str(caught.value)
    assert len(str(caught.value)) < 1200  # the near names are listed


@pytest.mark.parametrize(
    ("read", "text", "says"),
    [
        (parse_estimator, "grpo(eps=1, eps=2)", "grpo got 'eps' twice (column 13"),
        (parse_estimator, "grpo(eps=-1)", "eps=-1 is not a finite number >= 0 (column 10"),
        (parse_estimator, "grpo(eps=None)", "eps=None is not a finite number >= 0 (column 10"),
        (parse_estimator, "grpo(eps='a')", "is a number, not 'a' (column 10"),
        (parse_estimator, "grpo(eps=outcome())", "(column 10"),
        (parse, "1e308*1e308*outcome()", "weight=inf is not a finite number (column 1"),
        (parse, "1e308*(10*outcome())", "weight=inf is not a finite number (column 1"),
        (parse, "outcome() - 0*inf*linear_length()", "weight=nan is not a finite number"),
        (parse, "outcome(right=None)", "right=None is not a finite number (column 15"),
        (parse, "outcome(right=(1, 2))", "right=(1, 2) is not a finite number (column 15"),
        (parse, "scaled(outcome(), (1, 2))", "weight=(1, 2) is not a finite number (column 19"),
        (parse, f"outcome(right='{LONG}')", "is a number, not 'xxx"),
        (parse, "outcome(right=1" + "0" * 400 + ")", "right=1000"),
    ],
)
def test_4a_arguments(read, text, says):
    with pytest.raises(ExpressionError) as caught:
        read(text)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 350


# -- names of rewards ------------------------------------------------------------------------------
def files() -> None:
    Path("good.py").write_text(REWARD)
    Path("plain").write_text(REWARD)
    Path("folder").mkdir()
    Path("folder/plain").write_text(REWARD)
    Path("dang.py").symlink_to("nowhere.py")
    Path("loop.py").symlink_to("loop.py")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("good.py:reward:nan", "the weight of 'good.py:reward' isn't finite, it is nan"),
        ("good.py:reward:-inf", "the weight of 'good.py:reward' isn't finite, it is -inf"),
        ("good.py:reward:1e400", "the weight of 'good.py:reward' isn't finite, it is 1e400"),
        ("outcome():inf", "the weight of 'outcome()' isn't finite"),
        ("dang.py:reward", "dang.py is a broken link, to nowhere.py"),
        ("dang.py", "dang.py is a broken link"),
        ("loop.py:reward", "loop.py is a broken link, to loop.py"),
        ("plain", "'plain' is a file, but its name doesn't end in .py"),
        ("plain:reward", "'plain' is a file, but its name doesn't end in .py"),
        ("folder/plain:reward", "'folder/plain' is a file, but its name doesn't end in .py"),
        ("folder", "'folder' is no Python file"),
        (LONG, "no reward is called 'xxx"),
        (f"{LONG}.py", "does not exist; give the path of a Python file"),
        (f"{LONG}:f(", "can't be read after the colon"),
        (f"good.py:{LONG}(", "can't be read after the colon"),
        ("a\0b.py:f", "does not exist"),
    ],
)
def test_3c_names(spec, says):
    files()
    with pytest.raises(RewardError) as caught:
        parse_spec(spec)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 900


def test_3c_a_module_is_not_mistaken_for_a_file_beside_it():
    Path("json").write_text("a file of the same name")
    target = parse_spec("json:dumps").target
    assert target is not None
    assert (target.module, target.name) == ("json", "dumps")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = 1\n\n\n\n\nf(\n", "r.py, line 6: '(' was never closed"),
        ("x = 1\0\n", "r.py: source code string cannot contain null bytes"),
    ],
    ids=["1.12", "3c-NUL"],
)
def test_a_syntax_error_is_called_so(text, says):
    Path("r.py").write_text(text)
    with pytest.raises(RewardError) as caught:
        load("r.py:f")
    assert str(caught.value).startswith("syntax error in ")
    assert str(caught.value).endswith(says)


def test_3c_relative_imports():
    Path("pkg").mkdir()
    Path("pkg/__init__.py").touch()
    Path("pkg/helper.py").write_text("ONE = 1.0\n")
    Path("pkg/rel.py").write_text(f"from .helper import ONE\n\n{REWARD}")
    for spec in ("pkg/rel.py:reward", "pkg.rel:reward"):
        with load(spec) as reward:
            assert reward.kind == "text"


def test_names_that_a_file_lacks_are_told_short():
    Path("good.py").write_text(REWARD)
    with pytest.raises(RewardError, match=r"has no 'x{76}\.\.\.; its functions: reward"):
        load(f"good.py:{LONG}")
