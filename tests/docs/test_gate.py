"""The API reference holds every public name, and every public name says what a user must know."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

import toyrl
from docs.generate import api, gate
from docs.generate.modules import ROOT, Module, folders, top_modules

MODULES = {m.name: m for f in (top_modules(), *folders()) for m in f.modules}
# Of this checkout, which no test changes: read once.
found, pages, exported = cache(gate.found), cache(api.pages), cache(api.exported)


def broken(text: str, *, module: str = "toyrl.theory.sample") -> dict[str, tuple[str, ...]]:
    """Violations of each public name of a module with this text."""
    place = Module(module, Path("sample.py"))
    return {p.node.name: gate.violations(p) for p in gate.read(place, text)}


def test_no_new_violation():
    new = sorted(set(found()) - set(gate.listed()))
    assert new == [], "mend the docstring; the rule stands in docs/generate/gate.py"


def test_the_list_of_violations_only_becomes_shorter():
    mended = sorted(set(gate.listed()) - set(found()))
    assert mended == [], "no longer wrong: take these lines out of docs/generate/unfinished.txt"
    assert gate.listed() == sorted(set(gate.listed()))


def test_every_public_name_is_in_the_reference():
    text = "\n".join(pages().values())
    for item in gate.public():
        assert f"::: {item.module.name}\n" in text, item.name


@pytest.mark.parametrize("name", toyrl.__all__)
def test_every_export_is_in_the_index_and_defined_in_a_module_of_the_reference(name):
    rows = {row[0]: row for row in exported()}
    assert f"`toyrl.{name}`" in pages()["api/index.md"]
    if name != "__version__":
        assert rows[name][1].startswith("["), f"{rows[name][1]} is on no page of the reference"


def test_every_folder_of_the_library_is_read():
    for path in (ROOT / "toyrl").iterdir():
        inside = (
            [p for p in path.resolve().rglob("*.py") if p.stat().st_size] if path.is_dir() else []
        )
        if inside and path.name not in ("__pycache__", "experiments"):
            assert any(name.startswith(f"toyrl.{path.name}") for name in MODULES), path.name


def test_what_is_whole_passes():
    text = '''"""Closed forms. Derived."""
def flow(z: Array) -> Array:
    """(K,) the update. Raises ValueError for an empty z."""
    if not len(z):
        raise ValueError(msg)
'''
    assert broken(text) == {"flow": ()}


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("def f(x): return x", ("documented", "source")),
        ('def f(x: np.ndarray):\n    """Derived. The answer."""', ("shapes",)),
        ('def f(x) -> Array:\n    """Derived. The answer (good, best, bad)."""', ("shapes",)),
        ('def f(x):\n    """Derived."""\n    raise KeyError(x)', ("errors",)),
        ('def f(x):\n    """A formula."""', ("source",)),
        ('class F:\n    """Derived."""\n    x: Array', ("shapes",)),
        (
            'class F:\n    """Derived."""\n    def __init__(self):\n        raise ValueError(1)',
            ("errors",),
        ),
    ],
)
def test_control_each_part_of_the_rule_can_fail(text, missing):
    assert list(broken(text).values()) == [missing]


def test_control_private_names_and_nested_functions_are_left_alone():
    text = "def _f(x): raise ValueError\n"
    text += 'def g():\n    """Derived."""\n    def h():\n        raise KeyError'
    assert broken(text) == {"g": ()}


def test_a_source_is_asked_of_formulas_only():
    text = 'def f(x):\n    """Reads a file."""'
    assert broken(text, module="toyrl.rewards.specs") == {"f": ()}
    assert broken(text, module="toyrl.shapers.base") == {"f": ()}
    assert broken(text, module="toyrl.shapers.length.new") == {"f": ("source",)}
