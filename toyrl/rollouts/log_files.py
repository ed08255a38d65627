"""Files of rows as trainers and people write them, read into dicts with their line numbers.

| file              | rows                                                             |
|-------------------|------------------------------------------------------------------|
| JSON lines        | one object a line, or over several                               |
| JSON              | an array of objects, an object of columns, or one key with rows  |
| CSV, TSV          | a line with names first; empty cells are absent                  |
| parquet           | by pyarrow (extra `llm`)                                         |
| any of them `.gz` | told by its first bytes                                          |
| a folder          | its files of one kind, in the order of the numbers in their names|
"""

from __future__ import annotations

import ast
import csv
import gzip
import io
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from toyrl.files import foreign, there
from toyrl.messages import PATH, shortened
from toyrl.rollouts.log_columns import LogError

GZIP, PARQUET = b"\x1f\x8b", b"PAR1"
BLANK = re.compile(r"[ \t\r\n]*")
KINDS = (".parquet", ".jsonl", ".json", ".csv", ".tsv")
"""Kinds of files that a folder is searched for; the first kind found is read."""
TABLES = {".csv": ",", ".tsv": "\t"}
NO_PYARROW = "reading parquet needs pyarrow: pip install pyarrow, or give the log as JSONL"


class BadRow(NamedTuple):
    """A row that can't be used: where, why in full, and the kind of fault that it is."""

    line: int
    reason: str
    cause: str


@dataclass
class Rows:
    """What a file holds: (line or number, row) of readable rows, and the others."""

    name: str
    found: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)

    def add(self, line: int, value: Any) -> None:
        """Take a row; anything but an object is a bad one."""
        if isinstance(value, dict):
            self.found.append((line, value))
        else:
            kind = f"a {type(value).__name__}, not an object"
            self.bad.append(BadRow(line, f"{kind} on one line", kind))

    @property
    def columns(self) -> list[str]:
        """Names of all columns that hold something, in the order of their first appearance."""
        names = (k for _, row in self.found for k, v in row.items() if v is not None)
        return list(dict.fromkeys(names))


def read_rows(path: Any) -> Rows:
    """The rows of a file or folder.

    Raises LogError where there is none, or where the whole can't be read.
    """
    place = Path(path)
    if there(place) and place.is_dir():
        return _folder(place)
    if not (there(place) and place.is_file()):
        said = f"{shortened(str(place), PATH)} is no file"
        msg = f"{said}; give a log: JSONL, JSON, CSV or parquet, packed with gzip or not"
        raise LogError(msg)
    with place.open("rb") as source:
        start = source.read(4)
    packed = start[:2] == GZIP
    rows = Rows(place.name)
    kind = (Path(place.stem) if packed and place.suffix == ".gz" else place).suffix.lower()
    try:
        if start == PARQUET or (kind == ".parquet" and not packed):
            _parquet(place, rows)
        elif kind in TABLES:
            _table(_content(place, packed), TABLES[kind], rows)
        else:
            _json(_content(place, packed), rows)
    except (gzip.BadGzipFile, EOFError) as error:
        msg = f"{place.name} can't be unpacked: {error}"
        raise LogError(msg) from error
    return rows


# -- folders ---------------------------------------------------------------------------------------
def files_of(place: Path) -> list[Path]:
    """A folder's files of one kind, by the numbers in their names; LogError if there are none."""
    files = [f for f in place.iterdir() if f.is_file()]
    for kind in KINDS:
        mine = [f for f in files if f.name.lower().removesuffix(".gz").endswith(kind)]
        if mine:
            return sorted(mine, key=_natural)
    msg = (
        f"{place} is a folder and holds no file to read ({', '.join(KINDS)}); TRL writes "
        "parquet files to output_dir/completions, verl JSONL files to rollout_data_dir"
    )
    raise LogError(msg)


def _folder(place: Path) -> Rows:
    out = Rows(place.name)
    for file in files_of(place):
        rows, before = read_rows(file), len(out.found) + len(out.bad)
        out.found += [(before + line, row) for line, row in rows.found]
        out.bad += [
            BadRow(before + b.line, f"{file.name} line {b.line}: {b.reason}", b.cause)
            for b in rows.bad
        ]
    return out


def _natural(file: Path) -> list[Any]:
    """2.jsonl before 10.jsonl."""
    return [(int(x), "") if x.isdigit() else (-1, x) for x in re.split(r"(\d+)", file.name)]


def _content(place: Path, packed: bool) -> bytes:
    """The bytes of a file, unpacked; LogError where they are no text."""
    with gzip.open(place, "rb") if packed else place.open("rb") as source:
        data = source.read()
    said = foreign(data[:16])
    if not said and re.match(rb"[\[{]\0|\0[\[{]", data):
        said = "UTF-16 without a mark; write it as UTF-8 (iconv -f UTF-16LE -t UTF-8)"
    if said:
        msg = f"{place.name} is {'packed with gzip, and inside it is ' * packed}{said}"
        raise LogError(msg)
    return data


# -- JSON ------------------------------------------------------------------------------------------
class TwiceError(ValueError):
    """A key stands twice in one object; `key` is its name."""

    def __init__(self, key: str) -> None:
        super().__init__(f"key {shortened(key)} stands twice")
        self.key = key


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object's pairs as a dict, for `json.loads(object_pairs_hook=...)`.

    Raises TwiceError where a key is repeated.
    """
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        raise TwiceError(next(name for name in names if names.count(name) > 1))
    return made


ROWS = json.JSONDecoder(object_pairs_hook=once)


def _json(data: bytes, rows: Rows) -> None:
    """Lines, unless the whole is an array or objects over several lines."""
    lines = data.splitlines() if b"\r" in data and b"\n" not in data else data.split(b"\n")
    while lines and not lines[-1].strip():
        lines.pop()
    start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    first = next((x for x in lines if x.strip()), b"")
    if start == b"[" or (start == b"{" and not _is_json(first)):
        whole = _whole(data, rows.name)
        if whole is not None:
            _add_all(whole, rows)
            return
    _lines(lines, rows)
    if len(rows.found) == 1 and not rows.bad:  # columns, or rows under a key, on one line
        listed = _listed(rows.found[0][1])
        if listed:
            rows.found = []
            _add_all(listed, rows)


def _lines(lines: list[bytes], rows: Rows) -> None:
    """Each line that isn't blank by itself, or many at once as long as they are rows of scores."""
    at, step, quick = 0, 64, True
    while at < len(lines):
        part = lines[at : at + step]
        values = _together(part) if quick else None
        quick = values is not None
        if values is not None:
            rows.found += zip(range(at + 1, at + step + 1), values, strict=False)
        for number, raw in enumerate(part if values is None else (), start=at + 1):
            if raw.strip():
                _decode(number, raw, rows)
        at, step = at + step, min(4 * step, 4096)


def _together(lines: list[bytes]) -> list[dict[str, Any]] | None:
    """The objects of lines in which every colon stands behind a key, so that no key stands twice.

    Read as one array, in a quarter of the time; None for all else, which is read line by line.
    """
    if not all(raw[:1] == b"{" and raw[-1:] == b"}" for raw in lines):
        return None
    try:
        values = json.loads((b"[" + b",".join(lines) + b"]").decode())
    except (ValueError, RecursionError):
        return None
    if len(values) != len(lines):
        return None
    return values if sum(map(len, values)) == sum(raw.count(b":") for raw in lines) else None


def _add_all(values: list[Any], rows: Rows) -> None:
    """Take rows by their numbers; an error in the place of one is a bad row."""
    for number, value in enumerate(values, start=1):
        if isinstance(value, ValueError):
            rows.bad.append(BadRow(number, str(value), _cause(value)))
        else:
            rows.add(number, value)


def _cause(error: ValueError) -> str:
    return "a key stands twice" if isinstance(error, TwiceError) else "not JSON"


def _is_json(raw: bytes) -> bool:
    try:
        json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    return True


def _whole(data: bytes, name: str) -> list[Any] | None:
    """The rows of a file that isn't read by lines: an array, columns, rows under a key, objects.

    Errors stand where rows can't be read. None where the file is none of these.
    """
    try:
        text = data.decode("utf-8-sig")
        array = text.lstrip().startswith("[")
        values = list(_elements(text) if array else _objects(text))
    except (ValueError, RecursionError):
        return None
    if array or len(values) > 1:
        return values
    if isinstance(values[0], TwiceError):
        msg = f"{name}: {values[0]}"
        raise LogError(msg)
    return _listed(values[0]) or values


def _objects(text: str) -> Iterator[Any]:
    """JSON values one behind the other, as jq writes them; ValueError for other text."""
    at = _skip(text, 0)
    while at < len(text):
        value, at = _next(text, at)
        yield value
        at = _skip(text, at)


def _elements(text: str) -> Iterator[Any]:
    """The elements of an array, and an error for where it breaks off.

    Raises ValueError where something follows the array.
    """
    at = _skip(text, _skip(text, 0) + 1)
    while text[at : at + 1] != "]":
        try:
            value, at = _next(text, at)
        except json.JSONDecodeError as error:
            where = f"line {error.lineno} column {error.colno}"
            yield ValueError(f"the array can't be read on: {error.msg}, {where}")
            return
        yield value
        at = _skip(text, at)
        if text[at : at + 1] == ",":
            at = _skip(text, at + 1)
        elif text[at : at + 1] != "]":
            yield ValueError("the array can't be read on: no comma or ] follows")
            return
    if _skip(text, at + 1) < len(text):
        msg = "more than an array"
        raise ValueError(msg)


def _next(text: str, at: int) -> tuple[Any, int]:
    """(value, where it ends); a TwiceError as the value of an object with a key twice."""
    try:
        return ROWS.raw_decode(text, at)
    except TwiceError as error:
        return error, json.JSONDecoder().raw_decode(text, at)[1]


def _skip(text: str, at: int) -> int:
    found = BLANK.match(text, at)
    assert found is not None
    return found.end()


def _listed(whole: Any) -> list[Any] | None:
    """The rows of a whole file: an array, columns side by side, or the only list of objects."""
    if isinstance(whole, list):
        return whole if all(isinstance(x, dict) for x in whole) else None
    if not isinstance(whole, dict) or not whole:
        return None
    values = list(whole.values())
    inner = [v for v in values if isinstance(v, list) and v and isinstance(v[0], dict)]
    same = len({len(v) if isinstance(v, (list, dict)) else -1 for v in values}) == 1
    if same and len(values) > 1 and all(isinstance(v, list) for v in values):
        return [dict(zip(whole, row, strict=True)) for row in zip(*values, strict=True)]
    if same and len(values) > 1 and all(isinstance(v, dict) for v in values):  # pandas' to_json
        keys = list(values[0])
        if all(list(v) == keys for v in values) and keys and keys[0].isdigit():
            return [{name: whole[name][k] for name in whole} for k in keys]
    if len(inner) == 1 and "messages" not in whole and "completion" not in whole:
        return inner[0]
    return None


def _decode(number: int, raw: bytes, rows: Rows) -> None:
    try:
        value = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=once)
    except TwiceError as error:
        rows.bad.append(BadRow(number, str(error), _cause(error)))
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 (byte {error.start + 1} of the line)"
        rows.bad.append(BadRow(number, reason, "not UTF-8"))
    except json.JSONDecodeError as error:
        reason = f"not JSON: {error.msg}, column {error.colno}"
        rows.bad.append(BadRow(number, reason, "not JSON"))
    except (ValueError, RecursionError) as error:  # a number of too many digits, deep nesting
        rows.bad.append(BadRow(number, f"not JSON: {error}", "not JSON"))
    else:
        rows.add(number, value)


# -- tables ----------------------------------------------------------------------------------------
def _table(data: bytes, separator: str, rows: Rows) -> None:
    before = csv.field_size_limit(sys.maxsize)  # completions are longer than csv's 131,072
    try:
        text = io.StringIO(data.decode("utf-8-sig"), newline="")
        reader = csv.DictReader(text, delimiter=separator, strict=True)
        _named_once(reader.fieldnames or (), rows.name)
        for number, row in enumerate(reader, start=1):
            kept = {k: _cell(v) for k, v in row.items() if k is not None}
            rows.found.append((number, kept))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        msg = f"{rows.name}, line {line}: not UTF-8 (byte {error.start + 1} of the file)"
        raise LogError(msg) from error
    except csv.Error as error:
        msg = f"{rows.name} is no readable table: {error}"
        raise LogError(msg) from error
    finally:
        csv.field_size_limit(before)


def _named_once(names: Sequence[str], file: str) -> None:
    """Refuse a table with two columns of one name."""
    try:
        once([(name, None) for name in names if name])
    except TwiceError as error:
        msg = f"{file}: column {shortened(error.key)} stands twice; leave one out or rename it"
        raise LogError(msg) from error


def _cell(text: str | None) -> Any:
    """A cell: nothing if empty, chat messages as JSON or as Python writes them, else its text."""
    if not text:
        return None
    if re.match(r"\[\s*\{", text):
        for parse in (json.loads, ast.literal_eval):
            try:
                return parse(text)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
    return text


def _parquet(place: Path, rows: Rows) -> None:
    try:
        import pyarrow.parquet as pq
    except ImportError as error:
        raise LogError(NO_PYARROW) from error
    try:
        listed = pq.read_table(place).to_pylist()
    except (OSError, ValueError) as error:
        msg = f"{place} is no readable parquet file: {error}"
        raise LogError(msg) from error
    for number, row in enumerate(listed, start=1):
        rows.add(number, {k: None if v != v else v for k, v in row.items()})
