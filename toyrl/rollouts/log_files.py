"""Files of rows as trainers and people write them, read into dicts with their line numbers.

| file              | rows                                                             |
|-------------------|------------------------------------------------------------------|
| JSON lines        | one object a line                                                |
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from toyrl.rollouts.log_columns import LogError

GZIP, ZSTD, PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
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
    if place.is_dir():
        return _folder(place)
    if not place.is_file():
        msg = (
            f"{place} is no file; give a log: JSONL, JSON, CSV or parquet, packed with gzip or not"
        )
        raise LogError(msg)
    with place.open("rb") as source:
        start = source.read(4)
    if start == ZSTD:
        msg = f"{place.name} is packed with zstd, which isn't read; unpack it or use gzip"
        raise LogError(msg)
    packed = start[:2] == GZIP
    rows = Rows(place.name)
    kind = (Path(place.stem) if packed and place.suffix == ".gz" else place).suffix.lower()
    try:
        if start == PARQUET or (kind == ".parquet" and not packed):
            _parquet(place, rows)
        elif kind in TABLES:
            _table(_unpacked(place, packed), TABLES[kind], rows)
        else:
            _json(_unpacked(place, packed), rows)
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


# -- JSON ------------------------------------------------------------------------------------------
def _unpacked(place: Path, packed: bool) -> io.BufferedIOBase:
    return gzip.open(place, "rb") if packed else place.open("rb")  # type: ignore[return-value]


def _json(source: io.BufferedIOBase, rows: Rows) -> None:
    """Lines, unless the whole is one value over several lines or an array."""
    with source:
        data = source.read()
    lines = data.splitlines() if b"\r" in data and b"\n" not in data else data.split(b"\n")
    start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    first = next((x for x in lines if x.strip()), b"")
    if start == b"[" or (start == b"{" and _value(first) is None):
        whole = _value(data)
        listed = None if whole is None else _listed(whole)
        if listed is not None:
            for number, value in enumerate(listed, start=1):
                rows.add(number, value)
            return
    for number, raw in enumerate(lines, start=1):
        if raw.strip():
            _decode(number, raw, rows)
    if len(rows.found) == 1 and not rows.bad:  # columns, or rows under a key, on one line
        listed = _listed(rows.found[0][1])
        if listed:
            rows.found = []
            for number, value in enumerate(listed, start=1):
                rows.add(number, value)


def _value(raw: bytes) -> Any:
    """The JSON value, or None where it is none."""
    try:
        return json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None


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
        value = json.loads(raw.decode("utf-8-sig"))
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
def _table(source: io.BufferedIOBase, separator: str, rows: Rows) -> None:
    text = io.TextIOWrapper(source, encoding="utf-8-sig", newline="")  # type: ignore[type-var]
    before = csv.field_size_limit(sys.maxsize)  # completions are longer than csv's 131,072
    try:
        with text:
            reader = csv.DictReader(text, delimiter=separator, strict=True)
            for number, row in enumerate(reader, start=1):
                kept = {k: _cell(v) for k, v in row.items() if k is not None}
                rows.found.append((number, kept))
    except (csv.Error, UnicodeDecodeError) as error:
        msg = f"{rows.name} is no readable table: {error}"
        raise LogError(msg) from error
    finally:
        csv.field_size_limit(before)


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
