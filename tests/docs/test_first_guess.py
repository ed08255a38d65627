"""CONTRIBUTING's first-guess test: twelve ideas, each where a newcomer would look for it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.places import ROOT

ROW = re.compile(r"^\| (.+?) \| `([\w/]+\.py)` \| `(\w+)` \|$", re.MULTILINE)
SECTION = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## The first-guess test")[1]
ROWS = ROW.findall(SECTION)


def names(path: Path) -> Iterator[str]:
    """What a file defines at its top: functions, classes, catalogue names, preset names."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
            for call in node.decorator_list:
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "entry":
                    yield ast.literal_eval(call.args[0])
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Dict):
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if ast.unparse(target) == "PRESETS":
                yield from (ast.literal_eval(k) for k in node.value.keys if k is not None)


def homes(name: str, *, beside: str) -> set[str]:
    """Files of the same top folder (of `toyrl`, the same package) that define a name."""
    parts = beside.split("/")
    top = ROOT / parts[0] if parts[0] != "toyrl" else ROOT / parts[0] / parts[1]
    files = top.rglob("*.py") if top.is_dir() else [top]
    return {p.relative_to(ROOT).as_posix() for p in files if name in set(names(p))}


def test_there_are_twelve():
    assert len(ROWS) == 12
    assert len({question for question, _, _ in ROWS}) == 12


@pytest.mark.parametrize(("question", "path", "name"), ROWS, ids=[r[2] for r in ROWS])
def test_the_first_guess_is_right(question, path, name):
    assert path in homes(name, beside=path), f"{question}: {path} doesn't define {name}"


@pytest.mark.parametrize(("question", "path", "name"), ROWS, ids=[r[2] for r in ROWS])
def test_there_is_no_second_place(question, path, name):
    assert homes(name, beside=path) == {path}, question


def test_control_a_wrong_guess_is_seen():
    assert homes("laser", beside="toyrl/shapers/outcome.py") == {
        "toyrl/shapers/length/truncation.py"
    }
    assert homes("laser", beside="toyrl/estimators/group.py") == set()
