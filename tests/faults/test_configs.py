"""Trainers' configurations that say a thing twice, unfold without end, or hold the wrong kind."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from toyrl.experiments.errors import UsageError
from toyrl.experiments.validate.options import settings_of
from toyrl.experiments.validate.settings import Settings

HUGE = "1" + "0" * 400


def laughs(levels: int) -> str:
    """Nine references to nine references to ..., the last under the key z."""
    names = "abcdefghijkl"[:levels]
    rows = [f"{name}: &{name} [{', '.join([f'*{last}'] * 9)}]"
            for last, name in pairwise(names)]  # fmt: skip
    return "\n".join([f"a: &a [{', '.join('x' * 9)}]", *rows])


def refusal(name: str, text: str | bytes, kind: str = "trl_config") -> str:
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(UsageError) as caught:
        settings_of(None, {kind: name})
    said = str(caught.value)
    assert name in said
    assert "line None" not in said
    assert len(said) < 300
    return said


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        # said twice
        ("c.yaml", "beta: 0.1\nx: 1\nbeta: 0.2\n", "line 3: key 'beta' stands twice"),
        ("c.yaml", "a:\n  - b: 1\nc:\n  d: 1\n  d: 2\n", "line 5: key 'd' stands twice"),
        ("c.json", '{"beta": 0.1,\n "beta": 0.2}', "line 2: key 'beta' stands twice"),
        ("c.json", '{"é": 1,\n "\\u00e9": 2}', "line 2: key 'é' stands twice"),
        ("c.json", '{"é": 1,\n\n "é": 2}', "line 3: key 'é' stands twice"),
        ("c.json", '{"\\u00e9": 1, "\\u00E9": 2}', "key 'é' stands twice"),
        ("c.py", "GRPOConfig(beta=0.1,\n  beta=0.2)\n", "line 2: beta stands twice"),
        # what isn't read
        ("c.py", "GRPOConfig(\n  **kw)\n", "line 2: what 'kw' unpacks in GRPOConfig(...) isn't"),
        ("c.py", "GRPOConfig(*a)\n", "line 1: what 'a' unpacks"),
        ("c.py", "GRPOConfig(beta=" + "-" * 100_000 + "1)", "nested too deeply"),
        ("c.yaml", "a: " + "[" * 100_000, "nested too deeply"),
        ("c.py", "GRPOConfig(beta=0.1)\0\n", "null bytes"),
        ("c.py", "x = 1\nf(\n", "line 2: syntax error: '(' was never closed"),
        ("c.yaml", "a: 1\nb: [\n", "line 3: can't be read"),
        ("c.json", '{"a": 1,\n}', "line 2: can't be read"),
        ("c.json", '{"num_generations": 1' + "0" * 5000 + "}", "too many digits"),
        # other encodings
        ("c.yaml", b"x: 1\nbeta: 0.1 # \xe9\n", "line 2: not UTF-8 (byte 18"),
        ("c.json", b'{"x": "\xe9"}', "line 1: not UTF-8"),
        ("c.py", b"x = 1\ny = 2\nGRPOConfig() # \xe9\n", "line 3: not UTF-8"),
        ("c.yaml", "beta: 0.1\n".encode("utf-16"), "this is UTF-16; write it as UTF-8"),
        ("c.py", "GRPOConfig()\n".encode("utf-16"), "this is UTF-16; write it as UTF-8"),
        # the wrong kind
        ("c.yaml", "x: 1\nbeta: true\n", "line 2: beta=True is not a number in [0, 1e6]"),
        ("c.yaml", "num_generations: true\n", "line 1: num_generations=True is not a whole"),
        ("c.json", '{"beta": true}', "c.json, line 1: beta=True"),
        ("c.py", "GRPOConfig(\n beta=True)\n", "c.py, line 2: beta=True"),
        ("c.yaml", "mask_truncated_completions: 3\n", "=3 is not True or False"),
        ("c.yaml", "loss_type: [grpo]\n", "line 1: loss_type=['grpo'] is not one of grpo, dr_grpo"),
        ("c.yaml", "scale_rewards: [1]\n", "line 1: scale_rewards=[1] is not one of group"),
        ("c.yaml", "scale_rewards: {a: 1}\n", "scale_rewards={'a': 1} is not one of group"),
        ("c.yaml", "num_iterations: [1]\n", "num_iterations=[1] is not a whole number"),
        # beyond all bounds
        ("c.yaml", "max_completion_length: 10000000000\n", "is not a whole number in [2, 1e7]"),
        ("c.yaml", "num_generations: 10000000000\n", "is not a whole number in [2, 65536]"),
        ("c.yaml", "beta: 1e300\n", "beta='1e300' is not a number in [0, 1e6]"),
        ("c.yaml", "beta: .nan\n", "beta=nan is not a number in [0, 1e6]"),
        ("c.yaml", f"beta: {HUGE}\n", "line 1: beta=1000"),
        # aliases
        ("c.yaml", f"{laughs(4)}\nbeta: *d\n", "line 5: beta=[[[["),
        ("c.yaml", f"{laughs(9)}\nbeta: *i\n", "line 6: its aliases unfold to more than"),
        ("c.yaml", "a: &a [*a]\nbeta: *a\n", "line 1: a value holds itself"),
    ],
    ids=lambda x: x[:30] if isinstance(x, str) else "bytes",
)
def test_3b(name, text, says):
    assert says in refusal(name, text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("algorithm:\n  adv_estimator: [grpo]\n", "line 2: adv_estimator=['grpo'] is not one of"),
        ("algorithm:\n  norm_adv_by_std_in_grpo: 1\n", "line 2: norm_adv_by_std_in_grpo=1 is not"),
        ("actor_rollout_ref: {rollout: {n: [3]}}\n", "line 1: n=[3] is not a whole number in [1,"),
        ("actor_rollout_ref.actor:\n  use_kl_loss: 2\n", "line 2: use_kl_loss=2 is not True"),
        ("actor_rollout_ref.actor.use_kl_loss: true\nactor_rollout_ref.actor.kl_loss_type: [k1]\n",
         "line 2: kl_loss_type=['k1'] is not one of"),
        ("actor_rollout_ref.actor.use_kl_loss: true\nactor_rollout_ref.actor.kl_loss_coef: true\n",
         "line 2: kl_loss_coef=True is not a number"),
        ("algorithm.adv_estimator: grpo\nalgorithm:\n  adv_estimator: rloo\n",
         "algorithm.adv_estimator stands twice, dotted and nested"),
        ("data:\n  max_response_length: 1e10\n", "max_response_length='1e10' is not a whole"),
        (f"{laughs(9)}\nx: 1\n", "aliases unfold"),
    ],
)  # fmt: skip
def test_3b_verl(text, says):
    assert says in refusal("v.yaml", text, "verl_config")


def test_numbers_written_as_text_are_read():
    Path("c.yaml").write_text("beta: 1e-3\nnum_generations: '16'\n")
    read = settings_of(None, {"trl_config": "c.yaml"})
    assert (read.beta, read.group_size) == (0.001, 16)


def test_a_python_file_may_name_its_encoding():
    Path("c.py").write_bytes(b"# -*- coding: latin-1 -*-\nGRPOConfig(beta=0.1)  # \xe9\n")
    assert settings_of(None, {"trl_config": "c.py"}).beta == 0.1


def test_aliases_that_are_meant_are_read():
    Path("c.yaml").write_text("base: &b {x: 1}\nother:\n  <<: *b\n  x: 2\nbeta: 0.1\n")
    assert settings_of(None, {"trl_config": "c.yaml"}).beta == 0.1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("group_size", 65537),
        ("group_size", int(HUGE)),
        ("max_completion_length", 10**10),
        ("typical_length", 10**10),
        ("seed", int(HUGE)),
        ("timeout", 1e300),
        ("beta", 1e300),
        ("beta", int(HUGE)),
        ("max_calls", int(HUGE)),
        ("success_rates", ["x" * 1000]),
        ("timeout", "x" * 1000),
        ("group_size", [[1] * 1000] * 1000),
        ("estimator", "x" * 9000),
        ("fail_on", "x" * 9000),
        ("columns", "x" * 9000),
    ],
)
def test_17_settings_are_bounded_and_told_short(name, value):
    with pytest.raises(UsageError, match=name) as caught:
        Settings(**{name: value})
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    "text", ["1: \ns:", "s: \n8.5: 2", "~: 1", "true: 2", "2020-01-01: 1", "x: {1: 2}\n3: 1"]
)
def test_keys_that_are_no_texts_are_told_as_unknown(text):
    """Found by `make torture`: numbers, dates and none as keys of YAML."""
    Path("c.yaml").write_text(text)
    notes = settings_of(None, {"trl_config": "c.yaml"}).notes
    assert any("is not a key of TRL's GRPOConfig, and was not read" in note for note in notes)
