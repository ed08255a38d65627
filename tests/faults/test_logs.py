"""Logs that say one thing twice, numbers beyond all bounds, files of other formats."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
from pathlib import Path

import pytest

from toyrl.rollouts.logs import LogError, read_columns, read_log

HUGE = "1" + "0" * 400
ROW = {"prompt": "p", "completion": "c", "length": 3, "correct": 1}
GOOD = json.dumps(ROW)


def written(*rows: str, name: str = "log.jsonl") -> Path:
    place = Path(name)
    place.write_text("\n".join(rows) + "\n")
    return place


def refusal(place: Path) -> str:
    with pytest.raises(LogError) as caught:
        read_log(place)
    return str(caught.value)


def with_number(name: str, number: str) -> str:
    return json.dumps({**ROW, name: "NUMBER"}).replace('"NUMBER"', number)


# -- said twice ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "twice",
    [
        pytest.param('{"prompt": "p", "completion": "c", "correct": 0, "correct": 1}', id="row"),
        pytest.param('{"prompt": "p", "completion": "c", "correct": 1, "x": {"correct": 1, '
                     '"correct": 0}}', id="inside"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["lines", "array"])
def test_3a_duplicated_key(twice, form):
    rows = [GOOD, twice, GOOD]
    place = written(*rows) if form == "lines" else written("[", ",\n".join(rows), "]")
    assert "line 2: key 'correct' stands twice" in refusal(place)
    log = read_log(place, skip_bad=True)
    assert log.lines == [1, 3]
    assert log.rollouts.correct.tolist() == [[1.0, 1.0]]
    assert any("key 'correct' stands twice" in note for note in log.notes)


def test_3a_duplicated_key_of_columns_and_of_a_data_set():
    columns = '{"prompt": ["p"], "completion": ["c"],\n "correct": [0], "correct": [1]}'
    assert refusal(written(columns)) == "log.jsonl: key 'correct' stands twice"
    with pytest.raises(LogError, match="line 1: key 'answer' stands twice"):
        read_columns(written('{"prompt": "p", "answer": 1, "answer": 2}'))


def test_3a_duplicated_column_of_a_table():
    place = written("prompt,completion,correct,correct", "p,c,0,1", name="log.csv")
    assert refusal(place).startswith("log.csv: column 'correct' stands twice")


def test_3a_ids_1_and_text_1():
    rows = [json.dumps({**ROW, "prompt_id": i}) for i in (1, "1", 1, "x", "1", 2)]
    log = read_log(written(*rows))
    assert log.prompt_ids == ["1", '"1"', "x", "2"]
    assert log.rollouts.weight.sum(-1).tolist() == [2.0, 2.0, 1.0, 1.0]
    assert '1 prompt ids stand there as a number and as a text (1 and "1")' in log.notes[0]
    same = read_log(written(*(json.dumps({**ROW, "prompt_id": i}) for i in ("1", "1", "2"))))
    assert same.prompt_ids == ["1", "2"]
    assert not any("as a number and as a text" in note for note in same.notes)


# -- numbers ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("number", ["1e200", "1000000001", "-1", HUGE])
def test_3a_absurd_length(number):
    said = refusal(written(GOOD, with_number("length", number)))
    assert "line 2: length=" in said
    assert "is not in [0, 1e+09]" in said
    assert len(said) < 250
    assert read_log(written(with_number("length", "1e9"))).longest == 1e9


@pytest.mark.parametrize("cut", [False, True])
def test_3a_all_lengths_0(cut):
    rows = [json.dumps({**ROW, "length": 0, "truncated": cut})] * 2
    log = read_log(written(*rows))
    assert "every row has length 0: nothing is known of lengths" in log.notes
    assert log.rollouts.max_length == 1.0


@pytest.mark.parametrize(
    "name", ["difficulty", "advantage", "reward", "correct", "length", "truncated", "my_reward"]
)
@pytest.mark.parametrize("number", [HUGE, "Infinity"])
def test_3a_400_digits(name, number):
    said = refusal(written(GOOD, with_number(name, number), GOOD))
    assert "1 of 3 rows can't be used" in said
    assert f"line 2: {name}=" in said
    assert len(said) < 250


def test_3a_5000_digits_anywhere():
    assert "line 2: not JSON" in refusal(written(GOOD, with_number("other", "1" * 5000)))


# -- formats ---------------------------------------------------------------------------------------
UTF16 = f"{GOOD}\n".encode("utf-16")
ARCHIVE = "archive.zip"


def archive() -> bytes:
    with zipfile.ZipFile(ARCHIVE, "w") as made:
        made.writestr("log.jsonl", GOOD)
    return Path(ARCHIVE).read_bytes()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        pytest.param(lambda: UTF16, "is UTF-16; write it as UTF-8 (iconv", id="UTF-16"),
        pytest.param(lambda: GOOD.encode("utf-16-be"), "is UTF-16 without a mark", id="no mark"),
        pytest.param(lambda: GOOD.encode("utf-32"), "is UTF-32", id="UTF-32"),
        pytest.param(lambda: b"\x28\xb5\x2f\xfd and more", "packed with zstd", id="zstd"),
        pytest.param(lambda: bz2.compress(b"{}"), "packed with bzip2", id="bzip2"),
        pytest.param(lambda: lzma.compress(b"{}"), "packed with xz", id="xz"),
        pytest.param(archive, "is a zip archive; unpack it", id="zip"),
        pytest.param(lambda: gzip.compress(UTF16), "inside it is UTF-16", id="UTF-16 in gzip"),
        pytest.param(lambda: gzip.compress(b"PAR1..."), "inside it is parquet", id="parquet in it"),
    ],
)
@pytest.mark.parametrize("name", ["log.jsonl", "log.csv"])
def test_3a_other_formats_are_named(data, says, name):
    Path(name).write_bytes(data())
    said = refusal(Path(name))
    assert said.startswith(f"{name} is ")
    assert says in said
    assert "\n" not in said


def test_3a_gzip_is_read_whatever_it_is_called():
    Path("log.jsonl").write_bytes(gzip.compress(GOOD.encode()))
    assert read_log("log.jsonl").lines == [1]


def test_3a_latin_1_is_named_by_line():
    Path("log.csv").write_bytes("prompt,completion,correct\np,c,1\np,é,1\n".encode("latin-1"))
    assert refusal(Path("log.csv")).startswith("log.csv, line 3: not UTF-8 (byte 35")
    Path("log.jsonl").write_bytes(f'{GOOD}\n{GOOD[:-1]}, "x": "é"}}\n'.encode("latin-1"))
    assert "line 2: not UTF-8 (byte" in refusal(Path("log.jsonl"))


@pytest.mark.parametrize("form", ["array", "array over lines", "objects over lines"])
def test_3a_json_that_isnt_by_lines_is_read(form):
    rows = [{**ROW, "correct": c} for c in (0, 1, 1)]
    texts = {
        "array": json.dumps(rows),
        "array over lines": json.dumps(rows, indent=1),
        "objects over lines": "\n".join(json.dumps(r, indent=1) for r in rows),
    }
    log = read_log(written(texts[form]))
    assert log.rollouts.correct.tolist() == [[0.0, 1.0, 1.0]]
    assert log.lines == [1, 2, 3]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"[{GOOD},\n{GOOD},\n" + '{"prompt": ', "line 3: the array can't be read on: Expecting"),
        (f"[{GOOD}\n{GOOD}]", "line 2: the array can't be read on: no comma or ] follows"),
        (f"[{GOOD}, 7]", "line 2: a int, not an object"),
        (f"[{GOOD}]\n[{GOOD}]", "2 rows, first line 1: a list, not an object on one line"),
    ],
)
def test_3a_a_broken_array_says_where(text, says):
    assert says in refusal(written(text))


def test_names_of_columns_are_told_short():
    """Found by `make torture`."""
    Path("log.jsonl").write_text(json.dumps({f"{c}" * 3000: 1 for c in "abcdef"}) + "\n")
    with pytest.raises(LogError) as caught:
        read_log("log.jsonl")
    assert "aaa..." in str(caught.value)
    assert len(str(caught.value)) < 1000
