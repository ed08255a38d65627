"""Files of trainers' configurations: YAML, JSON, or a Python file with one GRPOConfig(...) call.

Nothing of them is run. A key that stands twice, aliases that unfold to more than a configuration
holds, `**` in a call and text that isn't UTF-8 are refused with the file and the line.
"""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from toyrl.experiments.errors import UsageError
from toyrl.files import foreign, there
from toyrl.messages import PATH, shortened
from toyrl.ranges import Range
from toyrl.rollouts.log_files import TwiceError, once

MOST_VALUES = 100_000  # of a configuration with its aliases unfolded; verl's whole has about 1,000

DEEPEST = 100  # brackets inside one another


@dataclass(frozen=True)
class TrainerFile:
    """What a configuration says: values by key, and the line of each key, dotted where nested."""

    place: Path
    values: dict[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict)

    def refusal(self, key: str, said: str) -> UsageError:
        """The error about a key, with file and line."""
        line = self.lines.get(key)
        where = self.place.name if line is None else f"{self.place.name}, line {line}"
        return UsageError(f"{where}: {said}")

    def number(self, key: str, value: Any, allowed: Range) -> Any:
        """The number, also one written as text (YAML reads 1e-3 so); UsageError outside a range."""
        found = value
        if isinstance(value, str) and value not in allowed.words:
            try:
                found = float(value)
            except ValueError:
                found = value
        if not allowed.allows(found):
            raise self.refusal(key, allowed.refusal(key.rpartition(".")[2], value))
        return int(found) if allowed.whole and found is not None else found

    def word(self, key: str, value: Any, table: Mapping[str, str], *, others: bool = False) -> str:
        """The text, one of the table's keys unless `others` are let through too."""
        if isinstance(value, str) and (others or value in table):
            return value
        said = f"{key.rpartition('.')[2]}={shortened(value)} is not one of {', '.join(table)}"
        raise self.refusal(key, said)


def read(path: Path | str, option: str) -> TrainerFile:
    """The file that `option` names.

    Raises UsageError with the file, and the line where there is one, for what can't be read.
    """
    place = Path(path)
    told = f"{option}={shortened(str(place), PATH)}"
    if not (there(place) and place.is_file()):
        msg = f"{told} is no file; name the trainer's YAML, JSON or Python file"
        raise UsageError(msg)
    kinds = {".py": _python, ".json": _json}
    try:
        data = place.read_bytes()
        values, lines = kinds.get(place.suffix.lower(), _yaml)(data)
    except _Unread as error:
        line = "" if error.line is None else f", line {error.line}"
        msg = f"{told}{line}: {error.said}"
        raise UsageError(msg) from error
    except (RecursionError, MemoryError) as error:
        msg = f"{told} is nested too deeply"
        raise UsageError(msg) from error
    except OSError as error:
        msg = f"{told} can't be read: {error.strerror}"
        raise UsageError(msg) from error
    if not isinstance(values, dict):
        msg = f"{told} holds no mapping of names to values"
        raise UsageError(msg)
    return TrainerFile(place, values, lines)


class _Unread(Exception):
    """Why a file can't be read, and in which line."""

    def __init__(self, said: str, line: int | None = None) -> None:
        super().__init__(said)
        self.said, self.line = said, line


def _text(data: bytes, encoding: str = "utf-8-sig") -> str:
    if said := foreign(data[:16]):
        msg = f"this is {said}"
        raise _Unread(msg)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        name = encoding.removesuffix("-sig").upper()
        msg = f"not {name} (byte {error.start + 1} of the file); write it as UTF-8"
        raise _Unread(msg, line) from error


# -- JSON ------------------------------------------------------------------------------------------
def _json(data: bytes) -> tuple[Any, dict[str, int]]:
    text = _text(data)
    try:
        values = json.loads(text, object_pairs_hook=once)
    except TwiceError as error:
        raise _Unread(str(error), max(_places(text, error.key), default=None)) from error
    except json.JSONDecodeError as error:
        msg = f"can't be read: {error.msg}, column {error.colno}"
        raise _Unread(msg, error.lineno) from error
    except ValueError as error:
        msg = "can't be read: a number has too many digits"
        raise _Unread(msg) from error
    names = values if isinstance(values, dict) else {}
    return values, {name: line for name in names for line in _places(text, name)[:1]}


def _places(text: str, key: str) -> list[int]:
    """Lines in which a key stands, written as it is or by escapes."""
    forms = {re.escape(json.dumps(key, ensure_ascii=x)) for x in (True, False)}
    found = re.finditer(rf"({'|'.join(forms)})\s*:", text)
    return [text.count("\n", 0, m.start()) + 1 for m in found]


# -- YAML ------------------------------------------------------------------------------------------
def _yaml(data: bytes) -> tuple[Any, dict[str, int]]:
    import yaml

    text, lines = _text(data), {}
    if _depth(text) > DEEPEST:  # PyYAML takes the square of it
        raise RecursionError
    loader = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None, lines
        _unfolded(node, {}, set())
        for dotted, line in _yaml_keys(node, ""):
            lines.setdefault(dotted, line)
        return loader.construct_document(node), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = f"can't be read: {error.problem or error.context}"
        raise _Unread(said, None if mark is None else mark.line + 1) from error
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:
        said = f"can't be read: {' '.join(str(error).split())}"
        raise _Unread(said) from error
    finally:
        if loader is not None:
            loader.dispose()


def _depth(text: str) -> int:
    """Most brackets that are open at a time."""
    return max(accumulate((c in "[{") - (c in "]}") for c in text if c in "[]{}"), default=0)


def _children(node: Any) -> Iterator[Any]:
    for item in node.value if isinstance(node.value, list) else ():
        yield from item if isinstance(item, tuple) else (item,)


def _unfolded(node: Any, known: dict[int, int], above: set[int]) -> int:
    """Values of a node with its aliases unfolded; refused where there are too many, or a loop."""
    if id(node) not in known:
        if id(node) in above:
            msg = "a value holds itself, by an alias"
            raise _Unread(msg, node.start_mark.line + 1)
        inside = above | {id(node)}
        known[id(node)] = 1 + sum(_unfolded(child, known, inside) for child in _children(node))
    if known[id(node)] > MOST_VALUES:
        msg = f"its aliases unfold to more than {MOST_VALUES:,} values; write what is meant"
        raise _Unread(msg, node.start_mark.line + 1)
    return known[id(node)]


def _yaml_keys(node: Any, above: str) -> Iterator[tuple[str, int]]:
    """(dotted key, line) of all mappings; refuses a key that stands twice in one."""
    if node.id == "sequence":
        return
    seen: dict[str, int] = {}
    for key, value in node.value if node.id == "mapping" else ():
        line = key.start_mark.line + 1
        if key.id != "scalar":
            continue
        if key.value in seen:
            said = f"key {shortened(key.value)} stands twice (before in line {seen[key.value]})"
            raise _Unread(said, line)
        seen[key.value] = line
        dotted = f"{above}.{key.value}" if above else key.value
        yield dotted, line
        yield from _yaml_keys(value, dotted)


# -- Python ----------------------------------------------------------------------------------------
def _python(data: bytes) -> tuple[dict[str, Any], dict[str, int]]:
    """Literal keywords of the file's only GRPOConfig(...) call; others hold an `Unreadable`."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    except SyntaxError:  # not UTF-8 in its first lines, or an unknown encoding
        encoding = "utf-8-sig"
    try:
        tree = ast.parse(_text(data, encoding))
    except SyntaxError as error:
        said = f"syntax error: {error.msg}"
        raise _Unread(said, error.lineno) from error
    except ValueError as error:  # NUL bytes, in some versions of Python
        said = f"syntax error: {error}"
        raise _Unread(said) from error
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and _called(n) == "GRPOConfig"]
    if len(calls) != 1:
        msg = f"calls GRPOConfig {len(calls)} times; one call is needed"
        raise _Unread(msg)
    values: dict[str, Any] = {}
    lines: dict[str, int] = {}
    if unpacked := [n for n in calls[0].args if isinstance(n, ast.Starred)]:
        raise _unpacked(unpacked[0].value)
    for k in calls[0].keywords:
        if k.arg is None:
            raise _unpacked(k.value)
        if k.arg in lines:
            said = f"{k.arg} stands twice (before in line {lines[k.arg]})"
            raise _Unread(said, k.value.lineno)
        lines[k.arg] = k.value.lineno
        try:
            values[k.arg] = ast.literal_eval(k.value)
        except (ValueError, TypeError):
            values[k.arg] = Unreadable()
    return values, lines


class Unreadable:
    """A value that a Python file computes."""


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def _unpacked(value: ast.expr) -> _Unread:
    said = (
        f"what {shortened(ast.unparse(value))} unpacks in GRPOConfig(...) isn't read; write the "
        "arguments out, or give the configuration as YAML"
    )
    return _Unread(said, value.lineno)
