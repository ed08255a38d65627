"""Logs in every kind of file, and what their readers say of columns, rows and limits."""

from __future__ import annotations

import csv
import gzip
import json
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rollouts.logged import RIGHT, gone, lines, parquet, rows, verl_rows
from toyrl.rollouts.log_columns import asked_columns
from toyrl.rollouts.log_files import read_rows
from toyrl.rollouts.logs import LogError, read_columns, read_log


# -- files -----------------------------------------------------------------------------------------
def as_lines(folder):
    (folder / "log.jsonl").write_text(lines(rows()))
    return folder / "log.jsonl"


def as_array(folder):
    (folder / "log.json").write_text(json.dumps(rows(), indent=2))
    return folder / "log.json"


def as_array_of_lines_name(folder):
    (folder / "log.jsonl").write_text(json.dumps(rows()))
    return folder / "log.jsonl"


def as_columns(folder):
    found = rows()
    (folder / "log.json").write_text(json.dumps({k: [r[k] for r in found] for k in found[0]}))
    return folder / "log.json"


def as_pandas_columns(folder):
    found = rows()
    table = {k: {str(n): r[k] for n, r in enumerate(found)} for k in found[0]}
    (folder / "log.json").write_text(json.dumps(table))
    return folder / "log.json"


def under_a_key(folder):
    whole = {"model": "small", "rollouts": rows()}
    (folder / "log.json").write_text(json.dumps(whole, indent=1))
    return folder / "log.json"


def as_gzip(folder):
    (folder / "log.jsonl.gz").write_bytes(gzip.compress(lines(rows()).encode()))
    return folder / "log.jsonl.gz"


def as_csv(folder):
    found = rows(correct=lambda _, right: str(bool(right)), length=lambda i, _: f"{12 + i}.0")
    with (folder / "log.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, found[0])
        writer.writeheader()
        writer.writerows(found)
    return folder / "log.csv"


def as_csv_gzip(folder):
    packed = gzip.compress(as_csv(folder).read_bytes())
    (folder / "packed.csv.gz").write_bytes(packed)
    return folder / "packed.csv.gz"


def as_parquet(folder):
    return parquet(folder / "log.parquet", rows())


FILES = [
    as_lines,
    as_array,
    as_array_of_lines_name,
    as_columns,
    as_pandas_columns,
    under_a_key,
    as_gzip,
    as_csv,
    as_csv_gzip,
    as_parquet,
]


@pytest.mark.parametrize("made", FILES, ids=lambda f: f.__name__)
def test_every_file_holds_the_same_rollouts(made, tmp_path):
    log = read_log(made(tmp_path))
    assert log.rollouts.correct.tolist() == RIGHT
    assert log.rollouts.length.tolist() == [[12.0, 12.0], [13.0, 13.0]]
    assert [r.completion for r in log.rows] == [r["completion"] for r in rows()]
    assert [r.columns for r in log.rows] == [{"answer": r["answer"]} for r in rows()]


def test_data_sets_are_read_from_the_same_files(tmp_path):
    for made in (as_array, as_csv, as_parquet):
        found, note = read_columns(made(tmp_path))
        assert [r["answer"] for r in found] == ["1", "1", "2", "2"]
        assert note == ""
    moved, _ = read_columns(as_array(tmp_path), columns="prompt=answer")
    assert moved[0]["prompt"] == "1"


def test_a_table_may_hold_texts_longer_than_csv_allows_and_chat(tmp_path):
    long = "x" * 200_000
    chat = [{"role": "user", "content": "it's 1 + 1?"}]
    found = rows(completion=lambda *_: long, prompt=lambda *_: chat)
    for name, write in (("repr.csv", repr), ("json.csv", json.dumps)):
        with (tmp_path / name).open("w", newline="") as out:
            writer = csv.DictWriter(out, found[0])
            writer.writeheader()
            writer.writerows([{**r, "prompt": write(r["prompt"])} for r in found])
        log = read_log(tmp_path / name)
        assert log.prompts == ["it's 1 + 1?"]
        assert len(log.rows[0].completion) == 200_000
    assert csv.field_size_limit() == 131_072  # left as it was


def test_without_pyarrow_parquet_is_refused_in_one_sentence(tmp_path, monkeypatch):
    file = tmp_path / "log.parquet"
    file.write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(LogError, match=r"^reading parquet needs pyarrow: pip install pyarrow"):
        read_log(file)


def test_files_that_cannot_be_read_say_why(tmp_path):
    for name, data, says in (
        ("a.parquet", b"PAR1 and nothing", "no readable parquet"),
        ("b.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 99)[:-9], "can't be unpacked"),
        ("d.csv", b'a,b\n"x', "no readable table"),
    ):
        (tmp_path / name).write_bytes(data)
        if name == "a.parquet":
            pytest.importorskip("pyarrow")
        with pytest.raises(LogError, match=says):
            read_log(tmp_path / name)


# -- columns ---------------------------------------------------------------------------------------
def test_what_is_missing_is_said_once_with_the_columns_there_are(tmp_path):
    found = rows(**gone("correct"), reward=lambda *_: 0.5, step=lambda *_: 3)
    (tmp_path / "log.jsonl").write_text(lines(found * 60))
    with pytest.raises(LogError) as caught:
        read_log(tmp_path / "log.jsonl", skip_bad=True)
    said = str(caught.value)
    assert said.startswith("log.jsonl: none of the 240 rows says whether it was right (looked for ")
    assert "its columns are prompt, completion, answer, length, reward, step." in said
    assert said.endswith("--columns correct=reward")
    assert "\n" not in said
    nothing = [{"x": 1}, {"x": 2, "y": None}]
    (tmp_path / "log.jsonl").write_text(lines(nothing))
    with pytest.raises(LogError) as caught:
        read_log(tmp_path / "log.jsonl")
    assert "holds a completion or says whether it was right or names its prompt" in str(
        caught.value
    )
    assert "its columns are x." in str(caught.value)


def test_gold_answers_and_unclear_names_are_not_taken_for_correctness(tmp_path):
    for more in (
        {"correct_answer": lambda *_: 1},  # gold, though it looks like a rate
        {"accuracy_a": lambda *_: 1.0, "accuracy_b": lambda *_: 0.0},  # which of the two?
        {"accuracy_points": lambda i, right: 3 * right + i},  # many values
    ):
        (tmp_path / "log.jsonl").write_text(lines(rows(**gone("correct"), **more)))
        with pytest.raises(LogError, match="says whether it was right"):
            read_log(tmp_path / "log.jsonl")


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ("correct", "not of the form correct=score"),
        ("corect=score", "did you mean correct"),
        ({"solved": "score"}, "there are completion, correct"),
    ],
)
def test_columns_that_cannot_be_are_refused(columns, says):
    with pytest.raises(LogError, match=says):
        asked_columns(columns)


def test_a_column_that_is_not_there_is_named_with_near_ones(tmp_path):
    (tmp_path / "log.jsonl").write_text(lines(verl_rows()))
    with pytest.raises(LogError, match=r"no column 'scores' for correct; did you mean score\?"):
        read_log(tmp_path / "log.jsonl", columns="correct=scores")
    assert asked_columns(" correct = score , completion=output ") == {
        "correct": "score",
        "completion": "output",
    }


def test_bad_rows_are_grouped_by_cause(tmp_path):
    found = rows(correct=lambda i, right: "maybe" if i else right) * 3
    (tmp_path / "log.jsonl").write_text(lines(found) + "{\n")
    with pytest.raises(LogError) as caught:
        read_log(tmp_path / "log.jsonl")
    assert str(caught.value).splitlines() == [
        "log.jsonl: 7 of 13 rows can't be used; fix them or skip them (--skip-bad-rows)",
        '  6 rows, first line 3: correct="maybe" is not a number',
        "  line 13: not JSON: Expecting property name enclosed in double quotes, column 2",
    ]
    assert [line for line, _ in caught.value.bad] == [3, 4, 7, 8, 11, 12, 13]


# -- limits ----------------------------------------------------------------------------------------
def test_the_planned_limit_is_the_logs_and_cuts_its_longest_rows(tmp_path):
    (tmp_path / "log.jsonl").write_text(lines(rows()))
    log = read_log(tmp_path / "log.jsonl", run_limit=13)
    assert log.rollouts.max_length == 13
    assert log.rollouts.truncated.tolist() == [[False, False], [True, True]]
    assert [r.truncated for r in log.rows] == [False, False, True, True]
    log = read_log(tmp_path / "log.jsonl", run_limit=2048)
    assert log.rollouts.max_length == 2048
    assert not log.rollouts.truncated.any()
    assert not log.notes


def test_another_limit_than_the_planned_one_is_said(tmp_path):
    (tmp_path / "log.jsonl").write_text(lines(rows()))
    log = read_log(tmp_path / "log.jsonl", run_limit=8)
    assert log.rollouts.max_length == 13
    assert any("more than the limit of 8 that is planned" in note for note in log.notes)
    (tmp_path / "log.jsonl").write_text(lines(rows(truncated=lambda i, _: i)))
    log = read_log(tmp_path / "log.jsonl", run_limit=64)
    assert log.rollouts.max_length == 13
    assert any("below the limit of 64 that is planned" in note for note in log.notes)


def test_rows_keep_their_numbers_over_a_folder(tmp_path):
    (tmp_path / "1.jsonl").write_text('{"a": 1}\n{\n')
    (tmp_path / "2.jsonl").write_text('{"a": 2}\n[3]\n')
    (tmp_path / "notes.txt").write_text("not a log")
    found = read_rows(tmp_path)
    assert found.found == [(1, {"a": 1}), (3, {"a": 2})]
    assert [b.reason[:20] for b in found.bad] == ["1.jsonl line 2: not ", "2.jsonl line 2: a li"]


@settings(max_examples=200)
@given(
    data=st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)),
    name=st.sampled_from(["log.jsonl", "log.json", "log.csv", "log.tsv", "log.jsonl.gz"]),
    packed=st.booleans(),
)
def test_no_bytes_break_the_reader(data, name, packed):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(gzip.compress(data) if packed else data)
        with pytest.raises(LogError):
            read_log(file)


def test_rows_of_scores_are_read_together_and_alike(tmp_path):
    """Many short rows at once: keys that stand twice, odd lines, line numbers are as before."""
    from toyrl.rollouts.log_files import read_rows

    lines = [f'{{"prompt_id": {i}, "correct": {i % 2}, "reward": 0.5}}' for i in range(500)]
    path = tmp_path / "scores.jsonl"
    path.write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    found = read_rows(path)
    assert [line for line, _ in found.found] == list(range(1, 501))
    assert found.found[499][1] == {"prompt_id": 499, "correct": 1, "reward": 0.5}
    lines[70] = '{"prompt_id": 7, "prompt_id": 8, "correct": 1}'
    lines[300] = ""
    lines[400] = '{"prompt_id": 9, "note": "a: b"}'
    lines[450] = '{"prompt_id": 1}, {"prompt_id": 2}'
    path.write_text("\n".join(lines), encoding="utf-8")
    found = read_rows(path)
    assert [b.line for b in found.bad] == [71, 451]
    assert dict(found.found)[401]["note"] == "a: b"
    assert 301 not in dict(found.found)
    assert len(found.found) == 497
