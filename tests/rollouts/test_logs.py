"""Logs and lists into Rollouts: values, order, padding, and every broken row by its line."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.places import ROOT
from toyrl.rollouts import Rollouts
from toyrl.rollouts.logs import LogError, check_values, from_lists, read_log, read_trl_log

SAMPLE = ROOT / "examples/data/smollm2-arithmetic-rollouts.jsonl"


def row(**changes):
    base = {
        "prompt_id": 0,
        "prompt": "What is 1 + 1?",
        "completion": "2",
        "answer": "2",
        "correct": 1,
        "length": 3,
        "truncated": 0,
    }
    return {k: v for k, v in {**base, **changes}.items() if v != "absent"}


def write(folder: Path, rows, name: str = "log.jsonl") -> Path:
    file = folder / name
    lines = [r if isinstance(r, str) else json.dumps(r) for r in rows]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


# -- a real log ------------------------------------------------------------------------------
def test_the_sample_log_is_read_as_its_lines_say():
    raw = [json.loads(line) for line in SAMPLE.read_text().splitlines()]
    log = read_log(SAMPLE)
    r = log.rollouts
    assert r.shape == (60, 8)
    assert (r.w == 1).all()
    assert r.correct.sum() == sum(x["correct"] for x in raw) == 64
    assert r.max_length == 96
    assert r.truncated.sum() == sum(x["truncated"] for x in raw) == 154
    assert log.difficulty.tolist() == [x["operands"] for x in raw[::8]]
    assert [x.completion for x in log.rows] == [x["completion"] for x in raw]
    assert log.rows[0].columns == {"answer": "14", "operands": 2}
    assert log.rows[2].truncated
    assert log.rows[2].tokens == 96
    assert any("9 rollouts are marked both truncated and correct" in n for n in log.notes)
    wrong, right = r.length[r.correct == 0].mean(), r.length[r.correct == 1].mean()
    assert wrong > right  # as in the model: wrong answers are longer
    assert Rollouts.from_jsonl(SAMPLE).shape == (60, 8)


# -- grouping, order, padding ------------------------------------------------------------------
@settings(max_examples=50)
@given(data=st.data())
def test_rows_in_any_order_fill_the_places_with_weight(data, tmp_path_factory):
    keys = data.draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=12))
    rows = [row(prompt_id=k, completion=f"{k}{i}", length=i + 1) for i, k in enumerate(keys)]
    log = read_log(write(tmp_path_factory.mktemp("log"), rows))
    r = log.rollouts
    assert log.prompt_ids == list(dict.fromkeys(keys))
    assert r.w.sum(-1).tolist() == [keys.count(k) for k in log.prompt_ids]
    lengths = r.length[r.w > 0]  # row-major, as the texts are listed
    assert [x.tokens for x in log.rows] == lengths.tolist()
    assert [x.completion[0] for x in log.rows] == sorted(keys, key=log.prompt_ids.index)
    assert (r.w[..., :-1] >= r.w[..., 1:]).all()  # padding comes last


def test_prompts_group_where_there_are_no_ids_and_chat_is_flattened(tmp_path):
    chat = [{"role": "user", "content": "Q"}]
    rows = [
        row(prompt_id="absent", prompt=chat, completion=[{"role": "assistant", "content": "A"}]),
        row(prompt_id="absent", prompt="Q", completion="B"),
        row(prompt_id="absent", prompt="R", completion="C"),
    ]
    log = read_log(write(tmp_path, rows))
    assert log.prompts == ["Q", "R"]
    assert [x.completion for x in log.rows] == ["A", "B", "C"]
    assert any("1 of 2 prompts have one rollout only" in n for n in log.notes)


def test_other_names_of_the_keys_are_understood(tmp_path):
    rows = [
        {
            "question": "Q",
            "response": "A",
            "is_correct": True,
            "num_tokens": 5,
            "finish_reason": reason,
            "score": 0.5,
            "level": 3,
            "ground_truth": "7",
        }
        for reason in ("stop", "length")
    ]
    log = read_log(write(tmp_path, rows))
    assert log.rollouts.truncated.tolist() == [[False, True]]
    assert log.reward.tolist() == [[0.5, 0.5]]
    assert log.difficulty.tolist() == [3.0]
    assert log.rows[0].columns == {"level": 3, "ground_truth": "7"}


def test_estimates_are_said(tmp_path):
    rows = [row(length="absent", truncated="absent", completion="x" * n) for n in (8, 9)]
    log = read_log(write(tmp_path, rows))
    assert log.rollouts.length.tolist() == [[2.0, 3.0]]
    assert any("estimated" in n for n in log.notes)
    assert any("no row is marked truncated" in n for n in log.notes)
    assert read_log(write(tmp_path, rows), max_length=64).rollouts.max_length == 64


# -- broken rows ---------------------------------------------------------------------------------
BROKEN = {
    "{": "not JSON",
    "[1, 2]": "a list, not an object",
    '{"prompt": "p"': "not JSON",
    json.dumps(row(completion="absent")): "no completion (looked for completion, response",
    json.dumps(row(correct="absent")): "no correct (looked for correct, is_correct",
    json.dumps(row(completion=3)): "completion=3 is no text",
    json.dumps(row(correct="yes")): 'correct="yes" is not a number',
    json.dumps(row(correct=2)): "correct=2 is not in [0, 1]",
    json.dumps(row(length=-1)): "length=-1 is not in [0, 1e+09]",
    json.dumps(row(length=math.nan)): "length=NaN",
    json.dumps(row(length=10**400)): "length=1000",
    json.dumps(row(truncated="no")): 'truncated="no" is not true/false',
    json.dumps(row(reward=math.inf)): "reward=Infinity is not finite",
    json.dumps(row(prompt="absent", prompt_id="absent")): "neither prompt nor prompt_id",
    json.dumps(row(length="absent")): "no length, though other rows have one",
}


@pytest.mark.parametrize("line", BROKEN, ids=list(BROKEN.values()))
def test_a_broken_row_is_named_by_line_and_reason(line, tmp_path):
    file = write(tmp_path, [row(), line, "", row()])
    with pytest.raises(LogError) as caught:
        read_log(file)
    assert [n for n, _ in caught.value.bad] == [2]
    assert BROKEN[line] in caught.value.bad[0][1]
    assert "line 2: " in str(caught.value)
    assert "log.jsonl: 1 of 3 rows" in str(caught.value)


def test_skipped_rows_are_counted_and_the_rest_is_read(tmp_path):
    lines = list(BROKEN)
    file = write(tmp_path, [row(), *lines, row()])
    with pytest.raises(LogError) as caught:
        read_log(file)
    assert len(caught.value.bad) == len(lines)
    said = str(caught.value)
    assert said.count("\n  ") == 11
    assert "3 rows, first line 10: length=-1 is not in [0, 1e+09]" in said
    assert "2 rows, first line 2: not JSON" in said
    assert "... and 2 more causes" in said
    log = read_log(file, skip_bad=True)
    assert log.rollouts.shape == (1, 2)
    assert log.lines == [1, len(lines) + 2]
    assert any(f"{len(lines)} bad rows were left out" in n for n in log.notes)


def test_logs_without_any_usable_row_are_refused(tmp_path):
    for rows in ([], ["", "  "], ["{"]):
        with pytest.raises(LogError):
            read_log(write(tmp_path, rows), skip_bad=True)
    (tmp_path / "empty").mkdir()
    for path, says in ((tmp_path / "empty", "is a folder"), (tmp_path / "nowhere", "is no file")):
        with pytest.raises(LogError, match=says):
            read_log(path)
    (tmp_path / "bytes.jsonl").write_bytes(b"{\xff\xfe\n")
    with pytest.raises(LogError, match="not UTF-8"):
        read_log(tmp_path / "bytes.jsonl")


def test_lengths_above_a_given_limit_are_bad_rows(tmp_path):
    file = write(tmp_path, [row(length=3), row(length=300)])
    with pytest.raises(LogError, match="line 2"):
        read_log(file, max_length=64)
    with pytest.raises(ValueError, match="max_length=0 is not"):
        read_log(file, max_length=0)


@settings(max_examples=60)
@given(st.lists(st.text(max_size=20), max_size=5))
def test_no_text_breaks_the_reader(lines):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "log.jsonl"
        file.write_text("\n".join(lines), encoding="utf-8", errors="replace")
        with pytest.raises(LogError):
            read_log(file)


# -- TRL -------------------------------------------------------------------------------------------
def trl_rows():
    return [
        {
            "step": step,
            "prompt": [{"role": "user", "content": "Q"}],
            "completion": [{"role": "assistant", "content": "word " * n}],
            "accuracy_reward": value,
            "advantage": 0.0,
        }
        for step in (1, 2)
        for n, value in ((4, 1.0), (8, 0.0))
    ]


def test_trl_completions_group_by_step_and_prompt(tmp_path):
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    for step in (1, 2):
        rows = [r for r in trl_rows() if r["step"] == step]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"completions_{step:05d}.parquet")
    for path, prompts in ((tmp_path, 2), (tmp_path / "completions_00001.parquet", 1)):
        log = read_trl_log(path)
        assert log.rollouts.shape == (prompts, 2)
        assert log.rollouts.correct.tolist() == [[1.0, 0.0]] * prompts
        assert log.rollouts.length.tolist() == [[5.0, 10.0]] * prompts
    assert Rollouts.from_trl_log(tmp_path).shape == (2, 2)


def test_trl_logs_without_correctness_name_their_columns(tmp_path):
    file = write(tmp_path, trl_rows())
    with pytest.raises(LogError, match="accuracy_reward"):
        read_trl_log(file, correct="my_reward")
    assert read_trl_log(file).rollouts.correct.mean() == 0.5
    (tmp_path / "empty").mkdir()
    with pytest.raises(LogError, match=r"is a folder and holds no file to read .*output_dir"):
        read_trl_log(tmp_path / "empty")


# -- lists and values ------------------------------------------------------------------------------
def test_ragged_lists_are_padded_with_weight_zero():
    r = from_lists(
        [[1, 0], [1]],
        [[5, 9], [7]],
        max_length=10,
        truncated=[[False, True], [False]],
        fields={"judge": [[0.5, math.nan], [1.0]]},
    )
    assert r.w.tolist() == [[1.0, 1.0], [1.0, 0.0]]
    assert r.length.tolist() == [[5.0, 9.0], [7.0, 0.0]]
    assert r.truncated.dtype == bool
    assert r.fields["judge"].shape == (2, 2)
    assert Rollouts.from_lists([[1]], [[2]], max_length=4).shape == (1, 1)


@pytest.mark.parametrize(
    ("correct", "length", "more", "says"),
    [
        ([], [], {}, "correct is empty"),
        ([[]], [[]], {}, "correct is empty"),
        ([[1, 0]], [[5]], {}, "length has 1 prompts"),
        ([[1]], [[5], [6]], {}, "length has 2 prompts"),
        ([[2]], [[5]], {}, r"correct\[0, 0\] = 2"),
        ([[math.nan]], [[5]], {}, r"correct\[0, 0\] = nan"),
        ([[1]], [[11]], {}, r"length\[0, 0\] = 11"),
        ([[1]], [[-1]], {}, r"length\[0, 0\] = -1"),
        ([[1]], [[5]], {"fields": {"format": [[3.0]]}}, r"format\[0, 0\] = 3"),
        ([[1]], [[5]], {"fields": {"judge": [[math.inf]]}}, r"judge\[0, 0\] = inf"),
        ([[1]], [[5]], {"fields": {"entropy": [[1.0]]}}, "per token"),
        ([[1]], [[5]], {"max_length": -3}, "max_length=-3"),
    ],
)
def test_wrong_values_are_named_with_their_place(correct, length, more, says):
    with pytest.raises(ValueError, match=says):
        from_lists(correct, length, **{"max_length": 10, **more})


def test_unregistered_fields_are_refused():
    with pytest.raises(KeyError, match="nonsense"):
        from_lists([[1]], [[5]], max_length=10, fields={"nonsense": [[1.0]]})
    r = Rollouts(np.ones((1, 2)), np.ones((1, 2)), 4.0, fields={"nonsense": np.ones((1, 2))})
    with pytest.raises(KeyError, match="nonsense"):
        check_values(r)


def test_rows_of_weight_zero_may_hold_anything_and_fields_have_shapes():
    r = Rollouts(
        correct=np.array([[1.0, math.nan]]),
        length=np.array([[3.0, -5.0]]),
        max_length=4.0,
        weight=np.array([[1.0, 0.0]]),
    )
    assert r.validate() is r
    with pytest.raises(ValueError, match="group_size"):
        r.with_(group_size=0.5).validate()
    with pytest.raises(ValueError, match=r"weight\[0, 1\] = -1"):
        r.with_(weight=np.array([[1.0, -1.0]])).validate()
    with pytest.raises(ValueError, match="has shape"):
        r.with_(entropy=np.zeros((1, 2))).validate()
    r.with_(entropy=np.zeros((1, 2, 5))).validate()
