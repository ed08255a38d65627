"""Logs as trainers and people write them: each form gives the rollouts that its rows say."""

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

from toyrl.rollouts.log_columns import asked_columns
from toyrl.rollouts.log_files import read_rows
from toyrl.rollouts.logs import LogError, read_columns, read_log

RIGHT = [[1.0, 0.0], [0.0, 1.0]]


def rows(**changes):
    """Two prompts with two rollouts each; values of `changes` are functions of (i, right)."""
    out = []
    for i, group in enumerate(RIGHT):
        for right in group:
            row = {
                "prompt": f"{i} + 1?",
                "completion": f"<answer>{i + 1 if right else 9}</answer>",
                "answer": str(i + 1),
                "correct": int(right),
                "length": 12 + i,
            }
            row |= {k: f(i, right) for k, f in changes.items()}
            out.append({k: v for k, v in row.items() if v != "absent"})
    return out


def gone(*names):
    return {name: lambda *_: "absent" for name in names}


def lines(found) -> str:
    return "\n".join(json.dumps(row) for row in found) + "\n"


def parquet(file: Path, found) -> Path:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(found), file)
    return file


def verl_rows(step: int = 1, **changes):
    new = {
        "input": lambda i, _: f"user\n{i} + 1?\nassistant\n",
        "output": lambda i, right: f"#### {i + 1 if right else 9}",
        "gts": lambda i, _: str(i + 1),
        "score": lambda _, right: right,
        "step": lambda *_: step,
    }
    return rows(**gone("prompt", "completion", "answer", "correct", "length"), **{**new, **changes})


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
        ("c.jsonl.zst", b"\x28\xb5\x2f\xfd", "packed with zstd"),
        ("d.csv", b'a,b\n"x', "no readable table"),
        ("e.csv", b"a,b\n\xff,1\n", "no readable table"),
    ):
        (tmp_path / name).write_bytes(data)
        if name == "a.parquet":
            pytest.importorskip("pyarrow")
        with pytest.raises(LogError, match=says):
            read_log(tmp_path / name)


# -- trainers --------------------------------------------------------------------------------------
def test_trl_writes_a_column_a_reward_function_and_the_advantage(tmp_path):
    new = {
        "prompt": lambda i, _: [{"role": "user", "content": f"{i} + 1?"}],
        "completion": lambda i, right: [
            {"role": "assistant", "content": f"{i + 1 if right else 9}"}
        ],
        "accuracy_reward": lambda _, right: right,
        "format_reward": lambda *_: 0.0,
        "advantage": lambda _, right: right - 0.5,
    }
    for step in (9, 10):
        found = rows(**gone("correct", "length"), **new, step=lambda *_, s=step: s)
        parquet(tmp_path / f"completions_{step}.parquet", found)
    log = read_log(tmp_path)
    assert log.rollouts.correct.tolist() == RIGHT * 2  # the same prompts at two steps: four groups
    assert [k.split(":")[0] for k in log.prompt_ids] == ["9", "9", "10", "10"]
    assert set(log.paid) == {"accuracy_reward", "format_reward"}
    assert (log.paid["format_reward"] == 0).all()
    assert log.advantage[0].tolist() == [0.5, -0.5]
    assert log.rows[0].columns == {"answer": "1", "step": 9}
    assert log.estimated
    named = read_log(tmp_path, columns={"correct": "format_reward"})
    assert named.rollouts.correct.sum() == 0


def test_verl_dumps_a_file_a_step_and_says_score_alone(tmp_path):
    for step in (2, 10):
        (tmp_path / f"{step}.jsonl").write_text(lines(verl_rows(step)))
    with pytest.raises(LogError, match="none of the 8 rows says whether it was right"):
        read_log(tmp_path)
    log = read_log(tmp_path, columns="correct=score,completion=output")
    assert log.rollouts.correct.tolist() == RIGHT * 2
    assert [k.split(":")[0] for k in log.prompt_ids] == ["2", "2", "10", "10"]  # 2 before 10
    assert log.rows[0].columns == {"gts": "1", "step": 2}
    extra = tmp_path / "extra.jsonl"
    extra.write_text(lines(verl_rows(score=lambda _, r: 2 * r - 1, acc=lambda _, r: bool(r))))
    log = read_log(extra)
    assert log.rollouts.correct.tolist() == RIGHT
    assert log.reward.tolist() == [[1.0, -1.0], [-1.0, 1.0]]


def test_scores_beyond_0_and_1_are_two_values_or_need_a_bound(tmp_path):
    file = tmp_path / "log.jsonl"
    file.write_text(lines(verl_rows(score=lambda _, right: 2 * right - 1)))
    log = read_log(file, columns={"correct": "score"})
    assert log.rollouts.correct.tolist() == RIGHT
    assert "score=1 is taken as right, -1 as wrong" in log.notes
    file.write_text(lines(verl_rows(score=lambda i, right: 2 * right - 0.1 * i)))
    with pytest.raises(LogError, match=r"--columns 'correct=score>0.95'"):
        read_log(file, columns={"correct": "score"})
    assert read_log(file, columns="correct=score>1").rollouts.correct.tolist() == RIGHT


def test_openrlhf_gives_the_whole_text_or_input_and_output(tmp_path):
    new = {
        "query": lambda i, right: f"{i} + 1? It is {i + 1 if right else 9}.",
        "label": lambda i, _: str(i + 1),
        "reward": lambda _, right: right,
    }
    found = rows(**gone("completion", "answer", "correct", "length"), **new)
    (tmp_path / "server.jsonl").write_text(lines(found))
    log = read_log(tmp_path / "server.jsonl", columns="correct=reward")
    assert log.rollouts.correct.tolist() == RIGHT
    assert [r.completion for r in log.rows][:2] == [" It is 1.", " It is 9."]
    assert log.prompts == ["0 + 1?", "1 + 1?"]
    pair = [{"input": r["prompt"], "output": r["query"], "reward": r["reward"]} for r in found]
    (tmp_path / "batch.jsonl").write_text(lines(pair))
    assert read_log(tmp_path / "batch.jsonl", columns="correct=reward").prompts == log.prompts


def test_verifiers_results_have_chat_and_a_metric(tmp_path):
    new = {
        "example_id": lambda i, _: i,
        "prompt": lambda i, _: [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": f"{i} + 1?"}]},
        ],
        "completion": lambda i, _: [{"role": "assistant", "content": str(i)}],
        "reward": lambda _, right: right + 0.1,
        "correct_answer_reward_func": lambda _, right: right,
        "info": lambda *_: {"level": 1},
    }
    (tmp_path / "results.jsonl").write_text(lines(rows(**gone("correct", "length"), **new)))
    log = read_log(tmp_path / "results.jsonl")
    assert log.rollouts.correct.tolist() == RIGHT
    assert log.prompts[0] == "Be brief.\n0 + 1?"
    assert any("'correct_answer_reward_func' is taken" in note for note in log.notes)
    assert log.rows[0].columns == {"answer": "1", "info": {"level": 1}}


def test_chat_under_messages_is_split_behind_the_last_question(tmp_path):
    def chat(i, right):
        return [
            {"role": "user", "content": "0 + 0?"},
            {"role": "assistant", "content": "0"},
            {"role": "user", "content": f"{i} + 1?"},
            {"role": "assistant", "content": None},
            {"role": "tool", "content": "adding"},
            {"role": "assistant", "content": str(i + 1 if right else 9)},
        ]

    found = rows(**gone("prompt", "completion"), messages=chat)
    (tmp_path / "log.jsonl").write_text(lines(found))
    log = read_log(tmp_path / "log.jsonl")
    assert log.prompts == ["0 + 0?\n0\n0 + 1?", "0 + 0?\n0\n1 + 1?"]
    assert log.rows[0].completion == "adding\n1"
    asked = rows(**gone("prompt"), messages=lambda i, _: chat(i, 0)[:3])
    (tmp_path / "log.jsonl").write_text(lines(asked))
    assert read_log(tmp_path / "log.jsonl").prompts == log.prompts


def test_text_is_a_completion_and_words_are_numbers(tmp_path):
    found = rows(
        **gone("completion"),
        text=lambda i, right: str(i + right),
        correct=lambda _, right: str(bool(right)),
        length=lambda *_: "7",
        truncated=lambda *_: "False",
    )
    (tmp_path / "log.jsonl").write_text(lines(found))
    log = read_log(tmp_path / "log.jsonl")
    assert log.rollouts.correct.tolist() == RIGHT
    assert not log.rollouts.truncated.any()


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
